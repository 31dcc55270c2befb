/* moves.c - everything that can happen next, and doing it. */
#include "cpu/events.h"
#include "cpu/irq.h"
#include "explore/explore.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "hw/vcpuif.h"
#include "policy/steps.h"
#include "run/run.h"
#include "run/trap.h"

static bool on(const struct pyemu_explorer *x, uint32_t action)
{
    return has_bit64(x->cfg.actions, action);
}

/* Anywhere with interrupts and preemption on; a sleeper goes by itself. */
static bool may_preempt(const struct pyemu_explorer *x, const struct pcpu *p)
{
    const struct vcpu *v = &x->m->vcpus[p->cur];
    const struct pyemu_config *cfg = &x->m->s->cfg;

    if (!on(x, PYEMU_A_PREEMPT) || x->ghost[p->cur].stopped != 0 ||
        has_bit64(p->flags, FI_IRQ_OFF) ||
        has_bit64(v->flags, FI_PREEMPT_OFF) || v->stage == STAGE_SLEEP)
        return false;
    if (ex_quiet(x, pcpu_idx(x->m, p)))
        return false;
    return v->resident != 0 || cfg->n_pcpus > 1 || cfg->n_vcpus > 1;
}

static uint32_t sched_moves(const struct pyemu_explorer *x, uint32_t i, ex_move *out)
{
    uint32_t n = 0;

    for (uint32_t t = 0; t < x->m->s->cfg.n_vcpus; t++)
        if (x->m->threads[t].state == T_RUNNABLE && x->m->pcpus[i].online != 0)
            out[n++] = ex_move_of(PYEMU_A_SCHED_IN, i, t, 0);
    return n;
}

static bool is_handle(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return v->pc < x->m->policy.hook_start[v->hook + 1] &&
           x->m->policy.steps[v->pc].prim == PYEMU_P_HANDLE;
}

/* About to look at what the guest has trapped with, which is still open. */
static bool chooses(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return v->trap_op != EX_NO_TRAP && v->trap_op >= EX_TRAP_BUSY &&
           v->stage == STAGE_HOOK && is_handle(x, v);
}

/* What the pCPU itself does next: one thing, or a choice of the guest. */
static uint32_t cpu_moves(struct pyemu_explorer *x, uint32_t i, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[i];
    const struct vcpu *v = p->cur == PYEMU_NONE ? NULL : &x->m->vcpus[p->cur];
    const uint32_t who = v == NULL ? 0 : p->cur;
    const ex_move step = ex_move_of(PYEMU_A_STEP, i, who, 0);
    uint32_t n = 0;

    if (p->irq_stage != ISR_NONE) {
        out[n++] = step;
    } else if (v != NULL && v->stage == STAGE_GUEST) {
        if ((p->flags & FLAG(PIRQ)) == 0 &&
            (v->pstate_i != 0 || vcpuif_hppvi(p, v) < 0))
            return ex_guest_moves(x, i, out);
        if ((p->flags & FLAG(PIRQ)) == 0)
            return ex_vector_moves(x, i, out);
        out[n++] = step;
    } else if (irq_may_be_taken(p)) {
        out[n++] = step;
    } else if (v == NULL) {
        return sched_moves(x, i, out);
    } else {
        if (x->ghost[who].stopped != 0)
            return 0;
        if (chooses(x, v))
            n += ex_handle_moves(x, i, out);
        else
            out[n++] = step;
        if (may_preempt(x, p))
            out[n++] = ex_move_of(PYEMU_A_PREEMPT, i, who, 0);
    }
    return n;
}

/*
 * The handler of an unrelated interrupt changes nothing: it is its exit from the
 * guest that matters, or that it has synchronised (B40).
 */
static bool notices_device(const struct pyemu_explorer *x, const struct pcpu *p)
{
    if (x->cfg.reduce == 0 || x->m->s->cfg.stale_istatus != 0)
        return true;
    return p->cur != PYEMU_NONE && x->m->vcpus[p->cur].stage == STAGE_GUEST &&
           p->irq_stage == ISR_NONE;
}

