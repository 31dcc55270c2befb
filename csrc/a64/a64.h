/* A64 CPU core: ARMv8.0-A integer, EL0/EL1, AArch64 only, FP/SIMD absent.
 *
 * One a64_mem is the guest-physical address space of one VM; several a64_cpu share it.
 * The core knows no host, no clock and no interrupt controller: a64_run() executes
 * until a cycle budget is used up or something needs the host, and says what. One
 * thread at a time may use a memory and the CPUs on it. Nothing is allocated after the
 * two create calls.
 *
 * Units: _cyc = cycles of the physical CPU, _ticks = counter ticks (CNTFRQ).
 * The header holds only what cffi can parse (types, enums, prototypes).
 */
#ifndef A64_H
#define A64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct a64_mem;
struct a64_cpu;

enum {
    A64_API_VERSION = 1,
    A64_MAX_REGIONS = 8,
    A64_MAX_CPUS = 512,
    A64_MAX_BREAKPOINTS = 32,
    A64_MAX_WATCHPOINTS = 16,
    A64_PAGE_SIZE =
        4096, /* granule of presence and of decoded code, not the guest's page */
    A64_COST_MAX_PLAIN =
        63,            /* classes that do not end a block: data processing, memory */
    A64_COST_MAX = 255 /* branches, system instructions, exceptions */
};

enum a64_status {
    A64_OK = 0,
    A64_EINVAL = -1,  /* argument out of range; nothing changed */
    A64_EFAULT = -2,  /* address not in guest memory / not translated */
    A64_ESTATE = -3,  /* no pending stop of that kind */
    A64_EVERSION = -4 /* snapshot of another layout or configuration */
};

/* Why a64_run() returned. "retry": the PC is still at the instruction, which runs again
 * unless the host completes it. "done": the instruction has retired, the PC is past it.
 */
enum a64_stop {
    A64_STOP_BUDGET = 0, /* budget used up; the next instruction has not started */
    A64_STOP_MMIO,       /* retry: data access outside RAM, or write to ROM ->
                            a64_mmio_complete; a fetch outside -> a64_inject_iabt; a
                            table walk outside (is_walk) -> either, by is_fetch */
    A64_STOP_STAGE2, /* retry: first touch of a RAM page, now present; charge it and run
                        again */
    A64_STOP_HVC,    /* done: imm in value; x0.. through a64_get_x */
    A64_STOP_SMC,    /* done: imm in value */
    A64_STOP_WFI,    /* done: nothing is pending; run again when a line rises */
    A64_STOP_WFE,    /* done: event register was clear */
    A64_STOP_SYSREG, /* retry: trapped system register -> a64_sysreg_complete */
    A64_STOP_TIMER_WRITE, /* done: guest wrote a timer register; rt_or_timer = enum
                             a64_timer */
    A64_STOP_BRK,         /* retry: BRK, only with a64_set_stop_on(.., A64_ON_BRK) */
    A64_STOP_BREAKPOINT,  /* retry: PC breakpoint; the next run steps over it */
    A64_STOP_EVENT,       /* done: SEV, only with A64_ON_SEV */
    A64_STOP_YIELD,       /* done: YIELD, only with A64_ON_YIELD */
    A64_STOP_MARK,        /* done: HINT 80 to 95, which nobody allocates; number in
                             value; only with A64_ON_MARK */
    A64_STOP_WATCHPOINT   /* retry: an access to the watched va, of the watchpoint with
                             value as its `on`; the next run does it */
};

enum { A64_ON_BRK = 1, A64_ON_SEV = 2, A64_ON_YIELD = 4, A64_ON_MARK = 8 };

