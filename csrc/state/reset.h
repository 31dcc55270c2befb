/* reset.h - start of a measured region: every count and sum back to zero. */
#ifndef PYEMU_STATE_RESET_H
#define PYEMU_STATE_RESET_H

#include "state/state.h"

void machine_reset_stats(struct pyemu_machine *m);

#endif
