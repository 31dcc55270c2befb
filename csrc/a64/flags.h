/* PSTATE.NZCV between its stored words and its architectural four bits; condition
 * codes. */
#ifndef A64_FLAGS_H
#define A64_FLAGS_H

#include "state.h"

static inline uint32_t a64_nzcv(const struct a64_arch *a) /* bits 3..0 = N Z C V */
{
    return (uint32_t)((a->fn >> 63) << 3) | (a->fz == 0 ? 4u : 0u) |
           (uint32_t)(a->fc << 1) | (uint32_t)(a->fv >> 63);
}

/* fn, fz, fc, fv for a NZCV, in that order. */
static inline void a64_flag_words(uint32_t nzcv, uint64_t words[4])
{
    words[0] = (uint64_t)((nzcv >> 3) & 1) << 63;
    words[1] = nzcv & 4 ? 0 : 1;
    words[2] = (nzcv >> 1) & 1;
    words[3] = (uint64_t)(nzcv & 1) << 63;
}

static inline void a64_set_nzcv(struct a64_arch *a, uint32_t nzcv)
{
    uint64_t words[4];
    a64_flag_words(nzcv, words);
    a->fn = words[0];
    a->fz = words[1];
    a->fc = words[2];
    a->fv = words[3];
}

#define COND_EQ(a) ((a)->fz == 0)
#define COND_NE(a) ((a)->fz != 0)
#define COND_CS(a) ((a)->fc != 0)
#define COND_CC(a) ((a)->fc == 0)
#define COND_MI(a) ((int64_t)(a)->fn < 0)
#define COND_PL(a) ((int64_t)(a)->fn >= 0)
#define COND_VS(a) ((int64_t)(a)->fv < 0)
#define COND_VC(a) ((int64_t)(a)->fv >= 0)
#define COND_HI(a) ((a)->fc != 0 && (a)->fz != 0)
#define COND_LS(a) ((a)->fc == 0 || (a)->fz == 0)
#define COND_GE(a) ((int64_t)((a)->fn ^ (a)->fv) >= 0)
#define COND_LT(a) ((int64_t)((a)->fn ^ (a)->fv) < 0)
#define COND_GT(a) ((a)->fz != 0 && (int64_t)((a)->fn ^ (a)->fv) >= 0)
#define COND_LE(a) ((a)->fz == 0 || (int64_t)((a)->fn ^ (a)->fv) < 0)

/* Any condition, by table: bit nzcv of entry cond. AL and NV are always true. */
static inline bool a64_cond(const struct a64_arch *a, uint32_t cond)
{
    static const uint16_t holds[16] = { 0xf0f0, 0x0f0f, 0xcccc, 0x3333, 0xff00, 0x00ff,
                                        0xaaaa, 0x5555, 0x0c0c, 0xf3f3, 0xaa55, 0x55aa,
                                        0x0a05, 0xf5fa, 0xffff, 0xffff };
    return (holds[cond] >> a64_nzcv(a)) & 1;
}

#endif