/* Details of the last stop. Fields not named for a reason are 0. */
struct a64_exit {
    uint64_t pc;    /* instruction that stopped */
    uint64_t addr;  /* MMIO, STAGE2: IPA.  SYSREG: encoding, A64_SYSREG() */
    uint64_t va;    /* MMIO, STAGE2: virtual address (FAR) */
    uint64_t value; /* MMIO/SYSREG write: value.  HVC/SMC/BRK: immediate */
    uint32_t
        esr; /* MMIO, STAGE2, HVC, SMC, SYSREG, WFx: the ESR_EL2 hardware would show */
    uint8_t size;       /* MMIO: bytes 1,2,4,8 */
    uint8_t is_write;   /* MMIO, STAGE2, SYSREG */
    uint8_t sign;       /* MMIO read: sign-extended load */
    uint8_t sixty_four; /* MMIO read: destination is an X register */
    uint8_t
        rt; /* MMIO, SYSREG: transfer register, 31 = XZR; TIMER_WRITE: enum a64_timer */
    uint8_t isv;      /* MMIO: 1 = syndrome valid (single register, no write-back) */
    uint8_t is_fetch; /* MMIO, STAGE2: instruction fetch */
    uint8_t is_walk;  /* STAGE2, MMIO: stage 1 table walk (S1PTW) */
};

struct a64_region {
    uint64_t base; /* IPA, multiple of A64_PAGE_SIZE */
    uint64_t size; /* bytes, multiple of A64_PAGE_SIZE */
    bool rom;      /* guest writes stop as MMIO, as for a read-only memory slot */
};

enum a64_cost_class {
    A64_COST_ALU,
    A64_COST_MUL,
    A64_COST_DIV,
    A64_COST_LOAD,
    A64_COST_STORE,
    A64_COST_NOP,
    A64_COST_LAST_PLAIN = A64_COST_NOP,
    A64_COST_BRANCH,
    A64_COST_BARRIER,
    A64_COST_SYSREG,
    A64_COST_CACHE,
    A64_COST_TLBI,
    A64_COST_EXCLUSIVE,
    A64_COST_EXCEPTION,
    A64_COST_COUNTER,
    A64_N_COST_CLASSES
};

/* What decoded code depends on is the memory's, since its CPUs share the decoded pages.
 */
struct a64_mem_config {
    uint32_t n_regions;
    uint32_t n_code_pages; /* decoded pages kept at once (16.4 KiB each); 0 = 1024 */
    uint32_t n_cpus;       /* most CPUs that will be created; 0 = 1 */
    bool all_present;      /* every page present from the start: no A64_STOP_STAGE2 */
    bool has_crc32;        /* ID_AA64ISAR0_EL1.CRC32 and the instructions */
    bool has_pan;          /* ID_AA64MMFR1_EL1.PAN and PSTATE.PAN */
    bool no_jit;           /* interpret only; the same run, slower */
    uint8_t cost[A64_N_COST_CLASSES]; /* cycles; 0 = 1 */
    struct a64_region region[A64_MAX_REGIONS];
};

struct a64_cpu_config {
    uint64_t mpidr;
    uint8_t pa_bits; /* 32, 36, 40, 42, 44 or 48; 0 = 40 */
};

/* System register encoding as in MRS: (op0<<14)|(op1<<11)|(CRn<<7)|(CRm<<3)|op2. */
uint32_t a64_sysreg_enc(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm,
                        uint32_t op2);

/* --- memory
 * ---------------------------------------------------------------------------- */
/* NULL: out of memory, or a bad configuration (overlap, alignment). */
struct a64_mem *a64_mem_create(const struct a64_mem_config *config);
void a64_mem_destroy(struct a64_mem *mem); /* after its CPUs; NULL is fine */
/* Host access: ROM is writable, pages become present, code and monitors stay coherent.
 */
int a64_mem_read(struct a64_mem *mem, uint64_t ipa, void *buf, size_t len);
int a64_mem_write(struct a64_mem *mem, uint64_t ipa, const void *buf, size_t len);
/* Direct pointer for read-only or load-time use; NULL outside RAM or across a region's
 * end. */
