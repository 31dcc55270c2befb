/*
 * soak.h - the fault plan (section 8's host choices, drawn instead of searched) and
 * the invariants it holds a running machine to. Points lie between windows, where
 * every pCPU has reached the same cycle: that may be any boundary of any step.
 */
#ifndef PYEMU_SOAK_SOAK_H
#define PYEMU_SOAK_SOAK_H

#include "state/state.h"

/* The cycle of the next point; PYEMU_NEVER without a plan. */
static inline uint64_t soak_next(const struct pyemu_machine *m)
{
    return m->s->soak.cfg.mean_cyc != 0 ? m->s->soak.next_cyc : PYEMU_NEVER;
}

/* Every pCPU has reached it: check, then do harm. May stop the run. */
void soak_point(struct pyemu_machine *m);

/* checks.c: keeps the first broken clause in the state. */
void soak_check(struct pyemu_machine *m);

#endif
