/* psci.h - PSCI calls of a guest, handled in the kernel. */
#ifndef PYEMU_RUN_PSCI_H
#define PYEMU_RUN_PSCI_H

#include "state/state.h"

/* CPU_ON: vCPU `id` of the caller's VM starts at op `entry`. */
void psci_cpu_on(struct pyemu_machine *m, struct pcpu *p, const struct vcpu *caller,
                 uint32_t id, uint32_t entry);

/* CPU_ON as it reaches the target's own pCPU. */
void psci_power_on(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint32_t entry);

/* SYSTEM_OFF: every vCPU of the VM ends when it next looks. */
void psci_system_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *caller);

/* The same as it reaches one vCPU's own pCPU: request, wake, kick. */
void psci_vcpu_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* SYSTEM_OFF without the call: user space ends the VM, caller's access told it. */
void psci_vm_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *caller);

#endif
