/*
 * cycles.c - liveness (I2, I4, I11, I12) as a search for cycles among the states
 * that the safety search has visited. For each invariant: which states belong to
 * the bad behaviour, which moves it may use, which event a cycle must contain.
 * Strongly connected components of that graph are the candidates. Fairness
 * (strong): a line change or a deadline that is pending again and again happens in
 * the cycle, or the cycle is none, and a line change reaches the GIC before the
 * guest's next operation (the safety search lets it take for ever). Outside events
 * are the adversary's, and are left out where an invariant promises delivery
 * without them.
 */
#include <stdlib.h>
#include <string.h>

#include "explore/graph.h"
#include "hw/timer.h"
#include "kvm/vgic.h"

enum { DUE_LINES = 127, DUE_TIME = 128 }; /* bits of due and done */

/* What an invariant forbids, in terms of states, moves and events. */
struct rule {
    uint32_t invariant;
    uint32_t detail;
    uint32_t vcpu;
    uint32_t timer;      /* N_TIMERS: the other interrupt */
    uint32_t banned;     /* events no edge may have */
    uint32_t needed;     /* event a cycle must have; 0: any cycle */
    uint32_t also;       /* and another one */
    bool dead_ends;      /* a state without any move breaks it, too */
};

/* Ready to be acknowledged as the guest sees it, and not yet acknowledged. */
static bool deliverable(const struct pyemu_explorer *x, const struct rule *r)
{
    const struct vcpu *v = &x->m->vcpus[r->vcpu];
    const bool other = r->timer == N_TIMERS;
    const uint32_t intid = other ? (uint32_t)EX_OTHER_SGI : timer_intid(r->timer);
    const bool up = other ? v->irq[intid].latch != 0 : ex_fires(x, r->vcpu, r->timer);

    return up && v->irq[intid].enabled != 0 && v->iar == INTID_SPURIOUS &&
           v->pmr != 0 && v->pstate_i == 0 && (v->flags & FLAG(USER_IRQCHIP)) == 0;
}

static bool nothing_deliverable(const struct pyemu_explorer *x, const struct rule *r)
{
    const struct vcpu *v = &x->m->vcpus[r->vcpu];

    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (ex_fires(x, r->vcpu, t) && v->irq[timer_intid(t)].active == 0)
            return false;
    return v->irq[EX_OTHER_SGI].latch == 0;
}

static bool belongs(const struct pyemu_explorer *x, const struct rule *r)
{
    switch (r->invariant) {
    case 2: return deliverable(x, r);
    case 4:
        return ex_fires(x, r->vcpu, TIMER_V) &&
               x->m->vcpus[r->vcpu].iar != INTID_VTIMER;
    case 12: return nothing_deliverable(x, r);
    default: return true;
    }
}

static uint8_t due_of(const struct pyemu_explorer *x)
{
    uint32_t due = ex_deadlines(x) != 0 ? (uint32_t)DUE_TIME : 0U;

    for (uint32_t i = 0; i < x->m->s->cfg.n_pcpus; i++)
        for (uint32_t t = 0; t < N_TIMERS; t++)
            if (x->m->pcpus[i].line_due_cyc[t] != PYEMU_NEVER)
                due |= 1U << (2 * i + t);
    return (uint8_t)due;
}

static bool add_edge(struct graph *g, uint32_t to, ex_move by, uint32_t events)
{
    if (g->n_edges == g->cap_edges) {
        const uint64_t cap = g->cap_edges == 0 ? 1U << 16 : g->cap_edges * 2;
        struct edge *e = realloc(g->edges, cap * sizeof *e);

        if (e == NULL || cap > UINT32_MAX)
            return false;
        g->edges = e;
        g->cap_edges = cap;
    }
    g->edges[g->n_edges++] = (struct edge){to, by, (uint16_t)events};
    return true;
}

