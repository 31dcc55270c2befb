/*
 * events.c - timers that expire, lines whose latency has passed, messages from
 * other pCPUs, slices, outside interrupts; in this order.
 */
#include "cpu/events.h"

#include "host/horizon.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/inject.h"
#include "run/psci.h"

/* A runnable thread comes from another pCPU; it may have been sent on meanwhile. */
static void arrive(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    const uint32_t to = m->threads[t].move_to;

    sched_set_move(m, &m->threads[t], PYEMU_NONE);
    if (to != PYEMU_NONE && to != pcpu_idx(m, p))
        sched_migrate(m, p, t, to, false);
    else
        sched_enqueue(m, p, t, false);
}

static void msg_apply(struct pyemu_machine *m, struct pcpu *p,
                      const struct message *msg)
{
    struct thread *th = &m->threads[msg->vcpu];

    /* The thread may have moved while the message was under way. */
    if (th->pcpu != pcpu_idx(m, p)) {
        msg_send(m, p, th->pcpu, msg);
        return;
    }
    switch (msg->kind) {
    case MSG_INJECT:
        inject_apply(m, p, msg);
        break;
    case MSG_WAKE:
        sched_arrived(m, p, msg->vcpu, msg->arg);
        if (th->state == T_SLEEPING)
            sched_wake(m, p, msg->vcpu);
        else if (th->state == T_RUNNABLE && m->rq_nodes[msg->vcpu].queued == 0)
            arrive(m, p, msg->vcpu);
        else
            sched_wake(m, p, msg->vcpu);
        break;
    case MSG_POWER:
        psci_power_on(m, p, &m->vcpus[msg->vcpu], msg->arg);
        break;
    case MSG_OFF:
        psci_vcpu_off(m, p, &m->vcpus[msg->vcpu]);
        break;
    default:
        break;
    }
}

static void msg_deliver(struct pyemu_machine *m, struct pcpu *p)
{
    while (p->msgs != PYEMU_NONE && m->msg_nodes[p->msgs].key <= p->now_cyc) {
        const uint32_t n = heap_pop(m->msg_nodes, &p->msgs);
        const struct message msg = m->msgs[n];

        m->msgs[n].next_free = m->s->free_msg;
        m->s->free_msg = n;
        m->s->n_live_msgs--;
        msg_apply(m, p, &msg);
    }
}

/* Outside interrupts of this pCPU, in order of time. */
static void outside_events(struct pyemu_machine *m, struct pcpu *p)
{
    while (p->next_outside < m->n_outside &&
           m->outside[p->next_outside].at_cyc <= p->now_cyc) {
        const struct pyemu_outside *o = &m->outside[p->next_outside++];

        if (o->pcpu != pcpu_idx(m, p))
            continue;
        if (o->vcpu == PYEMU_NONE)
            gic_set_pending(p, INTID_SGI_KICK + 1U);
        else
            inject_irq(m, p, &m->vcpus[o->vcpu], o->intid, o->level);
    }
    while (p->next_outside < m->n_outside &&
           m->outside[p->next_outside].pcpu != pcpu_idx(m, p))
        p->next_outside++;
}

void events_due(struct pyemu_machine *m, struct pcpu *p)
{
    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (!has_bit64(p->flags, timer_hdue(t)) &&
            p->hw[t].expiry_cyc <= p->now_cyc)
            timer_recalc(m, p, t);
    if (min_u64(p->line_due_cyc[TIMER_V], p->line_due_cyc[TIMER_P]) <= p->now_cyc)
        timer_line_events(p);
    if (p->cur < m->s->cfg.n_vcpus) {
        timer_mem_recalc(&m->vcpus[p->cur], TIMER_V, p->now_cyc);
        timer_mem_recalc(&m->vcpus[p->cur], TIMER_P, p->now_cyc);
    }
    if (host_timer_due(m, p) && !has_bit32(p->irq_line, INTID_HTIMER_VHE))
        gic_set_line(p, INTID_HTIMER_VHE, true);
    if (p->msgs != PYEMU_NONE)
        msg_deliver(m, p);
    if (p->rq != PYEMU_NONE && p->next_slice_cyc <= p->now_cyc &&
        (p->flags & FLAG(RESCHED)) == 0) {
        p->flags |= FLAG(RESCHED);
        if (p->cur < m->s->cfg.n_vcpus && m->vcpus[p->cur].stage == STAGE_GUEST)
            gic_set_pending(p, INTID_SGI_KICK); /* a guest does not look */
    }
    if (p->next_outside < m->n_outside)
        outside_events(m, p);
    horizon_update(m, p);
}
