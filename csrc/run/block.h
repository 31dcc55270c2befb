/* block.h - kvm_vcpu_block: halt polling, sleep, wake-up (2.5, 3.6, 4.8). */
#ifndef PYEMU_RUN_BLOCK_H
#define PYEMU_RUN_BLOCK_H

#include "state/state.h"

void block_begin(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* A check hook has ended: WAKE says whether anything is pending. */
void block_poll_checked(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void block_checked(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void block_check(struct pyemu_machine *m, struct vcpu *v, uint32_t cont);

/* unblock hook done: adapt halt_poll_ns. */
void block_end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
