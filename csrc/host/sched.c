/* sched.c - smallest vruntime first, with the parameters of section 2.5. */
#include "host/sched.h"

#include "account/account.h"
#include "host/softtimer.h"
#include "hw/gic.h"

void sched_account(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->cur == PYEMU_NONE)
        return;
    struct thread *t = &m->threads[p->cur];
    const uint64_t ran = p->now_cyc - t->since_cyc;

    t->vruntime += t->inv_weight == (1U << 20) ? ran : (ran * t->inv_weight) >> 20;
    t->since_cyc = p->now_cyc;

    uint64_t least = t->vruntime;

    if (p->rq != PYEMU_NONE)
        least = min_u64(least, m->rq_nodes[p->rq].key);
    p->min_vruntime = max_u64(p->min_vruntime, least);
}

void sched_enqueue(struct pyemu_machine *m, struct pcpu *p, uint32_t t, bool wakeup)
{
    struct thread *th = &m->threads[t];
    const struct pyemu_config *cfg = &m->s->cfg;

    th->state = T_RUNNABLE;
    th->pcpu = pcpu_idx(m, p);
    sched_account(m, p);
    if (wakeup) {
        /* A sleeper gets at most this much credit (2.5). */
        const uint64_t floor = p->min_vruntime > cfg->sched_sleeper_cyc
                                   ? p->min_vruntime - cfg->sched_sleeper_cyc
                                   : 0;

        th->vruntime = max_u64(th->vruntime, floor);
    }
    heap_push(m->rq_nodes, &p->rq, t, th->vruntime);
    p->n_running++;
    if (p->cur == PYEMU_NONE)
        return;
    if (wakeup &&
        m->threads[p->cur].vruntime > th->vruntime + cfg->sched_wakeup_gran_cyc)
        p->flags |= FLAG(RESCHED);
}

/* Leaving idle restarts the tick on its grid (NO_HZ_IDLE). */
static void restart_tick(const struct pyemu_machine *m, struct pcpu *p)
{
    const uint64_t period = m->s->cfg.tick_cyc;

    if (period == 0 || m->s->cfg.nohz_idle == 0 || p->next_tick_cyc > p->now_cyc)
        return;
    if (p->now_cyc - p->next_tick_cyc > 64 * period)
        p->next_tick_cyc += (p->now_cyc - p->next_tick_cyc) / period * period;
    while (p->next_tick_cyc <= p->now_cyc)
        p->next_tick_cyc += period;
}

uint32_t sched_pick(struct pyemu_machine *m, struct pcpu *p)
{
    p->flags &= ~FLAG(RESCHED);
    if (p->rq == PYEMU_NONE)
        return PYEMU_NONE;
    const uint32_t t = heap_pop(m->rq_nodes, &p->rq);
    struct thread *th = &m->threads[t];

    p->n_running--;
    th->state = T_RUNNING;
    if (p->idle_exit != 0) {
        p->idle_exit = 0;
        p->tick_off = 0;
        charge(m, p, PYEMU_P_IDLE_EXIT);
        restart_tick(m, p);
    }
    charge(m, p, PYEMU_P_SCHED_SWITCH);
    count(m, PYEMU_C_SCHED_SWITCHES);
    th->since_cyc = p->now_cyc;
    th->slice_cyc = p->now_cyc;
    if (t < m->s->cfg.n_vcpus) {
        m->vcpus[t].guest_at_pick = m->vcpus[t].guest_cyc;
        m->vcpus[t].switch_at_pick = m->vcpus[t].switch_cyc;
    }
    if (m->s->cfg.timeslice_cyc != 0)
        p->next_slice_cyc = p->now_cyc + m->s->cfg.timeslice_cyc;
    trace(m, p, t, PYEMU_E_SWITCH, t);
    return t;
}

void sched_tick(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->cur == PYEMU_NONE || p->rq == PYEMU_NONE)
        return;
    sched_account(m, p);
    const struct thread *t = &m->threads[p->cur];
    const uint64_t ran = p->now_cyc - t->slice_cyc;
    const uint64_t least = m->rq_nodes[p->rq].key;
    const uint64_t n = p->n_running + 1U;
    /* slice = latency / n; compared multiplied out, so nothing is divided */
    const uint64_t latency = m->s->cfg.sched_latency_cyc;
    const bool over = ran * n > latency;
    const bool ahead = ran >= m->s->cfg.sched_min_gran_cyc && t->vruntime > least &&
                       (t->vruntime - least) * n > latency;

    if (over || ahead)
        p->flags |= FLAG(RESCHED);
}

void sched_set_move(struct pyemu_machine *m, struct thread *th, uint32_t to)
{
    m->s->n_moving += (to != PYEMU_NONE) - (uint32_t)(th->move_to != PYEMU_NONE);
    th->move_to = to;
}

