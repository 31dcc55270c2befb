/* ranks.c - time as the explorer has it: deadlines to come, and their order. */
#include "explore/explore.h"

uint64_t ex_deadlines(const struct pyemu_explorer *x)
{
    const struct pyemu_machine *m = x->m;
    const uint64_t now = m->pcpus[0].now_cyc;
    uint64_t map = 0;

#define NOTE(at)                                     \
    do {                                             \
        const uint64_t off_ = (at) - now;            \
        if ((at) > now && off_ < 64)                 \
            map |= UINT64_C(1) << off_;              \
    } while (0)
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        for (uint32_t t = 0; t < N_TIMERS; t++) {
            NOTE(m->vcpus[i].mem[t].expiry_cyc);
            NOTE(x->ghost[i].t[t].expiry_cyc);
            if (m->timer_nodes[2 * i + t].queued != 0)
                NOTE(m->timer_nodes[2 * i + t].key);
        }
    }
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        for (uint32_t t = 0; t < N_TIMERS; t++)
            NOTE(m->pcpus[i].hw[t].expiry_cyc);
#undef NOTE
    return map;
}

uint32_t ex_rank(uint64_t bitmap, uint64_t expiry_cyc, uint64_t now_cyc)
{
    if (expiry_cyc <= now_cyc)
        return 0;
    const uint64_t off = expiry_cyc - now_cyc;

    if (off >= 64)
        return EX_NEVER_RANK;
    uint64_t below = bitmap & ((UINT64_C(2) << off) - 1U);
    uint32_t n = 0;

    while (below != 0) {
        below &= below - 1U;
        n++;
    }
    return n;
}
