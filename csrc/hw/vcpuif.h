/*
 * vcpuif.h - the GIC virtual CPU interface (2.3): list registers as the guest
 * sees them. Works on the pCPU's hardware list registers.
 */
#ifndef PYEMU_HW_VCPUIF_H
#define PYEMU_HW_VCPUIF_H

#include "state/state.h"

/* Highest-priority list register that is exactly pending and may signal, or -1. */
int vcpuif_hppvi(const struct pcpu *p, const struct vcpu *v);

/* Guest IAR: pending -> active, running priority pushed; 1023 if none. */
uint32_t vcpuif_ack(struct pcpu *p, struct vcpu *v);

/* Guest EOIR; true if a list register was deactivated (VEOIM = 0). */
bool vcpuif_eoi(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                uint32_t intid);

/* Guest DIR (VEOIM = 1). */
bool vcpuif_dir(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                uint32_t intid);

/* Maintenance conditions: bits of MISR (2.3). */
enum { MISR_EOI = 1, MISR_U = 2, MISR_LRENP = 4, MISR_NP = 8 };
uint32_t vcpuif_misr(const struct pcpu *p, const struct vcpu *v);

#endif
