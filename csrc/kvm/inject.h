/*
 * inject.h - an interrupt for a vCPU wherever it is. An injection is a write to
 * shared memory followed by a kick: wake if asleep, reschedule IPI if in guest
 * mode, nothing otherwise (2.4 queue).
 */
#ifndef PYEMU_KVM_INJECT_H
#define PYEMU_KVM_INJECT_H

#include "state/state.h"

/* arg: an SGI's flag and source, or the level; MOVED: pending as it is, re-routed. */
enum { INJECT_MOVED = 0x200, INJECT_SGI = 0x100, INJECT_LEVEL = 1 };

void inject_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *target,
                uint32_t intid, uint32_t arg);

/* Facts of an irq were changed by a register write: queue and kick if it counts. */
void inject_requeue(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                    uint32_t intid);

/* The same as it reaches the pCPU of the target. */
void inject_apply(struct pyemu_machine *m, struct pcpu *p, const struct message *msg);

#endif
