/*
 * watch.c - steps and the profile by function. A sample falls every period_cyc guest
 * cycles of a vCPU and stands for them; an instruction longer than what is left of a
 * period takes the samples it spans. With a period of 1 the sums are exact.
 */
#include "guest/watch.h"

#include <string.h>

#include "base/bits.h"
#include "guest/code.h"

/* Index of the function pc is in, 0: before the first. */
static uint64_t function_of(const struct code_watch *w, uint64_t pc)
{
    uint64_t low = 0;
    uint64_t high = w->n_starts;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;

        if (w->starts[middle] <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t *sums_of(const struct code_watch *w, uint64_t function)
{
    return &w->sums[function * WATCH_SUMS];
}

void watch_begin(struct pyemu_machine *m, const struct vcpu *v)
{
    struct watch_vcpu *wv = &m->watch->vcpus[vcpu_idx(m, v)];

    if (!wv->away || m->watch->period_cyc == 0)
        return;
    wv->away = false;
    if (v->exit_cyc < v->entry_cyc)
        sums_of(m->watch, wv->left_from)[2] += v->entry_cyc - v->exit_cyc;
}

uint64_t watch_budget(struct pyemu_machine *m, const struct vcpu *v, uint64_t room_cyc)
{
    struct code_watch *w = m->watch;
    struct watch_vcpu *wv = &w->vcpus[vcpu_idx(m, v)];

    if (w->period_cyc != 0) {
        if (wv->to_sample_cyc == 0) {
            wv->sampled = function_of(w, a64_get_pc(code_cpu(m, v)));
            sums_of(w, wv->sampled)[1] += w->period_cyc;
            wv->to_sample_cyc = w->period_cyc;
        }
        room_cyc = min_u64(room_cyc, wv->to_sample_cyc);
    }
    return w->step_vcpu == vcpu_idx(m, v) ? min_u64(room_cyc, 1) : room_cyc;
}

void watch_ran(struct pyemu_machine *m, const struct vcpu *v, uint64_t ran_cyc)
{
    struct code_watch *w = m->watch;
    struct watch_vcpu *wv = &w->vcpus[vcpu_idx(m, v)];

    if (w->period_cyc == 0)
        return;
    while (wv->to_sample_cyc < ran_cyc) {
        sums_of(w, wv->sampled)[1] += w->period_cyc;
        wv->to_sample_cyc += w->period_cyc;
    }
    wv->to_sample_cyc -= ran_cyc;
}

void watch_left(struct pyemu_machine *m, const struct vcpu *v, uint64_t pc)
{
    struct code_watch *w = m->watch;
    struct watch_vcpu *wv = &w->vcpus[vcpu_idx(m, v)];

    if (w->period_cyc == 0)
        return;
    wv->left_from = function_of(w, pc);
    wv->away = true;
    sums_of(w, wv->left_from)[0]++;
}

uint64_t watch_steps(const struct pyemu_machine *m, const struct vcpu *v)
{
    struct a64_stats stats;

    a64_get_stats(code_cpu(m, v), &stats);
    return a64_insns(code_cpu(m, v)) + stats.exceptions;
}

bool watch_stepped(const struct pyemu_machine *m, const struct vcpu *v)
{
    const struct code_watch *w = m->watch;

    return w->step_vcpu == vcpu_idx(m, v) && watch_steps(m, v) >= w->step_goal;
}

void watch_reset(struct pyemu_machine *m)
{
    struct code_watch *w = m->watch;

    if (w == NULL || w->period_cyc == 0)
        return;
    memset(w->sums, 0, (w->n_starts + 1) * WATCH_SUMS * sizeof *w->sums);
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        w->vcpus[i].away = false;
        w->vcpus[i].to_sample_cyc = 0;
    }
}
