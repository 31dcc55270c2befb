/* softtimer.h - hrtimers of a pCPU: background, emulated physical, task wake. */
#ifndef PYEMU_HOST_SOFTTIMER_H
#define PYEMU_HOST_SOFTTIMER_H

#include "state/state.h"

static inline uint32_t soft_node(const struct pyemu_machine *m, const struct vcpu *v,
                                 uint32_t t)
{
    return 2U * vcpu_idx(m, v) + (t == TIMER_V ? 0U : 1U);
}

static inline uint32_t task_node(const struct pyemu_machine *m, uint32_t task)
{
    return 2U * m->s->cfg.n_vcpus + task;
}

/* Starts a timer: in the past, too, it takes the clock's shortest delta (2.5). */
void soft_start(struct pyemu_machine *m, struct pcpu *p, uint32_t node,
                uint64_t at_cyc);

/* Arms (or moves) the timer on this pCPU, at a cycle that is already rounded. */
void soft_arm(struct pyemu_machine *m, struct pcpu *p, uint32_t node, uint64_t at_cyc);

/* true if it was armed. */
bool soft_cancel(struct pyemu_machine *m, uint32_t node);

static inline bool soft_armed(const struct pyemu_machine *m, uint32_t node)
{
    return m->timer_nodes[node].queued != 0;
}

/* NO_HZ_IDLE: an idle pCPU still takes the next tick, then stops it (2.5). */
static inline bool tick_runs(const struct pyemu_machine *m, const struct pcpu *p)
{
    return m->s->cfg.tick_cyc != 0 &&
           (p->cur != PYEMU_NONE || p->tick_off == 0 || m->s->cfg.nohz_idle == 0);
}

/* Earliest host timer deadline, an hrtimer's or the tick's; PYEMU_NEVER if none. */
static inline uint64_t host_timer_next(const struct pyemu_machine *m,
                                       const struct pcpu *p)
{
    uint64_t next = PYEMU_NEVER;

    if (p->timers != PYEMU_NONE)
        next = m->timer_nodes[p->timers].key;
    if (tick_runs(m, p))
        next = min_u64(next, p->next_tick_cyc);
    return next;
}

/* Is the host's own timer interrupt due? */
static inline bool host_timer_due(const struct pyemu_machine *m, const struct pcpu *p)
{
    return host_timer_next(m, p) <= p->now_cyc;
}

#endif
