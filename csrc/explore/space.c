/*
 * space.c - a state as words and back. Left out: statistics, what follows from
 * the rest (CAN, DUE, HCAN, HDUE, PIRQ, run queues), and values no step can read
 * any more. The words are the state itself, not a hash of it: no two states are
 * ever taken for one.
 */
#include <string.h>

#include "explore/codes.h"
#include "hw/gic.h"
#include "hw/timer.h"

/* Bits of a vCPU and of a pCPU without what only some have; ex_encode checks. */
enum { VCPU_BITS = 184, PCPU_BITS = 74, RARE_BITS = 7, LR_BITS = 7 };

ALWAYS_INLINE void pass_deadline(struct codec *c, bool reading, uint64_t *at)
{
    uint64_t rank = reading ? 0 : ex_rank(c->deadlines, *at, c->now_cyc);

    rank = field(c, reading, rank, 4);
    if (reading)
        *at = expiry_of(rank);
}

ALWAYS_INLINE void pass_timer(struct codec *c, bool reading, struct timer_regs *t,
                              uint64_t offset_ticks)
{
    FIELD(t->ctl, uint32_t, 2);
    pass_deadline(c, reading, &t->expiry_cyc);
    if (reading)
        t->cval_ticks = cval_of(t->expiry_cyc, offset_ticks);
}

/* List registers: as many as are in use. */
static void pass_lrs(struct tape *t, bool reading, struct list_register *lr, uint32_t n,
                     const struct vcpu *any)
{
    uint64_t all = 0;

    if (n == 0)
        return;
    if (reading)
        tape_get(t, &all, LR_BITS * n);
    for (uint32_t i = 0; i < n; i++) {
        if (reading)
            lr_of(&lr[i], all >> (LR_BITS * i), any);
        else
            all |= lr_code(&lr[i]) << (LR_BITS * i);
    }
    if (!reading)
        tape_put(t, &all, LR_BITS * n);
}

ALWAYS_INLINE void pass_irq(struct codec *c, bool reading, struct vgic_irq *q)
{
    FIELD(q->line, uint8_t, 1);
    FIELD(q->latch, uint8_t, 1);
    FIELD(q->active, uint8_t, 1);
    FIELD(q->enabled, uint8_t, 1);
    FIELD(q->queued, uint8_t, 1);
}

/* State that only some machines and policies have. */
static void pass_rare(struct tape *t, bool reading, const struct pyemu_machine *m,
                      struct vcpu *v)
{
    struct vgic_irq *q = &v->irq[EX_OTHER_SGI];
    const bool v2 = m->s->cfg.gic_version == 2;
    const bool elrsr = machine_switch(m, PYEMU_S_STALE_ELRSR);
    const bool once = machine_switch(m, PYEMU_S_SIGNAL_ONCE);
    struct codec part = {.bit = 0};
    struct codec *c = &part;

    if (!v2 && !elrsr && !once)
        return;
    if (reading)
        tape_get(t, c->w, RARE_BITS);
    if (v2) {
        FIELD(q->source, uint8_t, 2);
        FIELD(q->active_source, uint8_t, 1);
    }
    if (elrsr)
        FIELD(v->elrsr, uint16_t, EX_MAX_LRS);
    if (once) {
        uint64_t code = field(c, reading, (v->signalled >> INTID_VTIMER) & 1U, 1);

        if (reading)
            v->signalled = (uint32_t)code << INTID_VTIMER;
    }
    if (!reading)
        tape_put(t, c->w, RARE_BITS);
}

/* The ap_list is a chain of INTIDs; three at most. */
ALWAYS_INLINE void pass_ap_list(struct codec *c, bool reading, struct vcpu *v,
                                uint32_t me)
{
    uint32_t n = reading ? AP_END : v->ap_head;
    struct vgic_irq *prev = NULL;

    if (reading) {
        v->ap_head = AP_END;
        v->ap_len = 0;
    }
    UNROLL
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t code =
            field(c, reading, n == AP_END ? 0 : intid_code(n), 2);

        if (!reading) {
            n = n == AP_END ? AP_END : v->irq[n].next;
            continue;
        }
        if (code == 0)
            continue;
        struct vgic_irq *q = &v->irq[INTIDS[code]];

        q->next = AP_END;
        q->on = me;
        v->ap_len++;
        if (prev == NULL)
            v->ap_head = INTIDS[code];
        else
            prev->next = INTIDS[code];
        prev = q;
    }
}

