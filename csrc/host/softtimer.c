/* softtimer.c - per-pCPU heap of hrtimers; the tick stands beside it. */
#include "host/softtimer.h"

#include "hw/gic.h"

void soft_arm(struct pyemu_machine *m, struct pcpu *p, uint32_t node, uint64_t at_cyc)
{
    (void)soft_cancel(m, node);
    heap_push(m->timer_nodes, &p->timers, node, at_cyc);
    m->timer_nodes[node].queued = 1 + pcpu_idx(m, p); /* where it is armed */
    p->horizon_cyc = min_u64(p->horizon_cyc, at_cyc);
}

void soft_start(struct pyemu_machine *m, struct pcpu *p, uint32_t node, uint64_t at_cyc)
{
    const uint64_t first = add_sat(p->now_cyc, m->s->cfg.hrtimer_min_cyc);

    soft_arm(m, p, node, max_u64(at_cyc, first));
}

bool soft_cancel(struct pyemu_machine *m, uint32_t node)
{
    const uint32_t where = m->timer_nodes[node].queued;

    if (where == 0)
        return false;
    struct pcpu *p = &m->pcpus[where - 1];

    heap_remove(m->timer_nodes, &p->timers, node);
    /* removing the first reprograms the comparator: a high line falls (1.1) */
    if (has_bit32(p->irq_line, INTID_HTIMER_VHE) && !host_timer_due(m, p))
        gic_set_line(p, INTID_HTIMER_VHE, false);
    return true;
}
