/* clock.c - the only unit conversion in C; see clock.h. */
#include "base/clock.h"

#include "base/bits.h"

#ifdef __SIZEOF_INT128__
static inline uint64_t mul_high(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)(((wide)a * b) >> 64);
}
#else
static inline uint64_t mul_high(uint64_t a, uint64_t b)
{
    const uint64_t mask = UINT32_MAX;
    const uint64_t a0 = a & mask;
    const uint64_t a1 = a >> 32;
    const uint64_t b0 = b & mask;
    const uint64_t b1 = b >> 32;
    const uint64_t mid = a1 * b0 + ((a0 * b0) >> 32);
    const uint64_t mid2 = a0 * b1 + (mid & mask);

    return a1 * b1 + (mid >> 32) + (mid2 >> 32);
}
#endif

static struct reciprocal reciprocal_of(uint64_t d)
{
    struct reciprocal r = {.magic = UINT64_MAX / d, .d = d};

    return r;
}

/* The estimate is at most 2 too small (magic is rounded down, and 2^64-1). */
static inline uint64_t divide(const struct reciprocal *r, uint64_t x, uint64_t *rem)
{
    uint64_t q = mul_high(x, r->magic);
    uint64_t left = x - q * r->d;

    for (int i = 0; i < 2 && left >= r->d; i++) {
        left -= r->d;
        q++;
    }
    *rem = left;
    return q;
}

bool clock_init(struct clock *c, uint64_t cpu_hz, uint64_t cntfrq_hz)
{
    if (cpu_hz == 0 || cntfrq_hz == 0)
        return false;

    uint64_t a = cpu_hz;
    uint64_t b = cntfrq_hz;

    while (b != 0) {
        const uint64_t t = a % b;

        a = b;
        b = t;
    }
    c->num = cpu_hz / a;
    c->den = cntfrq_hz / a;
    if (c->num > UINT32_MAX || c->den > UINT32_MAX)
        return false;
    c->by_num = reciprocal_of(c->num);
    c->by_den = reciprocal_of(c->den);
    /* q * num below must not pass 2^64 - 1 less one remainder's share. */
    c->max_ticks = UINT64_MAX / c->num;
    c->max_ticks = c->max_ticks > UINT64_MAX / c->den ? UINT64_MAX
                                                      : c->max_ticks * c->den;
    return true;
}

uint64_t clock_ticks_at(const struct clock *c, uint64_t cyc)
{
    uint64_t rem = 0;
    const uint64_t q = divide(&c->by_num, cyc, &rem);
    uint64_t unused = 0;

    if (c->den == 1)
        return q;
    return q * c->den + divide(&c->by_num, rem * c->den, &unused);
}

uint64_t clock_cyc_at(const struct clock *c, uint64_t ticks)
{
    if (ticks >= c->max_ticks - c->den && c->max_ticks != UINT64_MAX)
        return PYEMU_NEVER;
    if (c->den == 1)
        return ticks * c->num;

    uint64_t rem = 0;
    const uint64_t q = divide(&c->by_den, ticks, &rem);
    uint64_t left = 0;
    const uint64_t part = divide(&c->by_den, rem * c->num, &left);

    return add_sat(q * c->num, part + (left != 0 ? 1 : 0));
}
