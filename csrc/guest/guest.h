/*
 * guest.h - the guest interface: advance a vCPU until it traps, an interrupt
 * becomes deliverable or the horizon is reached. Behind it stand op programs
 * (guest.c) and machine code (code.c).
 */
#ifndef PYEMU_GUEST_GUEST_H
#define PYEMU_GUEST_GUEST_H

#include "state/state.h"

/* Runs v on p until it leaves the guest or p's clock passes limit_cyc. */
void guest_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint64_t limit_cyc);

/* WFI completes at once if an LR is pending or a physical irq is (3.6). */
bool guest_wfi_completes(const struct pcpu *p);

/* WFE of machine code is a hint that completes where the host has nothing else to run
 * here (5, P7); an op program's WFE stands for one that trapped. */
static inline bool guest_wfe_completes(const struct pyemu_machine *m,
                                       const struct pcpu *p)
{
    return machine_switch(m, PYEMU_S_WFE_ALONE) && p->rq == PYEMU_NONE;
}

/* Maintenance conditions the guest's own EOIs can create (2.3). */
void guest_maintenance(struct pcpu *p, const struct vcpu *v);

/* Limits that a round trip may have reached. */
static inline bool guest_must_return(const struct pyemu_machine *m)
{
    return m->trace_n >= m->trace_stop ||
           (m->until_exits != 0 && m->s->exits >= m->until_exits);
}

#endif
