/* api.c - an explorer for a machine: checks, reduced table, results. */
#include <stdlib.h>
#include <string.h>

#include "explore/live.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "policy/steps.h"

/* Steps that change nothing at all where time costs nothing. */
static bool has_no_effect(const struct pyemu_machine *m, uint32_t pc)
{
    switch (m->policy.steps[pc].prim) {
    case PYEMU_P_VMCR_W:
    case PYEMU_P_APR_W:
    case PYEMU_P_APR_R:
    case PYEMU_P_USER_LEVELS: return true;
    case PYEMU_P_VMCR_R: return !machine_switch(m, PYEMU_S_PENDING_PMR);
    default: return m->policy.family[pc] == 0;
    }
}

/* A guard that this machine's constant flags make false for ever. */
static bool never_holds(const struct pyemu_machine *m, const struct pyemu_guard *g)
{
    uint64_t constant = FLAG(VHE) | FLAG(GICV3) | FLAG(EOIMODE1) | FLAG(FORWARDED) |
                        FLAG(DIRECT_P);
    uint64_t value = m->pcpus[0].flags & constant;
    bool user = false;
    bool kernel = false;

    for (uint32_t i = 0; i < m->s->cfg.n_vms; i++) {
        user = user || m->vms[i].user_irqchip != 0;
        kernel = kernel || m->vms[i].user_irqchip == 0;
    }
    if (user != kernel) {
        constant |= FLAG(USER_IRQCHIP);
        value |= user ? FLAG(USER_IRQCHIP) : 0;
    }
    if (g->inverted == 0)
        return ((value ^ g->want) & g->mask & constant) != 0;
    return (g->mask & ~constant) == 0 && (value & g->mask) == g->want;
}

/* The table without steps that cannot do anything on this machine. */
static void reduce(struct pyemu_explorer *x)
{
    struct policy_table *t = &x->m->policy;
    uint32_t start[PYEMU_H_COUNT + 1];
    uint32_t asks = 0;
    uint32_t n = 0;

    for (uint32_t h = 0; h < PYEMU_H_COUNT; h++) {
        start[h] = n;
        for (uint32_t i = t->hook_start[h]; i < t->hook_start[h + 1]; i++) {
            if (has_no_effect(x->m, i) ||
                never_holds(x->m, &t->guards[t->steps[i].guard]))
                continue;
            if (h == PYEMU_H_VTIMER_ISR && (t->steps[i].prim == PYEMU_P_INJECT_V ||
                                            t->steps[i].prim == PYEMU_P_INJECT_V_FIRE))
                x->isr_injects = 1;
            if (h == PYEMU_H_ENTER && t->steps[i].prim == PYEMU_P_REQUESTS)
                asks |= 1U;
            if (h == PYEMU_H_ENTER && t->steps[i].prim == PYEMU_P_CHECK_REQUESTS)
                asks |= 2U;
            x->sees[n] = ex_step_sees(x->m, i);
            x->quiet[n] = ex_step_quiet(x->m, i);
            x->light[n] = ex_step_light(x, i);
            t->steps[n] = t->steps[i];
            x->orig[n++] = i - t->hook_start[h];
        }
    }
    start[PYEMU_H_COUNT] = n;
    memcpy(t->hook_start, start, sizeof start);
    t->n_steps = n;
    x->kick_covers = asks == 3U && machine_switch(x->m, PYEMU_S_INJECT_REQUEST);
    memset(t->cost, 0, sizeof t->cost);
    steps_prepare(t);
}

static int check_machine(struct pyemu_machine *m,
                         const struct pyemu_explore_config *cfg)
{
    const struct pyemu_config *c = &m->s->cfg;

    REQUIRE(m, m->s->started != 0, "the machine has not been started");
    REQUIRE(m, m->paths == NULL, "exploration needs the step interpreter (plain)");
    REQUIRE(m, c->n_vcpus <= EX_MAX_VCPUS && c->n_pcpus <= EX_MAX_PCPUS,
            "%u vCPUs on %u pCPUs: at most %u on %u can be explored", c->n_vcpus,
            c->n_pcpus, (uint32_t)EX_MAX_VCPUS, (uint32_t)EX_MAX_PCPUS);
    REQUIRE(m, c->n_tasks == 0 && c->tick_cyc == 0 && c->halt_poll_max_cyc == 0 &&
                   c->cpu_hz == c->cntfrq_hz,
            "exploration needs one cycle a tick, no tasks, host tick or polling");
    for (uint32_t i = 0; i < m->policy.n_steps; i++)
        REQUIRE(m, m->policy.steps[i].prim != PYEMU_P_CALLBACK,
                "step %u asks Python: such a policy cannot be explored", i);
    for (uint32_t i = 0; i < c->n_vms; i++)
        REQUIRE(m, m->vms[i].cntvoff_ticks == EX_CNTVOFF,
                "vm %u: cntvoff must be %u ticks", i, (uint32_t)EX_CNTVOFF);
    REQUIRE(m, cfg->max_states >= 1 && cfg->max_states < PYEMU_NONE,
            "max_states %llu is out of range (1 to 2^32 - 2)",
            (unsigned long long)cfg->max_states);
    REQUIRE(m, cfg->max_depth >= 1, "max_depth 0: at least 1");
    /* fairness is that of a vCPU: it must keep its name along a cycle */
    REQUIRE(m, cfg->symmetry == 0 || !ex_wants_cycles(cfg),
            "symmetry: liveness invariants tell one vCPU from the other");
    return PYEMU_OK;
}

