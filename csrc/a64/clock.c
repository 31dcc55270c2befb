/* ticks = floor(cycles * num / den), kept as an anchor plus a small product. */
#include "clock.h"

/* Moves the anchor to now (either direction), 32 bits of the distance at a time so that
 * no product overflows: den and num are below 2^32. */
void a64_move_anchor(struct a64_clock_state *k, uint64_t now_cyc)
{
    uint64_t delta = now_cyc - k->cyc0; /* modulo 2^64 */
    uint64_t hi = delta >> 32, lo = delta & 0xffffffffu;
    if (now_cyc < k->cyc0) { /* backwards: start again from cycle 0 */
        k->tick0 = k->rem0 = 0;
        hi = now_cyc >> 32;
        lo = now_cyc & 0xffffffffu;
    }
    /* (hi * 2^32 + lo) * num + rem0, divided by den in base 2^32 (all digits fit: rem <
     * den < 2^32) */
    uint64_t p_lo = lo * k->num, p_hi = hi * k->num + (p_lo >> 32);
    uint64_t rem = 0, r;
    uint64_t low = (p_lo & 0xffffffffu) + k->rem0;
    p_hi += low >> 32;
    uint64_t q2 = a64_div_recip(k, p_hi >> 32, &rem);
    uint64_t q1 = a64_div_recip(k, (rem << 32) | (p_hi & 0xffffffffu), &r);
    uint64_t q0 = a64_div_recip(k, (r << 32) | (low & 0xffffffffu), &rem);
    k->tick0 += (q2 << 32 << 32) + (q1 << 32) + q0;
    k->rem0 = rem;
    k->cyc0 = now_cyc;
}

int a64_set_clock(struct a64_cpu *cpu, const struct a64_clock *clock)
{
    struct a64_clock_state *k = &cpu->a.clock;
    if (clock->num == 0 || clock->den == 0 || clock->num >> 32 != 0 ||
        clock->den >> 32 != 0)
        return A64_EINVAL;
    if (clock->num != k->num || clock->den != k->den) {
        *k = (struct a64_clock_state){ .num = clock->num,
                                       .den = clock->den,
                                       .recip = ~0ull / clock->den };
    }
    k->cntvoff_ticks = clock->cntvoff_ticks;
    cpu->a.sr[SR_CNTFRQ] = clock->cntfrq_hz;
    return A64_OK;
}

void a64_get_clock(const struct a64_cpu *cpu, struct a64_clock *clock)
{
    const struct a64_clock_state *k = &cpu->a.clock;
    *clock =
        (struct a64_clock){ k->num, k->den, cpu->a.sr[SR_CNTFRQ], k->cntvoff_ticks };
}

uint64_t a64_timer_count(struct a64_cpu *cpu, enum a64_timer timer)
{
    uint64_t ticks = a64_ticks_at(cpu, cpu->a.now_cyc);
    return timer == A64_TIMER_VIRT ? ticks - cpu->a.clock.cntvoff_ticks : ticks;
}

uint64_t a64_count_ticks(struct a64_cpu *cpu, enum a64_timer timer)
{ return a64_timer_count(cpu, timer); }

uint32_t a64_timer_ctl(struct a64_cpu *cpu, enum a64_timer timer)
{
    const struct a64_timer_state *t = &cpu->a.timer[timer];
    bool met = (t->ctl & 1) && a64_timer_count(cpu, timer) >= t->cval;
    return t->ctl | (met ? 4u : 0u);
}

void a64_get_timer(const struct a64_cpu *cpu, enum a64_timer timer, uint32_t *ctl,
                   uint64_t *cval)
{
    *ctl = cpu->a.timer[timer].ctl;
    *cval = cpu->a.timer[timer].cval;
}

void a64_set_timer(struct a64_cpu *cpu, enum a64_timer timer, uint32_t ctl,
                   uint64_t cval)
{ cpu->a.timer[timer] = (struct a64_timer_state){ .cval = cval, .ctl = ctl & 3 }; }
