/* gic.c - the physical interrupt state machine of section 2.1. */
#include "hw/gic.h"

/* Lowest priority value wins, then the lowest INTID (2.1). */
static uint32_t gic_winner(const struct pcpu *p)
{
    uint32_t left = gic_candidates(p);
    uint32_t best = INTID_SPURIOUS;
    uint32_t best_prio = PRIORITY_IDLE;

    while (left != 0) {
        const uint32_t n = lowest_bit32(left);

        left &= left - 1;
        if (p->prio[n] < best_prio) {
            best = n;
            best_prio = p->prio[n];
        }
    }
    if (best == INTID_SPURIOUS || best_prio >= p->pmr || best_prio >= p->running_prio)
        return INTID_SPURIOUS;
    return best;
}

void gic_update(struct pcpu *p)
{
    const bool any = gic_candidates(p) != 0 && gic_winner(p) != INTID_SPURIOUS;

    put_bit64(&p->flags, PYEMU_F_PIRQ, any);
    put_bit64(&p->flags, FI_PACT_V, has_bit32(p->irq_active, INTID_VTIMER));
    put_bit64(&p->flags, FI_PACT_P, has_bit32(p->irq_active, INTID_PTIMER));
}

/* Linux's set-up: SGIs are edge, timers level, one priority for all (2.1). */
void gic_reset(struct pcpu *p)
{
    p->irq_enabled = 0xffffU | bit32(INTID_MAINT) | bit32(INTID_HTIMER_VHE) |
                     bit32(INTID_VTIMER) | bit32(INTID_PTIMER);
    p->irq_line = 0;
    p->irq_latch = 0;
    p->irq_active = 0;
    p->irq_edge = 0xffffU;
    p->pmr = 0xf0;
    p->running_prio = PRIORITY_IDLE;
    p->acked = INTID_SPURIOUS;
    for (uint32_t i = 0; i < N_PRIVATE; i++)
        p->prio[i] = HOST_IRQ_PRIORITY;
    gic_update(p);
}

void gic_set_line(struct pcpu *p, uint32_t intid, bool level)
{
    put_bit32(&p->irq_line, intid, level);
    gic_update(p);
}

void gic_set_pending(struct pcpu *p, uint32_t intid)
{
    p->irq_latch |= bit32(intid);
    gic_update(p);
}

void gic_set_active(struct pcpu *p, uint32_t intid, bool active)
{
    put_bit32(&p->irq_active, intid, active);
    gic_update(p);
}

void gic_set_enabled(struct pcpu *p, uint32_t intid, bool enabled)
{
    put_bit32(&p->irq_enabled, intid, enabled);
    gic_update(p);
}

uint32_t gic_ack(struct pcpu *p)
{
    const uint32_t n = gic_winner(p);

    if (n == INTID_SPURIOUS)
        return n;
    p->irq_latch &= ~bit32(n);
    p->irq_active |= bit32(n);
    p->running_prio = p->prio[n];
    gic_update(p);
    return n;
}

/* IRQs do not nest in the host (one priority), so one running priority does. */
void gic_eoi(struct pcpu *p, uint32_t intid, bool eoimode1)
{
    if (intid >= N_PRIVATE)
        return;
    p->running_prio = PRIORITY_IDLE;
    if (!eoimode1)
        p->irq_active &= ~bit32(intid);
    gic_update(p);
}

void gic_deactivate(struct pcpu *p, uint32_t intid)
{
    if (intid >= N_PRIVATE)
        return;
    p->irq_active &= ~bit32(intid);
    gic_update(p);
}
