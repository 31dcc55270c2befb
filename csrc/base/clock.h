/*
 * clock.h - cycles <-> counter ticks, exact for any pair of frequencies, with
 * no division after clock_init (reciprocals, design.md 6 point 6).
 */
#ifndef PYEMU_CLOCK_H
#define PYEMU_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* x / d for any 64-bit x: multiply-high, then one correction. */
struct reciprocal {
    uint64_t magic; /* floor(2^64 / d) */
    uint64_t d;
};

/* ticks = floor(cyc * den / num); both below 2^32 after reduction. */
struct clock {
    uint64_t num; /* cpu_hz / gcd */
    uint64_t den; /* cntfrq_hz / gcd */
    struct reciprocal by_num;
    struct reciprocal by_den;
    uint64_t max_ticks; /* beyond: clock_cyc_at saturates to never */
};

bool clock_init(struct clock *c, uint64_t cpu_hz, uint64_t cntfrq_hz);

/* Counter value at a cycle: PCT of section 1.1. */
uint64_t clock_ticks_at(const struct clock *c, uint64_t cyc);

/* First cycle at which the counter is >= ticks; PYEMU_NEVER if beyond range. */
uint64_t clock_cyc_at(const struct clock *c, uint64_t ticks);

#endif