static uint32_t line_moves(const struct pyemu_explorer *x, uint32_t i, uint32_t sees,
                           ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[i];
    uint32_t n = 0;

    for (uint32_t t = 0; t < N_TIMERS && (sees & EX_SEES_LINE) != 0; t++)
        if (p->line_due_cyc[t] != PYEMU_NEVER)
            out[n++] = ex_move_of(p->line_target[t] != 0 ? PYEMU_A_LINE_ASSERT
                                                         : PYEMU_A_LINE_RETIRE,
                                  i, 0, t);
    if (on(x, PYEMU_A_DEVICE_IRQ) && p->online != 0 && notices_device(x, p) &&
        !has_bit32(p->irq_latch | p->irq_active, EX_DEVICE_SGI))
        out[n++] = ex_move_of(PYEMU_A_DEVICE_IRQ, i, 0, 0);
    return n;
}

static uint32_t hotplug_moves(const struct pyemu_explorer *x, uint32_t i, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[i];
    uint32_t online = 0;

    if (x->m->s->cfg.n_pcpus < 2)
        return 0;
    for (uint32_t k = 0; k < x->m->s->cfg.n_pcpus; k++)
        online += x->m->pcpus[k].online != 0;
    if (p->online == 0 && on(x, PYEMU_A_ONLINE)) {
        *out = ex_move_of(PYEMU_A_ONLINE, i, 0, 0);
        return 1;
    }
    if (p->online == 0 || online < 2 || !on(x, PYEMU_A_OFFLINE) ||
        p->cur != PYEMU_NONE || p->irq_stage != ISR_NONE)
        return 0;
    *out = ex_move_of(PYEMU_A_OFFLINE, i, 0, 0);
    return 1;
}

/* Work that finds nobody asleep does nothing: when it runs matters little. */
static bool may_work(const struct pyemu_explorer *x, uint32_t i)
{
    const uint32_t stage = x->m->vcpus[i].stage;

    return x->cfg.reduce == 0 || x->m->threads[i].state == T_SLEEPING ||
           stage == STAGE_SLEEP || stage == STAGE_GUEST || stage == STAGE_USER;
}

/* Outside events that meet one vCPU. */
static uint32_t vcpu_moves(const struct pyemu_explorer *x, uint32_t i, ex_move *out)
{
    const struct vcpu *v = &x->m->vcpus[i];
    const struct pcpu *p = &x->m->pcpus[x->m->threads[i].pcpu];
    const bool user = v->stage == STAGE_USER && p->cur == i &&
                      p->irq_stage == ISR_NONE && !irq_may_be_taken(p);
    const uint32_t sees = ex_notices(x, i);
    uint32_t n = 0;

    if (sees == 0 && v->work == 0 && x->ghost[i].stopped == 0 && !user)
        return 0;
    if (on(x, PYEMU_A_SIGNAL) && (sees & EX_SEES_SIGNAL) != 0 && v->resident != 0 &&
        (v->flags & FLAG(SIGNAL)) == 0)
        out[n++] = ex_move_of(PYEMU_A_SIGNAL, 0, i, 0);
    if (on(x, PYEMU_A_KICK) && (sees & EX_SEES_REQUEST) != 0 && v->resident != 0 &&
        (v->flags & FLAG(REQ)) == 0)
        out[n++] = ex_move_of(PYEMU_A_KICK, 0, i, 0);
    for (uint32_t s = 0; s < 2; s++)
        if (on(x, PYEMU_A_INJECT) && (sees & EX_SEES_VGIC) != 0 &&
            (v->flags & FLAG(USER_IRQCHIP)) == 0 &&
            (v->flags & FLAG(ENABLED)) != 0 && ex_other_ready(x, i, s))
            out[n++] = ex_move_of(PYEMU_A_INJECT, 0, i, s);
    if (on(x, PYEMU_A_WORK_RUN) && v->work != 0 && may_work(x, i))
        out[n++] = ex_move_of(PYEMU_A_WORK_RUN, 0, i, 0);
    if (x->ghost[i].stopped != 0) {
        out[n++] = ex_move_of(PYEMU_A_RESTORE, 0, i, 0);
        return n;
    }
    if (user && on(x, PYEMU_A_SAVE_VGIC) && on(x, PYEMU_A_RESTORE) &&
        x->m->s->cfg.n_vcpus == 1)
        out[n++] = ex_move_of(PYEMU_A_SAVE_VGIC, 0, i, 0);
    if (user && on(x, PYEMU_A_RESET))
        out[n++] = ex_move_of(PYEMU_A_RESET, 0, i, 0);
    if (user && on(x, PYEMU_A_UACCESS) && (v->flags & FLAG(USER_IRQCHIP)) == 0)
        out[n++] = ex_move_of(PYEMU_A_UACCESS, 0, i, 0);
    if (user && on(x, PYEMU_A_SET_REG))
        out[n++] = ex_move_of(PYEMU_A_SET_REG, 0, i, 0);
    return n;
}

