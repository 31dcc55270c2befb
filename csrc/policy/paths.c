/*
 * paths.c - the path cache: lookup and application of variants. What a walk
 * means is worked out once, in compile.c.
 */
#include "policy/paths.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "hw/timer.h"
#include "kvm/vgic.h"
#include "policy/compile.h"
#include "policy/steps.h"
#include "policy/trip.h"

_Static_assert(offsetof(struct variant, n_extra) == 64, "hot part: one cache line");

struct path_cache *paths_new(void)
{
    struct path_cache *c = aligned_alloc(64, sizeof *c);

    if (c != NULL)
        memset(c, 0, sizeof *c);
    return c;
}

void paths_free(struct path_cache *c)
{
    free(c);
}

void paths_clear(struct pyemu_machine *m)
{
    struct path_cache *c = m->paths;

    if (c == NULL)
        return;
    paths_fold(m);
    memset(c->head, 0, sizeof c->head);
    memset(c->trip, 0, sizeof c->trip);
    c->n_pool = 0;
    c->n_records = 0;
    c->n_variants = 1;
    c->variants[NO_VARIANT].mask = 0;
    c->variants[NO_VARIANT].want = 1;
}

/* Counts go by table content: what a variant stands for, not when it was found. */
static void fold_one(struct pyemu_machine *m, struct variant *x)
{
    const struct path_cache *c = m->paths;
    struct machine_state *s = m->s;
    const uint64_t n = x->count;

    for (uint32_t k = 0; k < x->n_steps; k++)
        s->step_count[c->pool[x->first_step + k]] += n;
    for (uint32_t i = 0; i < N_DYN; i++)
        s->dyn_count[DYN_PRIM[i]] += n * x->dyn[i];
    s->counters[PYEMU_C_HOST_VTIMER_IRQ] += n * x->n_irqs;
    s->counters[PYEMU_C_VGIC_INJECT] += n * x->n_injects;
    if (x->handle_prim != 0)
        s->dyn_count[x->handle_prim] += n;
    if (x->stat != 0)
        s->counters[x->stat] += n;
    if (x->enters != 0)
        s->counters[PYEMU_C_GUEST_ENTRIES] += n;
    if (x->full != 0 && n > x->n_extra)
        account_handling(m, x->reason, x->cost, n - x->n_extra);
    x->count = 0;
    x->n_extra = 0;
}

void paths_fold(struct pyemu_machine *m)
{
    struct path_cache *c = m->paths;

    if (c == NULL)
        return;
    for (uint32_t i = 1; i < c->n_variants; i++)
        if (c->variants[i].count != 0)
            fold_one(m, &c->variants[i]);
}

/* The latest variant of a step stands first: it is the likely one again. */
static struct variant *find_slow(struct pyemu_machine *m, uint32_t pc, uint64_t flags)
{
    struct path_cache *c = m->paths;
    uint32_t before = c->head[pc];

    for (uint32_t i = before; i != NO_VARIANT; i = c->variants[i].next) {
        struct variant *x = &c->variants[i];

        if ((flags & x->mask) != x->want) {
            before = i;
            continue;
        }
        if (i != c->head[pc]) {
            c->variants[before].next = x->next;
            x->next = c->head[pc];
            c->head[pc] = i;
        }
        return x;
    }
    return compile_variant(m, pc, flags);
}

