/*
 * fields.h - bits side by side: a part of a state is built in registers, field by
 * field at places that the compiler knows, and parts are strung together.
 */
#ifndef PYEMU_EXPLORE_FIELDS_H
#define PYEMU_EXPLORE_FIELDS_H

#include "base/bits.h"

#ifdef __GNUC__
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")
#else
#define ALWAYS_INLINE static inline
#define UNROLL
#endif

enum { PART_WORDS = 3 };

/*
 * A part of a state, in words of its own: its fields stand where the compiler can
 * tell, so that a part is built in registers. Parts are then strung together.
 */
struct codec {
    uint64_t w[PART_WORDS + 1];
    uint32_t bit;
    uint64_t deadlines; /* bitmap of offsets from now */
    uint64_t now_cyc;
    uint32_t swap_v;    /* 1: vCPUs are named the other way round */
    uint32_t swap_p;    /* and pCPUs */
};

/* The words of a whole state, and how far they have been written or read. */
struct tape {
    uint64_t *w;
    uint32_t bit;
};

ALWAYS_INLINE void tape_put(struct tape *t, const uint64_t *part, uint32_t n_bits)
{
    const uint32_t at = t->bit & 63U;
    uint64_t *w = t->w + (t->bit >> 6);

    t->bit += n_bits;
    for (uint32_t i = 0; 64 * i < n_bits; i++) {
        w[i] |= part[i] << at;
        if (at != 0)
            w[i + 1] |= part[i] >> (64 - at);
    }
}

ALWAYS_INLINE void tape_get(struct tape *t, uint64_t *part, uint32_t n_bits)
{
    const uint32_t at = t->bit & 63U;
    const uint64_t *w = t->w + (t->bit >> 6);

    t->bit += n_bits;
    for (uint32_t i = 0; 64 * i < n_bits; i++)
        part[i] = at == 0 ? w[i] : w[i] >> at | w[i + 1] << (64 - at);
}

/* One field of n bits (1 to 18), read or written; it may lie across two words. */
ALWAYS_INLINE uint64_t field(struct codec *c, bool reading, uint64_t v, uint32_t n)
{
    const uint32_t at = c->bit & 63U;
    uint64_t *w = &c->w[c->bit >> 6];
    const uint64_t mask = (UINT64_C(1) << n) - 1U;

    c->bit += n;
    if (reading) {
        uint64_t got = w[0] >> at;

        if (at + n > 64)
            got |= w[1] << (64 - at);
        return got & mask;
    }
    w[0] |= (v & mask) << at;
    if (at + n > 64)
        w[1] |= (v & mask) >> (64 - at);
    return v;
}

#define FIELD(lv, type, n) ((lv) = (type)field(c, reading, (uint64_t)(lv), (n)))

#endif
