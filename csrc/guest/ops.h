/* ops.h - operations of op programs that touch timer and GIC registers. */
#ifndef PYEMU_GUEST_OPS_H
#define PYEMU_GUEST_OPS_H

#include "state/state.h"

/* A guest write to a timer it may touch without a trap; false: it traps. */
bool ops_timer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op);

void ops_ack(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void ops_eoi(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, bool dir);

/* Length of a COMPUTE_DIST: an entry of the value table, drawn evenly. */
uint64_t ops_draw(const struct pyemu_machine *m, struct vcpu *v, uint32_t table);
uint64_t ops_random(const struct pyemu_machine *m, struct vcpu *v);

#endif
