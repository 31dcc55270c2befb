/* Instructions executed from their word: system, exception generating, exclusive. */
#ifndef A64_SLOW_H
#define A64_SLOW_H

#include "state.h"

/* Executes w at a.pc; a.now_cyc is the cycle at which it starts. */
enum a64_x a64_slow(struct a64_cpu *cpu, uint32_t w);

#endif
