/*
 * machine.c - create, run until a reason, destroy. A run advances all pCPUs in
 * windows no longer than the least cross-pCPU latency, so that inside a window
 * none can affect another and their order does not matter (design.md 6.8).
 */
#include <stdlib.h>

#include "account/account.h"
#include "base/rng.h"
#include "cpu/pcpu.h"
#include "guest/code.h"
#include "host/horizon.h"
#include "policy/paths.h"
#include "soak/soak.h"
#include "state/layout.h"

uint32_t pyemu_api_version(void)
{
    return PYEMU_API_VERSION;
}

const char *pyemu_error(const struct pyemu_machine *m)
{
    return m != NULL ? m->error : "no machine";
}

void pyemu_machine_free(struct pyemu_machine *m)
{
    if (m == NULL)
        return;
    code_free(m);
    paths_free(m->paths);
    free(m->programs);
    free(m->tables);
    free(m->s);
    free(m);
}

uint64_t pyemu_machine_bytes(const struct pyemu_machine *m)
{
    return m->bytes;
}

uint64_t pyemu_vcpu_bytes(void)
{
    return sizeof(struct vcpu) + sizeof(struct thread) + 3 * sizeof(struct heap_node) +
           2 * (sizeof(struct heap_node) + sizeof(struct message));
}

void pyemu_interrupt(struct pyemu_machine *m)
{
    m->interrupted = 1;
}

/*
 * Before this cycle a pCPU cannot affect another: an idle one not before its next
 * event, one whose guest computes not before it is through.
 */
static uint64_t output_of(const struct pyemu_machine *m, const struct pcpu *p)
{
    if ((p->flags & FLAG(PIRQ)) != 0 || p->irq_stage != 0)
        return p->now_cyc;
    const bool idle = p->cur == PYEMU_NONE && p->rq == PYEMU_NONE;
    const bool vcpu = p->cur < m->s->cfg.n_vcpus;

    if (idle)
        return horizon_next(m, p);
    if (vcpu && m->vcpus[p->cur].stage == STAGE_GUEST && p->n_lrs == 0)
        return min_u64(p->now_cyc + m->vcpus[p->cur].compute_cyc, horizon_next(m, p));
    return p->now_cyc;
}

/*
 * How far the pCPUs may run apart from start_cyc on. One that can act before all the
 * others runs first, until they can: what it sends ends the window for them (msg_send).
 */
static uint64_t reach(struct pyemu_machine *m, uint64_t start_cyc)
{
    uint64_t least = PYEMU_NEVER, next = PYEMU_NEVER;

    m->s->first_pcpu = 0;
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus && next > start_cyc; i++) {
        const uint64_t at = max_u64(output_of(m, &m->pcpus[i]), start_cyc);

        if (at < least) {
            next = least;
            least = at;
            m->s->first_pcpu = i;
        } else {
            next = min_u64(next, at);
        }
    }
    if (next == least)
        m->s->first_pcpu = 0;
    return add_sat(next, m->latency_cyc);
}

/*
 * Plans a window: latency, the next move, the run's limit. Where pCPUs affect each
 * other it does not depend on when runs pause, so that no result does.
 */
static void plan_window(struct pyemu_machine *m)
{
    const uint64_t start_cyc = m->s->window_start_cyc;
    const bool hot = m->talks || m->s->n_live_msgs != 0 || m->s->n_moving != 0;
    uint64_t end = m->until_cyc;

    m->s->first_pcpu = 0;
    if (m->s->cfg.interacts != 0 && m->s->cfg.n_pcpus > 1 && hot)
        end = min_u64(end, reach(m, start_cyc));
    else if (m->pause_cyc != 0)
        end = min_u64(end, max_u64(m->pause_cyc, start_cyc + 1));
    end = min_u64(end, max_u64(soak_next(m), start_cyc + 1));
    if (m->s->next_move < m->n_moves)
        end = min_u64(end, max_u64(m->moves[m->s->next_move].at_cyc, start_cyc + 1));
    m->s->window_end_cyc = end;
}

