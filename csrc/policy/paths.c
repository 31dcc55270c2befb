/*
 * paths.c - the path cache: lookup and application of variants. What a walk
 * means is worked out once, in compile.c.
 */
#include "policy/paths.h"

#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "policy/compile.h"
#include "policy/steps.h"

struct path_cache *paths_new(void)
{
    return calloc(1, sizeof(struct path_cache));
}

void paths_free(struct path_cache *c)
{
    free(c);
}

void paths_clear(struct pyemu_machine *m)
{
    if (m->paths == NULL)
        return;
    paths_fold(m);
    m->paths->n_variants = 0;
    m->paths->n_pool = 0;
    memset(m->paths->hints, 0, sizeof m->paths->hints);
    for (uint32_t r = 0; r < PYEMU_X_COUNT; r++)
        m->paths->last_trip[r] = NULL;
    for (uint32_t i = 0; i < PYEMU_MAX_STEPS; i++)
        m->paths->head[i] = PYEMU_NONE;
}

/* What n trips did to the virtual interface, as vgic_lr.c counts it. */
static void fold_vgic(struct pyemu_machine *m, const struct variant *x, uint64_t n)
{
    uint64_t *dyn = m->s->dyn_count;

    dyn[PYEMU_P_LR_R] += n * x->n_lrs;
    dyn[PYEMU_P_LR_W] += 2 * n * x->n_lrs;
    dyn[PYEMU_P_FOLD] += n * x->n_lrs;
    dyn[PYEMU_P_POPULATE] += n * x->n_lrs;
    dyn[PYEMU_P_VGIC_IF_R] += 2 * n;
    dyn[PYEMU_P_VGIC_IF_W] += 3 * n;
}

/* Counts go by table content: what a variant stands for, not when it was found. */
void paths_fold(struct pyemu_machine *m)
{
    struct path_cache *c = m->paths;

    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->n_variants; i++) {
        struct variant *x = &c->variants[i];
        const uint64_t n = x->count;

        if (n == 0)
            continue;
        for (uint32_t k = 0; k < x->n_steps; k++)
            m->s->step_count[c->pool[x->first_step + k]] += n;
        if (x->vgic_ops != 0)
            fold_vgic(m, x, n);
        if (x->handle_prim != 0)
            m->s->dyn_count[x->handle_prim] += n;
        if (x->stat != 0)
            m->s->counters[x->stat] += n;
        if (x->enters != 0)
            m->s->counters[PYEMU_C_GUEST_ENTRIES] += n;
        if (x->full != 0 && n > x->n_extra)
            account_handling(m, x->reason, x->cost, n - x->n_extra);
        x->count = 0;
        x->n_extra = 0;
    }
}

static struct variant *search(struct pyemu_machine *m, uint32_t pc, uint64_t flags)
{
    struct path_cache *c = m->paths;

    for (uint32_t i = c->head[pc]; i != PYEMU_NONE; i = c->variants[i].next)
        if ((flags & c->variants[i].mask) == c->variants[i].want)
            return &c->variants[i];
    return compile_variant(m, pc, flags);
}

/* Few flag words occur at one pc: a hint answers almost every time. */
static inline struct variant *find(struct pyemu_machine *m, uint32_t pc, uint64_t flags)
{
    struct path_cache *c = m->paths;
    const uint64_t key = (flags ^ (uint64_t)pc << 44) * UINT64_C(0x9e3779b97f4a7c15);
    struct path_hint *h = &c->hints[key >> 54];

    if (h->flags == flags && h->pc == pc && h->variant != 0)
        return &c->variants[h->variant - 1];
    struct variant *x = search(m, pc, flags);

    if (x != NULL)
        *h = (struct path_hint){flags, pc, (uint32_t)(x - c->variants) + 1U};
    return x;
}

/* Register moves a walk adds up to; the output lines stay low throughout. */
static void move_registers(struct pcpu *p, struct vcpu *v, const struct variant *x)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const struct reg_moves *mv = &x->moves[t];
        struct timer_regs *hw = &p->hw[t];
        struct timer_regs *mem = &v->mem[t];
        const struct timer_regs hw0 = *hw;
        const struct timer_regs mem0 = *mem;

        if (mv->any == 0)
            continue;
        mem->ctl = mv->mem_ctl == FROM_HW ? hw0.ctl : mem0.ctl;
        hw->ctl = mv->hw_ctl == FROM_HW    ? hw0.ctl
                  : mv->hw_ctl == FROM_MEM ? mem0.ctl
                                           : 0;
        if (mv->mem_cval == FROM_HW) {
            mem->cval_ticks = hw0.cval_ticks;
            mem->expiry_cyc = hw0.expiry_cyc;
        }
        if (mv->hw_cval == FROM_MEM) {
            hw->cval_ticks = mem0.cval_ticks;
            hw->expiry_cyc = mem0.expiry_cyc;
            p->horizon_cyc = min_u64(p->horizon_cyc, hw->expiry_cyc > p->now_cyc
                                                         ? hw->expiry_cyc
                                                         : PYEMU_NEVER);
        }
    }
}

