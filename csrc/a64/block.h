/* Blocks: decodes from one slot to the block's end, sums costs, forms
 * superinstructions. */
#ifndef A64_BLOCK_H
#define A64_BLOCK_H

#include "ops.h"
#include "state.h"

/* Decodes code's slots from idx on. Afterwards slot[idx].rem != 0. */
void a64_decode_block(struct a64_cpu *cpu, struct a64_code *code, uint32_t idx);

/* The plain operation of a slot that may hold a superinstruction. */
uint32_t a64_base_op(uint32_t op);

#endif
