/* irq.c - the host's interrupt path, hooks irq_entry .. irq_exit around it. */
#include "cpu/irq.h"

#include "account/account.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "policy/paths.h"
#include "policy/steps.h"

/* Locals of the code a policy describes: not the interrupted thread's. */
static uint64_t scratch_bits(void)
{
    return FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT);
}

static struct vcpu *running_vcpu(struct pyemu_machine *m, struct pcpu *p)
{
    return p->running == PYEMU_NONE ? NULL : &m->vcpus[p->running];
}

void irq_begin(struct pyemu_machine *m, struct pcpu *p)
{
    struct vcpu *v = running_vcpu(m, p);

    p->flags |= bit64(FI_IRQ_OFF);
    p->stale = 0; /* exception entry synchronises (1.4) */
    p->irq_stage = ISR_ENTRY;
    p->irq_first = 1;
    p->irq_pc = m->policy.hook_start[PYEMU_H_IRQ_ENTRY];
    p->irq_scratch = v != NULL ? v->flags & scratch_bits() : 0;
}

static void irq_end(struct pyemu_machine *m, struct pcpu *p)
{
    struct vcpu *v = running_vcpu(m, p);

    p->irq_stage = ISR_NONE;
    p->flags &= ~bit64(FI_IRQ_OFF);
    if (v != NULL)
        v->flags = (v->flags & ~scratch_bits()) | p->irq_scratch;
}

/* One expired hrtimer: a vCPU's or a host task's wake-up. */
static void soft_expired(struct pyemu_machine *m, struct pcpu *p, uint32_t node)
{
    const uint32_t n_vcpus = m->s->cfg.n_vcpus;

    charge(m, p, PYEMU_P_ISR_HRTIMER);
    if (node >= 2 * n_vcpus) {
        sched_wake(m, p, node - 2 * n_vcpus + n_vcpus);
        return;
    }
    struct vcpu *v = &m->vcpus[node / 2];
    const bool bg = node % 2 == 0;

    if (v->stage == STAGE_START) { /* its start time has come */
        sched_wake(m, p, node / 2);
        return;
    }
    v->flags &= ~(bg ? FLAG(BG_ARMED) : FLAG(PT_ARMED));
    count(m, bg ? PYEMU_C_BG_EXPIRE : PYEMU_C_PT_EXPIRE);
    trace(m, p, node / 2, KIND(PYEMU_E_HRTIMER, bg ? 0 : 1), 0);
    /* the vCPU's thread may be in a hook on another pCPU, with locals of its own */
    const uint64_t kept = v->flags & scratch_bits();

    hook_run(m, p, v, bg ? PYEMU_H_BG_EXPIRE : PYEMU_H_PT_EXPIRE);
    v->flags = (v->flags & ~scratch_bits()) | kept;
}

/* In the order of their latest times; the first runs from its earliest on. */
static bool first_timer_due(const struct pyemu_machine *m, const struct pcpu *p)
{
    if (p->timers == PYEMU_NONE)
        return false;
    const uint32_t n_vcpus = m->s->cfg.n_vcpus;
    const uint64_t slack =
        p->timers < 2 * n_vcpus ? 0 : m->threads[p->timers - n_vcpus].slack_cyc;

    return m->timer_nodes[p->timers].key <= add_sat(p->now_cyc, slack);
}

static void host_timer_isr(struct pyemu_machine *m, struct pcpu *p)
{
    charge(m, p, PYEMU_P_ISR_TIMER);
    count(m, PYEMU_C_HOST_TIMER_IRQ);
    while (first_timer_due(m, p))
        soft_expired(m, p, heap_pop(m->timer_nodes, &p->timers));
    if (tick_runs(m, p) && p->next_tick_cyc <= p->now_cyc) {
        p->tick_off = p->cur == PYEMU_NONE;
        charge(m, p, PYEMU_P_ISR_TICK);
        count(m, PYEMU_C_HOST_TICK_IRQ);
        while (p->next_tick_cyc <= p->now_cyc)
            p->next_tick_cyc += m->s->cfg.tick_cyc;
        sched_tick(m, p);
    }
    /* the comparator is reprogrammed: the line follows what is due next */
    gic_set_line(p, INTID_HTIMER_VHE, host_timer_due(m, p));
    p->horizon_cyc = p->now_cyc;
}

static void dispatch(struct pyemu_machine *m, struct pcpu *p)
{
    p->irq_stage = ISR_EXIT;
    p->irq_pc = m->policy.hook_start[PYEMU_H_IRQ_EXIT];
    switch (p->acked) {
    case INTID_VTIMER:
    case INTID_PTIMER:
        count(m, p->acked == INTID_VTIMER ? PYEMU_C_HOST_VTIMER_IRQ
                                          : PYEMU_C_HOST_PTIMER_IRQ);
        p->irq_stage = ISR_HANDLER;
        p->irq_pc = m->policy.hook_start[p->acked == INTID_VTIMER ? PYEMU_H_VTIMER_ISR
                                                                  : PYEMU_H_PTIMER_ISR];
        break;
    case INTID_HTIMER_VHE: host_timer_isr(m, p); break;
    case INTID_SGI_KICK:
        charge(m, p, PYEMU_P_ISR_IPI);
        count(m, PYEMU_C_HOST_IPI_IRQ);
        break;
    case INTID_MAINT: break; /* the handler does nothing (2.3) */
    default:
        charge(m, p, PYEMU_P_ISR_DEVICE);
        count(m, PYEMU_C_HOST_DEVICE_IRQ);
        break;
    }
}

static uint32_t stage_end(const struct pyemu_machine *m, const struct pcpu *p)
{
    uint32_t hook = PYEMU_H_IRQ_EXIT;

    if (p->irq_stage == ISR_ENTRY)
        hook = PYEMU_H_IRQ_ENTRY;
    else if (p->irq_stage == ISR_HANDLER)
        hook = p->acked == INTID_VTIMER ? PYEMU_H_VTIMER_ISR : PYEMU_H_PTIMER_ISR;
    return m->policy.hook_start[hook + 1];
}

void irq_step(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->irq_pc < stage_end(m, p)) {
        const bool iar = m->policy.steps[p->irq_pc].prim == PYEMU_P_IAR_R;
        struct vcpu *v = running_vcpu(m, p);

        if (!iar && v != NULL && m->paths != NULL &&
            paths_walk(m, p, v, &p->irq_pc, stage_end(m, p)) == WALK_MOVED)
            return;
        (void)step_execute(m, p, v, &p->irq_pc);
        if (iar && (p->flags & FLAG(SPURIOUS)) != 0) {
            if (p->irq_first != 0)
                count(m, PYEMU_C_SPURIOUS_IRQ);
            irq_end(m, p);
        }
        return;
    }
    switch (p->irq_stage) {
    case ISR_ENTRY:
        p->irq_first = 0;
        dispatch(m, p);
        break;
    case ISR_HANDLER:
        p->irq_stage = ISR_EXIT;
        p->irq_pc = m->policy.hook_start[PYEMU_H_IRQ_EXIT];
        break;
    default:
        p->irq_stage = ISR_ENTRY;
        p->irq_pc = m->policy.hook_start[PYEMU_H_IRQ_ENTRY];
        break;
    }
}

void irq_run(struct pyemu_machine *m, struct pcpu *p)
{
    /* a storm has no end: look at what may stop a run, as the pCPU's loop does */
    do {
        irq_step(m, p);
    } while (p->irq_stage != ISR_NONE && p->now_cyc < p->horizon_cyc && m->stop == 0 &&
             m->trace_n < m->trace_stop && m->interrupted == 0);
}
