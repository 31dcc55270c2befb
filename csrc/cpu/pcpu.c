/*
 * pcpu.c - what a pCPU does next, in order of precedence: due events, an
 * interrupt under way, a deliverable interrupt, rescheduling, its thread.
 */
#include "cpu/pcpu.h"

#include "account/account.h"
#include "guest/guest.h"
#include "cpu/events.h"
#include "cpu/irq.h"
#include "host/horizon.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "kvm/inject.h"
#include "run/run.h"
#include "policy/steps.h"

static void pick_or_idle(struct pyemu_machine *m, struct pcpu *p)
{
    p->cur = sched_pick(m, p);
    if (p->cur != PYEMU_NONE) {
        if (p->cur < m->s->cfg.n_vcpus)
            run_sched_in(m, p, &m->vcpus[p->cur]);
        horizon_update(m, p);
        return;
    }
    if (p->idle_exit == 0) { /* on the way, events and interrupts come first */
        p->idle_exit = 1;
        charge(m, p, PYEMU_P_IDLE_ENTER);
        return;
    }
    horizon_update(m, p);
    if (p->horizon_cyc > p->now_cyc) {
        p->idle_cyc += p->horizon_cyc - p->now_cyc;
        p->now_cyc = p->horizon_cyc;
    }
}

/* A host task: busy until its burst ends, the horizon, or a preemption. */
static void task_step(struct pyemu_machine *m, struct pcpu *p)
{
    const uint32_t t = p->cur;
    struct thread *th = &m->threads[t];
    const bool hog = th->off_cyc == 0;

    if (th->left_cyc == 0)
        th->left_cyc = hog ? PYEMU_NEVER : th->on_cyc;
    const uint64_t room = p->horizon_cyc > p->now_cyc ? p->horizon_cyc - p->now_cyc : 0;
    const uint64_t n = min_u64(th->left_cyc, room);

    p->task_cyc += n;
    p->now_cyc += n;
    if (!hog)
        th->left_cyc -= n;
    if (th->left_cyc == 0) {
        if (th->spi != 0)
            inject_irq(m, p, &m->vcpus[th->spi_vcpu], th->spi, INJECT_LEVEL);
        soft_start(m, p, task_node(m, t - m->s->cfg.n_vcpus),
                   p->now_cyc + th->off_cyc + th->slack_cyc);
        sched_thread_off(m, p, T_SLEEPING);
    }
}

/* PREEMPT: anywhere preemptible; PREEMPT_VOLUNTARY: cond_resched and user. */
static bool may_preempt(const struct pyemu_machine *m, const struct pcpu *p)
{
    if ((p->flags & (FLAG(RESCHED) | bit64(FI_IRQ_OFF))) != FLAG(RESCHED))
        return false;
    if (p->cur >= m->s->cfg.n_vcpus)
        return true;
    const struct vcpu *v = &m->vcpus[p->cur];

    if (v->stage == STAGE_GUEST || has_bit64(v->flags, FI_PREEMPT_OFF))
        return false;
    if (m->s->cfg.preempt_full != 0 || v->stage == STAGE_USER ||
        v->stage == STAGE_START)
        return true;
    return v->stage == STAGE_POLL_NEXT ||
           (v->stage == STAGE_HOOK && v->pc < m->policy.n_steps &&
            m->policy.steps[v->pc].prim == PYEMU_P_REQUESTS);
}

static void preempt(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->rq == PYEMU_NONE && m->threads[p->cur].move_to == PYEMU_NONE) {
        p->flags &= ~FLAG(RESCHED);
        return;
    }
    p->flags &= ~FLAG(RESCHED);
    if (p->cur < m->s->cfg.n_vcpus)
        run_sched_out(m, p, &m->vcpus[p->cur]);
    else
        sched_thread_off(m, p, T_RUNNABLE);
}

/* Guest cycles this pCPU may still run before the run's guest limit. */
static uint64_t guest_limit(const struct pyemu_machine *m, const struct vcpu *v)
{
    if (m->until_guest_cyc == 0)
        return PYEMU_NEVER;
    const uint64_t done = account_guest_cyc(m);
    const uint64_t left = m->until_guest_cyc > done ? m->until_guest_cyc - done : 0;

    return add_sat(v->entry_cyc, left);
}

static void vcpu_step(struct pyemu_machine *m, struct pcpu *p)
{
    struct vcpu *v = &m->vcpus[p->cur];

    if (v->stage != STAGE_GUEST) {
        run_thread(m, p, v);
        return;
    }
    guest_run(m, p, v, guest_limit(m, v));
    /* round trips inside have moved the limit: host time is not guest time */
    if (m->until_guest_cyc != 0 && v->stage == STAGE_GUEST && m->stop == 0 &&
        p->now_cyc >= guest_limit(m, v))
        m->stop = PYEMU_STOP_GUEST_LIMIT + 1;
}

static bool must_stop(struct pyemu_machine *m)
{
    if (m->stop != 0) /* it has its reason */
        return true;
    if (m->trace_n >= m->trace_stop)
        m->stop = PYEMU_STOP_TRACE_FULL + 1;
    else if (m->until_exits != 0 && m->s->exits >= m->until_exits)
        m->stop = PYEMU_STOP_EXIT_LIMIT + 1;
    else if (m->interrupted != 0)
        m->stop = PYEMU_STOP_INTERRUPTED + 1;
    else if (m->s->poisoned != 0)
        m->stop = PYEMU_STOP_LIMIT + 1;
    return m->stop != 0;
}

void pcpu_run(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->window_cyc != m->s->window_end_cyc) {
        p->window_cyc = m->s->window_end_cyc;
        horizon_update(m, p);
    }
    while (p->now_cyc < p->window_cyc && !must_stop(m)) {
        if (p->now_cyc >= p->horizon_cyc)
            events_due(m, p);
        if (p->irq_stage != ISR_NONE)
            irq_run(m, p);
        else if (p->cur != PYEMU_NONE && m->vcpus != NULL &&
                 p->cur < m->s->cfg.n_vcpus &&
                 m->vcpus[p->cur].stage == STAGE_GUEST)
            vcpu_step(m, p);
        else if (irq_may_be_taken(p))
            irq_begin(m, p);
        else if (p->cur == PYEMU_NONE)
            pick_or_idle(m, p);
        else if (may_preempt(m, p))
            preempt(m, p);
        else if (p->cur < m->s->cfg.n_vcpus)
            vcpu_step(m, p);
        else
            task_step(m, p);
    }
}
