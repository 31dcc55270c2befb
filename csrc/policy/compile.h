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
     FLAG(SPURIOUS) | FLAG(SYNC) | bit64(FI_IRQ_OFF) | bit64(FI_PACT_V) |          \
     bit64(FI_PACT_P))

enum { FROM_HW = 0, FROM_MEM = 1, FROM_ZERO = 2 };
enum { VGIC_OP_SAVE = 1, VGIC_OP_SYNC = 2, VGIC_OP_FLUSH = 4, VGIC_OP_RESTORE = 8 };

enum { KEEP = 0, SET_GUEST = 1, SET_ZERO = 2, SET_ONE = 3 };

/* Where each register's value comes from at the end of the walk. */
struct reg_moves {
    uint8_t hw_ctl;
    uint8_t hw_cval;
    uint8_t mem_ctl;
    uint8_t mem_cval;
    uint8_t any;
};

struct variant {
    uint64_t count;       /* times applied since the last fold */
    uint64_t n_extra;     /* of these, with handling time of their own */
    uint64_t mask;  /* flag bits the walk read ... */
    uint64_t want;  /* ... and their values */
    uint64_t set;
    uint64_t clear;
    uint32_t cost;
    uint32_t switch_cyc;
    uint32_t end_pc;
    uint32_t next;
    uint32_t first_step;
    uint16_t n_steps; /* 0: no walk from here */
    uint8_t end_hook;
    uint8_t enters;   /* ends in the guest */
    uint8_t effect;   /* the step at end_pc runs next, its guard holds */
    uint8_t pcpu;     /* changes flags of the pCPU */
    uint8_t full;     /* from the first exit step into the guest */
    uint8_t handle_prim;
    uint8_t stat;     /* counter that handling adds to */
    uint8_t reason;
    uint8_t any_move;
    uint8_t any_rest;
    uint8_t trip;     /* full, and fit for trip_take */
    uint8_t any_trip;
    uint8_t n_lrs;    /* list registers a trip carries along unchanged */
    uint8_t lines;    /* an output line falls and rises again inside */
    uint8_t vgic_ops; /* VGIC_OP_*: which of the vgic steps it has */
    uint8_t copies;   /* bit per timer: mem := hw is all that is left of its moves */
    uint8_t offset;
    uint8_t cnthctl;
    uint8_t running;
    uint8_t irq_saved;
    struct reg_moves moves[N_TIMERS];
};

/* Which variant a pc and the whole flag word led to last time. */
struct path_hint {
    uint64_t flags;
    uint32_t pc;
    uint32_t variant; /* index + 1; 0: nothing here */
};

enum { MAX_VARIANTS = 4096, STEP_POOL = 131072, N_HINTS = 1024 };

struct path_cache {
    uint32_t head[PYEMU_MAX_STEPS];
    uint32_t n_variants;
    struct variant *last_trip[PYEMU_X_COUNT]; /* latest of each reason */
    uint32_t n_pool;
    struct path_hint hints[N_HINTS];
    struct variant variants[MAX_VARIANTS];
    uint16_t pool[STEP_POOL];
};

/* New variant for these flags; NULL when the cache is full. */
struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc,
                                      uint64_t flags);

#endif
