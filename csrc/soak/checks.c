/*
 * checks.c - invariants of section 7 as a running machine can be held to them, one
 * clause each. The truth of I2 and I6 is what the guest last wrote (state/deadline.h).
 */
#include "soak/soak.h"

#include "account/account.h"
#include "host/softtimer.h"
#include "hw/timer.h"
#include "policy/paths.h"
#include "state/deadline.h"
#include "state/reset.h"

enum { FOLD_EVERY = 1024 };

/* Where a check stands, for the report. */
struct place {
    struct pyemu_machine *m;
    uint32_t vcpu;
    uint32_t pcpu;
};

static void hold(const struct place *at, uint32_t invariant, uint32_t clause, bool ok)
{
    struct pyemu_fault_report *r = &at->m->s->soak.done;

    r->checked[invariant]++;
    if (ok || r->invariant != 0)
        return;
    r->invariant = invariant;
    r->clause = clause;
    r->vcpu = at->vcpu;
    r->pcpu = at->pcpu;
    r->violation_cyc = at->m->s->soak.next_cyc;
}

static bool can_fire(const struct vcpu *v)
{
    return ctl_can_fire(v->written_ctl);
}

static uint64_t vcount(const struct pyemu_machine *m, const struct vcpu *v)
{
    return clock_ticks_at(&m->s->clock, m->s->soak.next_cyc) -
           m->vms[v->vm].cntvoff_ticks;
}

/* The guest could take 27: enabled, not in service, not below its PMR. */
static bool wanted(const struct vcpu *v)
{
    const struct vgic_irq *q = &v->irq[INTID_VTIMER];

    return (v->flags & FLAG(USER_IRQCHIP)) == 0 && q->enabled != 0 && q->prio < v->pmr;
}

/* I2: first seen expired at late_cyc, still open much later. */
static void check_deadline(const struct place *at, struct vcpu *v)
{
    struct soak_state *k = &at->m->s->soak;

    if (v->settled == v->deadline || !can_fire(v) || !wanted(v) || v->paused != 0 ||
        v->off != 0 || v->ended != 0 || (v->flags & FLAG(POWERED_OFF)) != 0 ||
        vcount(at->m, v) < v->written_cval) {
        v->late = v->deadline - 1U;
        return;
    }
    if (v->late != v->deadline) {
        v->late = v->deadline;
        v->late_cyc = k->next_cyc;
    }
    const uint64_t open = k->next_cyc - v->late_cyc;

    k->done.late_cyc = max_u64(k->done.late_cyc, open);
    hold(at, 2, PYEMU_CL_OVERDUE, open <= k->cfg.overdue_cyc);
}

/* I3, I13: list registers of a running guest. */
static void check_lrs(const struct place *at, const struct pcpu *p)
{
    for (uint32_t i = 0; i < p->n_lrs; i++) {
        const struct list_register *lr = &p->lr[i];
        bool once = true;

        if (lr->state == LR_INVALID)
            continue;
        for (uint32_t n = i + 1; n < p->n_lrs; n++)
            once = once && (p->lr[n].state == LR_INVALID ||
                            p->lr[n].vintid != lr->vintid);
        hold(at, 13, PYEMU_CL_LR_TWICE, once);
        if (lr->hw == 0)
            continue;
        hold(at, 3, PYEMU_CL_LR_INACTIVE, has_bit32(p->irq_active, lr->pintid));
        hold(at, 13, PYEMU_CL_LR_BOTH, lr->state != LR_BOTH);
    }
}

static bool in_lr(const struct pcpu *p, uint32_t intid)
{
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].state != LR_INVALID && p->lr[i].vintid == intid)
            return true;
    return false;
}

static void check_guest(const struct place *at, const struct pcpu *p,
                        const struct vcpu *v)
{
    const struct timer_regs *hw = &p->hw[TIMER_V];
    const struct vgic_irq *q = &v->irq[INTID_VTIMER];

    check_lrs(at, p);
    hold(at, 6, PYEMU_CL_HW_DIFFERS,
         hw->cval_ticks == v->written_cval && hw->ctl == v->written_ctl);
    hold(at, 8, PYEMU_CL_NOT_RUNNING, p->running == at->vcpu);
    hold(at, 9, PYEMU_CL_CNTVOFF, p->offset_ticks == at->m->vms[v->vm].cntvoff_ticks);
    if ((v->flags & FLAG(USER_IRQCHIP)) != 0)
        return;
    hold(at, 8, PYEMU_CL_PPI_LEAK, has_bit32(p->irq_enabled, INTID_VTIMER));
    hold(at, 3, PYEMU_CL_MASKED,
         !has_bit32(p->irq_active, INTID_VTIMER) || q->active != 0 || q->line != 0 ||
             q->latch != 0 || (v->flags & FLAG(LEVEL_V)) != 0 ||
             in_lr(p, INTID_VTIMER));
}