/* Moves of one state that the rule allows. */
static bool add_edges(struct pyemu_explorer *x, struct graph *g, const struct rule *r,
                      uint32_t n)
{
    ex_move moves[EX_MAX_MOVES];
    uint64_t w[EX_MAX_WORDS];
    const uint32_t n_moves = ex_moves(x, moves);

    ex_keep(x);
    for (uint32_t i = 0; i < n_moves; i++) {
        if (ex_kind(moves[i]) == PYEMU_A_GUEST && (g->due[n] & DUE_LINES) != 0)
            continue;
        ex_restore(x);
        x->events = 0;
        ex_run(x, moves[i]);
        const bool banned = (x->events & r->banned) != 0 ||
                            (r->invariant == 12 && (x->events & EX_EV_GUEST) != 0 &&
                             (x->events & (EX_EV_WFI | EX_EV_TRAP)) == 0);

        if (banned)
            continue;
        if (!belongs(x, r)) {
            g->kept[n] |= 2;
            continue;
        }
        ex_encode(x, w);
        const uint32_t to = ex_find(x, w);

        if (to != PYEMU_NONE && !add_edge(g, to, moves[i], x->events))
            return false;
    }
    return true;
}

static bool build(struct pyemu_explorer *x, struct graph *g, const struct rule *r)
{
    const uint64_t n = x->n_states;

    g->first = calloc(n + 1, sizeof *g->first);
    g->kept = calloc(n, 1);
    g->due = calloc(n, 1);
    g->component = calloc(n, sizeof *g->component);
    if (g->first == NULL || g->kept == NULL || g->due == NULL || g->component == NULL)
        return false;
    for (uint32_t s = 0; s < n; s++) {
        g->first[s] = (uint32_t)g->n_edges;
        if ((s & 1023U) == 0 && x->m->interrupted != 0)
            return false;
        ex_decode(x, x->states + (uint64_t)s * x->n_words);
        if (!belongs(x, r))
            continue;
        g->kept[s] = 1;
        g->due[s] = due_of(x);
        if (!add_edges(x, g, r, s))
            return false;
    }
    g->first[n] = (uint32_t)g->n_edges;
    return true;
}

static void free_graph(struct graph *g)
{
    free(g->first);
    free(g->edges);
    free(g->kept);
    free(g->due);
    free(g->component);
}

static void forget_components(const struct pyemu_explorer *x, struct graph *g)
{
    memset(g->component, 0, x->n_states * sizeof *g->component);
}

/* What a component offers: pending somewhere, and done inside. */
struct summary {
    uint8_t pending;
    uint8_t done;
    uint8_t cycle;
    uint8_t pad;
    uint32_t events;
};

static uint8_t done_by(ex_move mv)
{
    const uint32_t kind = ex_kind(mv);

    if (kind == PYEMU_A_TICK)
        return DUE_TIME;
    if (kind == PYEMU_A_LINE_ASSERT || kind == PYEMU_A_LINE_RETIRE)
        return (uint8_t)(1U << (2 * ex_pcpu(mv) + ex_arg(mv)));
    return 0;
}

static struct summary *summarise(const struct pyemu_explorer *x, const struct graph *g,
                                 uint32_t count)
{
    struct summary *sum = calloc(count + 1U, sizeof *sum);

    if (sum == NULL)
        return NULL;
    for (uint32_t s = 0; s < x->n_states; s++) {
        if (g->kept[s] == 0)
            continue;
        struct summary *c = &sum[g->component[s]];

        c->pending |= g->due[s];
        for (uint32_t e = g->first[s]; e < g->first[s + 1]; e++) {
            if (g->component[g->edges[e].to] != g->component[s])
                continue;
            c->cycle = 1;
            c->events |= g->edges[e].events;
            c->done |= done_by(g->edges[e].by);
        }
    }
    return sum;
}

