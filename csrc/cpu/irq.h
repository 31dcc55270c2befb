/*
 * irq.h - host interrupts: acknowledge, handle, complete, until IAR reads 1023
 * (2.2). Runs with interrupts off, step by step like everything else.
 */
#ifndef PYEMU_CPU_IRQ_H
#define PYEMU_CPU_IRQ_H

#include "state/state.h"

static inline bool irq_may_be_taken(const struct pcpu *p)
{
    return (p->flags & (FLAG(PIRQ) | bit64(FI_IRQ_OFF))) == FLAG(PIRQ);
}

void irq_begin(struct pyemu_machine *m, struct pcpu *p);

/* The interrupt under way, until it ends or something falls due. */
void irq_run(struct pyemu_machine *m, struct pcpu *p);

/* One step of it. */
void irq_step(struct pyemu_machine *m, struct pcpu *p);

#endif