const uint8_t *a64_mem_peek(struct a64_mem *mem, uint64_t ipa, size_t len);
bool a64_mem_is_present(const struct a64_mem *mem, uint64_t ipa);
/* Does its CPUs' code run translated? False: interpreted. The run is the same. */
bool a64_mem_has_jit(const struct a64_mem *mem);
int a64_mem_set_present(struct a64_mem *mem, uint64_t ipa, uint64_t len, bool present);
/* Trap list, for all CPUs on the memory: accesses to enc stop as A64_STOP_SYSREG. EL0
 * checks of the architecture come first; an encoding the core does not know may be
 * trapped too. */
int a64_trap_sysreg(struct a64_mem *mem, uint32_t enc, bool reads, bool writes);

/* --- CPUs
 * ------------------------------------------------------------------------------ */
struct a64_cpu *a64_cpu_create(struct a64_mem *mem,
                               const struct a64_cpu_config *config);
void a64_cpu_destroy(struct a64_cpu *cpu);
/* Warm reset: EL1h, DAIF masked, MMU off, PC = pc, x0..x30 = 0. Counters of work are
 * kept. */
void a64_reset(struct a64_cpu *cpu, uint64_t pc);

/* Runs until budget_cyc cycles are used or a stop. An instruction starts iff at least
 * one cycle of the budget is left, so a run overshoots by less than the last
 * instruction's cost and never with unit costs. budget 0 only delivers a pending
 * interrupt. */
enum a64_stop a64_run(struct a64_cpu *cpu, uint64_t budget_cyc, struct a64_exit *exit);

/* Asked at an HVC of EL1 by translated code, before it stops. now_cyc and X0 to X17 are
 * those after the instruction; only these registers may be changed, and no interrupt
 * line. until_cyc 0 = stop; else the call is done, it is now_cyc, and the run ends at
 * until_cyc. Interpreted code does not ask: it stops. */
struct a64_called {
    uint64_t until_cyc, now_cyc;
};
typedef struct a64_called a64_call_fn(void *context, uint64_t now_cyc);
void a64_set_call(struct a64_cpu *cpu, a64_call_fn *fn, void *context);
uint64_t *a64_regs(struct a64_cpu *cpu); /* X0 to X17, for the above */

/* Completes the pending MMIO stop: value (loads) goes through size/sign to rt, PC += 4.
 */
int a64_mmio_complete(struct a64_cpu *cpu, uint64_t value);
int a64_sysreg_complete(struct a64_cpu *cpu, uint64_t value);
/* Exceptions into EL1 at the current PC, as KVM injects them. */
void a64_inject_dabt(struct a64_cpu *cpu,
                     uint64_t far); /* synchronous external abort */
void a64_inject_iabt(struct a64_cpu *cpu, uint64_t far);
void a64_inject_undef(struct a64_cpu *cpu);

/* --- time
 * ------------------------------------------------------------------------------ */
struct a64_clock {
    uint64_t num, den; /* ticks = cycles * num / den, exactly; both 1..2^32-1 */
    uint64_t cntfrq_hz;
    uint64_t cntvoff_ticks; /* CNTVCT = CNTPCT - cntvoff */
};
enum a64_timer { A64_TIMER_VIRT = 0, A64_TIMER_PHYS = 1 };
int a64_set_clock(struct a64_cpu *cpu, const struct a64_clock *clock);
void a64_get_clock(const struct a64_cpu *cpu, struct a64_clock *clock);
/* now_cyc: absolute time of the physical CPU; a64_run() advances it by the cycles used.
 */
void a64_set_now(struct a64_cpu *cpu, uint64_t now_cyc);
uint64_t a64_now(const struct a64_cpu *cpu);
uint64_t a64_insns(const struct a64_cpu *cpu); /* retired instructions since create */
uint64_t a64_count_ticks(struct a64_cpu *cpu, enum a64_timer timer);
/* ctl: ENABLE and IMASK only; ISTATUS is derived. */
void a64_get_timer(const struct a64_cpu *cpu, enum a64_timer timer, uint32_t *ctl,
                   uint64_t *cval);