enum { V_LOW = 18 }; /* flags ENABLED .. WAITING */

ALWAYS_INLINE void pass_flags(struct codec *c, bool reading, struct vcpu *v)
{
    uint64_t low = v->flags & ((UINT64_C(1) << V_LOW) - 1U);
    uint64_t high = ((v->flags >> PYEMU_F_PREEMPTED) & 1U) |
                    ((v->flags >> PYEMU_F_POWERED_OFF) & 1U) << 1 |
                    ((v->flags >> FI_PREEMPT_OFF) & 1U) << 2 |
                    ((v->flags >> FI_MODE) & 1U) << 3;

    low = field(c, reading, low, V_LOW);
    high = field(c, reading, high, 4);
    if (reading)
        v->flags = (v->flags & FLAG(USER_IRQCHIP)) | low |
                   (high & 1U) << PYEMU_F_PREEMPTED |
                   ((high >> 1) & 1U) << PYEMU_F_POWERED_OFF |
                   ((high >> 2) & 1U) << FI_PREEMPT_OFF |
                   ((high >> 3) & 1U) << FI_MODE;
}

ALWAYS_INLINE void pass_place(struct codec *c, bool reading, struct vcpu *v)
{
    FIELD(v->pc, uint32_t, 11);
    FIELD(v->hook, uint8_t, 5);
    FIELD(v->cont, uint8_t, 4);
    FIELD(v->stage, uint8_t, 4);
    FIELD(v->after, uint8_t, 3);
    FIELD(v->saved_pc, uint32_t, 11);
    FIELD(v->saved_cont, uint8_t, 4);
    FIELD(v->saved_stage, uint8_t, 4);
    FIELD(v->saved_hook, uint8_t, 5);
    FIELD(v->saved_scratch, uint8_t, 4);
    FIELD(v->trap_op, uint32_t, 6);
    if (reading)
        v->reason = v->trap_op == EX_NO_TRAP ? 0 : PYEMU_X_WFX;
    FIELD(v->resident, uint8_t, 1);
    FIELD(v->sleep_off, uint8_t, 1);
}

ALWAYS_INLINE void pass_guest(struct codec *c, bool reading, struct vcpu *v)
{
    uint64_t code = field(c, reading, intid_code(v->iar), 2);
    uint64_t open = field(c, reading, v->pmr != 0, 1);
    uint64_t saved = field(c, reading, v->vmcr_pmr != 0, 1);
    uint64_t runs_other = field(c, reading, (v->vapr >> EX_OTHER_GROUP) & 1U, 1);
    uint64_t runs = field(c, reading, (v->vapr >> EX_HOST_GROUP) & 1U, 1);

    FIELD(v->pstate_i, uint8_t, 1);
    FIELD(v->in_irq, uint8_t, 1);
    FIELD(v->uie, uint8_t, 3);
    FIELD(v->hcr_eoicount, uint16_t, 2);
    if (!reading)
        return;
    v->iar = INTIDS[code];
    v->pmr = open != 0 ? PRIORITY_IDLE + 1U : 0;
    v->vmcr_pmr = saved != 0 ? PRIORITY_IDLE + 1U : 0;
    v->vapr = (uint32_t)(runs_other << EX_OTHER_GROUP | runs << EX_HOST_GROUP);
}

static void derive_vcpu(struct vcpu *v)
{
    put_bit64(&v->flags, PYEMU_F_LINE_V, v->irq[INTID_VTIMER].line != 0);
    for (uint32_t t = 0; t < N_TIMERS; t++)
        timer_mem_recalc(v, t, EX_NOW);
    v->exit_cyc = PYEMU_NEVER;
    v->deadline = v->counted = v->settled = 0;
    v->injected_cyc = PYEMU_NEVER;
}

