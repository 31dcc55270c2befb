/*
 * gic.h - physical GIC as one pCPU sees it: private interrupts as bitmaps
 * (2.1). GICv2 and GICv3 share this state machine; they differ in what an
 * access costs (2.3), which the caller charges.
 */
#ifndef PYEMU_HW_GIC_H
#define PYEMU_HW_GIC_H

#include "state/state.h"

/* Candidates: enabled, pending, not active (2.1). Active masks re-delivery. */
static inline uint32_t gic_candidates(const struct pcpu *p)
{
    const uint32_t pending = p->irq_latch | (p->irq_line & ~p->irq_edge);

    return p->irq_enabled & pending & ~p->irq_active;
}

/* The one writer of PIRQ and PACT_*: call after any change of the state above. */
void gic_update(struct pcpu *p);

void gic_reset(struct pcpu *p);
void gic_set_line(struct pcpu *p, uint32_t intid, bool level);
void gic_set_pending(struct pcpu *p, uint32_t intid);
void gic_set_active(struct pcpu *p, uint32_t intid, bool active);
void gic_set_enabled(struct pcpu *p, uint32_t intid, bool enabled);

/* IAR read: the winner's INTID, now active, or INTID_SPURIOUS. */
uint32_t gic_ack(struct pcpu *p);

/* EOIR write: priority drop; with EOImode 0 it deactivates as well. */
void gic_eoi(struct pcpu *p, uint32_t intid, bool eoimode1);

/* DIR write, or the deactivation a HW list register performs here. */
void gic_deactivate(struct pcpu *p, uint32_t intid);

#endif
