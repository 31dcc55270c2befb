/* vgic_lr.h - populate and fold: one irq to a list register and back (2.4). */
#ifndef PYEMU_KVM_VGIC_LR_H
#define PYEMU_KVM_VGIC_LR_H

#include "state/state.h"

void vgic_fold(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
