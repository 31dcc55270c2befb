/* reach.h - how soon one pCPU can affect another: what bounds a window. */
#ifndef PYEMU_CPU_REACH_H
#define PYEMU_CPU_REACH_H

#include "state/state.h"

/* Works out reach_cyc for the run that begins: the latency, or much longer. */
void reach_update(struct pyemu_machine *m);

#endif