uint32_t ex_moves(struct pyemu_explorer *x, ex_move *out)
{
    uint32_t sees = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < x->m->s->cfg.n_pcpus; i++) {
        n += cpu_moves(x, i, out + n);
        const uint32_t seen = ex_sees(x, i);

        n += line_moves(x, i, seen, out + n);
        sees |= seen;
        n += hotplug_moves(x, i, out + n);
    }
    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus; i++)
        n += vcpu_moves(x, i, out + n);
    if (on(x, PYEMU_A_TICK) && (sees & EX_SEES_TIME) != 0 && ex_deadlines(x) != 0)
        out[n++] = ex_move_of(PYEMU_A_TICK, 0, 0, 0);
    return n;
}

static bool runs_now(const struct pyemu_explorer *x, const struct pcpu *p,
                     const struct vcpu *v, uint32_t pc)
{
    const struct policy_table *t = &x->m->policy;

    return guard_holds(&t->guards[t->steps[pc].guard], flags_of(p, v));
}

/* Does the step at pc run now? Then its checks come first. */
static void before_step(struct pyemu_explorer *x, const struct pcpu *p,
                        const struct vcpu *v, uint32_t pc)
{
    if (runs_now(x, p, v, pc))
        ex_check_step(x, p, v, x->m->policy.steps[pc].prim);
}

static void isr_step(struct pyemu_explorer *x, struct pcpu *p)
{
    const struct policy_table *t = &x->m->policy;
    const bool reads =
        p->irq_pc < t->n_steps && t->steps[p->irq_pc].prim == PYEMU_P_IAR_R;

    if (p->irq_pc < t->n_steps)
        before_step(x, p, p->running == PYEMU_NONE ? NULL : &x->m->vcpus[p->running],
                    p->irq_pc);
    irq_step(x->m, p);
    if (reads && p->acked == INTID_VTIMER)
        x->events |= EX_EV_ISR;
}

/* Pending by the guest's own write is as good as a line that was high (I1). */
static void written(struct pyemu_explorer *x, const struct vcpu *v)
{
    const uint32_t i = vcpu_idx(x->m, v);

    if (v->trap_op == PYEMU_GC_SPEND)
        x->ghost[i].high[TIMER_V] = 1;
    if (v->trap_op != PYEMU_GC_CACTIVE)
        return;
    x->ghost[i].orphan = 0;
    x->ghost[i].high[TIMER_V] =
        v->irq[INTID_VTIMER].latch != 0 || ex_fires(x, i, TIMER_V);
}

static void thread_step(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v)
{
    const bool blocking = v->stage == STAGE_HOOK && v->hook == PYEMU_H_BLOCK;
    uint32_t prim = PYEMU_P_NOP;

    if (v->stage == STAGE_HOOK && v->pc < x->m->policy.hook_start[v->hook + 1]) {
        if (runs_now(x, p, v, v->pc))
            prim = x->m->policy.steps[v->pc].prim;
        before_step(x, p, v, v->pc);
    }
    if (prim == PYEMU_P_VGIC_SYNC)
        ex_other_heard(x, v);
    run_step(x->m, p, v);
    ex_check_after(x, p, v, prim);
    if (prim == PYEMU_P_HANDLE)
        written(x, v);
    if (v->stage == STAGE_HOOK && v->pc == x->m->policy.hook_start[v->hook])
        v->flags &= ~(FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT)); /* locals of a hook */
    if (v->stage == STAGE_HOOK && v->hook == PYEMU_H_BLOCK && !blocking)
        x->events |= EX_EV_BLOCK;
    if (x->m->threads[vcpu_idx(x->m, v)].state == T_SLEEPING)
        x->events |= EX_EV_SLEEP;
    if (v->stage == STAGE_GUEST) {
        x->events |= EX_EV_ENTRY;
        ex_check_entry(x, p, v);
    }
}

