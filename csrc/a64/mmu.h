/* Stage 1 translation: walk, TLB, permissions, and the fill of the soft caches. */
#ifndef A64_MMU_H
#define A64_MMU_H

#include "state.h"

enum a64_access { ACC_READ, ACC_WRITE, ACC_FETCH };

/* Fault status codes, Arm ARM "ISS encoding for an exception from a Data Abort"; +
 * level. */
enum {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10,
    FSC_EXTERNAL_WALK = 0x14,
    FSC_ALIGNMENT = 0x21,
    FSC_STAGE2 = 0x100 /* not architectural: the address in xl.ipa needs the host */
};

/* What is asked of a translation. */
struct a64_req {
    uint64_t va;
    enum a64_access acc;
    uint32_t el; /* 0 or 1 */
    bool pan;    /* PSTATE.PAN applies */
    bool no_tlb; /* plain walk without touching the TLB, for the host */
};

struct a64_xl {
    struct a64_page *page; /* for a64_ftlb_fill(): the RAM page and its bytes */
    uint8_t *host;
    struct a64_tlbe e; /* the translation, if fsc is -1 */
    uint64_t pa;       /* of the address asked for */
    uint64_t ipa;      /* with FSC_STAGE2 */
    int32_t fsc;       /* -1 = translated and allowed */
};

void a64_translate_va(struct a64_cpu *cpu, const struct a64_req *req,
                      struct a64_xl *xl);

/* Strips the address tag if TBI is on for va's half. */
uint64_t a64_strip_tag(const struct a64_cpu *cpu, uint64_t va);

/* Points cpu->tlb, cpu->fetch and sp_mask at the current EL, PAN and SCTLR. */
void a64_mode_changed(struct a64_cpu *cpu);

/* Where a VA that hits e lies. */
static inline uint8_t *a64_soft_host(const struct a64_ftlb *e, uint64_t va)
{ return (uint8_t *)(uintptr_t)(va + e->add); }

/* Puts a translated RAM page into the soft TLB of mode. */
void a64_ftlb_fill(struct a64_cpu *cpu, uint64_t va, const struct a64_xl *xl,
                   uint32_t mode);

/* Makes the page of a.pc executable in the fetch cache. Returns X_NEXT, X_EXC or
 * X_STOP. */
enum a64_x a64_fetch_page(struct a64_cpu *cpu, struct a64_code **code);

/* TLB maintenance on one CPU. */
void a64_tlb_flush_all(struct a64_cpu *cpu);
void a64_tlb_flush_asid(struct a64_cpu *cpu, uint16_t asid);
void a64_tlb_flush_va(struct a64_cpu *cpu, uint64_t va, uint16_t asid, bool all_asids);

/* The current ASID, by TCR_EL1.A1 and AS. */
uint16_t a64_current_asid(const struct a64_cpu *cpu);

/* Raises the stop for a page that is RAM but not present, and makes it present. what:
 * addr, va and the is_ flags. */
enum a64_x a64_stop_stage2(struct a64_cpu *cpu, const struct a64_exit *what);

enum {
    SCTLR_M = 1 << 0,
    SCTLR_A = 1 << 1,
    SCTLR_C = 1 << 2,
    SCTLR_SA = 1 << 3,
    SCTLR_SA0 = 1 << 4,
    SCTLR_UMA = 1 << 9,
    SCTLR_I = 1 << 12,
    SCTLR_DZE = 1 << 14,
    SCTLR_UCT = 1 << 15,
    SCTLR_NTWI = 1 << 16,
    SCTLR_NTWE = 1 << 18,
    SCTLR_WXN = 1 << 19,
    SCTLR_SPAN = 1 << 23,
    SCTLR_UCI = 1 << 26
};

#endif
