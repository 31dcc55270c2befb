/*
 * horizon.c - one minimum over few deadlines (design.md 6, point 6): timers,
 * line latencies, software expiries, host timer, messages, slice, window.
 */
#include "host/horizon.h"

#include "host/softtimer.h"
#include "hw/timer.h"

/* A deadline that has passed counts until it has been noticed (`seen`). */
static inline uint64_t unless_seen(uint64_t at, uint64_t now, bool seen)
{
    return at <= now && seen ? PYEMU_NEVER : at;
}

/* Expiry of the current thread's memory copies, so that DUE stays exact. */
static inline uint64_t mem_next(const struct vcpu *v)
{
    const uint64_t virt = (v->flags & FLAG(DUE_V)) == 0 ? v->mem[TIMER_V].expiry_cyc
                                                        : PYEMU_NEVER;
    const uint64_t phys = (v->flags & FLAG(DUE_P)) == 0 ? v->mem[TIMER_P].expiry_cyc
                                                        : PYEMU_NEVER;

    return min_u64(virt, phys);
}

static inline uint64_t hw_next(const struct pcpu *p)
{
    const uint64_t virt = (p->flags & FLAG(HDUE_V)) == 0 ? p->hw[TIMER_V].expiry_cyc
                                                         : PYEMU_NEVER;
    const uint64_t phys = (p->flags & FLAG(HDUE_P)) == 0 ? p->hw[TIMER_P].expiry_cyc
                                                         : PYEMU_NEVER;

    return min_u64(min_u64(virt, phys),
                   min_u64(p->line_due_cyc[TIMER_V], p->line_due_cyc[TIMER_P]));
}

uint64_t horizon_next(const struct pyemu_machine *m, const struct pcpu *p)
{
    const uint64_t now = p->now_cyc;
    const bool raised = has_bit32(p->irq_line, INTID_HTIMER_VHE);
    uint64_t h = min_u64(unless_seen(host_timer_next(m, p), now, raised),
                         hw_next(p));

    if (p->cur < m->s->cfg.n_vcpus)
        h = min_u64(h, mem_next(&m->vcpus[p->cur]));
    if (p->msgs != PYEMU_NONE)
        h = min_u64(h, m->msg_nodes[p->msgs].key);
    if (p->rq != PYEMU_NONE)
        h = min_u64(h, unless_seen(p->next_slice_cyc, now,
                                   has_bit64(p->flags, PYEMU_F_RESCHED)));
    if (p->next_outside < m->n_outside)
        h = min_u64(h, m->outside[p->next_outside].at_cyc);
    return h;
}

void horizon_update(struct pyemu_machine *m, struct pcpu *p)
{
    p->horizon_cyc = min_u64(p->window_cyc, horizon_next(m, p));
}
