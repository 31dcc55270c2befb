/*
 * compile.c - walks a table on known flags until a step whose effect needs the
 * plain interpreter. What each step does to a walk stands in walk_timer.c and
 * walk_vgic.c; here: control, time, and the variant that comes of it.
 */
#include "policy/compile.h"

#include <string.h>

#include "account/account.h"
#include "policy/reason.h"
#include "policy/steps.h"
#include "policy/walk.h"

void walk_charge(struct walk *w, enum path_dyn what, uint32_t n, bool is_switch)
{
    const uint64_t cyc = (uint64_t)n * w->m->cost[DYN_PRIM[what]];

    w->x.dyn[what] = (uint8_t)(w->x.dyn[what] + n);
    w->cost += cyc;
    if (is_switch)
        w->switch_cyc += cyc;
}

bool walk_record(struct walk *w, uint32_t kind_sub, enum record_arg source,
                 uint32_t arg)
{
    if (w->m->trace_cap == 0)
        return true;
    if (w->x.n_records == MAX_WALK_RECORDS)
        return false;
    w->records[w->x.n_records++] = (struct path_record){
        .offset_cyc = (uint32_t)w->cost, .kind_sub = (uint16_t)kind_sub,
        .arg = (uint16_t)arg, .source = (uint8_t)source,
        .after = w->x.handle_prim != 0};
    return true;
}

/* Interrupt masking; *last is set where a pending interrupt is taken next. */
static bool walk_irq(struct walk *w, uint32_t prim, bool *last)
{
    switch (prim) {
    case PYEMU_P_IRQ_OFF: walk_put(w, FI_IRQ_OFF, true); return true;
    case PYEMU_P_IRQ_SAVE:
        w->x.irq_saved = walk_get(w, FI_IRQ_OFF) ? SET_ONE : SET_ZERO;
        walk_put(w, FI_IRQ_OFF, true);
        return true;
    case PYEMU_P_IRQ_RESTORE:
        if (w->x.irq_saved == KEEP)
            return false;
        walk_put(w, FI_IRQ_OFF, w->x.irq_saved == SET_ONE);
        break;
    default: walk_put(w, FI_IRQ_OFF, false); break;
    }
    /* where 27 is all there is, the walk goes through it: interrupted() */
    *last = !walk_get(w, FI_IRQ_OFF) && walk_get(w, PYEMU_F_PIRQ) && !walk_alone(w);
    return true;
}

static bool walk_handle(struct walk *w)
{
    const uint32_t reason = (uint32_t)(w->flags >> FI_REASON) & 15U;

    w->read |= (UINT64_C(15) << FI_REASON) & ~w->written;
    if (reason == 0)
        return false;
    for (uint32_t i = 0; i < 4; i++)
        walk_put(w, FI_REASON + i, false);
    w->x.reason = (uint8_t)(reason - 1);
    w->x.handle_prim = (uint8_t)reason_prim(reason - 1);
    w->x.stat = (uint8_t)reason_stat(reason - 1);
    w->cost += w->m->cost[w->x.handle_prim];
    return true;
}

/* Steps that are time only, or whose effect is one field set at the end. */
static bool walk_other(struct walk *w, uint32_t prim)
{
    struct variant *x = &w->x;

    switch (prim) {
    case PYEMU_P_CNTVOFF_W:
    case PYEMU_P_CNTVOFF_W0: return !w->m->has_offsets; /* else the expiry moves */
    case PYEMU_P_CNTHCTL_W_GUEST: x->cnthctl = CNTHCTL_GUEST; return true;
    case PYEMU_P_CNTHCTL_W_HOST: x->cnthctl = CNTHCTL_HOST; return true;
    case PYEMU_P_RUNNING_SET:
        if (x->raises != 0 || w->in_irq)
            return false;
        x->running = SET_GUEST;
        walk_put(w, PYEMU_F_RUNNING, true);
        return true;
    case PYEMU_P_RUNNING_CLEAR:
        if (x->raises != 0 || w->in_irq)
            return false;
        x->running = SET_ZERO;
        walk_put(w, PYEMU_F_RUNNING, false);
        return true;
    case PYEMU_P_CNTHCTL_R:
    case PYEMU_P_CNTPOFF_W:
    case PYEMU_P_CNTKCTL_R:
    case PYEMU_P_CNTKCTL_W:
    case PYEMU_P_CNTPCT_R:
    case PYEMU_P_ISB:
    case PYEMU_P_DSB:
    case PYEMU_P_VMCR_W:
    case PYEMU_P_APR_W:
    case PYEMU_P_APR_R:
    case PYEMU_P_ISR_VTIMER: return true;
    case PYEMU_P_VMCR_R: /* the pending test reads the memory copy (B14) */
        return !machine_switch(w->m, PYEMU_S_PENDING_PMR);
    default: return prim <= PYEMU_P_RUN_LOOP;
    }
}

