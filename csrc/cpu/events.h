/* events.h - everything that falls due at a pCPU's clock. */
#ifndef PYEMU_CPU_EVENTS_H
#define PYEMU_CPU_EVENTS_H

#include "state/state.h"

/* Handles all that is due at p's clock, then recomputes the horizon. */
void events_due(struct pyemu_machine *m, struct pcpu *p);

#endif
