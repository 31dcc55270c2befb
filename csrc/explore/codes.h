/* codes.h - values of the machine as the few bits that a packed state keeps of them. */
#ifndef PYEMU_EXPLORE_CODES_H
#define PYEMU_EXPLORE_CODES_H

#include "explore/explore.h"
#include "explore/fields.h"

static const uint16_t INTIDS[4] = {INTID_SPURIOUS, INTID_VTIMER, INTID_PTIMER,
                                   EX_OTHER_SGI};

ALWAYS_INLINE uint64_t intid_code(uint32_t intid)
{
    if (intid == INTID_VTIMER)
        return 1;
    if (intid == INTID_PTIMER)
        return 2;
    return intid == EX_OTHER_SGI ? 3 : 0;
}

/* Host INTIDs an interrupt handler may stand in. */
static const uint16_t ACKED[8] = {INTID_SPURIOUS, INTID_VTIMER, INTID_PTIMER,
                                  INTID_SGI_KICK, EX_DEVICE_SGI, INTID_MAINT,
                                  INTID_HTIMER_VHE, INTID_SPURIOUS};

ALWAYS_INLINE uint64_t acked_code(uint32_t intid)
{
    for (uint32_t i = 1; i < 7; i++)
        if (ACKED[i] == intid)
            return i;
    return 0;
}

ALWAYS_INLINE uint64_t expiry_of(uint64_t rank)
{
    if (rank == 0)
        return 0;
    return rank == EX_NEVER_RANK ? PYEMU_NEVER : EX_NOW + EX_GAP * rank;
}

/* CVAL that belongs to an expiry; a deadline that has passed is CVAL 0. */
ALWAYS_INLINE uint64_t cval_of(uint64_t expiry_cyc, uint64_t offset_ticks)
{
    if (expiry_cyc == 0 || expiry_cyc == PYEMU_NEVER)
        return 0;
    return expiry_cyc - offset_ticks;
}

ALWAYS_INLINE uint64_t lr_code(const struct list_register *lr)
{
    return intid_code(lr->vintid) | (uint64_t)((lr->source & LR_EOI) != 0) << 2 |
           (uint64_t)(lr->source & 1U) << 3 | (uint64_t)(lr->state & 3U) << 4 |
           (uint64_t)(lr->hw & 1U) << 6;
}

ALWAYS_INLINE void lr_of(struct list_register *lr, uint64_t code,
                         const struct vcpu *any)
{
    lr->vintid = INTIDS[code & 3U];
    lr->source = (uint8_t)(code >> 3 & 1U);
    if ((code & 4U) != 0)
        lr->source |= LR_EOI;
    lr->state = (uint8_t)(code >> 4 & 3U);
    lr->hw = (uint8_t)(code >> 6 & 1U);
    lr->pintid = lr->hw != 0 ? lr->vintid : 0;
    lr->prio = (code & 3U) != 0 ? any->irq[lr->vintid].prio : 0;
}

#endif