ALWAYS_INLINE void pass_vcpu(struct codec *c, bool reading, struct pyemu_explorer *x,
                             uint32_t i)
{
    struct pyemu_machine *m = x->m;
    struct vcpu *v = &m->vcpus[i];
    const uint64_t off[N_TIMERS] = {m->vms[v->vm].cntvoff_ticks, 0};
    struct ghost *g = &x->ghost[i];

    pass_flags(c, reading, v);
    pass_place(c, reading, v);
    pass_guest(c, reading, v);
    FIELD(m->threads[i].state, uint32_t, 3);
    uint64_t where = field(c, reading, m->threads[i].pcpu ^ c->swap_p, 1);

    if (reading)
        m->threads[i].pcpu = (uint32_t)where;
    FIELD(v->woken, uint8_t, 1);
    UNROLL
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        struct heap_node *n = &m->timer_nodes[2 * i + t];

        pass_timer(c, reading, &v->mem[t], off[t]);
        pass_timer(c, reading, &g->t[t], off[t]);
        FIELD(g->high[t], uint8_t, 1);
        const uint32_t armed = n->queued == 0 ? 0 : ((n->queued - 1U) ^ c->swap_p) + 1U;
        uint64_t on = field(c, reading, armed, 2);

        if (reading)
            n->queued = (uint32_t)on;
        uint64_t key = n->queued != 0 ? n->key : 0;

        pass_deadline(c, reading, &key);
        if (reading)
            n->key = key;
    }
    FIELD(g->entry_cnthctl, uint8_t, 2);
    FIELD(g->stopped, uint8_t, 1);
    UNROLL
    for (uint32_t n = 0; n < EX_N_IRQS; n++)
        FIELD(g->kept[n], uint8_t, 4);
    FIELD(v->work, uint8_t, 1);
    pass_irq(c, reading, &v->irq[INTID_VTIMER]);
    pass_irq(c, reading, &v->irq[INTID_PTIMER]);
    pass_irq(c, reading, &v->irq[EX_OTHER_SGI]);
    FIELD(g->owed, uint8_t, 1);
    FIELD(g->ended, uint8_t, 2);
    FIELD(g->orphan, uint8_t, 1);
    pass_ap_list(c, reading, v, i);
    FIELD(v->used_lrs, uint16_t, 2);
}

/* A set of host INTIDs as bits: 1, 2, 25, 26, 27, 30. */
ALWAYS_INLINE void pass_set(struct codec *c, bool reading, uint32_t *set)
{
    uint64_t code = ((*set >> INTID_SGI_KICK) & 1U) |
                    (((*set >> EX_DEVICE_SGI) & 1U) << 1) |
                    (((*set >> INTID_MAINT) & 7U) << 2) |
                    (((*set >> INTID_PTIMER) & 1U) << 5);

    code = field(c, reading, code, 6);
    if (reading)
        *set = (uint32_t)((code & 1U) << INTID_SGI_KICK |
                          ((code >> 1) & 1U) << EX_DEVICE_SGI |
                          ((code >> 2) & 7U) << INTID_MAINT |
                          ((code >> 5) & 1U) << INTID_PTIMER);
}

ALWAYS_INLINE void pass_isr(struct codec *c, bool reading, struct pcpu *p)
{
    FIELD(p->irq_stage, uint8_t, 2);
    FIELD(p->irq_saved, uint8_t, 1);
    FIELD(p->irq_pc, uint32_t, 11);
    uint64_t scratch = field(c, reading, p->irq_scratch >> PYEMU_F_FIRE, 3);
    uint64_t acked = field(c, reading, acked_code(p->acked), 3);
    uint64_t idle = field(c, reading, p->running_prio == PRIORITY_IDLE, 1);

    if (!reading)
        return;
    p->irq_scratch = scratch << PYEMU_F_FIRE;
    p->acked = ACKED[acked];
    p->running_prio = idle != 0 ? PRIORITY_IDLE : HOST_IRQ_PRIORITY;
}

