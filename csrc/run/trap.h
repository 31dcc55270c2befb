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

/* The same as one round trip; the host's cycles it took, 0: nothing was done. */
uint64_t trap_irq_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
