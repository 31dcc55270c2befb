/*
 * compile.c - walks a table on known flags until a step whose effect needs the
 * plain interpreter. Every rule here restates one of steps.c or vtimer.c for
 * the case in which the timers' output lines stay low; differential tests hold
 * the two together.
 */
#include "policy/compile.h"

#include <string.h>

#include "hw/timer.h"
#include "policy/steps.h"
#include "policy/reason.h"

struct walk {
    const struct pyemu_machine *m;
    uint64_t flags;   /* current values */
    uint64_t read;    /* original bits that decided something */
    uint64_t written; /* bits whose value is the walk's own */
    bool whole;       /* a walk that may carry list registers along unchanged */
    struct variant x;
    uint16_t steps[512];
};

static bool get(struct walk *w, uint32_t flag)
{
    w->read |= bit64(flag) & ~w->written;
    return has_bit64(w->flags, flag);
}

static void put(struct walk *w, uint32_t flag, bool value)
{
    put_bit64(&w->flags, flag, value);
    w->written |= bit64(flag);
}

static bool line_high(struct walk *w, uint32_t t)
{
    return get(w, timer_hcan(t)) && get(w, timer_hdue(t));
}

/*
 * May timer t's output change inside the walk? Only if nobody can see it: its PPI
 * is active, so the GIC does not look; no latency is under way; no record is
 * written; and a whole trip ends with the line as it was (mark_trip).
 */
static bool line_may_move(struct walk *w, uint32_t t)
{
    const struct pyemu_config *cfg = &w->m->s->cfg;

    if (!w->whole || w->m->trace_cap != 0 || cfg->line_assert_cyc != 0 ||
        cfg->line_retire_cyc != 0 || !get(w, t == TIMER_V ? FI_PACT_V : FI_PACT_P))
        return false;
    w->x.lines = 1;
    return true;
}

/* Register moves; false where an output line would change and be seen. */
static bool walk_reg(struct walk *w, uint32_t prim, uint32_t t)
{
    struct reg_moves *mv = &w->x.moves[t];

    switch (prim) {
    case PYEMU_P_CNTV_CTL_R:
        mv->mem_ctl = mv->hw_ctl;
        if (mv->hw_ctl == FROM_ZERO)
            return false;
        put(w, timer_can(t), get(w, timer_hcan(t)));
        break;
    case PYEMU_P_CNTV_CVAL_R:
        mv->mem_cval = mv->hw_cval;
        put(w, timer_due(t), get(w, timer_hdue(t)));
        break;
    case PYEMU_P_CNTV_CTL_W0:
        if (line_high(w, t) && !line_may_move(w, t))
            return false;
        mv->hw_ctl = FROM_ZERO;
        put(w, timer_hcan(t), false);
        break;
    case PYEMU_P_CNTV_CVAL_W:
        if ((line_high(w, t) || (get(w, timer_hcan(t)) && get(w, timer_due(t)))) &&
            !line_may_move(w, t))
            return false;
        mv->hw_cval = mv->mem_cval;
        put(w, timer_hdue(t), get(w, timer_due(t)));
        break;
    default:
        if ((line_high(w, t) || (get(w, timer_can(t)) && get(w, timer_hdue(t)))) &&
            !line_may_move(w, t))
            return false;
        mv->hw_ctl = mv->mem_ctl;
        put(w, timer_hcan(t), get(w, timer_can(t)));
        break;
    }
    return true;
}

static void walk_eval(struct walk *w, bool fire, uint32_t level)
{
    put(w, PYEMU_F_FIRE, fire);
    put(w, PYEMU_F_CHANGED, fire != get(w, level));
}

