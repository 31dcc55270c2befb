/* readout.c - counts, sums and histograms, expanded from path variants. */
#include <string.h>

#include "account/account.h"
#include "policy/paths.h"
#include "state/reset.h"

uint64_t pyemu_count_ticks(const struct pyemu_machine *m, uint64_t cyc)
{
    return clock_ticks_at(&m->s->clock, cyc);
}

uint64_t pyemu_ticks_to_cyc(const struct pyemu_machine *m, uint64_t ticks)
{
    return clock_cyc_at(&m->s->clock, ticks);
}

int pyemu_step_counts(struct pyemu_machine *m, uint64_t *out, uint32_t n)
{
    REQUIRE(m, n == m->policy.n_steps, "%u counts asked for, the policy has %u steps",
            n, m->policy.n_steps);
    paths_fold(m);
    memcpy(out, m->s->step_count, n * sizeof *out);
    return PYEMU_OK;
}

int pyemu_prim_counts(struct pyemu_machine *m, uint64_t *out, uint32_t n)
{
    REQUIRE(m, n == PYEMU_P_COUNT, "%u counts asked for, %u primitives exist", n,
            PYEMU_P_COUNT);
    paths_fold(m);
    memcpy(out, m->s->dyn_count, sizeof m->s->dyn_count);
    for (uint32_t i = 0; i < m->policy.n_steps; i++)
        out[m->policy.steps[i].prim] += m->s->step_count[i];
    return PYEMU_OK;
}

int pyemu_counters(struct pyemu_machine *m, uint64_t *out, uint32_t n)
{
    REQUIRE(m, n == PYEMU_C_COUNT, "%u counters asked for, %u exist", n, PYEMU_C_COUNT);
    paths_fold(m);
    memcpy(out, m->s->counters, sizeof m->s->counters);
    /* every deadline that expired was acknowledged, withdrawn, or is still open */
    const uint64_t had = out[PYEMU_C_EXPIRIES] + m->s->n_open_before;
    const uint64_t accounted = m->s->n_settled + reset_open_deadlines(m);

    out[PYEMU_C_LOST] = had > accounted ? had - accounted : 0;
    return PYEMU_OK;
}

int pyemu_histogram(struct pyemu_machine *m, uint32_t which, uint64_t *out, uint32_t n)
{
    REQUIRE(m, which < N_HISTS && n == PYEMU_HIST_BUCKETS,
            "histogram %u does not exist or has not %u buckets", which, n);
    paths_fold(m);
    memcpy(out, m->s->hist[which], sizeof m->s->hist[which]);
    return PYEMU_OK;
}

int pyemu_vcpu_stats(struct pyemu_machine *m, uint32_t first, uint32_t n,
                     struct pyemu_vcpu_stats *out)
{
    REQUIRE(m, first <= m->s->cfg.n_vcpus && n <= m->s->cfg.n_vcpus - first,
            "vcpus %u+%u are out of range", first, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct vcpu *v = &m->vcpus[first + i];
        const struct thread *th = &m->threads[first + i];
        const struct pcpu *p = &m->pcpus[th->pcpu];
        const bool on = p->cur == first + i;
        const bool guest = on && v->stage == STAGE_GUEST;
        struct pyemu_vcpu_stats *o = &out[i];

        memset(o, 0, sizeof *o);
        o->guest_cyc = v->guest_cyc + (guest ? p->now_cyc - v->entry_cyc : 0);
        o->switch_cyc = v->switch_cyc;
        o->oncpu_cyc = v->oncpu_cyc + (on ? p->now_cyc - th->slice_cyc : 0);
        o->handling_cyc = o->oncpu_cyc - o->guest_cyc - o->switch_cyc;
        memcpy(o->exits, v->exits, sizeof o->exits);
        memcpy(o->regs, v->regs, sizeof o->regs);
        o->loads = v->loads;
        o->pcpu = th->pcpu;
        o->state = th->state;
    }
    return PYEMU_OK;
}

int pyemu_pcpu_stats(struct pyemu_machine *m, uint32_t first, uint32_t n,
                     struct pyemu_pcpu_stats *out)
{
    REQUIRE(m, first <= m->s->cfg.n_pcpus && n <= m->s->cfg.n_pcpus - first,
            "pcpus %u+%u are out of range", first, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct pcpu *p = &m->pcpus[first + i];
        const bool vcpu = p->cur < m->s->cfg.n_vcpus;
        const uint64_t busy =
            p->busy_cyc + (vcpu ? p->now_cyc - m->threads[p->cur].slice_cyc : 0);
        uint64_t in_guest = p->guest_cyc;
        uint64_t switching = p->switch_cyc;

        if (vcpu) {
            const struct vcpu *v = &m->vcpus[p->cur];

            in_guest += v->guest_cyc - v->guest_at_pick;
            in_guest += v->stage == STAGE_GUEST ? p->now_cyc - v->entry_cyc : 0;
            switching += v->switch_cyc - v->switch_at_pick;
        }

        out[i].now_cyc = p->now_cyc;
        out[i].guest_cyc = in_guest;
        out[i].idle_cyc = p->idle_cyc;
        out[i].task_cyc = p->task_cyc;
        out[i].switch_cyc = switching;
        out[i].handling_cyc = busy - in_guest - switching;
    }
    return PYEMU_OK;
}

int pyemu_reason_sums(struct pyemu_machine *m, uint64_t *n_out, uint64_t *guest_cyc,
                      uint64_t *handling_cyc, uint64_t *min_cyc, uint64_t *max_cyc,
                      uint32_t n)
{
    REQUIRE(m, n == PYEMU_X_COUNT, "%u sums asked for, %u reasons exist", n,
            PYEMU_X_COUNT);
    paths_fold(m);
    for (uint32_t i = 0; i < n; i++) {
        const struct reason_sum *r = &m->s->reasons[i];

        /* exits, the one that was never followed by an entry included */
        n_out[i] = 0;
        for (uint32_t k = 0; k < m->s->cfg.n_vcpus; k++)
            n_out[i] += m->vcpus[k].exits[i];
        guest_cyc[i] = r->guest_cyc;
        handling_cyc[i] = r->handling_cyc;
        min_cyc[i] = r->count != 0 ? r->min_cyc : 0;
        max_cyc[i] = r->max_cyc;
    }
    return PYEMU_OK;
}