static bool begin(struct pyemu_explorer *x)
{
    struct pyemu_machine *m = x->m;

    memset(m->cost, 0, sizeof m->cost);
    m->latency_cyc = 0;
    m->work_waits = has_bit64(x->cfg.actions, PYEMU_A_WORK_RUN);
    m->s->cfg.line_assert_cyc = EX_LINE_WAITS;
    m->s->cfg.line_retire_cyc = EX_LINE_WAITS;
    if (!has_bit64(x->cfg.actions, PYEMU_A_LINE_ASSERT))
        m->s->cfg.line_assert_cyc = 0;
    if (!has_bit64(x->cfg.actions, PYEMU_A_LINE_RETIRE))
        m->s->cfg.line_retire_cyc = 0;
    reduce(x);
    if (x->cfg.reduce != 0 && !ex_live_prepare(x))
        return false;
    ex_guest_ops(x);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        m->pcpus[i].now_cyc = EX_NOW;
        m->pcpus[i].rq = PYEMU_NONE;
        m->pcpus[i].n_running = 0;
    }
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        m->programs[m->vcpus[i].prog] = x->program;
        (void)soft_cancel(m, 2 * i);
        m->rq_nodes[i].queued = 0;
        m->threads[i].state = T_RUNNABLE;
        m->vcpus[i].mem[TIMER_V].expiry_cyc = 0;
        for (uint32_t t = 0; t < N_TIMERS; t++)
            x->ghost[i].t[t] = m->vcpus[i].mem[t];
        x->ghost[i].entry_cnthctl = CNTHCTL_HOST;
    }
    return true;
}

int pyemu_explore_new(struct pyemu_machine *m, const struct pyemu_explore_config *cfg,
                      struct pyemu_explorer **out)
{
    *out = NULL;
    const int status = check_machine(m, cfg);

    if (status != PYEMU_OK)
        return status;
    struct pyemu_explorer *x = calloc(1, sizeof *x);