static bool walk_level(struct walk *w, uint32_t prim)
{
    const bool quiet = w->m->trace_cap == 0;

    switch (prim) {
    case PYEMU_P_EVAL_V:
        walk_eval(w, get(w, PYEMU_F_CAN_V) && get(w, PYEMU_F_DUE_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_V_HW:
        walk_eval(w, line_high(w, TIMER_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_V_CTL:
        walk_eval(w, get(w, PYEMU_F_HCAN_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_P:
        walk_eval(w, get(w, PYEMU_F_CAN_P) && get(w, PYEMU_F_DUE_P), PYEMU_F_LEVEL_P);
        return true;
    case PYEMU_P_EVAL_P_HW:
        walk_eval(w, line_high(w, TIMER_P), PYEMU_F_LEVEL_P);
        return true;
    case PYEMU_P_LEVEL_V: put(w, PYEMU_F_LEVEL_V, get(w, PYEMU_F_FIRE)); return quiet;
    case PYEMU_P_LEVEL_V_SET: put(w, PYEMU_F_LEVEL_V, true); return quiet;
    case PYEMU_P_LEVEL_V_CLEAR: put(w, PYEMU_F_LEVEL_V, false); return quiet;
    case PYEMU_P_LEVEL_P: put(w, PYEMU_F_LEVEL_P, get(w, PYEMU_F_FIRE)); return quiet;
    case PYEMU_P_LEVEL_P_SET: put(w, PYEMU_F_LEVEL_P, true); return quiet;
    case PYEMU_P_LEVEL_P_CLEAR: put(w, PYEMU_F_LEVEL_P, false); return quiet;
    case PYEMU_P_ACT_EITHER:
        put(w, PYEMU_F_ACT, get(w, PYEMU_F_LEVEL_V) || get(w, PYEMU_F_VACT_V));
        return true;
    case PYEMU_P_ACTIVE_SET_V: return get(w, FI_PACT_V); /* it is already */
    case PYEMU_P_ACTIVE_CLEAR_V: return !get(w, FI_PACT_V);
    case PYEMU_P_ACTIVE_SET_P: return get(w, FI_PACT_P);
    case PYEMU_P_ACTIVE_CLEAR_P: return !get(w, FI_PACT_P);
    case PYEMU_P_ACT_VACT: put(w, PYEMU_F_ACT, get(w, PYEMU_F_VACT_V)); return true;
    case PYEMU_P_ACT_LEVEL: put(w, PYEMU_F_ACT, get(w, PYEMU_F_LEVEL_V)); return true;
    case PYEMU_P_ACT_EITHER_P:
        put(w, PYEMU_F_ACT, get(w, PYEMU_F_LEVEL_P) || get(w, PYEMU_F_VACT_P));
        return true;
    default: return false;
    }
}

static bool pt_pending(struct walk *w)
{
    return get(w, PYEMU_F_CAN_P) && !get(w, PYEMU_F_DUE_P);
}

static bool walk_flags(struct walk *w, uint32_t prim)
{
    const bool quiet = w->m->trace_cap == 0;

    switch (prim) {
    case PYEMU_P_CACHE_SET: put(w, PYEMU_F_CLEARED, true); return true;
    case PYEMU_P_CACHE_CLEAR: put(w, PYEMU_F_CLEARED, false); return true;
    case PYEMU_P_LOADED_SET: put(w, PYEMU_F_LOADED, true); return quiet;
    case PYEMU_P_LOADED_CLEAR: put(w, PYEMU_F_LOADED, false); return quiet;
    case PYEMU_P_ENABLED_SET: put(w, PYEMU_F_ENABLED, true); return true;
    case PYEMU_P_PREEMPT_OFF: put(w, FI_PREEMPT_OFF, true); return true;
    case PYEMU_P_PREEMPT_ON: put(w, FI_PREEMPT_OFF, false); return true;
    case PYEMU_P_MODE_IN: put(w, FI_MODE, true); return true;
    case PYEMU_P_MODE_OUT: put(w, FI_MODE, false); return true;
    case PYEMU_P_WAKE_IF: put(w, PYEMU_F_WAKE, true); return true;
    case PYEMU_P_BG_ARM:
        return !get(w, PYEMU_F_CAN_V) && !get(w, PYEMU_F_CAN_P);
    case PYEMU_P_BG_CANCEL: return !get(w, PYEMU_F_BG_ARMED);
    case PYEMU_P_PT_CANCEL: return !get(w, PYEMU_F_PT_ARMED);
    case PYEMU_P_PT_ARM: return !pt_pending(w);
    case PYEMU_P_PT_EMULATE: return !pt_pending(w) && !get(w, PYEMU_F_PT_ARMED);
    case PYEMU_P_PENDING: return !get(w, PYEMU_F_AP);
    case PYEMU_P_CHECK_SIGNAL: return !get(w, PYEMU_F_SIGNAL);
    case PYEMU_P_CHECK_REQUESTS: return !get(w, PYEMU_F_REQ);
    case PYEMU_P_REQUESTS:
        if (get(w, PYEMU_F_POWERED_OFF))
            return false;
        put(w, PYEMU_F_REQ, false);
        return true;
    default: return false;
    }
}

/* Interrupt masking; *last is set where a pending interrupt is taken next. */
static bool walk_irq(struct walk *w, uint32_t prim, bool *last)
{
    switch (prim) {
    case PYEMU_P_IRQ_OFF: put(w, FI_IRQ_OFF, true); return true;
    case PYEMU_P_IRQ_SAVE:
        w->x.irq_saved = get(w, FI_IRQ_OFF) ? SET_ONE : SET_ZERO;
        put(w, FI_IRQ_OFF, true);
        return true;
    case PYEMU_P_IRQ_RESTORE:
        if (w->x.irq_saved == KEEP)
            return false;
        put(w, FI_IRQ_OFF, w->x.irq_saved == SET_ONE);
        break;
    default: put(w, FI_IRQ_OFF, false); break;
    }
    *last = !get(w, FI_IRQ_OFF) && get(w, PYEMU_F_PIRQ);
    return true;
}

static bool walk_handle(struct walk *w)
{
    const uint32_t reason = (uint32_t)(w->flags >> FI_REASON) & 15U;

    w->read |= (UINT64_C(15) << FI_REASON) & ~w->written;
    if (reason == 0)
        return false;
    for (uint32_t i = 0; i < 4; i++)
        put(w, FI_REASON + i, false);
    w->x.reason = (uint8_t)(reason - 1);
    w->x.handle_prim = (uint8_t)reason_prim(reason - 1);
    w->x.stat = (uint8_t)reason_stat(reason - 1);
    w->x.cost += w->m->cost[w->x.handle_prim];
    return true;
}

static void walk_cost(struct walk *w, uint32_t prim, uint64_t n)
{
    const uint32_t cyc = (uint32_t)(n * w->m->cost[prim]);

    w->x.cost += cyc;
    w->x.switch_cyc += cyc;
}

/*
 * The vgic steps of a whole trip, where folding and flushing again change
 * nothing (FI_LR_SAME): time and counts only, as vgic_lr.c charges them.
 */
static bool walk_vgic(struct walk *w, uint32_t prim)
{
    if (!w->whole || !get(w, FI_LR_SAME))
        return false;
    const uint64_t n = (w->flags >> FI_N_LRS) & 15U;

    w->read |= UINT64_C(15) << FI_N_LRS;
    w->x.n_lrs = (uint8_t)n;
    switch (prim) {
    case PYEMU_P_VGIC_SAVE:
        w->x.vgic_ops |= VGIC_OP_SAVE;
        walk_cost(w, PYEMU_P_LR_R, n);
        walk_cost(w, PYEMU_P_LR_W, n);
        walk_cost(w, PYEMU_P_VGIC_IF_R, 2);
        walk_cost(w, PYEMU_P_VGIC_IF_W, 1);
        break;
    case PYEMU_P_VGIC_SYNC:
        w->x.vgic_ops |= VGIC_OP_SYNC;
        walk_cost(w, PYEMU_P_FOLD, n);
        put(w, PYEMU_F_LRS, false);
        break;
    case PYEMU_P_VGIC_FLUSH:
        w->x.vgic_ops |= VGIC_OP_FLUSH;
        walk_cost(w, PYEMU_P_POPULATE, n);
        put(w, PYEMU_F_LRS, true);
        break;
    default:
        w->x.vgic_ops |= VGIC_OP_RESTORE;
        walk_cost(w, PYEMU_P_LR_W, n);
        walk_cost(w, PYEMU_P_VGIC_IF_W, 2);
        break;
    }
    return true;
}

/* Without offsets both writes change nothing. Else: whole trips, the timer off. */
static bool walk_offset(struct walk *w, uint32_t prim)
{
    if (!w->m->has_offsets)
        return true;
    if (!w->whole || get(w, PYEMU_F_HCAN_V))
        return false;
    w->x.lines = 1;
    w->x.offset = prim == PYEMU_P_CNTVOFF_W ? SET_GUEST : SET_ZERO;
    return true;
}

/* Steps that are time only, or whose effect is one field set at the end. */
static bool walk_other(struct walk *w, uint32_t prim)
{
    struct variant *x = &w->x;

    switch (prim) {
    case PYEMU_P_CNTVOFF_W:
    case PYEMU_P_CNTVOFF_W0: return walk_offset(w, prim);
    case PYEMU_P_CNTHCTL_W_GUEST: x->cnthctl = CNTHCTL_GUEST; return true;
    case PYEMU_P_CNTHCTL_W_HOST: x->cnthctl = CNTHCTL_HOST; return true;
    case PYEMU_P_RUNNING_SET:
        x->running = SET_GUEST;
        put(w, PYEMU_F_RUNNING, true);
        return true;
    case PYEMU_P_RUNNING_CLEAR:
        x->running = SET_ZERO;
        put(w, PYEMU_F_RUNNING, false);
        return true;
    case PYEMU_P_CNTHCTL_R:
    case PYEMU_P_CNTPOFF_W:
    case PYEMU_P_CNTKCTL_R:
    case PYEMU_P_CNTKCTL_W:
    case PYEMU_P_CNTPCT_R:
    case PYEMU_P_ISB:
    case PYEMU_P_DSB:
    case PYEMU_P_VMCR_W:
    case PYEMU_P_VMCR_R:
    case PYEMU_P_APR_W:
    case PYEMU_P_APR_R:
    case PYEMU_P_ISR_VTIMER: return true;
    default: return prim <= PYEMU_P_RUN_LOOP;
    }
}

static bool walk_step(struct walk *w, uint32_t prim, bool *last)
{
    if (prim == PYEMU_P_ERET) {
        put(w, FI_IRQ_OFF, false);
        w->x.enters = 1;
        *last = true;
        return true;
    }
    if (prim == PYEMU_P_HANDLE)
        return walk_handle(w);
    if (prim >= PYEMU_P_CNTV_CTL_R && prim <= PYEMU_P_CNTV_CTL_W)
        return walk_reg(w, prim, TIMER_V);
    if (prim >= PYEMU_P_CNTP_CTL_R && prim <= PYEMU_P_CNTP_CTL_W)
        return walk_reg(w, prim - PYEMU_P_CNTP_CTL_R + PYEMU_P_CNTV_CTL_R, TIMER_P);
    switch (prim) {
    case PYEMU_P_IRQ_OFF:
    case PYEMU_P_IRQ_ON:
    case PYEMU_P_IRQ_SAVE:
    case PYEMU_P_IRQ_RESTORE: return walk_irq(w, prim, last);
    case PYEMU_P_VGIC_SAVE:
    case PYEMU_P_VGIC_SYNC:
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_VGIC_RESTORE: return walk_vgic(w, prim);
    default: break;
    }
    return walk_other(w, prim) || walk_level(w, prim) || walk_flags(w, prim);
}

/* Puts one executed step into the walk; false where the walk must end before. */
static bool take_step(struct walk *w, uint32_t pc, bool *last)
{
    const struct pyemu_step *s = &w->m->policy.steps[pc];
    const struct walk before = *w;

    if (w->x.n_steps == sizeof w->steps / sizeof w->steps[0] ||
        !walk_step(w, s->prim, last)) {
        const uint64_t read = w->read;

        *w = before;
        w->read |= read & ~before.written;
        return false;
    }
    w->steps[w->x.n_steps++] = (uint16_t)pc;
    w->x.cost += w->m->policy.cost[pc];
    if (s->is_switch != 0)
        w->x.switch_cyc += w->m->policy.cost[pc];
    return true;
}

/* Steps that only the interpreter can do, and that go on to the next step. */
static bool is_effect(uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_VGIC_RESTORE:
    case PYEMU_P_VGIC_SAVE:
    case PYEMU_P_VGIC_SYNC:
    case PYEMU_P_EOIR_W:
    case PYEMU_P_DIR_W:
    case PYEMU_P_CNTVOFF_W:
    case PYEMU_P_CNTVOFF_W0:
    case PYEMU_P_LOADED_SET:
    case PYEMU_P_LOADED_CLEAR:
    case PYEMU_P_PENDING:
    case PYEMU_P_USER_LEVELS: return true;
    default:
        return (prim >= PYEMU_P_CNTV_CTL_R && prim <= PYEMU_P_CNTV_CTL_W) ||
               (prim >= PYEMU_P_CNTP_CTL_R && prim <= PYEMU_P_CNTP_CTL_W) ||
               (prim >= PYEMU_P_EVAL_V && prim <= PYEMU_P_PPI_DISABLE) ||
               (prim >= PYEMU_P_BG_ARM && prim <= PYEMU_P_WAKE) ||
               prim == PYEMU_P_SAMPLE_V;
    }
}

static void walk_from(struct walk *w, uint32_t pc, uint32_t hook)
{
    const struct policy_table *t = &w->m->policy;
    bool last = false;

    while (!last) {
        if (pc >= t->hook_start[hook + 1]) {
            if (hook != PYEMU_H_EXIT || w->x.handle_prim == 0)
                break;
            hook = PYEMU_H_ENTER; /* simple exits go round the loop */
            pc = t->hook_start[hook];
            continue;
        }
        const struct pyemu_guard *g = &t->guards[t->steps[pc].guard];

        w->read |= g->mask & ~w->written;
        if (guard_holds(g, w->flags) && !take_step(w, pc, &last)) {
            w->x.effect = is_effect(t->steps[pc].prim);
            break;
        }
        pc++;
    }
    w->x.end_pc = pc;
    w->x.end_hook = (uint8_t)hook;
}

/* Can the guest's loop take this variant in line (trip.h)? */
static void mark_trip(struct walk *w)
{
    struct variant *x = &w->x;
    bool fit = x->full != 0 && x->handle_prim != 0 && x->offset != SET_ZERO &&
               x->running == KEEP && x->irq_saved == KEEP;

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const struct reg_moves *mv = &x->moves[t];

        if (mv->any == 0)
            continue;
        if (mv->hw_ctl == FROM_HW && mv->hw_cval == FROM_HW && mv->mem_ctl == FROM_HW &&
            mv->mem_cval == FROM_HW)
            x->copies = (uint8_t)(x->copies | 1U << t);
        else
            fit = false;
    }
    if (!fit)
        return;
    /* all of the vgic steps or none: half of them would change state */
    if (x->vgic_ops != 0 && x->vgic_ops != 15)
        return;
    x->trip = 1;
    x->any_trip = (uint8_t)(x->copies | x->offset | x->cnthctl);
    /* a trip asks for these in the same comparison as for its own key */
    w->read |= FLAG(RESCHED) | FLAG(PIRQ);
}

static void finish(struct walk *w, uint64_t original, bool at_exit)
{
    struct variant *x = &w->x;

    x->full = x->enters != 0 && at_exit;
    x->set = w->flags & w->written;
    x->clear = w->written & ~w->flags;
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        struct reg_moves *mv = &x->moves[t];

        mv->any = mv->hw_ctl != FROM_HW || mv->hw_cval != FROM_HW ||
                  mv->mem_ctl != FROM_MEM || mv->mem_cval != FROM_MEM;
        x->any_move |= mv->any;
    }
    x->pcpu = (w->written & PCPU_FLAGS) != 0;
    x->any_rest = (uint8_t)(x->offset | x->cnthctl | x->running | x->irq_saved);
    mark_trip(w);
    x->mask = w->read;
    x->want = original & w->read;
}

static struct walk walk_new(const struct pyemu_machine *m, uint64_t flags, bool whole)
{
    struct walk w = {.m = m, .flags = flags, .whole = whole};

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        w.x.moves[t].mem_ctl = FROM_MEM;
        w.x.moves[t].mem_cval = FROM_MEM;
    }
    return w;
}

struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc, uint64_t flags)
{
    struct path_cache *c = m->paths;
    const bool at_exit = pc == m->policy.hook_start[PYEMU_H_EXIT];
    struct walk w = walk_new(m, flags, at_exit);

    walk_from(&w, pc, m->policy.steps[pc].hook);
    finish(&w, flags, at_exit);
    if ((w.x.vgic_ops != 0 || w.x.lines != 0) && w.x.trip == 0) {
        const uint64_t asked = w.read; /* keeps the key apart from a trip's */

        w = walk_new(m, flags, false); /* no whole trip: the steps are real ones */
        w.read = asked;
        walk_from(&w, pc, m->policy.steps[pc].hook);
        finish(&w, flags, at_exit);
    }
    if (c->n_variants == MAX_VARIANTS || c->n_pool + w.x.n_steps > STEP_POOL)
        return NULL;
    w.x.first_step = c->n_pool;
    memcpy(&c->pool[c->n_pool], w.steps, w.x.n_steps * sizeof w.steps[0]);
    c->n_pool += w.x.n_steps;
    w.x.next = c->head[pc];
    c->head[pc] = c->n_variants;
    c->variants[c->n_variants] = w.x;
    return &c->variants[c->n_variants++];
}
