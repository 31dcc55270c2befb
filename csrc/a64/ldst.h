/* Loads and stores out of line: every case the executor's fast handlers do not take.
 * This file alone defines what a memory access means; the fast handlers are its special
 * case. */
#ifndef A64_LDST_H
#define A64_LDST_H

#include "state.h"

/* Executes load/store word w (any form the decoder allows, exclusives included) at
 * a.pc. X_RELOAD: the store hit decoded code; a.pc is advanced then. */
enum a64_x a64_ldst(struct a64_cpu *cpu, uint32_t w);
enum a64_x a64_ldst_exclusive(struct a64_cpu *cpu, uint32_t w);

/* One data access of len bytes (1..16; a pair is one access), element size elem. */
struct a64_data {
    uint64_t va;
    uint32_t len, elem;
    bool write, unpriv; /* unpriv: as from EL0 */
    bool aligned;       /* acquire/release and exclusive: must be aligned to len */
    uint8_t buf[16];    /* in for writes, out for reads */
    uint64_t pa;        /* out: of va */
    bool code_dropped;  /* out */
    bool mmio;  /* out with X_STOP: outside RAM; a.exit.addr = ipa, the rest for the
                   caller */
    bool probe; /* translate and check only */
};
enum a64_x a64_data_access(struct a64_cpu *cpu, struct a64_data *d);

/* DC ZVA at va: zeroes the 64-byte block. */
enum a64_x a64_zero_block(struct a64_cpu *cpu, uint64_t va);

#endif
