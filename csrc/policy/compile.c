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
    uint64_t cost;
    uint64_t switch_cyc;
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
 * May the output line of t move inside the walk? Only where nobody can tell:
 * it reaches the GIC at once, its interrupt is active and so masked there
 * (2.1), and no record is kept of it.
 */
static bool line_hidden(struct walk *w, uint32_t t)
{
    const struct pyemu_config *cfg = &w->m->s->cfg;

    return w->m->trace_cap == 0 && cfg->line_assert_cyc == 0 &&
           cfg->line_retire_cyc == 0 && get(w, t == TIMER_V ? FI_PACT_V : FI_PACT_P);
}

/* The line as it is after a register changed; false: the walk must end before. */
static bool walk_line(struct walk *w, uint32_t t, bool was)
{
    const bool level = line_high(w, t);

    if (level == was)
        return true;
    if (!line_hidden(w, t))
        return false;
    w->x.line[t] = level ? SET_ONE : SET_ZERO;
    if (level && t == TIMER_V)
        w->x.raises = 1;
    return !level || w->x.running == KEEP;
}

/* Register moves of one timer. */
static bool walk_reg(struct walk *w, uint32_t prim, uint32_t t)
{
    struct reg_moves *mv = &w->x.moves[t];
    const bool was = prim >= PYEMU_P_CNTV_CTL_W0 && line_high(w, t);

    switch (prim) {
    case PYEMU_P_CNTV_CTL_R:
        mv->mem_ctl = mv->hw_ctl;
        if (mv->hw_ctl == FROM_ZERO)
            return false;
        put(w, timer_can(t), get(w, timer_hcan(t)));
        return true;
    case PYEMU_P_CNTV_CVAL_R:
        mv->mem_cval = mv->hw_cval;
        put(w, timer_due(t), get(w, timer_hdue(t)));
        return true;
    case PYEMU_P_CNTV_CTL_W0:
        mv->hw_ctl = FROM_ZERO;
        put(w, timer_hcan(t), false);
        break;
    case PYEMU_P_CNTV_CVAL_W:
        mv->hw_cval = mv->mem_cval;
        put(w, timer_hdue(t), get(w, timer_due(t)));
        break;
    default:
        mv->hw_ctl = mv->mem_ctl;
        put(w, timer_hcan(t), get(w, timer_can(t)));
        break;
    }
    return walk_line(w, t, was);
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
    w->cost += w->m->cost[w->x.handle_prim];
    return true;
}

/* With no list register in use each vgic step alone changes nothing. */
static bool vgic_in_place(struct walk *w, uint32_t prim, uint32_t steady)
{
    static const uint8_t order[] = {PYEMU_P_VGIC_SAVE, PYEMU_P_VGIC_SYNC,
                                    PYEMU_P_VGIC_FLUSH, PYEMU_P_VGIC_RESTORE};

    if (steady == VGIC_UNSTEADY || (steady == VGIC_IDLE && prim == PYEMU_P_VGIC_SYNC))
        return false;
    if (steady == VGIC_STEADY || steady == VGIC_IDLE) {
        w->x.vgic = 4;
        return true;
    }
    if (w->x.vgic == 4 || order[w->x.vgic] != prim)
        return false;
    w->x.vgic++;
    w->x.n_lrs = (uint8_t)(steady - VGIC_STEADY);
    if (prim == PYEMU_P_VGIC_SYNC)
        put(w, PYEMU_F_LRS, false);
    else if (prim == PYEMU_P_VGIC_FLUSH)
        put(w, PYEMU_F_LRS, true);
    return true;
}

/*
 * The four vgic steps where FI_VGIC promises that all of them together leave
 * everything as it is (vgic_steady); they must then come in this order.
 */
static bool walk_vgic(struct walk *w, uint32_t prim)
{
    w->read |= UINT64_C(15) << FI_VGIC;
    if (!vgic_in_place(w, prim, (uint32_t)(w->flags >> FI_VGIC) & 15U))
        return false;
    for (uint32_t i = 0; i < VGIC_PARTS; i++) {
        const struct vgic_part *part = &VGIC_PART[i];

        if (part->step != prim)
            continue;
        const uint64_t cyc = vgic_part_n(part, w->x.n_lrs) * w->m->cost[part->prim];

        w->cost += cyc;
        w->switch_cyc += cyc;
    }
    return true;
}

/* Physical active state: only where it is what it shall be. */
static bool walk_active(struct walk *w, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_ACTIVE_SET_V: return get(w, FI_PACT_V);
    case PYEMU_P_ACTIVE_CLEAR_V: return !get(w, FI_PACT_V);
    case PYEMU_P_ACTIVE_SET_P: return get(w, FI_PACT_P);
    case PYEMU_P_ACTIVE_CLEAR_P: return !get(w, FI_PACT_P);
    default: return false;
    }
}

