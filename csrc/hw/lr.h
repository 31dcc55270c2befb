/*
 * lr.h - a list register in the two formats of the architecture (2.3): GICH_LR,
 * 32-bit MMIO, and ICH_LR<n>_EL2, 64-bit system register.
 */
#ifndef PYEMU_HW_LR_H
#define PYEMU_HW_LR_H

#include "state/state.h"

/* GICv2: vINTID[9:0]; pINTID or SGI source from 10; prio[27:23]; state[29:28]. */
static inline uint64_t lr_pack_v2(const struct list_register *lr)
{
    uint64_t word = lr->vintid & 0x3ffU;

    if (lr->hw != 0)
        word |= (uint64_t)(lr->pintid & 0x3ffU) << 10 | bit64(31);
    else if (lr->vintid < 16)
        word |= (uint64_t)(lr->source & 7U) << 10;
    if (lr->hw == 0 && (lr->source & LR_EOI) != 0)
        word |= bit64(19);
    return word | (uint64_t)(lr->prio >> 3) << 23 | (uint64_t)lr->state << 28;
}

/* GICv3: vINTID[31:0]; pINTID from 32; prio[55:48]; group 60; HW 61; state[63:62]. */
static inline uint64_t lr_pack_v3(const struct list_register *lr)
{
    uint64_t word = lr->vintid | bit64(60);

    if (lr->hw != 0)
        word |= (uint64_t)(lr->pintid & 0x3ffU) << 32 | bit64(61);
    else if ((lr->source & LR_EOI) != 0)
        word |= bit64(41);
    return word | (uint64_t)lr->prio << 48 | (uint64_t)lr->state << 62;
}

#endif
