/* The structures of the core. Architectural state (saved by snapshots) is struct
 * a64_arch; the rest are caches and host pointers, derivable at any time. */
#ifndef A64_STATE_H
#define A64_STATE_H

#include "a64.h"

/* Register file: 0..30 = X0..X30, then three slots that spare the executor "is it 31?"
 * tests. */
enum { R_ZERO = 31, R_SINK = 32, R_SP = 33, R_COUNT = 34 };

/* Stored system registers (index into a64_arch.sr). */
enum a64_sr {
    SR_SCTLR,
    SR_ACTLR,
    SR_CPACR,
    SR_TTBR0,
    SR_TTBR1,
    SR_TCR,
    SR_SPSR,
    SR_ELR,
    SR_AFSR0,
    SR_AFSR1,
    SR_ESR,
    SR_FAR,
    SR_PAR,
    SR_MAIR,
    SR_AMAIR,
    SR_VBAR,
    SR_CONTEXTIDR,
    SR_TPIDR_EL1,
    SR_TPIDR_EL0,
    SR_TPIDRRO,
    SR_CNTKCTL,
    SR_CSSELR,
    SR_MDSCR,
    SR_OSLSR,
    SR_OSDLR,
    SR_MDCCINT,
    SR_DBGPRCR,
    SR_DBGCLAIM,
    SR_OSDTRRX,
    SR_OSDTRTX,
    SR_OSECCR,
    SR_MIDR,
    SR_MPIDR,
    SR_REVIDR,
    SR_CTR,
    SR_CLIDR,
    SR_CCSIDR0,
    SR_CCSIDR1,
    SR_CCSIDR2,
    SR_CNTFRQ,
    SR_ID, /* the ID block: op1=0, CRn=0, CRm=1..7, op2=0..7 */
    SR_COUNT = SR_ID + 56
};
#define SR_IDX_ID(crm, op2) ((uint32_t)SR_ID + ((crm) - 1u) * 8u + (op2))

/* Memory attributes of a translation. */
enum {
    AT_R0 = 1,
    AT_W0 = 2,
    AT_X0 = 4, /* allowed at EL0 */
    AT_R1 = 8,
    AT_W1 = 16,
    AT_X1 = 32,    /* allowed at EL1, PAN aside */
    AT_DEVICE = 64 /* unaligned accesses fault */
};

/* One architectural TLB entry: a page (shift = granule) or a block (shift larger). */
struct a64_tlbe {
    uint64_t va; /* first address, sign-extended from bit 55 */
    uint64_t pa;
    uint16_t asid;
    uint8_t shift; /* log2 size; 0 = invalid */
    uint8_t global;
    uint8_t attrs; /* AT_* */
    uint8_t mair;  /* attribute byte, for PAR_EL1 */
    uint8_t sh;    /* shareability field */
    uint8_t level; /* for permission faults */
};

enum { TLB_PAGES = 1024, TLB_WAYS = 4, TLB_BLOCKS = 32 };

struct a64_timer_state {
    uint64_t cval; /* ticks */
    uint32_t ctl;  /* ENABLE, IMASK */
    uint32_t pad;
};

/* cycles -> ticks: ticks = tick0 + (rem0 + (now - cyc0) * num) / den, exact. */
struct a64_clock_state {
    uint64_t num, den, recip;   /* recip = floor((2^64-1) / den) */
    uint64_t cyc0, tick0, rem0; /* anchor; moved so that the product stays below 2^64 */
    uint64_t cntvoff_ticks;
};

/* Exclusive reservation (local monitor + this PE's entry in the global monitor). */
struct a64_excl {
    uint64_t pa;   /* exact address of the load */
    uint32_t size; /* bytes; 0 = open access state */
    uint32_t pad;
};

enum a64_pending { PEND_NONE, PEND_MMIO, PEND_SYSREG };

struct a64_arch {
    uint64_t x[R_COUNT];
    /* Flags as words: N = fn<63>, Z = (fz == 0), C = fc (0 or 1), V = fv<63>. fn and fz
     * are both the last result (32-bit ones sign-extended), and differ only if software
     * wrote N and Z. */
    uint64_t fn, fz, fc, fv; /* in this order, see a64_flag_words() */
    uint64_t pc;
    uint64_t sp[2]; /* SP_EL0, SP_EL1; the live one is x[R_SP] */
    uint64_t now_cyc, n_insns;
    uint32_t daif; /* bits 9..6 as in PSTATE */
    uint8_t el, spsel, pan, il;
    uint8_t irq, fiq, serror, event;
    uint32_t serror_iss;
    uint32_t stop_on;
    struct a64_excl excl;
    struct a64_clock_state clock;
    struct a64_timer_state timer[2];
    uint64_t sr[SR_COUNT];
    uint64_t dbg[16][4]; /* DBGBVR, DBGBCR, DBGWVR, DBGWCR */
    uint32_t pending;    /* enum a64_pending */
    uint32_t pa_bits;
    uint64_t skip_bp;     /* PC + 1 of the breakpoint to step over, 0 = none */
    uint64_t skip_wp;     /* the same for a watched access */
    struct a64_exit exit; /* of the pending stop */
    uint32_t next_block, next_way;
    uint8_t ss, stepped; /* PSTATE.SS; what the last software step was, debug.c */
    uint8_t pad[6];
    struct a64_tlbe tlb_page[TLB_PAGES];
    struct a64_tlbe tlb_block[TLB_BLOCKS];
};

