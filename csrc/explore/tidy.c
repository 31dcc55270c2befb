/*
 * tidy.c - one form for values that no step can read any more, so that states
 * which behave alike are one state; and the copy that moves start from.
 */
#include <string.h>

#include "explore/live.h"
#include "host/softtimer.h"
#include "hw/timer.h"

/* A wake-up counts from the last check to the moment the thread is off. */
static bool about_to_sleep(const struct vcpu *v)
{
    if (v->stage == STAGE_SLEEP)
        return true;
    if (v->stage != STAGE_HOOK)
        return false;
    return v->cont == CONT_CHECK_BLOCK ||
           (v->cont == CONT_PUT_SCHED && v->saved_stage == STAGE_SLEEP) ||
           ((v->cont == CONT_PUT_SCHED || v->cont == CONT_LOAD_SCHED) &&
            v->saved_cont == CONT_CHECK_BLOCK);
}

/* A dead register is 0, and so is what follows from it. */
static void forget_mem(struct vcpu *v, uint32_t t, uint16_t live)
{
    if ((live & EXL_MEM_CTL) == 0) {
        v->mem[t].ctl = 0;
        put_bit64(&v->flags, timer_can(t), false);
    }
    if ((live & EXL_MEM_CVAL) == 0) {
        v->mem[t].cval_ticks = 0;
        v->mem[t].expiry_cyc = 0;
        put_bit64(&v->flags, timer_due(t), true);
    }
}

static uint64_t scratch_of(uint16_t live)
{
    return ((live & EXL_FIRE) != 0 ? FLAG(FIRE) : 0) |
           ((live & EXL_CHANGED) != 0 ? FLAG(CHANGED) : 0) |
           ((live & EXL_ACT) != 0 ? FLAG(ACT) : 0);
}

/* Locals of the thread, kept elsewhere while an interrupt handler has its own. */
static void forget_scratch(struct pyemu_explorer *x, uint32_t i, uint16_t live)
{
    const uint64_t all = scratch_of(EXL_ALL);
    struct vcpu *v = &x->m->vcpus[i];
    bool apart = false;

    for (uint32_t k = 0; k < x->m->s->cfg.n_pcpus; k++) {
        struct pcpu *p = &x->m->pcpus[k];

        if (p->irq_stage == ISR_NONE || p->running != i)
            continue;
        apart = true;
        if (p->cur == i)
            p->irq_scratch &= scratch_of(live);
        v->flags &= ~all | scratch_of(ex_live_isr(x, p, v));
    }
    if (!apart)
        v->flags &= ~all | scratch_of(live);
    if (v->saved_stage == STAGE_HOOK)
        v->saved_scratch &=
            (uint8_t)(8U | scratch_of(ex_live_saved(x, v)) >> PYEMU_F_FIRE);
}

static void forget_dead(struct pyemu_explorer *x, uint32_t i)
{
    const uint16_t live = ex_live(x, i);
    struct vcpu *v = &x->m->vcpus[i];

    forget_mem(v, TIMER_V, live);
    if (x->m->s->cfg.direct_ptimer != 0)
        forget_mem(v, TIMER_P, live >> EXL_P);
    if ((live & EXL_REQ) == 0)
        v->flags &= ~FLAG(REQ);
    if ((live & EXL_VMCR) == 0)
        v->vmcr_pmr = PRIORITY_IDLE + 1U;
    forget_scratch(x, i, live);
    x->hw_live |= live;
}

/* The deadline of a timer that is off, and written before it is on again. */
static void forget_hw(const struct pyemu_explorer *x, struct pcpu *p, uint32_t t)
{
    const uint32_t bit = (uint32_t)EXL_HW_CVAL << (t == TIMER_V ? 0 : EXL_P);

    if (p->hw[t].ctl != 0 || (x->hw_live & bit) != 0)
        return;
    p->hw[t].cval_ticks = 0;
    p->hw[t].expiry_cyc = 0;
    put_bit64(&p->flags, timer_hdue(t), true);
}

static void sort_lrs(struct list_register *lr, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k != 0 && lr[k - 1].vintid > lr[k].vintid; k--) {
            const struct list_register kept = lr[k];

            lr[k] = lr[k - 1];
            lr[k - 1] = kept;
        }
}

/* One order of the ap_list and of list registers (ex_any_order). */
static void sort_lists(struct vcpu *v)
{
    static const uint16_t order[] = {EX_OTHER_SGI, INTID_VTIMER, INTID_PTIMER};
    struct vgic_irq *last = NULL;

    sort_lrs(v->lr, v->used_lrs);
    if (v->ap_len < 2)
        return;
    for (uint32_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct vgic_irq *q = &v->irq[order[i]];

        if (q->queued == 0)
            continue;
        if (last == NULL)
            v->ap_head = order[i];
        else
            last->next = order[i];
        q->next = AP_END;
        last = q;
    }
}