static bool walk_step(struct walk *w, uint32_t prim, bool *last)
{
    switch (prim) {
    case PYEMU_P_ERET:
        if (w->x.vgic % 4 != 0)
            return false;
        walk_put(w, FI_IRQ_OFF, false);
        w->x.enters = 1;
        *last = true;
        return true;
    case PYEMU_P_HANDLE: return walk_handle(w);
    case PYEMU_P_IRQ_OFF:
    case PYEMU_P_IRQ_ON:
    case PYEMU_P_IRQ_SAVE:
    case PYEMU_P_IRQ_RESTORE: return !w->in_irq && walk_irq(w, prim, last);
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_VGIC_RESTORE:
    case PYEMU_P_VGIC_SAVE:
    case PYEMU_P_VGIC_SYNC: return walk_vgic(w, prim);
    case PYEMU_P_ACTIVE_SET_V:
    case PYEMU_P_ACTIVE_CLEAR_V:
    case PYEMU_P_ACTIVE_SET_P:
    case PYEMU_P_ACTIVE_CLEAR_P: return walk_active(w, prim);
    case PYEMU_P_INJECT_V:
    case PYEMU_P_INJECT_P:
    case PYEMU_P_INJECT_V_FIRE: return walk_inject(w, prim);
    case PYEMU_P_IAR_R:
    case PYEMU_P_EOIR_W:
    case PYEMU_P_DIR_W: return walk_isr(w, prim);
    default: break;
    }
    if (prim >= PYEMU_P_CNTV_CTL_R && prim <= PYEMU_P_CNTV_CTL_W)
        return walk_reg(w, prim, TIMER_V);
    if (prim >= PYEMU_P_CNTP_CTL_R && prim <= PYEMU_P_CNTP_CTL_W)
        return walk_reg(w, prim - PYEMU_P_CNTP_CTL_R + PYEMU_P_CNTV_CTL_R, TIMER_P);
    return walk_other(w, prim) || walk_level(w, prim) || walk_flags(w, prim);
}

/* Back to `before`, but what was read since stays part of the key. */
static void undo(struct walk *w, const struct walk *before)
{
    const uint64_t read = w->read;

    *w = *before;
    w->read |= read;
}

/* Puts one executed step into the walk; false where the walk must end before. */
static bool take_step(struct walk *w, uint32_t pc, bool *last)
{
    const struct pyemu_step *s = &w->m->policy.steps[pc];
    const struct walk before = *w;

    w->cost += w->m->policy.cost[pc];
    if (s->is_switch != 0)
        w->switch_cyc += w->m->policy.cost[pc];
    if (w->x.n_steps == MAX_WALK_STEPS || !walk_step(w, s->prim, last) ||
        w->cost > UINT32_MAX) {
        undo(w, &before);
        *last = false;
        return false;
    }
    w->steps[w->x.n_steps++] = (uint16_t)pc;
    return true;
}

bool walk_guarded(struct walk *w, uint32_t pc, bool *last)
{
    const struct policy_table *t = &w->m->policy;
    const struct pyemu_guard *g = &t->guards[t->steps[pc].guard];

    w->read |= g->mask & ~w->written;
    return !guard_holds(g, w->flags) || take_step(w, pc, last);
}

/* An interrupt that has become deliverable is taken now, or ends the walk. */
static bool interrupted(struct walk *w)
{
    if (!walk_alone(w) || walk_get(w, FI_IRQ_OFF) || !walk_get(w, PYEMU_F_PIRQ))
        return false;
    const struct walk before = *w;

    if (walk_interrupt(w) && w->cost <= UINT32_MAX)
        return false;
    undo(w, &before);
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

/* The thread may be preempted here, as the pCPU's loop would see (pcpu.c). */
static bool preempted(struct walk *w)
{
    return !walk_get(w, FI_IRQ_OFF) && !walk_get(w, FI_PREEMPT_OFF) &&
           walk_get(w, PYEMU_F_RESCHED);
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
        if (!walk_guarded(w, pc, &last)) {
            w->x.effect = is_effect(t->steps[pc].prim);
            break;
        }
        pc++;
        if (w->x.enters == 0 && (interrupted(w) || preempted(w)))
            last = true;
    }
    w->x.end_pc = (uint16_t)pc;
    w->x.end_hook = (uint8_t)hook;
}

