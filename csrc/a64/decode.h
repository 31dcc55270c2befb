/* Decoder: one 32-bit word to one slot. Knows nothing of execution, MMU or CPU state.
 */
#ifndef A64_DECODE_H
#define A64_DECODE_H

#include "ops.h"
#include "state.h"

/* Fills s (all but rem) for word w at byte offset off of its page; returns the cost
 * class. */
enum a64_cost_class a64_decode(const struct a64_mem *mem, uint32_t w, uint32_t off,
                               struct a64_slot *s);

/* True if op ends a block: branches, exceptions, and whatever may cost over
 * A64_COST_MAX_PLAIN. */
bool a64_op_ends_block(uint32_t op);

/* The groups, by op0 of "A64 instruction set encoding". Each returns the cost class. */
enum a64_cost_class a64_decode_dpimm(uint32_t w, struct a64_slot *s);
enum a64_cost_class a64_decode_dpreg(const struct a64_mem *mem, uint32_t w,
                                     struct a64_slot *s);
enum a64_cost_class a64_decode_ldst(uint32_t w, struct a64_slot *s);
enum a64_cost_class a64_decode_branch(const struct a64_mem *mem, uint32_t w,
                                      uint32_t off, struct a64_slot *s);

/* DecodeBitMasks(): false if reserved. */
bool a64_bitmask_imm(uint32_t n, uint32_t imms, uint32_t immr, uint32_t datasize,
                     uint64_t *out);

/* Register numbers of the slot: 31 as zero source, as discarded result, as SP. */
static inline uint8_t src_reg(uint32_t r)
{ return (uint8_t)(r == 31 ? R_ZERO : r); }
static inline uint8_t dst_reg(uint32_t r)
{ return (uint8_t)(r == 31 ? R_SINK : r); }
static inline uint8_t sp_reg(uint32_t r)
{ return (uint8_t)(r == 31 ? R_SP : r); }

static inline enum a64_cost_class dec_undef(struct a64_slot *s)
{
    s->op = OP_UNDEF;
    return A64_COST_EXCEPTION;
}

/* A choice between the 64- and the 32-bit form of an operation. */
#define OP_SF(sf, name) (uint16_t)((sf) ? OP_##name##64 : OP_##name##32)

#endif
