/* Counter and timers: cycles to ticks, exactly, without division in the hot path. */
#ifndef A64_CLOCK_H
#define A64_CLOCK_H

#include "bits.h"
#include "state.h"

/* Makes now_cyc the anchor: ticks there are tick0, with remainder rem0. */
void a64_move_anchor(struct a64_clock_state *k, uint64_t now_cyc);

/* n / den: recip = floor((2^64 - 1) / den) makes the estimate at most two too small. */
static inline uint64_t a64_div_recip(const struct a64_clock_state *k, uint64_t n,
                                     uint64_t *rem)
{
    uint64_t q = umulh64(n, k->recip), r = n - q * k->den;
    while (r >= k->den) {
        r -= k->den;
        q++;
    }
    *rem = r;
    return q;
}

/* CNTPCT at cycle now. Exact for every now; moves the anchor when now is far from it,
 * so that the product (31 + 32 bits) plus the remainder (32 bits) fits 64. */
static inline uint64_t a64_ticks_at(struct a64_cpu *cpu, uint64_t now_cyc)
{
    struct a64_clock_state *k = &cpu->a.clock;
    uint64_t delta = now_cyc - k->cyc0, rem;
    if (A64_UNLIKELY(delta >> 31 != 0)) {
        a64_move_anchor(k, now_cyc);
        delta = 0;
    }
    return k->tick0 + a64_div_recip(k, delta * k->num + k->rem0, &rem);
}

static inline uint64_t a64_cntvct(struct a64_cpu *cpu, uint64_t now_cyc)
{ return a64_ticks_at(cpu, now_cyc) - cpu->a.clock.cntvoff_ticks; }

/* CTL as the guest reads it, ISTATUS derived. */
uint32_t a64_timer_ctl(struct a64_cpu *cpu, enum a64_timer timer);
/* The count the timer compares with, at a.now_cyc. */
uint64_t a64_timer_count(struct a64_cpu *cpu, enum a64_timer timer);

#endif
