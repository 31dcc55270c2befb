/* path.c - the way to a state, replayed and written down row by row. */
#include <stdlib.h>
#include <string.h>

#include "explore/explore.h"
#include "hw/gic.h"
#include "policy/steps.h"

static uint32_t isr_hook(const struct pcpu *p)
{
    if (p->irq_stage == ISR_ENTRY)
        return PYEMU_H_IRQ_ENTRY;
    if (p->irq_stage == ISR_EXIT)
        return PYEMU_H_IRQ_EXIT;
    return p->acked == INTID_VTIMER ? PYEMU_H_VTIMER_ISR : PYEMU_H_PTIMER_ISR;
}

/* The step a move is about to execute, before it does. */
static void say_step(const struct pyemu_explorer *x, ex_move mv,
                     struct pyemu_explore_row *r)
{
    const struct pyemu_machine *m = x->m;
    const struct pcpu *p = &m->pcpus[r->pcpu];
    const struct vcpu *v = p->cur == PYEMU_NONE ? NULL : &m->vcpus[p->cur];
    const struct vcpu *running =
        p->running == PYEMU_NONE ? NULL : &m->vcpus[p->running];
    uint32_t pc = PYEMU_NONE;
    uint32_t end = 0;

    r->prim = PYEMU_NONE;
    r->step = PYEMU_NONE;
    if (ex_kind(mv) != PYEMU_A_STEP)
        return;
    if (p->irq_stage != ISR_NONE) {
        pc = p->irq_pc;
        r->hook = isr_hook(p);
        end = m->policy.hook_start[r->hook + 1];
        v = running;
    } else if (v != NULL && v->stage == STAGE_HOOK) {
        pc = v->pc;
        end = m->policy.hook_start[v->hook + 1];
        if (pc >= end)
            r->hook = v->hook;
    }
    if (pc >= end)
        return;
    const struct pyemu_step *s = &m->policy.steps[pc];

    r->prim = s->prim;
    r->hook = s->hook;
    r->step = x->orig[pc];
    r->taken = guard_holds(&m->policy.guards[s->guard], flags_of(p, v));
}

static uint32_t lr_word(const struct list_register *lr)
{
    return lr->vintid | (uint32_t)lr->state << 16 | (uint32_t)lr->hw << 20;
}

static void say_state(const struct pyemu_explorer *x, struct pyemu_explore_row *r)
{
    const struct pyemu_machine *m = x->m;
    const struct pcpu *p = &m->pcpus[r->pcpu];
    const struct vcpu *v = &m->vcpus[r->vcpu];
    const struct ghost *g = &x->ghost[r->vcpu];
    const uint64_t map = ex_deadlines(x);

    r->stage = v->stage;
    r->thread = m->threads[r->vcpu].state;
    r->vflags = v->flags;
    r->pflags = p->flags;
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        r->guest_ctl[t] = g->t[t].ctl;
        r->guest_cval[t] = ex_rank(map, g->t[t].expiry_cyc, p->now_cyc);
        r->mem_ctl[t] = v->mem[t].ctl;
        r->mem_cval[t] = ex_rank(map, v->mem[t].expiry_cyc, p->now_cyc);
        r->hw_ctl[t] = p->hw[t].ctl;
        r->hw_cval[t] = ex_rank(map, p->hw[t].expiry_cyc, p->now_cyc);
        r->line_target |= (uint32_t)p->line_target[t] << t;
        r->soft |= (m->timer_nodes[2 * r->vcpu + t].queued != 0 ? 1U : 0U) << t;
    }
    r->irq_enabled = p->irq_enabled;
    r->irq_pending = p->irq_latch | (p->irq_line & ~p->irq_edge);
    r->irq_active = p->irq_active;
    r->irq_line = p->irq_line;
    r->n_lrs = p->n_lrs;
    for (uint32_t i = 0; i < p->n_lrs; i++)
        r->lr[i] = lr_word(&p->lr[i]);
    r->irq_stage = p->irq_stage;
    r->acked = p->acked;
    r->iar = v->iar;
    r->pstate_i = v->pstate_i;
    r->running = p->running;
    r->cur = p->cur;
}

