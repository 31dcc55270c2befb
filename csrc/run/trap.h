/*
 * trap.h - leaving the guest step by step. The common case, where nothing is
 * pending, never comes here: policy/trip.h.
 */
#ifndef PYEMU_RUN_TRAP_H
#define PYEMU_RUN_TRAP_H

#include "state/state.h"

/* Leaves for the op: stands at the first exit step. */
void trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op);

/* The same for a deliverable physical interrupt. */
void trap_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/*
 * A simple exit that stands at p's clock as one round trip, or an interrupt's, and
 * how long the host took; false: nothing was done.
 */
bool trap_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint32_t reason, uint64_t *host_cyc);
bool trap_irq_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint64_t *host_cyc);

#endif
