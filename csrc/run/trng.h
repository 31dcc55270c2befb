/* trng.h - the hypervisor's random numbers by SMCCC (DEN 0098, TRNG 1.0). */
#ifndef PYEMU_RUN_TRNG_H
#define PYEMU_RUN_TRNG_H

#include "a64/a64.h"
#include "state/state.h"

/*
 * A fast call of the standard service whose number, without its width bit, is
 * `function`; writes X1 to X3 and *result, which X0 gets; false: no TRNG function.
 */
bool trng_call(struct pyemu_machine *m, struct vcpu *v, uint32_t function,
               int64_t *result);

#endif