/* Steps that are time only, or whose effect is one field set at the end. */
static bool walk_other(struct walk *w, uint32_t prim)
{
    struct variant *x = &w->x;

    switch (prim) {
    case PYEMU_P_CNTVOFF_W: x->offset = SET_GUEST; return true;
    case PYEMU_P_CNTVOFF_W0: x->offset = SET_ZERO; return true;
    case PYEMU_P_CNTHCTL_W_GUEST: x->cnthctl = CNTHCTL_GUEST; return true;
    case PYEMU_P_CNTHCTL_W_HOST: x->cnthctl = CNTHCTL_HOST; return true;
    case PYEMU_P_RUNNING_SET:
        if (x->raises != 0)
            return false;
        x->running = SET_GUEST;
        put(w, PYEMU_F_RUNNING, true);
        return true;
    case PYEMU_P_RUNNING_CLEAR:
        if (x->raises != 0)
            return false;
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
        if (w->x.vgic % 4 != 0)
            return false;
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
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_VGIC_RESTORE:
    case PYEMU_P_VGIC_SAVE:
    case PYEMU_P_VGIC_SYNC: return walk_vgic(w, prim);
    case PYEMU_P_ACTIVE_SET_V:
    case PYEMU_P_ACTIVE_CLEAR_V:
    case PYEMU_P_ACTIVE_SET_P:
    case PYEMU_P_ACTIVE_CLEAR_P: return walk_active(w, prim);
    default: break;
    }
    return walk_other(w, prim) || walk_level(w, prim) || walk_flags(w, prim);
}

/* Puts one executed step into the walk; false where the walk must end before. */
static bool take_step(struct walk *w, uint32_t pc, bool *last)
{
    const struct pyemu_step *s = &w->m->policy.steps[pc];
    const struct walk before = *w;
    bool taken = w->x.n_steps < sizeof w->steps / sizeof w->steps[0] &&
                 walk_step(w, s->prim, last);

    w->cost += w->m->policy.cost[pc];
    if (s->is_switch != 0)
        w->switch_cyc += w->m->policy.cost[pc];
    taken = taken && w->cost <= UINT32_MAX;
    if (!taken) {
        const uint64_t read = w->read;

        *w = before;
        w->read |= read & ~before.written;
        *last = false;
        return false;
    }
    w->steps[w->x.n_steps++] = (uint16_t)pc;
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
    w->x.end_pc = (uint16_t)pc;
    w->x.end_hook = (uint8_t)hook;
}

static bool moves_repeat(const struct reg_moves *mv)
{
    return mv->hw_ctl == FROM_HW && mv->hw_cval == FROM_HW;
}

static bool moves_equal(const struct variant *a, const struct variant *b)
{
    return memcmp(a->moves, b->moves, sizeof a->moves) == 0 &&
           memcmp(a->line, b->line, sizeof a->line) == 0 && a->raises == b->raises &&
           a->offset == b->offset && a->cnthctl == b->cnthctl &&
           a->running == b->running && a->irq_saved == b->irq_saved;
}

/* Names x's register moves, so that the guest's loop need not repeat them. */
static void name_moves(const struct path_cache *c, struct variant *x)
{
    static const struct variant none = {
        .moves = {{FROM_HW, FROM_HW, FROM_MEM, FROM_MEM, 0},
                  {FROM_HW, FROM_HW, FROM_MEM, FROM_MEM, 0}}};
    uint32_t last = 0;

    x->repeats = moves_repeat(&x->moves[0]) && moves_repeat(&x->moves[1]);
    if (moves_equal(x, &none))
        return;
    for (uint32_t i = 1; i < c->n_variants; i++) {
        if (c->variants[i].moves_id != 0 && moves_equal(x, &c->variants[i])) {
            x->moves_id = c->variants[i].moves_id;
            return;
        }
        last = c->variants[i].moves_id > last ? c->variants[i].moves_id : last;
    }
    x->moves_id = (uint16_t)(last + 1);
}

static void finish(struct walk *w, uint64_t original, bool at_exit)
{
    struct variant *x = &w->x;

    x->cost = (uint32_t)w->cost;
    x->switch_cyc = (uint32_t)w->switch_cyc;
    x->full = x->enters != 0 && at_exit && x->handle_prim != 0;
    x->set = w->flags & w->written;
    x->clear = w->written & ~w->flags;
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        struct reg_moves *mv = &x->moves[t];

        mv->any = mv->hw_ctl != FROM_HW || mv->hw_cval != FROM_HW ||
                  mv->mem_ctl != FROM_MEM || mv->mem_cval != FROM_MEM;
    }
    name_moves(w->m->paths, x);
    x->mask = w->read;
    x->want = original & w->read;
}

struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc,
                                      uint64_t flags)
{
    struct path_cache *c = m->paths;
    struct walk w = {.m = m, .flags = flags};
    const bool at_exit = pc == m->policy.hook_start[PYEMU_H_EXIT];

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        w.x.moves[t].mem_ctl = FROM_MEM;
        w.x.moves[t].mem_cval = FROM_MEM;
    }
    walk_from(&w, pc, m->policy.steps[pc].hook);
    if (c->n_variants == MAX_VARIANTS || c->n_pool + w.x.n_steps > STEP_POOL)
        return NULL;
    finish(&w, flags, at_exit);
    w.x.first_step = c->n_pool;
    memcpy(&c->pool[c->n_pool], w.steps, w.x.n_steps * sizeof w.steps[0]);
    c->n_pool += w.x.n_steps;
    w.x.next = c->head[pc];
    c->head[pc] = c->n_variants;
    c->variants[c->n_variants] = w.x;
    return &c->variants[c->n_variants++];
}
