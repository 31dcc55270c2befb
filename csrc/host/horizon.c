/*
 * horizon.c - one minimum over few deadlines (design.md 6, point 6): timers,
 * line latencies, software expiries, host timer, messages, slice, window.
 */
#include "host/horizon.h"

#include "host/softtimer.h"
#include "hw/timer.h"

static uint64_t if_later(uint64_t at, uint64_t now)
{
    return at > now ? at : PYEMU_NEVER;
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

void horizon_update(struct pyemu_machine *m, struct pcpu *p)
{
    uint64_t h = min_u64(p->window_cyc, if_later(host_timer_next(m, p), p->now_cyc));

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        if (!has_bit64(p->flags, timer_hdue(t)))
            h = min_u64(h, p->hw[t].expiry_cyc);
        h = min_u64(h, p->line_due_cyc[t]);
    }
    h = min_u64(h, mem_next(m, p));
    if (p->msgs != PYEMU_NONE)
        h = min_u64(h, m->msg_nodes[p->msgs].key);
    if (p->rq != PYEMU_NONE)
        h = min_u64(h, if_later(p->next_slice_cyc, p->now_cyc));
    if (p->next_outside < m->n_outside)
        h = min_u64(h, m->outside[p->next_outside].at_cyc);
    p->horizon_cyc = h;
}
