/* layout.h - the one allocation of a machine: sizes, offsets, typed views. */
#ifndef PYEMU_STATE_LAYOUT_H
#define PYEMU_STATE_LAYOUT_H

#include "state/state.h"

/* Allocates the block for cfg and points m's views into it; all zero. */
int layout_new(struct pyemu_machine *m, const struct pyemu_config *cfg);

#endif