    if (x == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory for an explorer");
    x->m = m;
    x->cfg = *cfg;
    x->n_words = ex_words(x);
    x->swaps.vcpu =
        cfg->symmetry != 0 && m->s->cfg.n_vcpus == 2 && m->s->cfg.n_vms == 1;
    x->swaps.pcpu = cfg->symmetry != 0 && m->s->cfg.n_pcpus == 2;
    ASSERT(m, x->n_words < EX_MAX_WORDS);
    if (!begin(x)) {
        pyemu_explore_free(x);
        return machine_fail(m, PYEMU_ENOMEM, "no memory for an explorer");
    }
    *out = x;
    return PYEMU_OK;
}

void pyemu_explore_free(struct pyemu_explorer *x)
{
    if (x == NULL)
        return;
    free(x->states);
    free(x->parent);
    free(x->by);
    free(x->table);
    free(x->rows);
    free(x->helpers);
    ex_record_free(x);
    free(x->live[0]);
    free(x->live[1]);
    free(x->live_any);
    free(x);
}

int pyemu_explore_help(struct pyemu_explorer *x, struct pyemu_explorer **helpers,
                       uint32_t n)
{
    REQUIRE(x->m, n < PYEMU_EXPLORE_THREADS, "%u threads: at most %u", n + 1U,
            (uint32_t)PYEMU_EXPLORE_THREADS);
    REQUIRE(x->m, x->n_states == 0, "the search has begun");
    for (uint32_t i = 0; i < n; i++) {
        REQUIRE(x->m, helpers[i] != NULL && helpers[i] != x,
                "helper %u is the explorer itself, or none", i);
        REQUIRE(x->m, pyemu_explore_table(helpers[i]) == pyemu_explore_table(x) &&
                          memcmp(&helpers[i]->cfg, &x->cfg, sizeof x->cfg) == 0 &&
                          memcmp(&helpers[i]->m->s->cfg, &x->m->s->cfg,
                                 sizeof x->m->s->cfg) == 0,
                "helper %u explores another machine", i);
        for (uint32_t k = 0; k < i; k++)
            REQUIRE(x->m, helpers[k] != helpers[i], "helper %u stands twice", i);
    }
    free(x->helpers);
    x->helpers = calloc(n + 1U, sizeof(struct pyemu_explorer *));
    if (x->helpers == NULL)
        return machine_fail(x->m, PYEMU_ENOMEM, "no memory for %u threads", n);
    for (uint32_t i = 0; i < n; i++)
        x->helpers[i] = helpers[i];
    x->n_helpers = n;
    return PYEMU_OK;
}

int pyemu_explore_safety(struct pyemu_explorer *x, struct pyemu_explore_result *out)
{
    REQUIRE(x->m, x->n_states == 0, "the search has been done");
    return ex_search(x, out);
}

int pyemu_explore_hold(struct pyemu_explorer *x, uint64_t invariants, uint64_t *holds)
{
    REQUIRE(x->m, (invariants & ~(uint64_t)EX_LIVENESS) == 0,
            "invariants %#llx: liveness only", (unsigned long long)invariants);
    REQUIRE(x->m, ex_records(x), "no liveness invariant was asked for");
    REQUIRE(x->m, x->end == PYEMU_XE_DONE, "the safety search has not ended");
    *holds = ex_hold(x, invariants);
    return PYEMU_OK;
}

int pyemu_explore_cycles(struct pyemu_explorer *x, uint32_t invariant,
                         struct pyemu_explore_result *out)
{
    REQUIRE(x->m, invariant < 16 && has_bit64(EX_LIVENESS, invariant),
            "invariant %u is not a liveness invariant", invariant);
    REQUIRE(x->m, ex_records(x), "no liveness invariant was asked for");
    REQUIRE(x->m, x->end == PYEMU_XE_DONE, "the safety search has not ended");
    const uint64_t asked = x->cfg.invariants;

    x->cfg.invariants = 0; /* they hold: the search has seen every state */
    const int done = ex_cycles(x, invariant, out);

    x->cfg.invariants = asked;
    return done;
}

int pyemu_explore_behaviour(struct pyemu_explorer *x,
                            struct pyemu_explore_behaviour *out)
{
    REQUIRE(x->m, x->end == PYEMU_XE_DONE, "the safety search has not ended");
    x->cfg.invariants = 0;
    return ex_behaviour(x, out);
}

uint64_t pyemu_explore_table(const struct pyemu_explorer *x)
{
    const struct policy_table *t = &x->m->policy;
    uint64_t h = t->switches;

    for (uint32_t k = 0; k <= PYEMU_H_COUNT; k++)
        h = (h ^ t->hook_start[k]) * UINT64_C(0xff51afd7ed558ccd);
    for (uint32_t i = 0; i < t->n_steps; i++) {
        const struct pyemu_guard *g = &t->guards[t->steps[i].guard];

        h = (h ^ t->steps[i].prim) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ h >> 31 ^ g->mask) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ h >> 31 ^ g->want ^ (uint64_t)g->inverted << 63) *
            UINT64_C(0xff51afd7ed558ccd);
    }
    return h;
}

int pyemu_explore_orbits(struct pyemu_explorer *x, struct pyemu_explorer *by,
                         uint64_t *out)
{
    uint64_t w[EX_MAX_WORDS];

    REQUIRE(x->m, by != x && by->n_states == 0 && by->n_words == x->n_words &&
                      pyemu_explore_table(by) == pyemu_explore_table(x),
            "the other explorer has begun, or is of another machine");
    for (uint64_t n = 0; n < x->n_states; n++) {
        ex_decode(by, x->states + n * x->n_words);
        (void)ex_encode(by, w);
        if (!ex_reserve(by) ||
            ex_visit(by, w, ex_hash(w, by->n_words), PYEMU_NONE, 0) == PYEMU_NONE)
            return machine_fail(x->m, PYEMU_ENOMEM, "no memory for %llu states",
                                (unsigned long long)n);
    }
    *out = by->n_states;
    return PYEMU_OK;
}

int pyemu_explore_rows(struct pyemu_explorer *x, struct pyemu_explore_row *out,
                       uint32_t n)
{
    REQUIRE(x->m, n <= x->n_rows, "%u rows asked for, %u there", n, x->n_rows);
    if (n != 0) /* without a finding there are no rows at all */
        memcpy(out, x->rows, n * sizeof *out);
    return PYEMU_OK;
}