/* --- decoded code
 * ------------------------------------------------------------------------ */
/* 16 bytes. rem: cycles from this instruction to its block's end, both included; 0 =
 * not decoded. */
struct a64_slot {
    uint16_t op;
    uint16_t rem;
    uint8_t rd, rn, rm, ra;
    uint64_t imm;
};

enum { SLOTS_PER_PAGE = A64_PAGE_SIZE / 4 };

struct a64_code {
    struct a64_slot slot[SLOTS_PER_PAGE + 1]; /* the last one is OP_PAGE_END */
    uint64_t lines;        /* bit n: a slot of 64-byte line n is decoded */
    struct a64_page *page; /* owner, NULL = free */
    uint8_t *host;         /* the page's bytes */
    uint64_t pa;
    uint32_t next_free; /* free list, index + 1 */
    uint32_t pad[3];
    uint32_t jit[SLOTS_PER_PAGE]; /* translation of the block at a slot, 0 = none */
};

/* --- soft TLB
 * ------------------------------------------------------------------------------ */
/* A tag is the page's VA; the compare keeps an access's low bits, so misalignment
 * misses. */
#define TAG_NONE 0x800ull
enum { FTLB_SIZE = 256, FETCH_SIZE = 256, FTLB_DEVICE = 1 };

struct a64_ftlb {
    uint64_t rtag, wtag;
    uint64_t add; /* host address = va + add */
    uint64_t pa;  /* page, and FTLB_DEVICE: not Normal memory */
};

struct a64_fetch {
    uint64_t tag;
    struct a64_code *code;
};

/* --- memory
 * --------------------------------------------------------------------------------- */
enum { PG_PRESENT = 1, PG_CODE = 2, PG_WATCH = 4, PG_ROM = 8 };

struct a64_page {
    uint32_t code_idx; /* valid with PG_CODE */
    uint32_t flags;
};

struct a64_ram {
    uint64_t base, size;
    uint8_t *host;
    struct a64_page *page;
};

struct a64_mem {
    uint32_t n_ram, n_cpus, max_cpus, n_code;
    uint32_t free_code, evict_code; /* free list head (index + 1); clock hand */
    uint32_t wtag_gen;              /* moves when pages lose the right to a write tag */
    uint32_t code_gen; /* moves when decoded pages are dropped or pages become absent */
    uint8_t has_crc32, has_pan;
    uint8_t cost[A64_N_COST_CLASSES];
    struct a64_ram ram[A64_MAX_REGIONS];
    struct a64_cpu **cpu;
    struct a64_code *code;
    uint64_t trap_r[1024], trap_w[1024]; /* bit per encoding */
    const void **fast_tab; /* dispatch tables, filled by the executor at create */
    const void **step_tab;
    struct a64_jit *jit; /* NULL: interpreted */
};

enum { MODE_EL0, MODE_EL1, MODE_EL1_PAN, N_MODES };

struct a64_cpu {
    struct a64_arch a;
    struct a64_ftlb *tlb;      /* of the current mode */
    struct a64_fetch *fetch;   /* of the current EL */
    struct a64_code *cur_code; /* page the executor is in */
    struct a64_mem *mem;
    uint64_t deadline_cyc; /* now + budget at run entry */
    uint64_t sp_mask;      /* 15 if SP alignment is checked, else 0 */
    uint32_t wtag_seen, code_seen;
    uint32_t cpu_idx;
    uint32_t stop; /* enum a64_stop, with X_STOP and X_STOP_DONE */
    uint32_t n_bp, n_wp;
    bool debug, watch; /* instruction by instruction; every access is looked at */
    uint64_t bp[A64_MAX_BREAKPOINTS];
    struct a64_watchpoint wp[A64_MAX_WATCHPOINTS];
    /* Of the code generator, jit.h; meaningless between runs. */
    int64_t jit_left;   /* cycles after the block being executed */
    uint64_t jit_insns; /* executed in this run */
    uint64_t jit_page;  /* VA of the page being executed */
    uint32_t jit_slot, jit_patch;
    uint16_t jit_flags, jit_pad[3];
    a64_call_fn *on_call;
    void *call_context;
    void *block; /* what free() takes */
    struct a64_stats stats;
    struct a64_ftlb ftlb[N_MODES][FTLB_SIZE];
    struct a64_fetch fetch_cache[2][FETCH_SIZE];
};

/* Outcome of everything the executor calls out of line. */
enum a64_x {
    X_NEXT,     /* retired; go on with the next instruction */
    X_RELOAD,   /* retired; a.pc is the next instruction, look everything up again */
    X_EXC,      /* not retired; an exception was taken, a.pc is its vector */
    X_STOP,     /* not retired (retry); a.exit and stop kind are filled */
    X_STOP_DONE /* retired, a.pc past the instruction; a.exit filled */
};

#endif