/* The first edge that starts a bad cycle, or PYEMU_NONE. */
static uint32_t bad_edge(const struct pyemu_explorer *x, const struct graph *g,
                         const struct rule *r, const struct summary *sum,
                         uint32_t *from)
{
    for (uint32_t s = 0; s < x->n_states; s++) {
        if (g->kept[s] == 0)
            continue;
        const struct summary *c = &sum[g->component[s]];

        if (c->cycle == 0 || (c->events & r->also) != r->also)
            continue;
        for (uint32_t e = g->first[s]; e < g->first[s + 1]; e++)
            if (g->component[g->edges[e].to] == g->component[s] &&
                (r->needed == 0 || (g->edges[e].events & r->needed) != 0)) {
                *from = s;
                return e;
            }
    }
    return PYEMU_NONE;
}

/* Shortest way from `at` back to `goal` inside the component: moves written down. */
static uint32_t way_back(const struct pyemu_explorer *x, const struct graph *g,
                         uint32_t at, uint32_t goal, ex_move *out)
{
    uint32_t *queue = calloc(2 * x->n_states + 2, sizeof *queue);
    uint32_t *via = queue + x->n_states + 1; /* edge + 1 that reached a state */
    uint32_t *from = calloc(x->n_states + 1, sizeof *from);
    uint32_t head = 0;
    uint32_t tail = 0;
    uint32_t n = 0;

    if (queue != NULL && from != NULL) {
        queue[tail++] = at;
        while (head < tail && at != goal && via[goal] == 0) {
            const uint32_t s = queue[head++];

            for (uint32_t e = g->first[s]; e < g->first[s + 1]; e++) {
                const uint32_t to = g->edges[e].to;

                if (g->component[to] != g->component[s] || via[to] != 0 || to == at)
                    continue;
                via[to] = e + 1;
                from[to] = s;
                queue[tail++] = to;
            }
        }
        for (uint32_t s = goal; s != at; s = from[s])
            n++;
        uint32_t k = n;

        for (uint32_t s = goal; s != at; s = from[s])
            out[--k] = g->edges[via[s] - 1].by;
    }
    free(queue);
    free(from);
    return n;
}

/* An edge of the component with the event; its state in *from. */
static uint32_t edge_with(const struct pyemu_explorer *x, const struct graph *g,
                          uint32_t component, uint32_t event, uint32_t *from)
{
    for (uint32_t s = 0; s < x->n_states; s++)
        for (uint32_t e = g->first[s];
             g->component[s] == component && e < g->first[s + 1]; e++)
            if (g->component[g->edges[e].to] == component &&
                (g->edges[e].events & event) != 0) {
                *from = s;
                return e;
            }
    return PYEMU_NONE;
}

static bool tell(struct pyemu_explorer *x, const struct graph *g, const struct rule *r,
                 uint32_t s, uint32_t e)
{
    ex_move *more = calloc(2 * x->n_states + 4, sizeof *more);
    uint32_t n = 0;

    if (more == NULL)
        return false;
    if (e != PYEMU_NONE) {
        uint32_t at = g->edges[e].to;
        uint32_t from = 0;

        more[n++] = g->edges[e].by;
        if (r->also != 0 && (g->edges[e].events & r->also) == 0) {
            const uint32_t second = edge_with(x, g, g->component[s], r->also, &from);

            if (second != PYEMU_NONE) {
                n += way_back(x, g, at, from, more + n);
                more[n++] = g->edges[second].by;
                at = g->edges[second].to;
            }
        }
        n += way_back(x, g, at, s, more + n);
    }
    const bool ok = ex_path(x, s, more, n) == PYEMU_OK;

    free(more);
    return ok;
}

/* A kept state where nothing at all may happen, or PYEMU_NONE. */
static uint32_t dead_end(const struct pyemu_explorer *x, const struct graph *g)
{
    for (uint32_t s = 0; s < x->n_states; s++)
        if (g->kept[s] == 1 && g->first[s] == g->first[s + 1])
            return s;
    return PYEMU_NONE;
}