static void step(struct pyemu_explorer *x, struct pcpu *p, uint32_t arg)
{
    struct pyemu_machine *m = x->m;
    struct vcpu *v = p->cur == PYEMU_NONE ? NULL : &m->vcpus[p->cur];

    if (p->irq_stage != ISR_NONE) {
        isr_step(x, p);
    } else if (v != NULL && v->stage == STAGE_GUEST) {
        if ((p->flags & FLAG(PIRQ)) != 0)
            trap_irq(m, p, v);
        else if (ex_vector(x, p, v, arg & 3U))
            x->events |= EX_EV_ACK | EX_EV_GUEST;
    } else if (irq_may_be_taken(p)) {
        irq_begin(m, p);
        if (p->running != PYEMU_NONE) /* the handler's locals: nothing in them yet */
            m->vcpus[p->running].flags &= ~(FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT));
    } else if (v != NULL) {
        if (arg != 0) /* what it trapped with */
            v->trap_op = arg - 1U;
        thread_step(x, p, v);
    }
    ex_note_owners(x);
}

static void sched_in(struct pyemu_explorer *x, struct pcpu *p, uint32_t t)
{
    struct pyemu_machine *m = x->m;

    m->threads[t].state = T_RUNNING;
    m->threads[t].pcpu = pcpu_idx(m, p);
    p->cur = t;
    run_sched_in(m, p, &m->vcpus[t]);
}

static void tick(struct pyemu_explorer *x)
{
    const uint64_t map = ex_deadlines(x);
    uint64_t off = 1;

    while (!has_bit64(map, (uint32_t)off))
        off++;
    for (uint32_t i = 0; i < x->m->s->cfg.n_pcpus; i++)
        x->m->pcpus[i].now_cyc += off;
    for (uint32_t i = 0; i < x->m->s->cfg.n_pcpus; i++)
        events_due(x->m, &x->m->pcpus[i]);
}

/* Host timers that are due, messages under way; run queues are derived. */
static void settle(struct pyemu_explorer *x)
{
    struct pyemu_machine *m = x->m;

    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        struct pcpu *p = &m->pcpus[i];

        while (p->msgs != PYEMU_NONE)
            events_due(m, p);
        if (p->timers != PYEMU_NONE && host_timer_due(m, p) &&
            !has_bit32(p->irq_line, INTID_HTIMER_VHE))
            gic_set_line(p, INTID_HTIMER_VHE, true);
        else if (has_bit32(p->irq_line, INTID_HTIMER_VHE) && !host_timer_due(m, p))
            gic_set_line(p, INTID_HTIMER_VHE, false);
        p->rq = PYEMU_NONE;
        p->n_running = 0;
        p->flags &= ~FLAG(RESCHED);
    }
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        m->rq_nodes[i].queued = 0;
}

/* Maintenance conditions follow the guest's own list registers (2.3). */
static void maintenance(struct pyemu_machine *m, struct pcpu *p)
{
    if (p->cur == PYEMU_NONE || m->vcpus[p->cur].stage != STAGE_GUEST)
        return;
    const bool line = vcpuif_misr(p, &m->vcpus[p->cur]) != 0;

    if (line != has_bit32(p->irq_line, INTID_MAINT))
        gic_set_line(p, INTID_MAINT, line);
}

/* What follows from a move: host timers, maintenance, the oracle's view, checks. */
static void after(struct pyemu_explorer *x, struct pcpu *p)
{
    settle(x);
    if ((p->uie | p->eisr) != 0)
        maintenance(x->m, p);
    ex_note_levels(x);
    ex_check_state(x);
}

/*
 * Certainly not one step alone, told without asking what else there is. Of one pCPU:
 * a guest that has nothing to do leaves the step to the other.
 */
static bool plainly_free(const struct pyemu_explorer *x)
{
    const struct pcpu *p = &x->m->pcpus[0];
    const struct vcpu *v = p->cur == PYEMU_NONE ? NULL : &x->m->vcpus[p->cur];

    if (v == NULL || x->m->s->cfg.n_pcpus != 1 || p->irq_stage != ISR_NONE ||
        (p->flags & FLAG(PIRQ)) != 0)
        return false;
    if (v->stage == STAGE_GUEST)
        return v->pstate_i != 0 || vcpuif_hppvi(p, v) < 0;
    return may_preempt(x, p);
}

bool ex_forced(struct pyemu_explorer *x, ex_move *mv)
{
    ex_move moves[EX_MAX_MOVES];

    if (x->cfg.reduce == 0 || x->ticked != 0 || x->found.invariant != 0 ||
        plainly_free(x))
        return false;
    if (ex_moves(x, moves) != 1 || ex_kind(moves[0]) != PYEMU_A_STEP)
        return false;
    *mv = moves[0];
    return true;
}

