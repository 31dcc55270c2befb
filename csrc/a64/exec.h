/* The interpreter: dispatch over decoded slots. */
#ifndef A64_EXEC_H
#define A64_EXEC_H

#include "state.h"

/* Fills the dispatch tables of a new memory (label addresses live in the executor
 * only). */
void a64_exec_init(struct a64_mem *mem);

/* Runs from cpu->a until cpu->deadline_cyc or a stop; a.now_cyc and a.n_insns are
 * brought up to date. */
enum a64_stop a64_exec(struct a64_cpu *cpu);

#endif