static void check_memory(const struct place *at, const struct vcpu *v)
{
    hold(at, 6, PYEMU_CL_MEM_DIFFERS,
         v->mem[TIMER_V].cval_ticks == v->written_cval &&
             v->mem[TIMER_V].ctl == v->written_ctl);
}

/* I5: a host timer is armed for it, or its expiry has made the vCPU runnable. */
static void check_asleep(const struct place *at, const struct vcpu *v)
{
    const struct pyemu_machine *m = at->m;
    const struct heap_node *n = &m->timer_nodes[2 * at->vcpu];
    const uint64_t due_cyc =
        max_u64(v->mem[TIMER_V].expiry_cyc,
                add_sat(m->s->soak.next_cyc, m->s->cfg.hrtimer_min_cyc));

    check_memory(at, v);
    if (!can_fire(v) || !wanted(v) || v->irq[INTID_VTIMER].active != 0 ||
        m->s->n_live_msgs != 0)
        return;
    hold(at, 5, PYEMU_CL_NO_WAKE, n->queued != 0 && n->key <= due_cyc);
}

static void check_vcpu(struct pyemu_machine *m, uint32_t i)
{
    struct vcpu *v = &m->vcpus[i];
    const struct thread *th = &m->threads[i];
    const struct pcpu *p = &m->pcpus[th->pcpu];
    const struct place at = {m, i, th->pcpu};
    const bool on = p->cur == i;

    if (v->stage == STAGE_START || v->ended != 0)
        return;
    check_deadline(&at, v);
    if (on && v->stage == STAGE_GUEST)
        check_guest(&at, p, v);
    if (v->stage == STAGE_USER && v->resident == 0)
        check_memory(&at, v);
    if (on && v->stage == STAGE_USER && m->s->cfg.vhe == 0)
        hold(&at, 9, PYEMU_CL_CNTVOFF_HOST, p->offset_ticks == 0);
    if (th->state == T_SLEEPING && v->sleep_off == 0)
        check_asleep(&at, v);
    if (th->state == T_SLEEPING || th->state == T_RUNNABLE || th->state == T_PAUSED)
        hold(&at, 8, PYEMU_CL_LOADED_OFF, (v->flags & FLAG(LOADED)) == 0);
    for (uint32_t n = 2 * i; n < 2 * i + N_TIMERS; n++)
        hold(&at, 8, PYEMU_CL_STRAY_TIMER,
             m->timer_nodes[n].queued == 0 || m->timer_nodes[n].queued - 1 == th->pcpu);
}

/* Counters that must not move, and I4: causes of a host vtimer interrupt. */
static void check_counters(struct pyemu_machine *m)
{
    const struct place at = {m, PYEMU_NONE, PYEMU_NONE};
    struct soak_state *k = &m->s->soak;
    const uint64_t *c = m->s->counters;

    hold(&at, 3, PYEMU_CL_BAD_DEACTIVATE, c[PYEMU_C_BAD_DEACTIVATE] == k->base[0]);
    hold(&at, 7, PYEMU_CL_OOPS, c[PYEMU_C_HOST_OOPS] == k->base[1]);
    if (k->done.points % FOLD_EVERY != 0)
        return;
    paths_fold(m);
    hold(&at, 4, PYEMU_CL_STORM,
         c[PYEMU_C_HOST_VTIMER_IRQ] <= c[PYEMU_C_EXPIRIES] + c[PYEMU_C_VCPU_LOAD] +
                                           c[PYEMU_C_TICKS_ACKED] +
                                           k->done.faults[PYEMU_FAULT_LATE]);
    hold(&at, 2, PYEMU_CL_LOST,
         c[PYEMU_C_EXPIRIES] + m->s->n_open_before <=
             m->s->n_settled + reset_open_deadlines(m));
}

void soak_check(struct pyemu_machine *m)
{
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        check_vcpu(m, i);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        const struct pcpu *p = &m->pcpus[i];
        const struct place at = {m, PYEMU_NONE, i};

        if (p->cur == PYEMU_NONE)
            hold(&at, 8, PYEMU_CL_IDLE_TIMER,
                 p->hw[TIMER_V].ctl == 0 &&
                     (m->s->cfg.direct_ptimer == 0 || p->hw[TIMER_P].ctl == 0));
    }
    check_counters(m);
}

int pyemu_fault_report(struct pyemu_machine *m, struct pyemu_fault_report *out)
{
    *out = m->s->soak.done;
    out->n_open = 0;
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        out->n_open += deadline_armed(&m->vcpus[i]);
    return PYEMU_OK;
}