void msg_send(struct pyemu_machine *m, const struct pcpu *from, uint32_t to,
              const struct message *msg)
{
    const uint32_t n = m->s->free_msg;

    if (n == PYEMU_NONE) {
        if (m->stop == 0)
            (void)machine_fail(m, PYEMU_ECAPACITY,
                               "message queue between pCPUs is full (%u messages)",
                               m->n_msgs);
        m->s->poisoned = 1;
        m->stop = PYEMU_STOP_LIMIT + 1;
        return;
    }
    struct pcpu *p = &m->pcpus[to];

    m->s->free_msg = m->msgs[n].next_free;
    m->s->n_live_msgs++;
    m->msgs[n] = *msg;
    m->msgs[n].at_cyc = from->now_cyc + m->latency_cyc;
    heap_push(m->msg_nodes, &p->msgs, n, m->msgs[n].at_cyc);
    p->horizon_cyc = min_u64(p->horizon_cyc, m->msgs[n].at_cyc);
    /* the sender may be ahead of the others: it waits where one of them can answer */
    if (m->msgs[n].at_cyc < m->s->window_end_cyc) {
        struct pcpu *sender = &m->pcpus[from - m->pcpus];

        m->s->window_end_cyc = m->msgs[n].at_cyc;
        sender->window_cyc = min_u64(sender->window_cyc, m->s->window_end_cyc);
        sender->horizon_cyc = min_u64(sender->horizon_cyc, sender->window_cyc);
    }
}

static void wake_here(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    if (m->threads[t].state != T_SLEEPING)
        return;
    charge(m, p, PYEMU_P_WAKEUP);
    count(m, PYEMU_C_WAKEUPS);
    if (t < m->s->cfg.n_vcpus)
        count(m, PYEMU_C_HALT_WAKEUP);
    trace(m, p, t, PYEMU_E_WAKE, 0);
    sched_enqueue(m, p, t, true);
}

void sched_wake(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    struct thread *th = &m->threads[t];

    if (th->state != T_SLEEPING) {
        if (t < m->s->cfg.n_vcpus)
            m->vcpus[t].woken = 1; /* it may be on its way to sleep */
        return;
    }
    if (th->move_to != PYEMU_NONE) {
        const uint32_t to = th->move_to;

        sched_set_move(m, th, PYEMU_NONE);
        if (to != th->pcpu) {
            sched_migrate(m, p, t, to, true);
            return;
        }
    }
    if (th->pcpu == pcpu_idx(m, p)) {
        wake_here(m, p, t);
        return;
    }
    count(m, PYEMU_C_IPIS_SENT);
    charge(m, p, PYEMU_P_IPI_SEND);
    msg_send(m, p, th->pcpu, &(struct message){.kind = MSG_WAKE, .vcpu = t});
}

void sched_migrate(struct pyemu_machine *m, struct pcpu *p, uint32_t t, uint32_t to,
                   bool by_ipi)
{
    uint32_t brought = 0;

    for (uint32_t i = 0; i < N_TIMERS && t < m->s->cfg.n_vcpus; i++)
        if (soft_cancel(m, 2 * t + i))
            brought |= bit32(i); /* its key stays */
    m->threads[t].pcpu = to;
    count(m, PYEMU_C_MIGRATIONS);
    trace(m, p, t, PYEMU_E_MIGRATE, to);
    if (by_ipi) {
        count(m, PYEMU_C_IPIS_SENT);
        charge(m, p, PYEMU_P_IPI_SEND);
    }
    msg_send(m, p, to, &(struct message){.kind = MSG_WAKE, .vcpu = t, .arg = brought});
}

/* A reset may have disarmed one while it was under way. */
void sched_arrived(struct pyemu_machine *m, struct pcpu *p, uint32_t t,
                   uint32_t brought)
{
    const uint64_t armed[N_TIMERS] = {FLAG(BG_ARMED), FLAG(PT_ARMED)};

    for (uint32_t i = 0; i < N_TIMERS && brought != 0; i++)
        if (has_bit32(brought, i) && (m->vcpus[t].flags & armed[i]) != 0)
            soft_arm(m, p, 2 * t + i, m->timer_nodes[2 * t + i].key);
}

/* The current thread is off the pCPU; bookkeeping of its time. */
void sched_thread_off(struct pyemu_machine *m, struct pcpu *p, uint32_t state)
{
    const uint32_t t = p->cur;
    struct thread *th = &m->threads[t];

    sched_account(m, p);
    if (t < m->s->cfg.n_vcpus) {
        struct vcpu *v = &m->vcpus[t];

        v->oncpu_cyc += p->now_cyc - th->slice_cyc;
        p->busy_cyc += p->now_cyc - th->slice_cyc;
        p->guest_cyc += v->guest_cyc - v->guest_at_pick;
        p->switch_cyc += v->switch_cyc - v->switch_at_pick;
    }
    p->cur = PYEMU_NONE;
    th->state = state;
    if (p->online == 0)
        gic_set_enabled(p, INTID_VTIMER, false); /* CPUHP dying comes after (4.1) */
    if (state != T_RUNNABLE)
        return;
    if (th->move_to != PYEMU_NONE && th->move_to != pcpu_idx(m, p)) {
        sched_migrate(m, p, t, th->move_to, false);
    } else {
        sched_enqueue(m, p, t, false);
    }
    sched_set_move(m, th, PYEMU_NONE);
}
