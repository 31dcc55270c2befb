/* bits.h - flag and bitmap helpers; the only place shifts are written. */
#ifndef PYEMU_BITS_H
#define PYEMU_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define PYEMU_NONE UINT32_MAX
#define PYEMU_NEVER UINT64_MAX

/* Keeps a rare callee's registers out of its caller's prologue. */
#ifdef __GNUC__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE
#endif

static inline uint64_t bit64(uint32_t n)
{
    return UINT64_C(1) << n;
}

static inline uint32_t bit32(uint32_t n)
{
    return UINT32_C(1) << n;
}

static inline void put_bit64(uint64_t *word, uint32_t n, bool value)
{
    *word = (*word & ~bit64(n)) | ((uint64_t)value << n);
}

static inline void put_bit32(uint32_t *word, uint32_t n, bool value)
{
    *word = (*word & ~bit32(n)) | ((uint32_t)value << n);
}

static inline bool has_bit64(uint64_t word, uint32_t n)
{
    return ((word >> n) & 1U) != 0;
}

static inline bool has_bit32(uint32_t word, uint32_t n)
{
    return ((word >> n) & 1U) != 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Saturating sum: PYEMU_NEVER stays never. */
static inline uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a > PYEMU_NEVER - b ? PYEMU_NEVER : a + b;
}

/* Index of the lowest set bit; word must not be 0. */
static inline uint32_t lowest_bit32(uint32_t word)
{
#ifdef __GNUC__
    return (uint32_t)__builtin_ctz(word);
#else
    uint32_t n = 0;

    while ((word & 1U) == 0) {
        word >>= 1;
        n++;
    }
    return n;
#endif
}

/* Index of the highest set bit; word must not be 0. */
static inline uint32_t highest_bit64(uint64_t word)
{
#ifdef __GNUC__
    return 63U - (uint32_t)__builtin_clzll(word);
#else
    uint32_t n = 0;

    while ((word >>= 1) != 0)
        n++;
    return n;
#endif
}

#endif
