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

#endif
