/* horizon.h - the next cycle at which something can happen to a pCPU. */
#ifndef PYEMU_HOST_HORIZON_H
#define PYEMU_HOST_HORIZON_H

#include "state/state.h"

/* The next cycle at which something falls due, windows left out. */
uint64_t horizon_next(const struct pyemu_machine *m, const struct pcpu *p);

/* Recomputes p's horizon; call after any deadline moved. */
void horizon_update(struct pyemu_machine *m, struct pcpu *p);

#endif