static void move_rest(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      struct variant *x)
{
    if (x->cnthctl != 0)
        p->cnthctl = x->cnthctl;
    if (x->running == SET_GUEST)
        p->running = vcpu_idx(m, v);
    else if (x->running == SET_ZERO)
        p->running = PYEMU_NONE;
    if (x->irq_saved != KEEP)
        p->irq_saved = x->irq_saved == SET_ONE;
}

/* Handling that took the same time n times is counted by the variant. */
static void extra_handling(struct pyemu_machine *m, const struct vcpu *v,
                           struct variant *x, uint64_t extra)
{
    x->n_extra++;
    account_handling(m, v->reason, x->cost + extra, 1);
}

static void enter(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                  struct variant *x, uint64_t extra)
{
    if (x->full != 0) {
        if (extra != 0)
            extra_handling(m, v, x, extra);
    } else if (v->exit_cyc != PYEMU_NEVER) {
        account_handling(m, v->reason, p->now_cyc - v->exit_cyc, 1);
    }
    v->cont = CONT_NONE;
    v->stage = STAGE_GUEST;
    v->hook = PYEMU_H_ENTER;
    v->entry_cyc = p->now_cyc;
    trace(m, p, vcpu_idx(m, v), PYEMU_E_ENTRY, 0);
}

/*
 * Applies x if nothing can happen inside it: its whole length lies before the
 * horizon, which includes software expiries and line latencies.
 */
static inline bool apply(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         struct variant *x, uint64_t flags)
{
    const uint64_t extra = x->handle_prim != 0 ? v->extra_cyc : 0;
    const uint64_t total = x->cost + extra;

    if (p->now_cyc + total >= p->horizon_cyc)
        return false;
    const uint64_t new_flags = (flags & ~x->clear) | x->set;

    x->count++;
    p->now_cyc += total;
    v->switch_cyc += x->switch_cyc;
    if (x->pcpu != 0)
        p->flags = new_flags & PCPU_FLAGS;
    v->flags = new_flags & ~PCPU_FLAGS;
    if (x->any_move != 0)
        move_registers(p, v, x);
    if (x->any_rest != 0)
        move_rest(m, p, v, x);
    if (x->handle_prim != 0) {
        v->after = AFTER_ENTER;
        v->extra_cyc = 0;
        if (extra != 0)
            m->s->dyn_count[PYEMU_P_EXTRA] += extra;
    }
    return true;
}

/* Would the pCPU's loop come straight back to this walk? (cpu/pcpu.c) */
static inline bool undisturbed(const struct pyemu_machine *m, const struct pcpu *p)
{
    return p->now_cyc < p->horizon_cyc && m->stop == 0 &&
           (p->flags & (FLAG(PIRQ) | bit64(FI_IRQ_OFF))) != FLAG(PIRQ);
}

bool paths_walk(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t *pc,
                uint32_t end)
{
    bool moved = false;

    while (*pc < end && undisturbed(m, p)) {
        const uint64_t flags = flags_of(p, v);
        struct variant *x = find(m, *pc, flags);

        if (x == NULL || (flags & FLAG(RESCHED)) != 0 ||
            (x->n_steps == 0 && x->effect == 0 && x->end_pc == *pc))
            return moved;
        const uint64_t extra = x->handle_prim != 0 ? v->extra_cyc : 0;

        if (!apply(m, p, v, x, flags))
            return moved;
        moved = true;
        *pc = x->end_pc;
        if (x->enters != 0) {
            enter(m, p, v, x, extra);
            return true;
        }
        if (x->end_hook == PYEMU_H_ENTER && v->hook == PYEMU_H_EXIT && pc == &v->pc) {
            v->hook = PYEMU_H_ENTER; /* the walk went round the loop */
            v->cont = CONT_NONE;
            end = m->policy.hook_start[PYEMU_H_ENTER + 1];
        }
        if (x->effect != 0) {
            const uint32_t at = (*pc)++;

            (void)step_effect(m, p, v, at);
        }
    }
    return moved;
}

/* The variant of a trip that trip_take did not know yet, if there is one. */
bool paths_find_trip(struct pyemu_machine *m, const struct pcpu *p,
                     const struct vcpu *v, uint32_t reason)
{
    struct path_cache *c = m->paths;
    const uint64_t flags = flags_of(p, v) | bit64(FI_IRQ_OFF) |
                           (uint64_t)(reason + 1U) << FI_REASON;

    if ((flags & (FLAG(RESCHED) | FLAG(PIRQ))) != 0)
        return false;
    struct variant *x = find(m, m->policy.hook_start[PYEMU_H_EXIT], flags);

    if (x == NULL || x->trip == 0 || x == c->last_trip[reason])
        return false;
    c->last_trip[reason] = x;
    return true;
}
