/*
 * checks.c - the safety invariants of section 7. Each is one clause that names
 * itself; the first one broken by a move is kept.
 */
#include "explore/explore.h"
#include "hw/gic.h"
#include "hw/timer.h"

void ex_break(struct pyemu_explorer *x, uint32_t invariant, uint32_t detail)
{
    if (x->found.invariant != 0 || !has_bit64(x->cfg.invariants, invariant))
        return;
    x->found.invariant = invariant;
    x->found.detail = detail;
}

/* The output line as the guest has programmed its timer (I1, I2). */
bool ex_fires(const struct pyemu_explorer *x, uint32_t vcpu, uint32_t t)
{
    const struct timer_regs *g = &x->ghost[vcpu].t[t];

    return ctl_can_fire(g->ctl) && g->expiry_cyc <= x->m->pcpus[0].now_cyc;
}

void ex_note_levels(struct pyemu_explorer *x)
{
    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus; i++) {
        /* an emulated timer is its memory copy */
        if (x->m->s->cfg.direct_ptimer == 0)
            x->ghost[i].t[TIMER_P] = x->m->vcpus[i].mem[TIMER_P];
        for (uint32_t t = 0; t < N_TIMERS; t++)
            if (ex_fires(x, i, t))
                x->ghost[i].high[t] = 1;
    }
}

/* The same register values? Two deadlines that have passed are one. */
static bool same(const struct timer_regs *a, const struct timer_regs *b, uint64_t now)
{
    return a->ctl == b->ctl &&
           (a->expiry_cyc == b->expiry_cyc ||
            (a->expiry_cyc <= now && b->expiry_cyc <= now));
}

static uint32_t n_direct(const struct pyemu_explorer *x)
{
    return x->m->s->cfg.direct_ptimer != 0 ? 2U : 1U;
}

/* I3, I13: what stands in the list registers when the guest starts. */
static void check_lrs(struct pyemu_explorer *x, const struct pcpu *p)
{
    for (uint32_t i = 0; i < p->n_lrs; i++) {
        const struct list_register *lr = &p->lr[i];

        if (lr->state == LR_INVALID)
            continue;
        if (lr->hw != 0 && !has_bit32(p->irq_active, lr->pintid))
            ex_break(x, 3, EXD_LR_INACTIVE);
        if (lr->hw != 0 && lr->state == LR_BOTH)
            ex_break(x, 13, EXD_LR_BOTH);
        for (uint32_t n = i + 1; n < p->n_lrs; n++)
            if (p->lr[n].state != LR_INVALID && p->lr[n].vintid == lr->vintid)
                ex_break(x, 13, EXD_LR_TWICE);
    }
}

static bool in_lr(const struct pcpu *p, uint32_t intid)
{
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].state != LR_INVALID && p->lr[i].vintid == intid)
            return true;
    return false;
}

/* I3, the converse: physical active at entry has a reason in the loaded vCPU. */
static void check_masked(struct pyemu_explorer *x, const struct pcpu *p,
                         const struct vcpu *v)
{
    for (uint32_t t = 0; t < n_direct(x); t++) {
        const uint32_t intid = timer_intid(t);
        const struct vgic_irq *q = &v->irq[intid];
        const uint32_t level = t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P;

        if (has_bit32(p->irq_active, intid) && q->active == 0 && q->line == 0 &&
            q->latch == 0 && !has_bit64(v->flags, level) && !in_lr(p, intid))
            ex_break(x, 3, EXD_MASKED);
    }
}

void ex_check_entry(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v)
{
    const struct pyemu_config *cfg = &x->m->s->cfg;
    struct ghost *g = &x->ghost[vcpu_idx(x->m, v)];

    check_lrs(x, p);
    if ((v->flags & FLAG(USER_IRQCHIP)) == 0)
        check_masked(x, p, v);
    for (uint32_t t = 0; t < n_direct(x); t++)
        if (!same(&p->hw[t], &g->t[t], p->now_cyc))
            ex_break(x, 6, EXD_HW_DIFFERS);
    if (p->running != vcpu_idx(x->m, v))
        ex_break(x, 8, EXD_NOT_RUNNING);
    if ((v->flags & FLAG(USER_IRQCHIP)) == 0 &&
        !has_bit32(p->irq_enabled, INTID_VTIMER))
        ex_break(x, 8, EXD_PPI_LEAK);
    if (p->offset_ticks != x->m->vms[v->vm].cntvoff_ticks)
        ex_break(x, 9, EXD_CNTVOFF);
    if (cfg->vhe == 0 && p->cnthctl != CNTHCTL_GUEST)
        ex_break(x, 9, EXD_CNTHCTL);
    g->entry_cnthctl = (uint8_t)p->cnthctl;
}

/* May the timer's interrupt end a WFI: enabled, not in service, not below PMR? */
static bool wakes(const struct vcpu *v, uint32_t t)
{
    const struct vgic_irq *q = &v->irq[timer_intid(t)];

    return q->enabled != 0 && q->active == 0 && q->prio < v->pmr;
}

