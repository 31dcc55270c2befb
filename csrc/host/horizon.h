/* horizon.h - the next cycle at which something can happen to a pCPU. */
#ifndef PYEMU_HOST_HORIZON_H
#define PYEMU_HOST_HORIZON_H

#include "state/state.h"

/* Recomputes p's horizon; call after any deadline moved. */
void horizon_update(struct pyemu_machine *m, struct pcpu *p);

#endif
