/* reset.c - a measured region starts: counts, sums and histograms only. */
#include "state/reset.h"

#include <string.h>

#include "state/deadline.h"

static void reset_threads(struct pyemu_machine *m)
{
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        struct vcpu *v = &m->vcpus[i];
        const struct pcpu *p = &m->pcpus[m->threads[i].pcpu];

        v->guest_cyc = 0;
        v->switch_cyc = 0;
        v->guest_at_pick = 0;
        v->switch_at_pick = 0;
        v->oncpu_cyc = 0;
        v->loads = 0;
        memset(v->exits, 0, sizeof v->exits);
        if (v->stage == STAGE_GUEST)
            v->entry_cyc = p->now_cyc;
        m->threads[i].slice_cyc = p->now_cyc;
    }
}

uint64_t reset_open_deadlines(const struct pyemu_machine *m)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        n += deadline_open(&m->vcpus[i]);
    return n;
}

void machine_reset_stats(struct pyemu_machine *m)
{
    struct machine_state *s = m->s;

    memset(s->step_count, 0, sizeof s->step_count);
    memset(s->dyn_count, 0, sizeof s->dyn_count);
    memset(s->counters, 0, sizeof s->counters);
    memset(s->hist, 0, sizeof s->hist);
    memset(s->reasons, 0, sizeof s->reasons);
    for (uint32_t r = 0; r < PYEMU_X_COUNT; r++)
        s->reasons[r].min_cyc = PYEMU_NEVER;
    s->exits = 0;
    s->n_settled = 0;
    s->n_open_before = reset_open_deadlines(m);
    s->tail_guest_cyc = 0;
    for (uint32_t i = 0; i < s->cfg.n_pcpus; i++) {
        struct pcpu *p = &m->pcpus[i];

        p->guest_cyc = 0;
        p->idle_cyc = 0;
        p->task_cyc = 0;
        p->switch_cyc = 0;
        p->busy_cyc = 0;
    }
    reset_threads(m);
}