static inline struct variant *find(struct pyemu_machine *m, uint32_t pc,
                                   uint64_t flags)
{
    struct path_cache *c = m->paths;
    struct variant *x = &c->variants[c->head[pc]];

    return (flags & x->mask) == x->want ? x : find_slow(m, pc, flags);
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

/* An output line that moved while its interrupt was active (compile.c). */
static void move_line(struct pcpu *p, const struct variant *x, uint32_t t)
{
    if (x->line[t] == KEEP)
        return;
    p->line_target[t] = x->line[t] == SET_ONE;
    put_bit32(&p->irq_line, timer_intid(t), x->line[t] == SET_ONE);
}

/* Field by field: a copy of the whole would wait for the fields' stores. */
static inline void fill_lr(struct list_register *lr, const struct vgic_irq *q,
                           uint8_t state)
{
    lr->vintid = INTID_VTIMER;
    lr->pintid = INTID_VTIMER;
    lr->state = state;
    lr->hw = 1;
    lr->prio = q->prio;
    lr->source = q->active_source;
}

/* Interrupt 27 in the vgic and the GIC as the walk left it (walk_vgic.c). */
static void move_gic(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                     const struct vgic_moves *g)
{
    struct vgic_irq *q = &v->irq[INTID_VTIMER];

    q->active = g->active;
    q->line = g->line;
    q->queued = g->listed;
    q->on = g->listed != 0 ? vcpu_idx(m, v) : PYEMU_NONE;
    v->ap_head = g->listed != 0 ? (uint32_t)INTID_VTIMER : (uint32_t)AP_END;
    v->ap_len = g->listed;
    v->used_lrs = g->used;
    p->n_lrs = g->n_lrs;
    p->lr[0].state = g->state;
    if (g->used != 0)
        fill_lr(&v->lr[0], q, g->image);
    if (g->n_lrs != 0)
        fill_lr(&p->lr[0], q, g->state);
}

/* Trace records of a walk; deadlines are read before registers move. */
static void write_records(struct pyemu_machine *m, struct pcpu *p,
                          const struct vcpu *v, const struct variant *x,
                          uint64_t start_cyc)
{
    const struct path_record *r = &m->paths->records[x->first_record];
    const uint64_t end_cyc = p->now_cyc;
    const uint64_t extra = end_cyc - start_cyc - x->cost;
    const uint64_t from[] = {0, p->hw[TIMER_V].cval_ticks, v->mem[TIMER_V].cval_ticks,
                             p->hw[TIMER_P].cval_ticks, v->mem[TIMER_P].cval_ticks};

    for (uint32_t i = 0; i < x->n_records; i++) {
        p->now_cyc = start_cyc + r[i].offset_cyc + (r[i].after != 0 ? extra : 0);
        trace_put(m, p, vcpu_idx(m, v), r[i].kind_sub, from[r[i].source] + r[i].arg);
    }
    p->now_cyc = end_cyc;
}

static void move_interrupts(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                            const struct variant *x, uint64_t start_cyc)
{
    if (x->gic.touched != 0)
        move_gic(m, p, v, &x->gic);
    if (x->gic.pact != KEEP)
        put_bit32(&p->irq_active, INTID_VTIMER, x->gic.pact == SET_ONE);
    if (x->gic.acked != 0)
        p->acked = INTID_SPURIOUS;
    if (x->injected != 0)
        v->injected_cyc = start_cyc + x->injected_cyc +
                          (x->injected == 2 ? p->now_cyc - start_cyc - x->cost : 0);
}

void trip_moves(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                const struct variant *x, uint64_t start_cyc)
{
    if (x->n_records != 0)
        write_records(m, p, v, x, start_cyc);
    move_registers(p, v, x);
    move_line(p, x, TIMER_V);
    move_line(p, x, TIMER_P);
    if (x->raises != 0)
        timer_count_expiry(m, p);
    if (x->cnthctl != 0)
        p->cnthctl = x->cnthctl;
    if (x->running == SET_GUEST)
        p->running = vcpu_idx(m, v);
    else if (x->running == SET_ZERO)
        p->running = PYEMU_NONE;
    if (x->irq_saved != KEEP)
        p->irq_saved = x->irq_saved == SET_ONE;
    if (x->moves_id == MOVES_ONCE)
        move_interrupts(m, p, v, x, start_cyc);
}

/* Handling that took the same time n times is counted by the variant. */
void trip_extra(struct pyemu_machine *m, struct variant *x, uint64_t extra)
{
    x->n_extra++;
    m->s->dyn_count[PYEMU_P_EXTRA] += extra;
    account_handling(m, x->reason, x->cost + extra, 1);
}

static void enter(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                  const struct variant *x)
{
    if (x->full == 0 && v->exit_cyc != PYEMU_NEVER)
        account_handling(m, v->reason, p->now_cyc - v->exit_cyc, 1);
    v->cont = CONT_NONE;
    v->stage = STAGE_GUEST;
    v->hook = PYEMU_H_ENTER;
    v->entry_cyc = p->now_cyc;
    trace(m, p, vcpu_idx(m, v), PYEMU_E_ENTRY, 0);
}

/* The handler's part of a walk: its time, and that nothing else is to be done. */
static void handled(struct pyemu_machine *m, struct vcpu *v, struct variant *x)
{
    const uint64_t extra = v->extra_cyc;

    v->after = AFTER_ENTER;
    v->extra_cyc = 0;
    if (extra == 0)
        return;
    if (x->full != 0)
        trip_extra(m, x, extra);
    else
        m->s->dyn_count[PYEMU_P_EXTRA] += extra;
}

/*
 * Applies x if nothing can happen inside it: its whole length lies before the
 * horizon, which includes software expiries and line latencies.
 */
static inline bool apply(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         struct variant *x, uint64_t flags)
{
    const uint64_t start_cyc = p->now_cyc;
    const uint64_t total = x->cost + (x->handle_prim != 0 ? v->extra_cyc : 0);
    const uint64_t new_flags = (flags & ~x->clear) | x->set;

    if (p->now_cyc + total >= p->horizon_cyc)
        return false;
    x->count++;
    p->now_cyc += total;
    v->switch_cyc += x->switch_cyc;
    p->flags = new_flags & PCPU_FLAGS;
    v->flags = new_flags & ~(PCPU_FLAGS | FOUND_FLAGS);
    if (x->moves_id != 0)
        trip_moves(m, p, v, x, start_cyc);
    if (x->handle_prim != 0)
        handled(m, v, x);
    return true;
}

/* Something the pCPU's loop has to see to first (cpu/pcpu.c). */
static inline bool disturbed(uint64_t flags)
{
    const uint64_t off = bit64(FI_IRQ_OFF) | bit64(FI_PREEMPT_OFF);

    return (flags & (FLAG(PIRQ) | bit64(FI_IRQ_OFF))) == FLAG(PIRQ) ||
           (flags & (FLAG(RESCHED) | off)) == FLAG(RESCHED);
}

/* Flags to look a walk up with; at an exit, also what it finds in the vgic. */
static inline uint64_t key_flags(const struct pyemu_machine *m, const struct pcpu *p,
                                 const struct vcpu *v, uint32_t pc)
{
    const uint64_t flags = flags_of(p, v) | offset_flag(m, p, v);

    if (pc != m->policy.hook_start[PYEMU_H_EXIT])
        return flags;
    return flags | (uint64_t)vgic_alone(m, p, v) << FI_VGIC;
}

enum walk_result paths_walk(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                            uint32_t *pc, uint32_t end)
{
    enum walk_result result = WALK_NONE;

    if (v->off != 0) /* SYSTEM_OFF is noticed at the run loop's top */
        return result;
    while (*pc < end && m->stop == 0) {
        const uint64_t flags = key_flags(m, p, v, *pc);
        struct variant *x = disturbed(flags) ? NULL : find(m, *pc, flags);

        if (x == NULL || (x->n_steps == 0 && x->effect == 0 && x->end_pc == *pc))
            return result;
        if (!apply(m, p, v, x, flags))
            return result == WALK_NONE ? WALK_TOO_LONG : result;
        result = WALK_MOVED;
        *pc = x->end_pc;
        if (x->enters != 0) {
            enter(m, p, v, x);
            return result;
        }
        if (x->end_hook == PYEMU_H_ENTER && v->hook == PYEMU_H_EXIT && pc == &v->pc) {
            v->hook = PYEMU_H_ENTER; /* the walk went round the loop */
            v->cont = CONT_NONE;
            end = m->policy.hook_start[PYEMU_H_ENTER + 1];
        }
        if (x->effect != 0)
            (void)step_effect(m, p, v, (*pc)++);
    }
    return result;
}

struct variant *trip_find(struct pyemu_machine *m, uint32_t reason, uint64_t flags)
{
    struct variant *x = find(m, m->policy.hook_start[PYEMU_H_EXIT], flags);

    if (x == NULL || x->full == 0)
        return NULL;
    m->paths->trip[reason] = (uint32_t)(x - m->paths->variants);
    return x;
}