static bool moves_equal(const struct variant *a, const struct variant *b)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const struct reg_moves *x = &a->moves[t], *y = &b->moves[t];

        if (x->hw_ctl != y->hw_ctl || x->hw_cval != y->hw_cval ||
            x->mem_ctl != y->mem_ctl || x->mem_cval != y->mem_cval ||
            a->line[t] != b->line[t])
            return false;
    }
    return a->raises == b->raises && a->cnthctl == b->cnthctl &&
           a->running == b->running && a->irq_saved == b->irq_saved;
}

static bool moves_nothing(const struct variant *x)
{
    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (x->moves[t].any || x->line[t] != 0)
            return false;
    return x->raises == 0 && x->cnthctl == 0 && x->running == 0 && x->irq_saved == 0;
}

/* Are the moves done twice the moves done once? */
static bool moves_repeat(const struct variant *x)
{
    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (x->moves[t].hw_ctl != FROM_HW || x->moves[t].hw_cval != FROM_HW)
            return false;
    return (x->gic.touched | x->gic.pact | x->gic.acked | x->injected) == 0 &&
           x->n_records == 0;
}

/* Names x's moves, so that the guest's loop need not repeat them. */
static void name_moves(const struct path_cache *c, struct variant *x)
{
    uint32_t last = 0;

    if (!moves_repeat(x)) {
        x->moves_id = MOVES_ONCE;
        return;
    }
    if (moves_nothing(x))
        return;
    for (uint32_t i = 1; i < c->n_variants; i++) {
        const uint32_t id = c->variants[i].moves_id;

        if (id == 0 || id == MOVES_ONCE)
            continue;
        if (moves_equal(x, &c->variants[i])) {
            x->moves_id = (uint16_t)id;
            return;
        }
        last = id > last ? id : last;
    }
    x->moves_id = (uint16_t)(last + 1);
}

/* Where the facts of 27 ended up; they are flags, and now part of the key. */
static void finish_gic(struct walk *w)
{
    struct vgic_moves *g = &w->x.gic;

    if (g->touched == 0)
        return;
    g->listed = walk_get(w, PYEMU_F_AP);
    g->active = walk_get(w, PYEMU_F_VACT_V);
    g->line = walk_get(w, PYEMU_F_LINE_V);
}

static void finish(struct walk *w, uint64_t original, bool at_exit)
{
    struct variant *x = &w->x;

    x->cost = (uint32_t)w->cost;
    x->switch_cyc = (uint32_t)w->switch_cyc;
    x->full = x->enters != 0 && at_exit && x->handle_prim != 0;
    finish_gic(w);
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

static void begin(struct walk *w)
{
    const uint32_t steady = (uint32_t)(w->flags >> FI_VGIC) & 15U;
    struct vgic_moves *g = &w->x.gic;

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        w->x.moves[t].mem_ctl = FROM_MEM;
        w->x.moves[t].mem_cval = FROM_MEM;
    }
    if (steady < VGIC_ALONE_LR)
        return;
    g->used = 1;
    g->n_lrs = 1;
    g->state = (uint8_t)(steady - VGIC_ALONE_LR);
}

/* Puts what the walk came to into the cache. */
static struct variant *keep(struct path_cache *c, struct walk *w, uint32_t pc)
{
    w->x.first_step = c->n_pool;
    memcpy(&c->pool[c->n_pool], w->steps, w->x.n_steps * sizeof w->steps[0]);
    c->n_pool += w->x.n_steps;
    w->x.first_record = c->n_records;
    memcpy(&c->records[c->n_records], w->records,
           w->x.n_records * sizeof w->records[0]);
    c->n_records += w->x.n_records;
    w->x.next = c->head[pc];
    c->head[pc] = c->n_variants;
    c->variants[c->n_variants] = w->x;
    return &c->variants[c->n_variants++];
}

struct variant *compile_variant(struct pyemu_machine *m, uint32_t pc, uint64_t flags)
{
    struct path_cache *c = m->paths;
    struct walk w = {.m = m, .flags = flags};

    begin(&w);
    walk_from(&w, pc, m->policy.steps[pc].hook);
    if (c->n_variants == MAX_VARIANTS || c->n_pool + w.x.n_steps > STEP_POOL ||
        c->n_records + w.x.n_records > RECORD_POOL)
        return NULL;
    finish(&w, flags, pc == m->policy.hook_start[PYEMU_H_EXIT]);
    return keep(c, &w, pc);
}
