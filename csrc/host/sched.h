/* sched.h - run queues, wake-up, preemption (2.5), messages between pCPUs. */
#ifndef PYEMU_HOST_SCHED_H
#define PYEMU_HOST_SCHED_H

#include "state/state.h"

/* Thread t becomes runnable on p's queue; may ask for a reschedule. */
void sched_enqueue(struct pyemu_machine *m, struct pcpu *p, uint32_t t, bool wakeup);

/* Picks the next thread; PYEMU_NONE = idle. The previous one must be off. */
uint32_t sched_pick(struct pyemu_machine *m, struct pcpu *p);

/* Charges the current thread's run time to its vruntime. */
void sched_account(struct pyemu_machine *m, struct pcpu *p);

/* The 4 ms tick's preemption rule (2.5). */
void sched_tick(struct pyemu_machine *m, struct pcpu *p);

/* Wakes thread t from pCPU p: here, or by message to its own pCPU. */
void sched_wake(struct pyemu_machine *m, struct pcpu *p, uint32_t t);

/* Sets or clears (PYEMU_NONE) the pending migration of a thread. */
void sched_set_move(struct pyemu_machine *m, struct thread *th, uint32_t to);

/*
 * A thread leaves p for another pCPU, by message. Its soft timers go with
 * it: one left behind would send from there outside the windows.
 */
void sched_migrate(struct pyemu_machine *m, struct pcpu *p, uint32_t t, uint32_t to,
                   bool by_ipi);

/* It has arrived: the soft timers it brought (bit 0: virtual) are armed here. */
void sched_arrived(struct pyemu_machine *m, struct pcpu *p, uint32_t t,
                   uint32_t brought);

/* Message to another pCPU, at least the least latency away. */
void msg_send(struct pyemu_machine *m, const struct pcpu *from, uint32_t to,
              const struct message *msg);

/* The current thread stops being current; queued again if still runnable. */
void sched_thread_off(struct pyemu_machine *m, struct pcpu *p, uint32_t state);

#endif