/* I5: asleep with a timer that can fire: a host timer is armed for it. */
static void check_asleep(struct pyemu_explorer *x, uint32_t i)
{
    const struct pyemu_machine *m = x->m;
    const uint64_t now = m->pcpus[0].now_cyc;

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const struct timer_regs *g = &x->ghost[i].t[t];
        bool armed = m->vcpus[i].work != 0;

        if (!ctl_can_fire(g->ctl) || !wakes(&m->vcpus[i], t))
            continue;
        for (uint32_t n = 0; n < N_TIMERS; n++) {
            const struct heap_node *node = &m->timer_nodes[2 * i + n];

            armed = armed || (node->queued != 0 && (n == 0 || t == TIMER_P) &&
                              node->key <= max_u64(g->expiry_cyc, now));
        }
        if (!armed)
            ex_break(x, 5, EXD_NO_WAKE);
    }
}

/* I6: in user space and asleep the memory copy is the truth. */
static void check_memory(struct pyemu_explorer *x, uint32_t i)
{
    for (uint32_t t = 0; t < n_direct(x); t++)
        if (!same(&x->m->vcpus[i].mem[t], &x->ghost[i].t[t], x->m->pcpus[0].now_cyc))
            ex_break(x, 6, EXD_MEM_DIFFERS);
}

static void check_vcpu(struct pyemu_explorer *x, uint32_t i)
{
    const struct pyemu_machine *m = x->m;
    const struct vcpu *v = &m->vcpus[i];
    const uint32_t state = m->threads[i].state;
    const bool off = state == T_SLEEPING || state == T_RUNNABLE || state == T_PAUSED;

    if (v->stage == STAGE_START)
        return;
    if (v->stage == STAGE_USER) {
        const struct pcpu *p = &m->pcpus[m->threads[i].pcpu];

        check_memory(x, i);
        if (state == T_RUNNING && m->s->cfg.vhe == 0 && p->offset_ticks != 0)
            ex_break(x, 9, EXD_CNTVOFF_HOST);
    }
    if (off && has_bit64(v->flags, PYEMU_F_LOADED))
        ex_break(x, 8, EXD_LOADED_OFF);
    if (state == T_SLEEPING && v->sleep_off == 0) {
        check_memory(x, i);
        if ((v->flags & FLAG(USER_IRQCHIP)) == 0)
            check_asleep(x, i);
    }
}

void ex_check_state(struct pyemu_explorer *x)
{
    const struct pyemu_machine *m = x->m;

    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        check_vcpu(x, i);
        ex_check_other(x, i);
    }
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        for (uint32_t t = 0; t < n_direct(x); t++)
            if (m->pcpus[i].cur == PYEMU_NONE && m->pcpus[i].hw[t].ctl != 0)
                ex_break(x, 8, EXD_IDLE_TIMER);
    if (m->s->counters[PYEMU_C_BAD_DEACTIVATE] != x->base_counters[0])
        ex_break(x, 3, EXD_BAD_DEACTIVATE);
    if (m->s->counters[PYEMU_C_HOST_OOPS] != x->base_counters[1])
        ex_break(x, 7, EXD_OOPS);
}

/* What a step has to have done. */
void ex_check_after(struct pyemu_explorer *x, const struct pcpu *p,
                    const struct vcpu *v, uint32_t prim)
{
    struct ghost *g = &x->ghost[vcpu_idx(x->m, v)];

    if (prim == PYEMU_P_VGIC_SYNC && g->ended != 0) {
        if (v->irq[timer_intid(g->ended - 1U)].active != 0)
            ex_break(x, 13, EXD_STILL_ACTIVE);
        g->ended = 0;
    }
    if (prim == PYEMU_P_HANDLE && v->trap_op == PYEMU_GC_PTVAL_PAST &&
        v->mem[TIMER_P].expiry_cyc > p->now_cyc)
        ex_break(x, 9, EXD_TVAL);
}

void ex_check_step(struct pyemu_explorer *x, const struct pcpu *p, const struct vcpu *v,
                   uint32_t prim)
{
    const bool loaded = v != NULL && has_bit64(v->flags, PYEMU_F_LOADED);

    if (loaded && prim == PYEMU_P_EVAL_V) {
        const bool mem = has_bit64(v->flags, PYEMU_F_CAN_V) &&
                         has_bit64(v->flags, PYEMU_F_DUE_V);

        if (mem != timer_line(p, TIMER_V))
            ex_break(x, 7, EXD_STALE_COPY);
    }
    if ((prim == PYEMU_P_VGIC_FLUSH || prim == PYEMU_P_VGIC_SYNC) &&
        x->isr_injects != 0 && !has_bit64(p->flags, FI_IRQ_OFF))
        ex_break(x, 14, EXD_LOCK);
    if (prim == PYEMU_P_HANDLE && x->m->s->cfg.vhe != 0 &&
        p->cnthctl != x->ghost[vcpu_idx(x->m, v)].entry_cnthctl)
        ex_break(x, 9, EXD_CNTHCTL);
}