static bool in_lrs(const struct list_register *lr, uint32_t n, uint32_t intid)
{
    for (uint32_t i = 0; i < n; i++)
        if (lr[i].vintid == intid && lr[i].state != LR_INVALID)
            return true;
    return false;
}

/*
 * A line that was high and has left no trace anywhere is no reason for a later
 * acknowledge: from here on there must be a new one (I1).
 */
static void forget_high(struct pyemu_explorer *x, uint32_t i, uint32_t t)
{
    const struct pyemu_machine *m = x->m;
    const struct vcpu *v = &m->vcpus[i];
    const uint32_t intid = timer_intid(t);
    const struct vgic_irq *q = &v->irq[intid];
    const uint32_t level = t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P;

    if (x->ghost[i].high[t] == 0 || ex_fires(x, i, t) || x->ghost[i].stopped != 0 ||
        (q->line | q->latch | q->active) != 0 || has_bit64(v->flags, level) ||
        in_lrs(v->lr, v->used_lrs, intid))
        return;
    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++) {
        const struct pcpu *p = &m->pcpus[k];

        if (has_bit32(p->irq_line | p->irq_active, intid) || p->line_target[t] != 0 ||
            p->irq_stage != ISR_NONE || in_lrs(p->lr, p->n_lrs, intid))
            return;
    }
    if (v->stage == STAGE_GUEST || v->stage == STAGE_USER)
        x->ghost[i].high[t] = 0;
}

/* Values that no step reads any more get one form. */
static void tidy_vcpu(struct pyemu_explorer *x, uint32_t i)
{
    struct vcpu *v = &x->m->vcpus[i];
    const uint32_t state = x->m->threads[i].state;
    const uint64_t scratch = FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT);
    const bool in_hook = v->stage == STAGE_HOOK;
    const bool at_start = in_hook && v->pc == x->m->policy.hook_start[v->hook];

    if (!in_hook) {
        v->pc = 0;
        v->hook = 0;
        v->cont = CONT_NONE;
    }
    if ((!in_hook || at_start) && x->m->pcpus[x->m->threads[i].pcpu].irq_stage == 0)
        v->flags &= ~scratch;
    if (!in_hook || v->hook != PYEMU_H_CHECK)
        v->flags &= ~FLAG(WAKE);
    if (!in_hook || (v->hook != PYEMU_H_PUT && v->hook != PYEMU_H_LOAD))
        v->flags &= ~FLAG(PREEMPTED);
    if (!in_hook || v->hook != PYEMU_H_EXIT) {
        v->after = AFTER_ENTER;
        v->trap_op = EX_NO_TRAP;
    } else if (v->reason <= PYEMU_X_IRQ_MAINT ||
               v->pc == x->m->policy.hook_start[v->hook + 1]) {
        v->trap_op = EX_NO_TRAP;
    }
    if (state == T_RUNNING && v->cont != CONT_PUT_SCHED && v->cont != CONT_LOAD_SCHED) {
        v->saved_pc = 0;
        v->saved_cont = 0;
        v->saved_stage = 0;
        v->saved_hook = 0;
        v->saved_scratch = 0;
    } else if (v->saved_stage != STAGE_HOOK) {
        v->saved_hook = 0;
        v->saved_scratch = 0;
        v->saved_pc = 0;
        v->saved_cont = 0;
    }
    v->flags &= ~(UINT64_C(15) << FI_REASON);
    if (!about_to_sleep(v)) {
        v->woken = 0;
        /* work that finds nobody asleep does nothing; late, it is a kick's wake-up */
        if (x->cfg.reduce != 0 && state != T_SLEEPING &&
            has_bit64(x->cfg.actions, PYEMU_A_KICK))
            v->work = 0;
    }
    if (ex_deaf(x, v))
        v->pstate_i = 1;
    if (ex_any_order(x))
        sort_lists(v);
}

static void tidy_pcpu(const struct pyemu_explorer *x, struct pcpu *p)
{
    if (ex_any_order(x))
        sort_lrs(p->lr, p->n_lrs);
    for (uint32_t t = 0; t < N_TIMERS && x->cfg.reduce != 0; t++)
        forget_hw(x, p, t);
    if (p->irq_stage == 0) {
        p->flags &= ~(FLAG(SPURIOUS) | FLAG(ACK_FORWARDED));
        p->acked = INTID_SPURIOUS;
        p->irq_pc = 0;
        p->irq_scratch = 0;
    }
    if (!has_bit64(p->flags, FI_IRQ_OFF))
        p->irq_saved = 0;
}

