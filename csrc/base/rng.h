/*
 * rng.h - seeded counter-based generator (SplitMix64 finaliser over a key and
 * a counter): the sole source of chance, and a pure function of its state.
 */
#ifndef PYEMU_RNG_H
#define PYEMU_RNG_H

#include <stdint.h>

static inline uint64_t rng_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The n-th number of stream `key`. */
static inline uint64_t rng_at(uint64_t key, uint64_t n)
{
    return rng_mix(key ^ rng_mix(n));
}

/* Uniform in [0, n) without division: high half of a 32x32 product. */
static inline uint32_t rng_below(uint64_t random, uint32_t n)
{
    return (uint32_t)(((random >> 32) * n) >> 32);
}

#endif
