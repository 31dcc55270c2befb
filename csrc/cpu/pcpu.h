/* pcpu.h - one pCPU's own loop, from its clock to the end of a window. */
#ifndef PYEMU_CPU_PCPU_H
#define PYEMU_CPU_PCPU_H

#include "state/state.h"

void pcpu_run(struct pyemu_machine *m, struct pcpu *p);

#endif
