/*
 * compile.h - one walk of a policy table worked out in advance. A walk is
 * executed on concrete flag values; the bits it read become the key.
 */
#ifndef PYEMU_POLICY_COMPILE_H
#define PYEMU_POLICY_COMPILE_H

#include "state/state.h"

/* Flags that live in the pCPU; all others are the vCPU's. */
#define PCPU_FLAGS                                                                 \
    (FLAG(HCAN_V) | FLAG(HDUE_V) | FLAG(HCAN_P) | FLAG(HDUE_P) | FLAG(PIRQ) |      \
     FLAG(RUNNING) | FLAG(VHE) | FLAG(GICV3) | FLAG(FORWARDED) |                   \
     FLAG(ACK_FORWARDED) | FLAG(DIRECT_P) | FLAG(EOIMODE1) | FLAG(RESCHED) |       \
     FLAG(SPURIOUS) | FLAG(SYNC) | bit64(FI_IRQ_OFF) | bit64(FI_PACT_V) |           \
     bit64(FI_PACT_P))

/* Not kept: looked at each time a walk is looked up (found_flags). */
#define FOUND_FLAGS (UINT64_C(15) << FI_VGIC | bit64(FI_OFFSET))

/* Counts beside those of steps that a walk may add to. */
enum path_dyn { DYN_LR_R, DYN_LR_W, DYN_IF_R, DYN_IF_W, DYN_POPULATE, DYN_FOLD,
                DYN_INJECT, DYN_SAMPLE, DYN_SAMPLE_CLEAR, N_DYN };

static const uint8_t DYN_PRIM[N_DYN] = {
    PYEMU_P_LR_R,     PYEMU_P_LR_W, PYEMU_P_VGIC_IF_R,   PYEMU_P_VGIC_IF_W,
    PYEMU_P_POPULATE, PYEMU_P_FOLD, PYEMU_P_VGIC_INJECT, PYEMU_P_EVAL_V_HW,
    PYEMU_P_ACTIVE_CLEAR_V};

/* A trace record of a walk; cval sources are values at the walk's start. */
enum record_arg { ARG_CONST = 0, ARG_HW_V, ARG_MEM_V, ARG_HW_P, ARG_MEM_P };

struct path_record {
    uint32_t offset_cyc;
    uint16_t kind_sub;
    uint16_t arg;
    uint8_t source;
    uint8_t after;  /* handling comes before it, with its extra time */
};

/* Where a walk leaves interrupt 27 in the vgic: lists, facts, list registers. */
struct vgic_moves {
    uint8_t touched;
    uint8_t used;        /* v->used_lrs */
    uint8_t image;       /* v->lr[0].state */
    uint8_t n_lrs;       /* p->n_lrs */
    uint8_t state;       /* p->lr[0].state */
    uint8_t listed;      /* on the ap_list */
    uint8_t active;
    uint8_t line;
    uint8_t pact;        /* SET_ONE, SET_ZERO: physically active */
    uint8_t acked;       /* an interrupt was taken and finished */
};

enum { FROM_HW = 0, FROM_MEM = 1, FROM_ZERO = 2 };
enum { KEEP = 0, SET_GUEST = 1, SET_ZERO = 2, SET_ONE = 3 };

/* Where each register's value comes from at the end of the walk. */
struct reg_moves {
    uint8_t hw_ctl;
    uint8_t hw_cval;
    uint8_t mem_ctl;
    uint8_t mem_cval;
    uint8_t any;
};

/* One cache line of what every application touches, then the rest. */
struct variant {
    uint64_t mask;     /* flag bits the walk read ... */
    uint64_t want;     /* ... and their values */
    uint64_t set;
    uint64_t clear;
    uint64_t count;    /* times applied since the last fold */
    uint32_t cost;
    uint32_t switch_cyc;
    uint16_t end_pc;
    uint16_t moves_id; /* equal for equal moves; 0: none */
    uint8_t full;      /* from the first exit step into the guest */
    uint8_t enters;    /* ends in the guest */
    uint8_t effect;    /* the step at end_pc runs next, its guard holds */
    uint8_t handle_prim;
    uint8_t end_hook;
    uint8_t reason;
    uint8_t stat;      /* counter that handling adds to */
    uint8_t vgic;      /* vgic steps done; into the guest with 0 or 4 */
    uint8_t n_records;
    uint16_t n_steps;  /* 0: no walk from here */
    uint64_t n_extra;  /* of count, with handling time of their own */
    uint32_t next;
    uint32_t first_step;
    uint8_t cnthctl;
    uint8_t running;
    uint8_t irq_saved;
    uint8_t line[N_TIMERS]; /* where the walk leaves an output line it moved */
    uint8_t raises;         /* the virtual timer's line rose in between */
    uint8_t n_irqs;         /* host interrupts 27 */
    uint8_t n_injects;
    uint8_t injected;       /* 27 became pending: 1 before handling, 2 after */
    uint32_t injected_cyc;  /* when, from the walk's start */
    uint32_t first_record;
    uint8_t dyn[N_DYN];
    struct vgic_moves gic;
    struct reg_moves moves[N_TIMERS];
};

enum { MAX_VARIANTS = 4096, STEP_POOL = 131072, RECORD_POOL = 16384,
       NO_VARIANT = 0, MOVES_ONCE = 0xffff /* not to be left out when repeated */ };

struct path_cache {
    _Alignas(64) struct variant variants[MAX_VARIANTS]; /* 0 matches nothing */
    uint32_t head[PYEMU_MAX_STEPS];
    uint32_t n_variants;
    uint32_t trip[PYEMU_X_COUNT]; /* latest round trip of each reason */
    uint32_t n_pool;
    uint32_t n_records;
    uint16_t pool[STEP_POOL];
    struct path_record records[RECORD_POOL];
};

/* CNTVOFF and the VM's offset; only where some VM has one does it matter. */
static inline uint64_t offset_flag(const struct pyemu_machine *m, const struct pcpu *p,
                                   const struct vcpu *v)
{
    return m->has_offsets && p->offset_ticks == m->vms[v->vm].cntvoff_ticks
               ? bit64(FI_OFFSET)
               : 0;
}

/* New variant for these flags; NULL when the cache is full. */
struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc,
                                      uint64_t flags);

#endif
