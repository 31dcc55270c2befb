/*
 * walk_timer.c - timer steps of a walk: register moves, levels, flags. Every
 * rule here restates one of steps.c or vtimer.c; differential tests hold the
 * two together.
 */
#include "policy/walk.h"

#include "account/account.h"
#include "hw/timer.h"

/* A deadline's value as it was at the start of the walk. */
static enum record_arg cval_source(uint32_t t, uint8_t from)
{
    if (t == TIMER_V)
        return from == FROM_HW ? ARG_HW_V : ARG_MEM_V;
    return from == FROM_HW ? ARG_HW_P : ARG_MEM_P;
}

/*
 * May the output line of t move inside the walk? Where 27 is all there is, and
 * where nobody can tell: it reaches the GIC at once, its interrupt is active
 * and so masked there (2.1).
 */
static bool line_may_move(struct walk *w, uint32_t t)
{
    const struct pyemu_config *cfg = &w->m->s->cfg;

    if (t == TIMER_V && walk_alone(w))
        return true;
    return cfg->line_assert_cyc == 0 && cfg->line_retire_cyc == 0 &&
           walk_get(w, t == TIMER_V ? FI_PACT_V : FI_PACT_P);
}

/* The line as it is after a register changed; false: the walk must end before. */
static bool walk_line(struct walk *w, uint32_t t, bool was)
{
    const bool level = walk_line_high(w, t);

    if (level == was)
        return true;
    if (!line_may_move(w, t))
        return false;
    w->x.line[t] = level ? SET_ONE : SET_ZERO;
    if (t == TIMER_V)
        walk_deliver(w);
    if (!level)
        return true;
    if (t == TIMER_V)
        w->x.raises = 1;
    return w->x.running == KEEP &&
           walk_record(w, KIND(PYEMU_E_EXPIRY, timer_intid(t)),
                       cval_source(t, w->x.moves[t].hw_cval), 0);
}

/* Register moves of one timer. */
bool walk_reg(struct walk *w, uint32_t prim, uint32_t t)
{
    struct reg_moves *mv = &w->x.moves[t];
    const bool was = prim >= PYEMU_P_CNTV_CTL_W0 && walk_line_high(w, t);
    const bool cval = prim == PYEMU_P_CNTV_CVAL_R || prim == PYEMU_P_CNTV_CVAL_W;

    if (t == TIMER_V && cval && w->m->has_offsets && !walk_get(w, FI_OFFSET))
        return false; /* another offset is in force: the expiry moves */

    switch (prim) {
    case PYEMU_P_CNTV_CTL_R:
        mv->mem_ctl = mv->hw_ctl;
        if (mv->hw_ctl == FROM_ZERO)
            return false;
        walk_put(w, timer_can(t), walk_get(w, timer_hcan(t)));
        return true;
    case PYEMU_P_CNTV_CVAL_R:
        mv->mem_cval = mv->hw_cval;
        walk_put(w, timer_due(t), walk_get(w, timer_hdue(t)));
        return true;
    case PYEMU_P_CNTV_CTL_W0:
        mv->hw_ctl = FROM_ZERO;
        walk_put(w, timer_hcan(t), false);
        break;
    case PYEMU_P_CNTV_CVAL_W:
        if (t == TIMER_V && w->x.raises != 0)
            return false; /* the deadline that is counted would be another */
        mv->hw_cval = mv->mem_cval;
        walk_put(w, timer_hdue(t), walk_get(w, timer_due(t)));
        break;
    default:
        mv->hw_ctl = mv->mem_ctl;
        walk_put(w, timer_hcan(t), walk_get(w, timer_can(t)));
        break;
    }
    return walk_line(w, t, was);
}

static bool both(struct walk *w, uint32_t a, uint32_t b)
{
    return walk_get(w, a) && walk_get(w, b);
}

static bool either(struct walk *w, uint32_t a, uint32_t b)
{
    return walk_get(w, a) || walk_get(w, b);
}

static bool act(struct walk *w, bool value)
{
    walk_put(w, PYEMU_F_ACT, value);
    return true;
}

static void walk_eval(struct walk *w, bool fire, uint32_t level)
{
    walk_put(w, PYEMU_F_FIRE, fire);
    walk_put(w, PYEMU_F_CHANGED, fire != walk_get(w, level));
}

static bool set_level(struct walk *w, uint32_t t, bool level)
{
    walk_put(w, t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P, level);
    return walk_record(w, KIND(PYEMU_E_LEVEL, timer_intid(t)), ARG_CONST, level);
}