ALWAYS_INLINE void pass_thread(struct codec *c, bool reading, uint32_t *thread)
{
    const uint64_t code =
        field(c, reading, *thread == PYEMU_NONE ? 0 : (*thread ^ c->swap_v) + 1U, 2);

    if (reading)
        *thread = code == 0 ? PYEMU_NONE : (uint32_t)code - 1U;
}

ALWAYS_INLINE void pass_pcpu(struct codec *c, bool reading, struct pyemu_explorer *x,
                             uint32_t i)
{
    struct pyemu_machine *m = x->m;
    struct pcpu *p = &m->pcpus[i];
    const uint64_t kept = FLAG(VHE) | FLAG(GICV3) | FLAG(EOIMODE1) | FLAG(FORWARDED) |
                          FLAG(DIRECT_P);
    uint64_t f = ((p->flags >> FI_IRQ_OFF) & 1U) |
                 ((p->flags >> PYEMU_F_SPURIOUS) & 1U) << 1 |
                 ((p->flags >> PYEMU_F_ACK_FORWARDED) & 1U) << 2 |
                 ((p->flags >> PYEMU_F_SYNC) & 1U) << 3;

    f = field(c, reading, f, 4);
    pass_thread(c, reading, &p->cur);
    pass_thread(c, reading, &p->running);
    pass_isr(c, reading, p);
    pass_set(c, reading, &p->irq_line);
    pass_set(c, reading, &p->irq_latch);
    pass_set(c, reading, &p->irq_active);
    uint64_t on = field(c, reading, (p->irq_enabled >> INTID_VTIMER) & 1U, 1);

    UNROLL
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        pass_timer(c, reading, &p->hw[t], t == TIMER_V ? EX_CNTVOFF : 0);
        FIELD(p->line_target[t], uint8_t, 1);
    }
    uint64_t off = field(c, reading, p->offset_ticks != 0, 1);

    FIELD(p->cnthctl, uint32_t, 2);
    FIELD(p->online, uint8_t, 1);
    FIELD(p->stale, uint8_t, 2);
    FIELD(p->uie, uint8_t, 3);
    FIELD(p->eisr, uint8_t, 1);
    FIELD(p->n_lrs, uint8_t, 2);
    if (!reading)
        return;
    p->flags = (p->flags & kept) | (f & 1U) << FI_IRQ_OFF |
               ((f >> 1) & 1U) << PYEMU_F_SPURIOUS |
               ((f >> 2) & 1U) << PYEMU_F_ACK_FORWARDED |
               ((f >> 3) & 1U) << PYEMU_F_SYNC;
    put_bit32(&p->irq_enabled, INTID_VTIMER, on != 0);
    put_bit64(&p->flags, PYEMU_F_RUNNING, p->running != PYEMU_NONE);
    p->offset_ticks = off != 0 ? EX_CNTVOFF : 0;
}

static void put_vcpu(struct pyemu_explorer *x, struct tape *t, uint32_t i,
                     const struct codec *as)
{
    struct vcpu *v = &x->m->vcpus[i];
    struct codec c = *as;

    pass_vcpu(&c, false, x, i);
    ASSERT(x->m, c.bit == VCPU_BITS);
    tape_put(t, c.w, VCPU_BITS);
    pass_rare(t, false, x->m, v);
    pass_lrs(t, false, v->lr, v->used_lrs, v);
}

static void put_pcpu(struct pyemu_explorer *x, struct tape *t, uint32_t i,
                     const struct codec *as)
{
    struct pcpu *p = &x->m->pcpus[i];
    struct codec c = *as;

    pass_pcpu(&c, false, x, i);
    ASSERT(x->m, c.bit == PCPU_BITS);
    tape_put(t, c.w, PCPU_BITS);
    pass_lrs(t, false, p->lr, p->n_lrs, NULL);
}

