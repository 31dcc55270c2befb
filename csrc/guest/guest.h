/*
 * guest.h - the guest interface: advance a vCPU until it traps, an interrupt
 * becomes deliverable or the horizon is reached. Behind it stand op programs
 * (and, later, machine code); nothing else knows which.
 */
#ifndef PYEMU_GUEST_GUEST_H
#define PYEMU_GUEST_GUEST_H

#include "state/state.h"

/* Runs v on p until it leaves the guest or p's clock passes limit_cyc. */
void guest_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint64_t limit_cyc);

#endif
