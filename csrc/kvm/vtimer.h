/*
 * vtimer.h - primitives on the timers: what one register access, level update
 * or soft-timer step of section 3 and 4 does to the state.
 */
#ifndef PYEMU_KVM_VTIMER_H
#define PYEMU_KVM_VTIMER_H

#include "state/state.h"

/* One primitive of each family; prim must belong to it (policy/steps.c). */
void vtimer_reg(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t prim);
void vtimer_level(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                  uint32_t prim);
void vtimer_active(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint32_t prim);
void vtimer_soft(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                 uint32_t prim);

/* Guest or user space wrote the memory copy: derive what follows from it. */
void vtimer_mem_written(struct pyemu_machine *m, struct vcpu *v, uint32_t t,
                        uint64_t now_cyc);

/* kvm_reset_vcpu: both timers off; what was armed is withdrawn. */
void vtimer_reset(struct pyemu_machine *m, struct vcpu *v, uint64_t now_cyc);

/* should_fire of the emulated soft timer expiry: earliest that can fire. */
uint64_t vtimer_earliest(const struct pyemu_machine *m, const struct vcpu *v);

#endif
