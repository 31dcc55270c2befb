/* handle.h - handle_exit: what the kernel does for each exit reason. */
#ifndef PYEMU_RUN_HANDLE_H
#define PYEMU_RUN_HANDLE_H

#include "state/state.h"

/* Charges and runs handle_exit; sets v->after. */
void handle_exit(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
