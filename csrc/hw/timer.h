/*
 * timer.h - generic timers of one pCPU (section 1). Writers store inputs and
 * call timer_recalc, the only writer of HCAN, HDUE and of the output line.
 */
#ifndef PYEMU_HW_TIMER_H
#define PYEMU_HW_TIMER_H

#include "state/state.h"

/* INTID and flag bits of each timer. */
static inline uint32_t timer_intid(uint32_t t)
{
    return t == TIMER_V ? INTID_VTIMER : INTID_PTIMER;
}

static inline uint32_t timer_hcan(uint32_t t)
{
    return t == TIMER_V ? PYEMU_F_HCAN_V : PYEMU_F_HCAN_P;
}

static inline uint32_t timer_hdue(uint32_t t)
{
    return t == TIMER_V ? PYEMU_F_HDUE_V : PYEMU_F_HDUE_P;
}

static inline uint32_t timer_can(uint32_t t)
{
    return t == TIMER_V ? PYEMU_F_CAN_V : PYEMU_F_CAN_P;
}

static inline uint32_t timer_due(uint32_t t)
{
    return t == TIMER_V ? PYEMU_F_DUE_V : PYEMU_F_DUE_P;
}

/* ENABLE && !IMASK: the level may go out. */
static inline bool ctl_can_fire(uint32_t ctl)
{
    return (ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE;
}

/* The output line of hardware timer t, before any latency to the GIC (1.1). */
static inline bool timer_line(const struct pcpu *p, uint32_t t)
{
    return has_bit64(p->flags, timer_hcan(t)) && has_bit64(p->flags, timer_hdue(t));
}

/* First cycle with count - offset >= cval, unsigned 64 bit (1.1). */
uint64_t timer_expiry(const struct clock *c, uint64_t cval_ticks,
                      uint64_t offset_ticks, uint64_t now_cyc);

/* Derives flags and line of hw timer t now; starts line latencies (1.4). */
void timer_recalc(struct pyemu_machine *m, struct pcpu *p, uint32_t t);

/* Virtual line rose: each deadline once, however often a restore raises it again. */
void timer_count_expiry(struct pyemu_machine *m, const struct pcpu *p);

/* Applies line changes whose latency has passed. */
void timer_line_events(struct pcpu *p);

/* Derives CAN and DUE of the memory copy at now_cyc; their only writer. */
static inline void timer_mem_recalc(struct vcpu *v, uint32_t t, uint64_t now_cyc)
{
    const uint64_t can = ctl_can_fire(v->mem[t].ctl);
    const uint64_t due = now_cyc >= v->mem[t].expiry_cyc;

    v->flags = (v->flags & ~(bit64(timer_can(t)) | bit64(timer_due(t)))) |
               can << timer_can(t) | due << timer_due(t);
}

/* CNTVOFF_EL2 := offset: the virtual timer compares with another count (1.2). */
void timer_set_offset(struct pyemu_machine *m, struct pcpu *p, uint64_t offset_ticks);

/* Guest view of a counter: PCT less the offset in force on this pCPU. */
uint64_t timer_count(const struct pyemu_machine *m, const struct pcpu *p, uint32_t t);

#endif
