/* rules.c - liveness invariants of section 7 in terms of states. */
#include "explore/rules.h"

#include "hw/timer.h"
#include "kvm/vgic.h"

/* Active as its guest sees it: in the list register, or where that was or will be. */
static bool in_service(const struct pyemu_explorer *x, uint32_t i, uint32_t intid)
{
    const struct vcpu *v = &x->m->vcpus[i];
    const struct pcpu *p = &x->m->pcpus[x->m->threads[i].pcpu];

    if (intid == INTID_VTIMER && x->ghost[i].orphan != 0)
        return false; /* nobody is left to end it */
    const bool here = p->cur == i && p->n_lrs != 0;
    const struct list_register *lr = here ? p->lr : v->lr;
    const uint32_t n = here ? p->n_lrs : v->used_lrs;

    for (uint32_t k = 0; k < n; k++)
        if (lr[k].vintid == intid)
            return (lr[k].state & LR_ACTIVE) != 0;
    return v->irq[intid].active != 0;
}

/* Ready to be acknowledged as the guest sees it, and not yet acknowledged. */
static bool deliverable(const struct pyemu_explorer *x, uint32_t i, uint32_t t)
{
    const struct vcpu *v = &x->m->vcpus[i];
    const bool other = t == N_TIMERS;
    const uint32_t intid = other ? (uint32_t)EX_OTHER_SGI : timer_intid(t);
    const bool up = other ? v->irq[intid].latch != 0 : ex_fires(x, i, t);

    return up && x->ghost[i].stopped == 0 && v->irq[intid].enabled != 0 &&
           v->iar == INTID_SPURIOUS && !in_service(x, i, intid) && v->pmr != 0 &&
           v->pstate_i == 0 && (v->flags & FLAG(USER_IRQCHIP)) == 0;
}

static bool nothing_deliverable(const struct pyemu_explorer *x, uint32_t i)
{
    const struct vcpu *v = &x->m->vcpus[i];

    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (ex_fires(x, i, t) && v->irq[timer_intid(t)].active == 0)
            return false;
    return v->irq[EX_OTHER_SGI].latch == 0;
}

static const struct list_register *lr_of(const struct pcpu *p, uint32_t intid)
{
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].vintid == intid && p->lr[i].state != LR_INVALID)
            return &p->lr[i];
    return NULL;
}

/*
 * I15, of a vCPU in its guest: is there an interrupt that it may acknowledge next, as
 * soon as it unmasks, and that hardware would not offer it, or the other way round?
 * Hardware: the timer's line as the guest has programmed it, or its own ISPENDR. What
 * is in service is offered by neither. With few list registers one may wait for one.
 */
static bool differs(const struct pyemu_explorer *x, uint32_t i)
{
    const struct vcpu *v = &x->m->vcpus[i];
    const struct pcpu *p = &x->m->pcpus[x->m->threads[i].pcpu];

    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const struct vgic_irq *q = &v->irq[timer_intid(t)];
        const struct list_register *lr = lr_of(p, timer_intid(t));
        const bool waits = x->m->s->cfg.n_lrs < EX_MAX_LRS && lr == NULL &&
                           q->queued != 0 && (q->line | q->latch) != 0;
        const bool due = q->enabled != 0 && (ex_fires(x, i, t) || q->latch != 0);
        const bool offered = waits || (lr != NULL && (lr->state & LR_PENDING) != 0);

        if (!in_service(x, i, timer_intid(t)) && due != offered)
            return true;
    }
    return false;
}

/* Kept for I15: every place on the way, and the guest where there is a difference. */
static bool not_reference(const struct pyemu_explorer *x, uint32_t i)
{
    const struct vcpu *v = &x->m->vcpus[i];

    if (v->stage != STAGE_GUEST)
        return true;
    return (v->flags & FLAG(USER_IRQCHIP)) == 0 && differs(x, i);
}

/* + 3 a vCPU for I2, 1 for the others */
enum { BIT_I2 = 0, BIT_I4 = 6, BIT_I12 = 8, BIT_I15 = 14 };

uint32_t rule_bit(const struct rule *r)
{
    switch (r->invariant) {
    case 2: return 1U << (BIT_I2 + 3 * r->vcpu + r->timer);
    case 4: return 1U << (BIT_I4 + r->vcpu);
    case 12: return 1U << (BIT_I12 + r->vcpu);
    case 15: return 1U << (BIT_I15 + r->vcpu);
    default: return 0;
    }
}

uint16_t rules_of(const struct pyemu_explorer *x)
{
    uint32_t set = 0;

    for (uint32_t i = 0; i < x->m->s->cfg.n_vcpus; i++) {
        for (uint32_t t = 0; t <= N_TIMERS; t++)
            set |= (uint32_t)deliverable(x, i, t) << (BIT_I2 + 3 * i + t);
        set |= (uint32_t)(ex_fires(x, i, TIMER_V) &&
                          !in_service(x, i, INTID_VTIMER))
               << (BIT_I4 + i);
        set |= (uint32_t)nothing_deliverable(x, i) << (BIT_I12 + i);
        set |= (uint32_t)not_reference(x, i) << (BIT_I15 + i);
    }
    return (uint16_t)(set | ex_ownerless(x) << BIT_I10);
}

uint8_t due_of(const ex_move *moves, uint32_t n)
{
    uint32_t due = 0;

    for (uint32_t i = 0; i < n; i++)
        due |= done_by(moves[i]);
    return (uint8_t)due;
}

struct rule rule_of(uint32_t invariant)
{
    const uint32_t quiet = EX_EV_OUTSIDE | EX_EV_PREEMPT;

    switch (invariant) {
    case 2:
        return (struct rule){.invariant = 2, .detail = EXD_LOST, .banned = quiet,
                             .dead_ends = true};
    case 4:
        return (struct rule){.invariant = 4, .detail = EXD_STORM, .needed = EX_EV_ISR,
                             .also = EX_EV_ENTRY,
                             .banned = EX_EV_OUTSIDE | EX_EV_ACK | EX_EV_EOI};
    case 10: return (struct rule){.invariant = 10, .detail = EXD_NO_OWNER};
    case 11:
        return (struct rule){.invariant = 11, .detail = EXD_NO_PROGRESS,
                             .needed = EX_EV_ENTRY, .banned = quiet | EX_EV_GUEST};
    case 15:
        return (struct rule){.invariant = 15, .detail = EXD_NOT_REFERENCE,
                             .needed = EX_EV_GUEST, .only_exits = true,
                             .banned = quiet | EX_EV_ACK};
    default:
        return (struct rule){.invariant = 12, .detail = EXD_NO_SLEEP,
                             .needed = EX_EV_BLOCK, .only_waits = true,
                             .banned = quiet | EX_EV_SLEEP | EX_EV_ACK};
    }
}
