/* reset.h - start of a measured region: every count and sum back to zero. */
#ifndef PYEMU_STATE_RESET_H
#define PYEMU_STATE_RESET_H

#include "state/state.h"

/* Deadlines that have expired and were neither acknowledged nor withdrawn. */
uint64_t reset_open_deadlines(const struct pyemu_machine *m);

void machine_reset_stats(struct pyemu_machine *m);

#endif
