/* account.c - histograms, trace records and their hash. */
#include "account/account.h"

uint64_t pyemu_hist_low(uint32_t bucket)
{
    if (bucket < 32)
        return bucket;
    const uint32_t octave = bucket / 16 - 1;

    return (uint64_t)(16 + bucket % 16) << octave;
}

uint64_t account_guest_cyc(const struct pyemu_machine *m)
{
    uint64_t sum = m->s->tail_guest_cyc;

    for (uint32_t r = 0; r < PYEMU_X_COUNT; r++)
        sum += m->s->reasons[r].guest_cyc;
    return sum;
}

/* Handling time (exit to the next entry) of n exits that took cyc each. */
void account_handling(struct pyemu_machine *m, uint32_t reason, uint64_t cyc,
                      uint64_t n)
{
    struct reason_sum *r = &m->s->reasons[reason];

    r->handling_cyc += cyc * n;
    r->count += n;
    r->min_cyc = min_u64(r->min_cyc, cyc);
    r->max_cyc = max_u64(r->max_cyc, cyc);
    m->s->hist[HIST_HANDLING + reason][hist_bucket(cyc)] += n;
}

/*
 * The buffer never overflows: a run stops before the margin is used up
 * (TRACE_MARGIN in host/pcpu.c), the caller drains it and goes on.
 */
void trace_put(struct pyemu_machine *m, const struct pcpu *p, uint32_t vcpu,
               uint32_t kind_sub, uint64_t arg)
{
    if (m->trace_n >= m->trace_cap) {
        machine_poison(m, __FILE__, __LINE__, "trace margin used up");
        return;
    }
    struct pyemu_event *e = &m->trace[m->trace_n++];

    e->cyc = p->now_cyc;
    e->arg = arg;
    e->vcpu = vcpu;
    e->pcpu = (uint16_t)pcpu_idx(m, p);
    e->kind = (uint8_t)(kind_sub & 0xffU);
    e->sub = (uint8_t)(kind_sub >> 8);
}

static uint64_t rotate(uint64_t x, uint32_t by)
{
    return x << by | x >> (64 - by);
}

/*
 * Field by field, so that neither padding nor byte order can enter. One chain a
 * pCPU: where a window or a buffer ended does not matter.
 */
int pyemu_trace_hash(const struct pyemu_event *ev, uint64_t n, uint64_t *chains,
                     uint32_t n_chains)
{
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);

    for (uint64_t i = 0; i < n; i++) {
        const uint64_t who = ((uint64_t)ev[i].vcpu << 32) |
                             ((uint64_t)ev[i].kind << 8) | ev[i].sub;
        const uint64_t x = ev[i].cyc * UINT64_C(0xbf58476d1ce4e5b9) ^
                           rotate(ev[i].arg * UINT64_C(0x94d049bb133111eb), 23) ^
                           rotate(who * k, 41);

        if (ev[i].pcpu >= n_chains)
            return PYEMU_EINVAL;
        chains[ev[i].pcpu] = (rotate(chains[ev[i].pcpu], 5) ^ x) * k;
    }
    return PYEMU_OK;
}
