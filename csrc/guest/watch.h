/*
 * watch.h - what a debugger and a profiler see of machine code: one instruction at a
 * time, and where guest cycles and exits belong. Nothing here changes what is emulated;
 * without it the guest's loop pays one test a stop.
 */
#ifndef PYEMU_GUEST_WATCH_H
#define PYEMU_GUEST_WATCH_H

#include "a64/a64.h"
#include "state/state.h"

enum { WATCH_SUMS = 3 }; /* a function's exits, guest cycles, handling cycles */

struct watch_vcpu {
    uint64_t to_sample_cyc; /* guest cycles to the next sample */
    uint64_t sampled;       /* function the latest sample fell into */
    uint64_t left_from;     /* function whose exit is being handled */
    bool away;              /* an exit is being handled */
};

struct code_watch {
    uint32_t step_vcpu;       /* that executes by single steps; PYEMU_NONE: none */
    uint64_t step_goal;       /* instructions and exceptions at which it stops */
    const uint64_t *starts;   /* functions by first address, ascending, lent */
    uint64_t n_starts;
    uint64_t period_cyc;      /* of samples; 0: no profile */
    uint64_t *sums;           /* WATCH_SUMS a function and for what precedes all */
    struct watch_vcpu vcpus[];
};

/* Is the guest's loop to be the watched one? */
static inline bool watch_is_on(const struct pyemu_machine *m)
{
    return m->watch != NULL &&
           (m->watch->period_cyc != 0 || m->watch->step_vcpu != PYEMU_NONE);
}

static inline bool watch_profiles(const struct pyemu_machine *m)
{
    return m->watch != NULL && m->watch->period_cyc != 0;
}

/* A vCPU is in the guest: handling of its last exit, if there was one, is over. */
void watch_begin(struct pyemu_machine *m, const struct vcpu *v);

/* Before the processor runs: cycles it may run at most. */
uint64_t watch_budget(struct pyemu_machine *m, const struct vcpu *v, uint64_t room_cyc);

/* It ran up to an exit (left) or further inside the guest; the exit was at pc. */
void watch_ran(struct pyemu_machine *m, const struct vcpu *v, uint64_t ran_cyc);
void watch_left(struct pyemu_machine *m, const struct vcpu *v, uint64_t pc);

/* Instructions that a processor has retired and exceptions it has taken. */
uint64_t watch_steps(const struct pyemu_machine *m, const struct vcpu *v);

/* Has the vCPU that steps executed its instructions? An exception counts as one. */
bool watch_stepped(const struct pyemu_machine *m, const struct vcpu *v);

/* The measured region begins. */
void watch_reset(struct pyemu_machine *m);

#endif