/* States no fair cycle can contain: something is pending that never happens. */
static bool remove_unfair(const struct pyemu_explorer *x, struct graph *g,
                          const struct summary *sum)
{
    bool removed = false;

    for (uint32_t s = 0; s < x->n_states; s++) {
        if (g->kept[s] == 0)
            continue;
        const struct summary *c = &sum[g->component[s]];

        if ((g->due[s] & c->pending & (uint8_t)~c->done) == 0)
            continue;
        g->kept[s] = 0;
        removed = true;
    }
    return removed;
}

/* Components of fair cycles only; NULL without memory. */
static struct summary *fair_components(const struct pyemu_explorer *x, struct graph *g)
{
    for (;;) {
        uint32_t count = 0;

        forget_components(x, g);
        if (!graph_components(g, x->n_states, &count))
            return NULL;
        struct summary *sum = summarise(x, g, count);

        if (sum == NULL || !remove_unfair(x, g, sum))
            return sum;
        free(sum);
    }
}

/* 1: broken (told), 0: holds, -1: no memory or interrupted. */
static int check(struct pyemu_explorer *x, const struct rule *r)
{
    struct graph g = {0};
    uint32_t s = PYEMU_NONE;
    uint32_t e = PYEMU_NONE;
    int verdict = -1;

    if (build(x, &g, r)) {
        struct summary *sum = NULL;

        if (r->dead_ends)
            s = dead_end(x, &g);
        if (s == PYEMU_NONE) {
            sum = fair_components(x, &g);
            if (sum != NULL)
                e = bad_edge(x, &g, r, sum, &s);
        }
        if (s != PYEMU_NONE)
            verdict = tell(x, &g, r, s, e) ? 1 : -1;
        else if (sum != NULL)
            verdict = 0;
        free(sum);
    }
    free_graph(&g);
    return verdict;
}

static struct rule rule_of(uint32_t invariant)
{
    const uint32_t quiet = EX_EV_OUTSIDE | EX_EV_PREEMPT;

    switch (invariant) {
    case 2:
        return (struct rule){.detail = EXD_LOST, .banned = quiet, .dead_ends = true};
    case 4:
        return (struct rule){.detail = EXD_STORM, .needed = EX_EV_ISR,
                             .also = EX_EV_ENTRY,
                             .banned = EX_EV_OUTSIDE | EX_EV_ACK | EX_EV_EOI};
    case 11:
        return (struct rule){.detail = EXD_NO_PROGRESS, .needed = EX_EV_ENTRY,
                             .banned = quiet | EX_EV_GUEST};
    default:
        return (struct rule){.detail = EXD_NO_SLEEP, .needed = EX_EV_BLOCK,
                             .banned = quiet | EX_EV_SLEEP | EX_EV_ACK};
    }
}

int ex_cycles(struct pyemu_explorer *x, uint32_t invariant,
              struct pyemu_explore_result *out)
{
    struct rule r = rule_of(invariant);
    const uint32_t n_timers = invariant == 2 ? N_TIMERS + 1U : 1U;
    const uint64_t steps = x->transitions;

    r.invariant = invariant;
    for (r.vcpu = 0; r.vcpu < x->m->s->cfg.n_vcpus; r.vcpu++)
        for (r.timer = 0; r.timer < n_timers; r.timer++) {
            const int verdict = check(x, &r);

            x->found.invariant = verdict == 1 ? invariant : 0;
            x->found.detail = verdict == 1 ? r.detail : EXD_NONE;
            x->end = verdict == 1   ? PYEMU_XE_VIOLATED
                     : verdict == 0 ? PYEMU_XE_DONE
                                    : PYEMU_XE_MEMORY;
            if (x->m->interrupted != 0)
                x->end = PYEMU_XE_INTERRUPTED;
            if (verdict != 0) {
                x->transitions = steps;
                ex_report(x, out);
                return x->m->s->poisoned != 0 ? PYEMU_EBUG : PYEMU_OK;
            }
        }
    x->transitions = steps;
    ex_report(x, out);
    return x->m->s->poisoned != 0 ? PYEMU_EBUG : PYEMU_OK;
}