void a64_set_timer(struct a64_cpu *cpu, enum a64_timer timer, uint32_t ctl,
                   uint64_t cval);

/* --- interrupts and events
 * --------------------------------------------------------------- */
void a64_set_irq(struct a64_cpu *cpu, bool irq, bool fiq);
void a64_set_serror(struct a64_cpu *cpu, bool pending,
                    uint32_t iss); /* cleared when taken */
bool a64_event_is_set(
    const struct a64_cpu *cpu);          /* event register: a WFE would not wait */
void a64_set_event(struct a64_cpu *cpu); /* SEV from outside, event stream */
void a64_set_stop_on(struct a64_cpu *cpu, uint32_t on_mask);

/* --- registers
 * ----------------------------------------------------------------------------- */
uint64_t a64_get_x(const struct a64_cpu *cpu,
                   uint32_t n); /* n 0..30; 31 = current SP */
void a64_set_x(struct a64_cpu *cpu, uint32_t n, uint64_t value);
uint64_t a64_get_pc(const struct a64_cpu *cpu);
void a64_set_pc(struct a64_cpu *cpu, uint64_t pc);
uint64_t a64_get_pstate(const struct a64_cpu *cpu); /* SPSR layout */
int a64_set_pstate(struct a64_cpu *cpu, uint64_t pstate);
/* By encoding, no permission checks; ID registers are writable here. EINVAL: not on the
 * list. */
int a64_get_sysreg(struct a64_cpu *cpu, uint32_t enc, uint64_t *value);
int a64_set_sysreg(struct a64_cpu *cpu, uint32_t enc, uint64_t value);
/* Stage 1 walk without side effects. el 0 or 1. EFAULT: *ipa = FSC. */
int a64_translate(struct a64_cpu *cpu, uint64_t va, uint32_t el, bool is_write,
                  uint64_t *ipa);
int a64_virt_read(struct a64_cpu *cpu, uint64_t va, void *buf, size_t len);
int a64_virt_write(struct a64_cpu *cpu, uint64_t va, const void *buf, size_t len);
int a64_breakpoint(struct a64_cpu *cpu, uint64_t pc, bool insert);

/* Accesses to [va, va + len) that stop. While there is one, code is interpreted. */
enum { A64_WATCH_READ = 1, A64_WATCH_WRITE = 2 };
struct a64_watchpoint {
    uint64_t va, len;
    uint32_t on; /* A64_WATCH_READ, A64_WATCH_WRITE */
};
int a64_watchpoint(struct a64_cpu *cpu, const struct a64_watchpoint *w, bool insert);

/* --- snapshots
 * ------------------------------------------------------------------------------ */
/* The CPU's is a flat record of fixed size; the memory's holds present, non-zero pages.
 */
size_t a64_cpu_save_size(void);
int a64_cpu_save(const struct a64_cpu *cpu, void *buf, size_t len);
int a64_cpu_load(struct a64_cpu *cpu, const void *buf, size_t len);
/* What of a record cannot be a state of this CPU or memory; NULL: all can. Loading
 * checks as well, and changes nothing if it refuses. */
const char *a64_cpu_check(const struct a64_cpu *cpu, const void *buf, size_t len);
const char *a64_mem_check(const struct a64_mem *mem, const void *buf, size_t len);
size_t a64_mem_save_size(const struct a64_mem *mem);
int a64_mem_save(const struct a64_mem *mem, void *buf, size_t len);
int a64_mem_load(struct a64_mem *mem, const void *buf, size_t len);

/* Event counts of the core itself, for tests and tuning. */
struct a64_stats {
    uint64_t blocks_decoded, insns_decoded, code_invalidations, slow_mem, walks,
        exceptions, blocks_translated;
};
void a64_get_stats(const struct a64_cpu *cpu, struct a64_stats *stats);

/* Decode only: the core's operation name for a word, "UNDEF" for unallocated ones. */
const char *a64_op_name(uint32_t word, bool has_crc32, bool has_pan);

#endif
