/* account.h - charging cycles, histograms and trace records. */
#ifndef PYEMU_ACCOUNT_H
#define PYEMU_ACCOUNT_H

#include "state/state.h"

/* The one place where time that is not a table step passes. */
static inline void charge_n(struct pyemu_machine *m, struct pcpu *p, uint32_t prim,
                            uint64_t n)
{
    m->s->dyn_count[prim] += n;
    p->now_cyc += n * m->cost[prim];
}

static inline void charge(struct pyemu_machine *m, struct pcpu *p, uint32_t prim)
{
    m->s->dyn_count[prim]++;
    p->now_cyc += m->cost[prim];
}

/* The same for world-switch work whose amount is known only at run time. */
static inline void charge_switch(struct pyemu_machine *m, struct pcpu *p,
                                 struct vcpu *v, uint32_t prim, uint64_t n)
{
    charge_n(m, p, prim, n);
    v->switch_cyc += n * m->cost[prim];
}

/* Log-linear buckets: 16 per octave, exact below 32. */
static inline uint32_t hist_bucket(uint64_t value)
{
    if (value < 32)
        return (uint32_t)value;
    const uint32_t top = highest_bit64(value);
    const uint32_t bucket = (top - 4) * 16 + (uint32_t)(value >> (top - 4));

    return bucket < PYEMU_HIST_BUCKETS ? bucket : PYEMU_HIST_BUCKETS - 1;
}

static inline void hist_add(struct pyemu_machine *m, uint32_t which, uint64_t value)
{
    m->s->hist[which][hist_bucket(value)]++;
}

/* Guest cycles of the measured region, runs under way left out. */
uint64_t account_guest_cyc(const struct pyemu_machine *m);

void account_handling(struct pyemu_machine *m, uint32_t reason, uint64_t cyc,
                      uint64_t n);

void trace_put(struct pyemu_machine *m, const struct pcpu *p, uint32_t vcpu,
               uint32_t kind_sub, uint64_t arg);

/* Trace costs one test when off. kind_sub is made by KIND(). */
#define KIND(kind, sub) ((uint32_t)(kind) | ((uint32_t)(sub) << 8))

static inline void trace(struct pyemu_machine *m, const struct pcpu *p, uint32_t vcpu,
                         uint32_t kind_sub, uint64_t arg)
{
    if (m->trace_cap != 0)
        trace_put(m, p, vcpu, kind_sub, arg);
}

/* A record of the guest's loop, whose clock is not p's. */
static inline void trace_trip(struct pyemu_machine *m, const struct pcpu *p,
                              const struct vcpu *v, uint32_t kind_sub, uint64_t cyc)
{
    struct pyemu_event *e = &m->trace[m->trace_n];

    if (m->trace_n >= m->trace_cap) {
        machine_poison(m, __FILE__, __LINE__, "trace margin used up");
        return;
    }
    m->trace_n++;
    e->cyc = cyc;
    e->arg = 0;
    e->vcpu = vcpu_idx(m, v);
    e->pcpu = (uint16_t)pcpu_idx(m, p);
    e->kind = (uint8_t)(kind_sub & 0xffU);
    e->sub = (uint8_t)(kind_sub >> 8);
}

#endif
