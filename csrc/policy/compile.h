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

/* What a vgic step charges beside itself: each * list registers + once (2.4). */
struct vgic_part {
    uint8_t step;
    uint8_t prim;
    uint8_t each;
    uint8_t once;
};

enum { VGIC_PARTS = 8 };

static const struct vgic_part VGIC_PART[VGIC_PARTS] = {
    {PYEMU_P_VGIC_SAVE, PYEMU_P_LR_R, 1, 0},
    {PYEMU_P_VGIC_SAVE, PYEMU_P_LR_W, 1, 0},
    {PYEMU_P_VGIC_SAVE, PYEMU_P_VGIC_IF_R, 0, 2},
    {PYEMU_P_VGIC_SAVE, PYEMU_P_VGIC_IF_W, 0, 1},
    {PYEMU_P_VGIC_SYNC, PYEMU_P_FOLD, 1, 0},
    {PYEMU_P_VGIC_FLUSH, PYEMU_P_POPULATE, 1, 0},
    {PYEMU_P_VGIC_RESTORE, PYEMU_P_LR_W, 1, 0},
    {PYEMU_P_VGIC_RESTORE, PYEMU_P_VGIC_IF_W, 0, 2},
};

static inline uint64_t vgic_part_n(const struct vgic_part *part, uint32_t n_lrs)
{
    return (uint64_t)part->each * n_lrs + part->once;
}

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
    uint16_t moves_id; /* equal for equal register moves; 0: none */
    uint8_t repeats;   /* the moves done twice are the moves done once */
    uint8_t full;      /* from the first exit step into the guest */
    uint8_t enters;    /* ends in the guest */
    uint8_t effect;    /* the step at end_pc runs next, its guard holds */
    uint8_t handle_prim;
    uint8_t end_hook;
    uint8_t reason;
    uint8_t stat;      /* counter that handling adds to */
    uint8_t n_lrs;     /* list registers its vgic steps carry */
    uint8_t vgic;      /* vgic steps done; into the guest with 0 or 4 */
    uint16_t n_steps;  /* 0: no walk from here */
    uint64_t n_extra;  /* of count, with handling time of their own */
    uint32_t next;
    uint32_t first_step;
    uint8_t offset;
    uint8_t cnthctl;
    uint8_t running;
    uint8_t irq_saved;
    uint8_t line[N_TIMERS]; /* where the walk leaves an output line it moved */
    uint8_t raises;         /* the virtual timer's line rose in between */
    struct reg_moves moves[N_TIMERS];
};

enum { MAX_VARIANTS = 4096, STEP_POOL = 131072, NO_VARIANT = 0 };

struct path_cache {
    _Alignas(64) struct variant variants[MAX_VARIANTS]; /* 0 matches nothing */
    uint32_t head[PYEMU_MAX_STEPS];
    uint32_t n_variants;
    uint32_t trip[PYEMU_X_COUNT]; /* latest round trip of each reason */
    uint32_t n_pool;
    uint16_t pool[STEP_POOL];
};

/* New variant for these flags; NULL when the cache is full. */
struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc,
                                      uint64_t flags);

#endif