void ex_tidy(struct pyemu_explorer *x)
{
    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus; i++)
        tidy_vcpu(x, i);
    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus; i++)
        for (uint32_t t = 0; t < N_TIMERS; t++)
            forget_high(x, i, t);
    x->hw_live = 0;
    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus && x->cfg.reduce != 0; i++)
        forget_dead(x, i);
    for (uint32_t i = 0; i < x->m->s->cfg.n_pcpus; i++)
        tidy_pcpu(x, &x->m->pcpus[i]);
}

/* Does a copy that can fire, or an armed hrtimer, share the deadline? */
static bool is_held(const struct pyemu_explorer *x, uint32_t i, uint32_t t, uint64_t at)
{
    const struct pyemu_machine *m = x->m;
    const struct timer_regs *mem = &m->vcpus[i].mem[t];

    if (mem->expiry_cyc == at && ctl_can_fire(mem->ctl))
        return true;
    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
        if (m->pcpus[k].hw[t].expiry_cyc == at && ctl_can_fire(m->pcpus[k].hw[t].ctl))
            return true;
    for (uint32_t n = 0; n < 2 * m->s->cfg.n_vcpus; n++)
        if (m->timer_nodes[n].queued != 0 && m->timer_nodes[n].key == at)
            return true;
    return false;
}

static void move_deadline(struct timer_regs *r, uint64_t from, uint64_t to)
{
    if (r->expiry_cyc == from && !ctl_can_fire(r->ctl))
        r->expiry_cyc = to;
}

/*
 * The deadline of a timer that is off or masked is compared with nothing: it is
 * the last of all. Any other order comes about again by CVAL_SOON once the timer is
 * on, and its passing first by CVAL_PAST now.
 */
static void float_timer(struct pyemu_explorer *x, uint32_t i, uint32_t t, uint64_t last)
{
    struct pyemu_machine *m = x->m;
    struct timer_regs *g = &x->ghost[i].t[t];
    const uint64_t at = g->expiry_cyc;

    if (ctl_can_fire(g->ctl) || at <= m->pcpus[0].now_cyc || at == PYEMU_NEVER ||
        is_held(x, i, t, at))
        return;
    move_deadline(&m->vcpus[i].mem[t], at, last);
    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
        move_deadline(&m->pcpus[k].hw[t], at, last);
    g->expiry_cyc = last;
}

void ex_float(struct pyemu_explorer *x)
{
    const uint64_t guest = x->cfg.guest;
    const uint64_t v = bit64(PYEMU_GC_CVAL_SOON) | bit64(PYEMU_GC_CVAL_PAST);
    const uint64_t p = bit64(PYEMU_GC_PCVAL_SOON) | bit64(PYEMU_GC_PCVAL_PAST);
    const uint64_t last = x->m->pcpus[0].now_cyc + EX_LAST;

    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus && x->cfg.reduce != 0; i++) {
        if ((guest & v) == v)
            float_timer(x, i, TIMER_V, last);
        if ((guest & p) == p)
            float_timer(x, i, TIMER_P, last);
    }
}

/* The host timers' queues of a decoded state. */
void ex_rearm(struct pyemu_machine *m)
{
    for (uint32_t n = 0; n < 2 * m->s->cfg.n_vcpus; n++) {
        const uint32_t where = m->timer_nodes[n].queued;

        if (where == 0)
            continue;
        m->timer_nodes[n].queued = 0;
        soft_arm(m, &m->pcpus[where - 1], n, m->timer_nodes[n].key);
    }
}

void ex_keep(struct pyemu_explorer *x)
{
    const struct pyemu_machine *m = x->m;
    const struct pyemu_config *cfg = &m->s->cfg;

    memcpy(x->saved.pcpus, m->pcpus, sizeof *m->pcpus * cfg->n_pcpus);
    memcpy(x->saved.vcpus, m->vcpus, sizeof *m->vcpus * cfg->n_vcpus);
    memcpy(x->saved.threads, m->threads, sizeof *m->threads * cfg->n_vcpus);
    memcpy(x->saved.timer_nodes, m->timer_nodes,
           sizeof *m->timer_nodes * 2 * cfg->n_vcpus);
    memcpy(x->saved.ghost, x->ghost, sizeof x->ghost);
}

void ex_restore(struct pyemu_explorer *x)
{
    struct pyemu_machine *m = x->m;
    const struct pyemu_config *cfg = &m->s->cfg;

    memcpy(m->pcpus, x->saved.pcpus, sizeof *m->pcpus * cfg->n_pcpus);
    memcpy(m->vcpus, x->saved.vcpus, sizeof *m->vcpus * cfg->n_vcpus);
    memcpy(m->threads, x->saved.threads, sizeof *m->threads * cfg->n_vcpus);
    memcpy(m->timer_nodes, x->saved.timer_nodes,
           sizeof *m->timer_nodes * 2 * cfg->n_vcpus);
    memcpy(x->ghost, x->saved.ghost, sizeof x->ghost);
}
