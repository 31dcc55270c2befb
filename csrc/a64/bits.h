/* Bit helpers; the only place that extracts or extends fields. Pure functions. */
#ifndef A64_BITS_H
#define A64_BITS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__GNUC__)
#define A64_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define A64_LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define A64_UNLIKELY(x) (x)
#define A64_LIKELY(x) (x)
#endif

static inline uint32_t bits32(uint32_t w, unsigned lsb, unsigned n)
{ return (w >> lsb) & (uint32_t)((1ull << n) - 1); }

static inline uint64_t mask64(unsigned n) /* n low ones, 0..64 */
{ return n >= 64 ? ~0ull : (1ull << n) - 1; }

static inline uint64_t bits64(uint64_t v, unsigned lsb, unsigned n)
{ return (v >> lsb) & mask64(n); }

/* Arithmetic right shift; >> of a negative value is implementation-defined in C11, and
 * is arithmetic on every compiler this core supports (checked in cpu.c). */
static inline uint64_t asr64(uint64_t v, unsigned n)
{ return (uint64_t)((int64_t)v >> n); }

static inline uint64_t sext(uint64_t v, unsigned width) /* width 1..64 */
{ return asr64(v << (64 - width), 64 - width); }

static inline uint64_t ror64(uint64_t v, unsigned n)
{
    n &= 63;
    return n == 0 ? v : (v >> n) | (v << (64 - n));
}

static inline uint32_t ror32(uint32_t v, unsigned n)
{
    n &= 31;
    return n == 0 ? v : (v >> n) | (v << (32 - n));
}

static inline uint64_t bswap64(uint64_t v)
{
    v = ((v & 0x00ff00ff00ff00ffull) << 8) | ((v >> 8) & 0x00ff00ff00ff00ffull);
    v = ((v & 0x0000ffff0000ffffull) << 16) | ((v >> 16) & 0x0000ffff0000ffffull);
    return (v << 32) | (v >> 32);
}

static inline uint32_t bswap32(uint32_t v)
{
    v = ((v & 0x00ff00ffu) << 8) | ((v >> 8) & 0x00ff00ffu);
    return (v << 16) | (v >> 16);
}

static inline uint64_t rbit64(uint64_t v)
{
    v = ((v & 0x5555555555555555ull) << 1) | ((v >> 1) & 0x5555555555555555ull);
    v = ((v & 0x3333333333333333ull) << 2) | ((v >> 2) & 0x3333333333333333ull);
    v = ((v & 0x0f0f0f0f0f0f0f0full) << 4) | ((v >> 4) & 0x0f0f0f0f0f0f0f0full);
    return bswap64(v);
}

static inline unsigned clz64(uint64_t v) /* 64 for 0 */
{
    unsigned n = 0;
    if (v == 0)
        return 64;
    for (unsigned s = 32; s != 0; s >>= 1)
        if (v >> (64 - s) == 0) {
            n += s;
            v <<= s;
        }
    return n;
}

static inline uint64_t umulh64(uint64_t a, uint64_t b)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t ll = al * bl, lh = al * bh, hl = ah * bl;
    uint64_t mid = (ll >> 32) + (uint32_t)lh + (uint32_t)hl;
    return ah * bh + (lh >> 32) + (hl >> 32) + (mid >> 32);
}

static inline uint64_t smulh64(uint64_t a, uint64_t b)
{ return umulh64(a, b) - (asr64(a, 63) & b) - (asr64(b, 63) & a); }

#endif