static bool set_loaded(struct walk *w, bool loaded)
{
    walk_put(w, PYEMU_F_LOADED, loaded);
    return walk_record(w, loaded ? PYEMU_E_RESTORE : PYEMU_E_SAVE,
                       cval_source(TIMER_V, w->x.moves[TIMER_V].mem_cval), 0);
}

bool walk_level(struct walk *w, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_EVAL_V:
        walk_eval(w, both(w, PYEMU_F_CAN_V, PYEMU_F_DUE_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_V_HW:
        walk_eval(w, walk_line_high(w, TIMER_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_V_CTL:
        walk_eval(w, walk_get(w, PYEMU_F_HCAN_V), PYEMU_F_LEVEL_V);
        return true;
    case PYEMU_P_EVAL_P:
        walk_eval(w, both(w, PYEMU_F_CAN_P, PYEMU_F_DUE_P), PYEMU_F_LEVEL_P);
        return true;
    case PYEMU_P_EVAL_P_HW:
        walk_eval(w, walk_line_high(w, TIMER_P), PYEMU_F_LEVEL_P);
        return true;
    case PYEMU_P_LEVEL_V: return set_level(w, TIMER_V, walk_get(w, PYEMU_F_FIRE));
    case PYEMU_P_LEVEL_V_SET: return set_level(w, TIMER_V, true);
    case PYEMU_P_LEVEL_V_CLEAR: return set_level(w, TIMER_V, false);
    case PYEMU_P_LEVEL_P: return set_level(w, TIMER_P, walk_get(w, PYEMU_F_FIRE));
    case PYEMU_P_LEVEL_P_SET: return set_level(w, TIMER_P, true);
    case PYEMU_P_LEVEL_P_CLEAR: return set_level(w, TIMER_P, false);
    case PYEMU_P_ACT_EITHER:
        return act(w, either(w, PYEMU_F_LEVEL_V, PYEMU_F_VACT_V));
    case PYEMU_P_ACT_VACT: return act(w, walk_get(w, PYEMU_F_VACT_V));
    case PYEMU_P_ACT_LEVEL: return act(w, walk_get(w, PYEMU_F_LEVEL_V));
    case PYEMU_P_ACT_EITHER_P:
        return act(w, either(w, PYEMU_F_LEVEL_P, PYEMU_F_VACT_P));
    default: return false;
    }
}

static bool pt_pending(struct walk *w)
{
    return walk_get(w, PYEMU_F_CAN_P) && !walk_get(w, PYEMU_F_DUE_P);
}

bool walk_flags(struct walk *w, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_CACHE_SET: walk_put(w, PYEMU_F_CLEARED, true); return true;
    case PYEMU_P_CACHE_CLEAR: walk_put(w, PYEMU_F_CLEARED, false); return true;
    case PYEMU_P_LOADED_SET:
    case PYEMU_P_LOADED_CLEAR: return set_loaded(w, prim == PYEMU_P_LOADED_SET);
    case PYEMU_P_ENABLED_SET: walk_put(w, PYEMU_F_ENABLED, true); return true;
    case PYEMU_P_PREEMPT_OFF: walk_put(w, FI_PREEMPT_OFF, true); return true;
    case PYEMU_P_PREEMPT_ON: walk_put(w, FI_PREEMPT_OFF, false); return true;
    case PYEMU_P_MODE_IN: walk_put(w, FI_MODE, true); return true;
    case PYEMU_P_MODE_OUT: walk_put(w, FI_MODE, false); return true;
    case PYEMU_P_WAKE_IF: walk_put(w, PYEMU_F_WAKE, true); return true;
    case PYEMU_P_BG_ARM:
        return !walk_get(w, PYEMU_F_CAN_V) && !walk_get(w, PYEMU_F_CAN_P);
    case PYEMU_P_BG_CANCEL: return !walk_get(w, PYEMU_F_BG_ARMED);
    case PYEMU_P_PT_CANCEL: return !walk_get(w, PYEMU_F_PT_ARMED);
    case PYEMU_P_PT_ARM: return !walk_get(w, PYEMU_F_CAN_P);
    case PYEMU_P_PT_EMULATE: return !pt_pending(w) && !walk_get(w, PYEMU_F_PT_ARMED);
    case PYEMU_P_PENDING: return !walk_get(w, PYEMU_F_AP);
    case PYEMU_P_CHECK_SIGNAL: return !walk_get(w, PYEMU_F_SIGNAL);
    case PYEMU_P_CHECK_REQUESTS: return !walk_get(w, PYEMU_F_REQ);
    case PYEMU_P_REQUESTS:
        if (walk_get(w, PYEMU_F_POWERED_OFF))
            return false;
        walk_put(w, PYEMU_F_REQ, false);
        return true;
    default: return false;
    }
}
