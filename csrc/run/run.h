/*
 * run.h - the vCPU thread: KVM_RUN, the loop around the guest, kvm_vcpu_block.
 * Order inside each hook is the policy's; order between hooks stands here:
 *
 *   KVM_RUN: load -> [first_run] -> enter -> guest -> exit -> handle
 *   handle:  enter again | block ... unblock -> enter | user_exit -> put -> user
 *   enter refused: abort -> enter | user_exit (signal)
 *   scheduler: put ... load around anything, by preempt notifier
 */
#ifndef PYEMU_RUN_RUN_H
#define PYEMU_RUN_RUN_H

#include "state/state.h"

/* A vCPU thread in host context, until it enters the guest, leaves the pCPU, or
 * something else comes first. */
void run_thread(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* One action of it: a step, or what stands between two hooks. */
void run_step(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* The guest has left and been accounted: stand at the first exit step. */
void run_guest_exit(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* The scheduler takes the thread off: put by notifier, if it is resident. */
void run_sched_out(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void run_sched_in(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* Stands v at the start of a hook. */
void run_hook(struct vcpu *v, const struct pyemu_machine *m, uint32_t hook,
              uint32_t cont);

/* The last step of enter has been executed: the guest runs. */
void run_entered(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* The vCPU's program is over: its registers leave the pCPU, nothing is charged. */
void run_end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
