/*
 * walk.h - a walk of a policy table while it is worked out: steps executed on
 * known flag values, bits read kept as the key. What is not a flag (list
 * register, active state, output line) is followed only where FI_VGIC says
 * that interrupt 27 is all there is (vgic_alone).
 */
#ifndef PYEMU_POLICY_WALK_H
#define PYEMU_POLICY_WALK_H

#include "policy/compile.h"

enum { MAX_WALK_STEPS = 512, MAX_WALK_RECORDS = 32 };

enum walk_iar { IAR_NONE = 0, IAR_HIT, IAR_SPURIOUS };

struct walk {
    const struct pyemu_machine *m;
    uint64_t flags;   /* current values */
    uint64_t read;    /* original bits that decided something */
    uint64_t written; /* bits whose value is the walk's own */
    uint64_t cost;
    uint64_t switch_cyc;
    bool in_irq;      /* between exception entry and the last IAR read */
    bool acked;       /* priority not dropped yet */
    uint8_t iar;      /* what the latest IAR read returned: enum walk_iar */
    bool saved;       /* list register images are those of this exit */
    struct variant x;
    uint16_t steps[MAX_WALK_STEPS];
    struct path_record records[MAX_WALK_RECORDS];
};

static inline bool walk_get(struct walk *w, uint32_t flag)
{
    w->read |= bit64(flag) & ~w->written;
    return has_bit64(w->flags, flag);
}

static inline void walk_put(struct walk *w, uint32_t flag, bool value)
{
    put_bit64(&w->flags, flag, value);
    w->written |= bit64(flag);
}

/* enum vgic_steady of the start; part of the key from here on. */
static inline uint32_t walk_class(struct walk *w)
{
    w->read |= UINT64_C(15) << FI_VGIC;
    return (uint32_t)(w->flags >> FI_VGIC) & 15U;
}

static inline bool walk_alone(struct walk *w)
{
    return walk_class(w) >= VGIC_ALONE;
}

static inline bool walk_line_high(struct walk *w, uint32_t t)
{
    const uint32_t can = t == TIMER_V ? PYEMU_F_HCAN_V : PYEMU_F_HCAN_P;
    const uint32_t due = t == TIMER_V ? PYEMU_F_HDUE_V : PYEMU_F_HDUE_P;

    return walk_get(w, can) && walk_get(w, due);
}

/* Time and counts beside the step's own; is_switch: world-switch work. */
void walk_charge(struct walk *w, enum path_dyn what, uint32_t n, bool is_switch);

/* A trace record here; false: there is no room for it. */
bool walk_record(struct walk *w, uint32_t kind_sub, enum record_arg source,
                 uint32_t arg);

/* One step of each kind; false: the walk must end before it. */
bool walk_reg(struct walk *w, uint32_t prim, uint32_t t);
bool walk_level(struct walk *w, uint32_t prim);
bool walk_flags(struct walk *w, uint32_t prim);
bool walk_active(struct walk *w, uint32_t prim);
bool walk_inject(struct walk *w, uint32_t prim);
bool walk_vgic(struct walk *w, uint32_t prim);
bool walk_isr(struct walk *w, uint32_t prim);

/* What the GIC delivers, after 27's line or active state changed. */
void walk_deliver(struct walk *w);

/* The interrupt that is due: taken and finished; false: not one of these. */
bool walk_interrupt(struct walk *w);

/* Puts the step at pc into the walk if its guard holds (compile.c). */
bool walk_guarded(struct walk *w, uint32_t pc, bool *last);

#endif