static uint32_t renamed(uint32_t index, uint32_t swap)
{
    return index == PYEMU_NONE ? index : index ^ swap;
}

/* A vCPU keeps the name it had in the first row, whatever packing has made of it. */
static void rename_row(const struct pyemu_explorer *x, struct pyemu_explore_row *r)
{
    r->vcpu = renamed(r->vcpu, x->renamed.vcpu);
    r->pcpu = renamed(r->pcpu, x->renamed.pcpu);
    r->running = renamed(r->running, x->renamed.vcpu);
    r->cur = renamed(r->cur, x->renamed.vcpu);
}

/* handle_exit has chosen what its guest trapped with: say so where it did. */
static void name_trap(struct pyemu_explorer *x, ex_move mv)
{
    const uint32_t arg = ex_arg(mv);

    for (uint32_t n = x->n_rows; n-- != 0 && arg != 0 && arg < EX_ARG_LR;) {
        struct pyemu_explore_row *r = &x->rows[n];

        if (r->action != PYEMU_A_GUEST || r->vcpu != (ex_vcpu(mv) ^ x->renamed.vcpu))
            continue;
        r->arg = arg - 1U;
        return;
    }
}

static bool row(struct pyemu_explorer *x, ex_move mv)
{
    if (x->n_rows == x->cap_rows) {
        const uint32_t cap = x->cap_rows == 0 ? 256U : 2U * x->cap_rows;
        struct pyemu_explore_row *rows = realloc(x->rows, cap * sizeof *rows);

        if (rows == NULL)
            return false;
        x->rows = rows;
        x->cap_rows = cap;
    }
    struct pyemu_explore_row *r = &x->rows[x->n_rows];

    memset(r, 0, sizeof *r);
    r->action = ex_kind(mv);
    r->arg = r->action == PYEMU_A_GUEST ? ex_choice(ex_arg(mv)) : ex_arg(mv);
    if (r->action == PYEMU_A_GUEST && r->arg >= PYEMU_GC_COUNT)
        r->arg = PYEMU_GC_HVC; /* unless handle_exit gets to say what it was */
    if (r->action == PYEMU_A_STEP)
        name_trap(x, mv);
    r->pcpu = ex_pcpu(mv);
    r->vcpu = ex_vcpu(mv);
    if (r->action >= PYEMU_A_SIGNAL && r->action <= PYEMU_A_SET_REG)
        r->pcpu = x->m->threads[r->vcpu].pcpu;
    say_step(x, mv, r);
    ex_apply(x, mv);
    say_state(x, r);
    rename_row(x, r);
    x->n_rows++;
    return true;
}

/* A stored move and the forced steps after it, as ex_run goes. */
static bool rows_of(struct pyemu_explorer *x, ex_move mv)
{
    for (uint32_t n = 0; n < EX_CHAIN; n++) {
        if (!row(x, mv))
            return false;
        if (!ex_forced(x, &mv))
            break;
    }
    return true;
}

int ex_path(struct pyemu_explorer *x, uint32_t state, const ex_move *more,
            uint32_t n_more)
{
    uint32_t n = 0;
    uint64_t w[EX_MAX_WORDS];

    for (uint32_t s = state; x->parent[s] != PYEMU_NONE; s = x->parent[s])
        n++;
    x->n_rows = 0;
    x->loop_row = 0;
    ex_move *moves = calloc(n + 1U, sizeof *moves);

    if (moves == NULL)
        return PYEMU_ENOMEM;
    uint32_t at = n;

    for (uint32_t s = state; x->parent[s] != PYEMU_NONE; s = x->parent[s])
        moves[--at] = x->by[s];
    ex_decode(x, x->states);
    x->renamed = (struct ex_names){0, 0};
    bool room = true;

    for (uint32_t i = 0; i < n + n_more && room; i++) {
        if (i == n)
            x->loop_row = x->n_rows;
        room = rows_of(x, i < n ? moves[i] : more[i - n]);
        /* the search goes from one packed state to the next */
        const struct ex_names names = ex_encode(x, w);

        x->renamed.vcpu ^= names.vcpu;
        x->renamed.pcpu ^= names.pcpu;
        ex_decode(x, w);
    }
    free(moves);
    return room ? PYEMU_OK : PYEMU_ENOMEM;
}
