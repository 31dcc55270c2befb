/*
 * trap.h - leaving the guest. The common case, where nothing is pending, goes
 * through one path variant from trap to eret and stays in the guest's loop.
 */
#ifndef PYEMU_RUN_TRAP_H
#define PYEMU_RUN_TRAP_H

#include "state/state.h"

/* true: the whole exit, handling and entry are done, the guest runs again. */
bool trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op);
void trap_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
