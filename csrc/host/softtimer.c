/* softtimer.c - per-pCPU heap of hrtimers; the tick stands beside it. */
#include "host/softtimer.h"

void soft_arm(struct pyemu_machine *m, struct pcpu *p, uint32_t node, uint64_t at_cyc)
{
    (void)soft_cancel(m, node);
    heap_push(m->timer_nodes, &p->timers, node, at_cyc);
    m->timer_nodes[node].queued = 1 + pcpu_idx(m, p); /* where it is armed */
    p->horizon_cyc = min_u64(p->horizon_cyc, at_cyc);
}

bool soft_cancel(struct pyemu_machine *m, uint32_t node)
{
    const uint32_t where = m->timer_nodes[node].queued;

    if (where == 0)
        return false;
    heap_remove(m->timer_nodes, &m->pcpus[where - 1].timers, node);
    return true;
}
