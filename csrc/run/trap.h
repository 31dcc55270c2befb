/*
 * trap.h - leaving the guest. The common case, where nothing is pending, goes
 * through one path variant from trap to eret and stays in the guest's loop.
 */
#ifndef PYEMU_RUN_TRAP_H
#define PYEMU_RUN_TRAP_H

#include "state/state.h"

/* Leaves for the op: stands at the first exit step. */
void trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op);

/* The same for a deliverable physical interrupt. */
void trap_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* A simple op whose trip is not the one remembered: true if it went round. */
bool trap_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op);

#endif
