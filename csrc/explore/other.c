/*
 * other.c - the interrupt that is no timer's: an SGI, from one or two sources on
 * GICv2; or, if the machine makes it a level interrupt, that of a device which
 * lowers its line when it hears of the EOI (irqfd's resampling, 2.4).
 */
#include "explore/explore.h"
#include "kvm/inject.h"

bool ex_other_ready(const struct pyemu_explorer *x, uint32_t vcpu, uint32_t source)
{
    const struct vgic_irq *q = &x->m->vcpus[vcpu].irq[EX_OTHER_SGI];

    if (q->edge == 0)
        return source == 0 && q->line == 0;
    if (x->m->s->cfg.gic_version == 2)
        return source < 2 && !has_bit32(q->source, source);
    return source == 0 && q->latch == 0;
}

void ex_other_raise(struct pyemu_explorer *x, uint32_t vcpu, uint32_t source)
{
    struct pyemu_machine *m = x->m;
    struct vcpu *v = &m->vcpus[vcpu];
    const bool edge = v->irq[EX_OTHER_SGI].edge != 0;

    x->ghost[vcpu].owed = edge;
    inject_irq(m, &m->pcpus[m->threads[vcpu].pcpu], v, EX_OTHER_SGI,
               edge ? INJECT_SGI | source : (uint32_t)INJECT_LEVEL);
}

/* Before the fold: the device hears of an EOI and lowers its line. */
void ex_other_heard(struct pyemu_explorer *x, struct vcpu *v)
{
    struct vgic_irq *q = &v->irq[EX_OTHER_SGI];

    (void)x;
    for (uint32_t i = 0; i < v->used_lrs; i++)
        if (v->lr[i].vintid == EX_OTHER_SGI && v->lr[i].state == LR_INVALID &&
            q->edge == 0 && q->line != 0)
            q->line = 0;
}

/* The guest has ended it: a list register still pending hides that from KVM. */
void ex_other_ended(struct pyemu_explorer *x, const struct pcpu *p)
{
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].vintid == EX_OTHER_SGI && p->lr[i].state != LR_INVALID &&
            (p->lr[i].source & LR_EOI) != 0)
            ex_break(x, 2, EXD_EOI_HIDDEN);
}

static bool in_flight(const struct list_register *lr, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (lr[i].vintid == EX_OTHER_SGI && (lr[i].state & LR_PENDING) != 0)
            return true;
    return false;
}

/* Raised and not acknowledged: latched, in an image or in a list register. */
void ex_check_other(struct pyemu_explorer *x, uint32_t vcpu)
{
    const struct pyemu_machine *m = x->m;
    const struct vcpu *v = &m->vcpus[vcpu];
    const struct pcpu *p = &m->pcpus[m->threads[vcpu].pcpu];

    if (x->ghost[vcpu].owed == 0 || v->irq[EX_OTHER_SGI].latch != 0 ||
        in_flight(v->lr, v->used_lrs) || (p->cur == vcpu && in_flight(p->lr, p->n_lrs)))
        return;
    ex_break(x, 2, EXD_DROPPED);
}