/* Events of a move that its kind already tells. */
static uint32_t events_of(ex_move mv)
{
    switch (ex_kind(mv)) {
    case PYEMU_A_STEP:
        if (ex_arg(mv) == 0 || ex_arg(mv) >= EX_ARG_LR)
            return 0;
        return EX_EV_GUEST | (ex_arg(mv) == 1U + PYEMU_GC_WFI ? EX_EV_WFI : 0U);
    case PYEMU_A_SCHED_IN: return 0;
    case PYEMU_A_GUEST:
        return EX_EV_GUEST | (ex_choice(ex_arg(mv)) == PYEMU_GC_ACK ? EX_EV_ACK : 0U) |
               (ex_arg(mv) == PYEMU_GC_EOI || ex_choice(ex_arg(mv)) == PYEMU_GC_DIR
                    ? EX_EV_EOI
                    : 0U) |
               (ex_arg(mv) == PYEMU_GC_WFI ? EX_EV_WFI : 0U) |
               (ex_arg(mv) >= EX_TRAP_BUSY && ex_arg(mv) <= EX_TRAP ? EX_EV_TRAP : 0U);
    case PYEMU_A_TICK:
    case PYEMU_A_LINE_ASSERT:
    case PYEMU_A_LINE_RETIRE: return 0;
    case PYEMU_A_PREEMPT: return EX_EV_PREEMPT;
    case PYEMU_A_WORK_RUN: return 0;
    default: return EX_EV_OUTSIDE;
    }
}

void ex_apply(struct pyemu_explorer *x, ex_move mv)
{
    struct pyemu_machine *m = x->m;
    struct pcpu *p = &m->pcpus[ex_pcpu(mv)];

    x->found.invariant = 0;
    x->found.detail = EXD_NONE;
    x->events |= events_of(mv);
    x->ticked = ex_kind(mv) == PYEMU_A_TICK;
    x->base_counters[0] = m->s->counters[PYEMU_C_BAD_DEACTIVATE];
    x->base_counters[1] = m->s->counters[PYEMU_C_HOST_OOPS];
    switch (ex_kind(mv)) {
    case PYEMU_A_STEP:
        if (p->cur != PYEMU_NONE && (ex_arg(mv) == 1U + PYEMU_GC_PCVAL_LATE ||
                                     m->vcpus[p->cur].trap_op == PYEMU_GC_PCVAL_LATE))
            x->ops[PYEMU_GC_PCVAL_LATE].c = ex_late(x);
        step(x, p, ex_arg(mv));
        break;
    case PYEMU_A_GUEST:
        ex_guest(x, p, &m->vcpus[ex_vcpu(mv)], ex_arg(mv));
        ex_note_owners(x);
        break;
    case PYEMU_A_TICK: tick(x); break;
    case PYEMU_A_PREEMPT: run_sched_out(m, p, &m->vcpus[p->cur]); break;
    case PYEMU_A_SCHED_IN: sched_in(x, p, ex_vcpu(mv)); break;
    default: ex_outside(x, mv); break;
    }
    after(x, p);
}

/* May the next step be taken as part of this one? It is forced, and seen by none. */
static bool is_light(const struct pyemu_explorer *x, const struct pcpu *p)
{
    const struct policy_table *t = &x->m->policy;

    if (p->irq_stage != ISR_NONE)
        return p->irq_pc < t->hook_start[ex_isr_hook(p) + 1] &&
               x->light[p->irq_pc] != 0;
    if (p->cur == PYEMU_NONE || !has_bit64(p->flags, FI_IRQ_OFF))
        return false;
    const struct vcpu *v = &x->m->vcpus[p->cur];

    return v->stage == STAGE_HOOK && v->pc < t->hook_start[v->hook + 1] &&
           x->light[v->pc] != 0;
}

/*
 * On one pCPU with interrupts off: the steps up to the next that something can
 * notice, as ex_forced would give them one by one; looked at once, at their end.
 */
uint32_t ex_light(struct pyemu_explorer *x)
{
    const struct pyemu_config *cfg = &x->m->s->cfg;
    struct pcpu *p = &x->m->pcpus[0];
    uint32_t n = 0;

    if (x->cfg.reduce == 0 || cfg->n_pcpus != 1 || cfg->n_vcpus != 1 || x->ticked != 0)
        return 0;
    while (x->found.invariant == 0 && is_light(x, p)) {
        step(x, p, 0);
        n++;
    }
    if (n != 0)
        after(x, p);
    return n;
}
