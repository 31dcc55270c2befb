/*
 * horizon.c - one minimum over few deadlines (design.md 6, point 6): timers,
 * line latencies, software expiries, host timer, messages, slice, window.
 */
#include "host/horizon.h"

#include "host/softtimer.h"
#include "hw/timer.h"

/* A deadline that has passed counts until it has been noticed (`seen`). */
static uint64_t unless_seen(uint64_t at, uint64_t now, bool seen)
{
    return at <= now && seen ? PYEMU_NEVER : at;
}

/* Expiry of the current thread's memory copies, so that DUE stays exact. */
static uint64_t mem_next(const struct pyemu_machine *m, const struct pcpu *p)
{
    uint64_t next = PYEMU_NEVER;

    if (p->cur >= m->s->cfg.n_vcpus)
        return next;
    const struct vcpu *v = &m->vcpus[p->cur];

    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (!has_bit64(v->flags, timer_due(t)))
            next = min_u64(next, v->mem[t].expiry_cyc);
    return next;
}

uint64_t horizon_next(const struct pyemu_machine *m, const struct pcpu *p)
{
    const bool raised = has_bit32(p->irq_line, INTID_HTIMER_VHE);
    uint64_t h = unless_seen(host_timer_next(m, p), p->now_cyc, raised);


    for (uint32_t t = 0; t < N_TIMERS; t++) {
        if (!has_bit64(p->flags, timer_hdue(t)))
            h = min_u64(h, p->hw[t].expiry_cyc);
        h = min_u64(h, p->line_due_cyc[t]);
    }
    h = min_u64(h, mem_next(m, p));
    if (p->msgs != PYEMU_NONE)
        h = min_u64(h, m->msg_nodes[p->msgs].key);
    if (p->rq != PYEMU_NONE)
        h = min_u64(h, unless_seen(p->next_slice_cyc, p->now_cyc,
                                   has_bit64(p->flags, PYEMU_F_RESCHED)));
    if (p->next_outside < m->n_outside)
        h = min_u64(h, m->outside[p->next_outside].at_cyc);
    return h;
}

void horizon_update(struct pyemu_machine *m, struct pcpu *p)
{
    p->horizon_cyc = min_u64(p->window_cyc, horizon_next(m, p));
}