static void apply_moves(struct pyemu_machine *m, uint64_t at_cyc)
{
    while (m->s->next_move < m->n_moves &&
           m->moves[m->s->next_move].at_cyc <= at_cyc) {
        const struct pyemu_move *mv = &m->moves[m->s->next_move++];

        (void)pyemu_move(m, mv->vcpu, mv->pcpu);
    }
}

static bool all_off(const struct pyemu_machine *m)
{
    return m->s->n_off == m->s->cfg.n_vcpus;
}

/* Runs every pCPU to the window's end; a stop in the middle keeps its place. */
static bool run_window(struct pyemu_machine *m)
{
    const uint32_t first = m->s->first_pcpu;
    uint32_t n = m->s->resume_valid != 0 ? m->s->resume_pcpu : 0;

    m->s->resume_valid = 0;
    for (; n < m->s->cfg.n_pcpus; n++) {
        struct pcpu *p = &m->pcpus[n == 0 ? first : n <= first ? n - 1 : n];

        if (p->now_cyc < m->s->window_end_cyc)
            pcpu_run(m, p);
        if (m->stop != 0) {
            m->s->resume_pcpu = n;
            m->s->resume_valid = 1;
            return false;
        }
    }
    return true;
}

static void window_done(struct pyemu_machine *m)
{
    const uint64_t end = m->s->window_end_cyc;

    m->s->window_start_cyc = end;
    apply_moves(m, end);
    if (end >= soak_next(m))
        soak_point(m);
    if (all_off(m) && m->stop == 0)
        m->stop = PYEMU_STOP_DONE + 1;
}

static void advance(struct pyemu_machine *m)
{
    while (m->stop == 0) {
        const uint64_t start = m->s->window_start_cyc;

        if (start >= m->until_cyc) {
            m->stop = PYEMU_STOP_LIMIT + 1;
            return;
        }
        if (m->s->resume_valid == 0) {
            if (m->pause_cyc != 0 && start >= m->pause_cyc) {
                m->stop = PYEMU_STOP_PAUSE + 1;
                return;
            }
            plan_window(m);
        }
        m->s->window_end_cyc = min_u64(m->s->window_end_cyc, m->until_cyc);
        if (run_window(m))
            window_done(m);
    }
}

static uint64_t least_clock(const struct pyemu_machine *m)
{
    uint64_t least = PYEMU_NEVER;

    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        least = min_u64(least, m->pcpus[i].now_cyc);
    return least;
}

/* Guest cycles so far, the runs under way included. */
static uint64_t guest_cycles(const struct pyemu_machine *m)
{
    uint64_t sum = account_guest_cyc(m);

    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        const struct pcpu *p = &m->pcpus[i];

        if (p->cur < m->s->cfg.n_vcpus && m->vcpus[p->cur].stage == STAGE_GUEST)
            sum += p->now_cyc - m->vcpus[p->cur].entry_cyc;
    }
    return sum;
}

int pyemu_run(struct pyemu_machine *m, const struct pyemu_limits *limits,
              struct pyemu_result *out)
{
    REQUIRE(m, m->s->started != 0, "the machine has not been started");
    REQUIRE(m, limits->until_cyc < UINT64_MAX / 2,
            "until_cyc %llu is out of range (0 to 2^63 - 1)",
            (unsigned long long)limits->until_cyc);
    if (m->s->poisoned != 0)
        return PYEMU_EBUG;
    m->until_cyc = limits->until_cyc;
    m->pause_cyc = limits->pause_cyc;
    m->until_guest_cyc = limits->until_guest_cyc;
    m->until_exits = limits->until_exits;
    m->stop = 0;
    m->trace_n = 0;
    m->interrupted = 0;
    if (m->until_guest_cyc != 0 && account_guest_cyc(m) >= m->until_guest_cyc)
        m->stop = PYEMU_STOP_GUEST_LIMIT + 1;
    advance(m);
    out->reason = m->stop - 1;
    out->now_cyc = out->reason == PYEMU_STOP_DONE ? m->s->last_off_cyc : least_clock(m);
    out->guest_cyc = guest_cycles(m);
    out->exits = m->s->exits;
    out->n_events = m->trace_n;
    out->vcpu = m->stop_vcpu;
    out->step = m->stop_step;
    out->pad = 0;
    return m->s->poisoned != 0 ? PYEMU_EBUG : PYEMU_OK;
}