/* The state with its vCPUs, its pCPUs, or both named the other way round. */
static void encode_as(struct pyemu_explorer *x, uint64_t *w, struct codec *as)
{
    const struct pyemu_config *cfg = &x->m->s->cfg;
    struct tape t = {.w = w};

    for (uint32_t i = 0; i < EX_MAX_WORDS; i++)
        w[i] = 0;
    for (uint32_t i = 0; i < cfg->n_vcpus; i++)
        put_vcpu(x, &t, i ^ as->swap_v, as);
    for (uint32_t i = 0; i < cfg->n_pcpus; i++)
        put_pcpu(x, &t, i ^ as->swap_p, as);
    ASSERT(x->m, t.bit <= 64 * x->n_words);
}

static bool is_less(const uint64_t *a, const uint64_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

struct ex_names ex_encode(struct pyemu_explorer *x, uint64_t *w)
{
    struct codec as = {.now_cyc = x->m->pcpus[0].now_cyc};
    struct ex_names names = {0, 0};
    uint64_t other[EX_MAX_WORDS];

    ex_tidy(x);
    ex_float(x);
    as.deadlines = ex_deadlines(x);
    encode_as(x, w, &as);
    for (uint32_t n = 1; n < 4; n++) { /* the least of its forms stands for all */
        as.swap_v = n & 1U;
        as.swap_p = n >> 1;
        if ((as.swap_v & ~x->swaps.vcpu) != 0 || (as.swap_p & ~x->swaps.pcpu) != 0)
            continue;
        encode_as(x, other, &as);
        if (!is_less(other, w, x->n_words))
            continue;
        memcpy(w, other, sizeof other);
        names = (struct ex_names){as.swap_v, as.swap_p};
    }
    return names;
}

static void derive_pcpu(struct pcpu *p)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const bool line = has_bit32(p->irq_line, timer_intid(t));

        put_bit64(&p->flags, timer_hcan(t), ctl_can_fire(p->hw[t].ctl));
        put_bit64(&p->flags, timer_hdue(t), p->hw[t].expiry_cyc <= EX_NOW);
        p->line_due_cyc[t] = line != (p->line_target[t] != 0) ? EX_LINE_WAITS
                                                             : PYEMU_NEVER;
    }
    gic_update(p);
}

static void get_vcpu(struct pyemu_explorer *x, struct tape *t, uint32_t i)
{
    struct vcpu *v = &x->m->vcpus[i];
    struct codec c = {.now_cyc = EX_NOW};

    tape_get(t, c.w, VCPU_BITS);
    pass_vcpu(&c, true, x, i);
    pass_rare(t, true, x->m, v);
    pass_lrs(t, true, v->lr, v->used_lrs, v);
    derive_vcpu(v);
}

static void get_pcpu(struct pyemu_explorer *x, struct tape *t, uint32_t i)
{
    struct pcpu *p = &x->m->pcpus[i];
    struct codec c = {.now_cyc = EX_NOW};

    tape_get(t, c.w, PCPU_BITS);
    p->now_cyc = EX_NOW;
    p->timers = PYEMU_NONE;
    p->rq = PYEMU_NONE;
    p->n_running = 0;
    pass_pcpu(&c, true, x, i);
    pass_lrs(t, true, p->lr, p->n_lrs, &x->m->vcpus[0]);
}

void ex_decode(struct pyemu_explorer *x, const uint64_t *w)
{
    struct pyemu_machine *m = x->m;
    uint64_t copy[EX_MAX_WORDS + 1] = {0};
    struct tape t = {.w = copy};

    memcpy(copy, w, sizeof *w * x->n_words);
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        get_vcpu(x, &t, i);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        get_pcpu(x, &t, i);
    ex_rearm(m);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        derive_pcpu(&m->pcpus[i]);
}

/* Words that any state of this shape can need. */
uint32_t ex_words(const struct pyemu_explorer *x)
{
    const struct pyemu_config *cfg = &x->m->s->cfg;
    const uint32_t n_lrs = cfg->n_lrs < EX_MAX_LRS ? cfg->n_lrs : EX_MAX_LRS;
    const uint32_t lr_bits = LR_BITS * n_lrs;
    const uint32_t bits = cfg->n_vcpus * (VCPU_BITS + RARE_BITS + lr_bits) +
                          cfg->n_pcpus * (PCPU_BITS + lr_bits);

    return (bits + 63) / 64;
}
