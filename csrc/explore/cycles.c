/*
 * cycles.c - liveness (I2, I4, I11, I12, I15) as a search for cycles among the states
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

static bool build(const struct pyemu_explorer *x, struct graph *g, const struct rule *r)
{
    const uint32_t bit = rule_bit(r);

    g->all = &x->graph;
    g->rule = r;
    g->kept = calloc(x->n_states, 1);
    g->component = calloc(x->n_states, sizeof *g->component);
    if (g->kept == NULL || g->component == NULL)
        return false;
    for (uint32_t s = 0; s < x->n_states; s++)
        g->kept[s] = bit == 0 || (x->graph.rules[s] & bit) != 0;
    return true;
}

static void free_graph(struct graph *g)
{
    free(g->kept);
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

/* Does the edge stay in its component, as the rule lets it? */
static bool inside(const struct graph *g, uint32_t s, uint32_t e)
{
    const struct ex_edge *edge = &g->all->edges[e];

    return g->kept[edge->to] != 0 && g->component[edge->to] == g->component[s] &&
           edge_allowed(g, s, edge);
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

        c->pending |= g->all->due[s];
        for (uint32_t e = g->all->first[s]; e < g->all->first[s + 1]; e++) {
            if (!inside(g, s, e))
                continue;
            c->cycle = 1;
            c->events |= g->all->edges[e].events;
            c->done |= done_by(g->all->edges[e].by);
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
        for (uint32_t e = g->all->first[s]; e < g->all->first[s + 1]; e++)
            if (inside(g, s, e) &&
                (r->needed == 0 || (g->all->edges[e].events & r->needed) != 0)) {
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

            for (uint32_t e = g->all->first[s]; e < g->all->first[s + 1]; e++) {
                const uint32_t to = g->all->edges[e].to;

                if (!inside(g, s, e) || via[to] != 0 || to == at)
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
            out[--k] = g->all->edges[via[s] - 1].by;
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
        for (uint32_t e = g->all->first[s];
             g->kept[s] != 0 && g->component[s] == component &&
             e < g->all->first[s + 1];
             e++)
            if (inside(g, s, e) && (g->all->edges[e].events & event) != 0) {
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
        uint32_t at = g->all->edges[e].to;
        uint32_t from = 0;

        more[n++] = g->all->edges[e].by;
        if (r->also != 0 && (g->all->edges[e].events & r->also) == 0) {
            const uint32_t second = edge_with(x, g, g->component[s], r->also, &from);

            if (second != PYEMU_NONE) {
                n += way_back(x, g, at, from, more + n);
                more[n++] = g->all->edges[second].by;
                at = g->all->edges[second].to;
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
    for (uint32_t s = 0; s < x->n_states; s++) {
        bool moves = g->kept[s] == 0;

        for (uint32_t e = g->all->first[s]; !moves && e < g->all->first[s + 1]; e++)
            moves = edge_allowed(g, s, &g->all->edges[e]);
        if (!moves)
            return s;
    }
    return PYEMU_NONE;
}

/*
 * States no bad cycle can contain: something is pending that never happens, or the
 * component has no cycle, or not one with the events it must have.
 */
static bool remove_unfair(const struct pyemu_explorer *x, struct graph *g,
                          const struct summary *sum)
{
    const uint32_t must = g->rule->needed | g->rule->also;
    bool removed = false;

    for (uint32_t s = 0; s < x->n_states; s++) {
        if (g->kept[s] == 0)
            continue;
        const struct summary *c = &sum[g->component[s]];

        const bool unfair = (g->all->due[s] & c->pending & (uint8_t)~c->done) != 0;

        if (!unfair && c->cycle != 0 && (c->events & must) == must)
            continue;
        g->kept[s] = 0;
        removed = removed || unfair;
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

/* A bad cycle or dead end, if there is one. Nothing of the explorer is written. */
struct finding {
    uint32_t s; /* PYEMU_NONE: none */
    uint32_t e; /* the edge that begins the cycle; PYEMU_NONE: a dead end */
};

/* 1: broken, 0: holds, -1: no memory or interrupted. */
static int judge(const struct pyemu_explorer *x, struct graph *g, const struct rule *r,
                 struct finding *at)
{
    *at = (struct finding){PYEMU_NONE, PYEMU_NONE};
    if (!build(x, g, r))
        return -1;
    if (r->dead_ends)
        at->s = dead_end(x, g);
    if (at->s != PYEMU_NONE)
        return 1;
    struct summary *sum = fair_components(x, g);

    if (sum == NULL)
        return -1;
    at->e = bad_edge(x, g, r, sum, &at->s);
    free(sum);
    return at->s != PYEMU_NONE;
}

/* The same, and a counterexample is written down. */
static int check(struct pyemu_explorer *x, const struct rule *r)
{
    struct graph g = {0};
    struct finding at;
    int verdict = judge(x, &g, r, &at);

    if (verdict == 1)
        verdict = tell(x, &g, r, at.s, at.e) ? 1 : -1;
    free_graph(&g);
    return verdict;
}

/* I10 is no cycle but a state from which nothing leads on. */
static int check_owners(struct pyemu_explorer *x)
{
    uint32_t s = 0;
    const int verdict = ex_owners(x, &s);

    if (verdict != 1)
        return verdict;
    return ex_path(x, s, NULL, 0) == PYEMU_OK ? 1 : -1;
}

/* Within the host: no entry, nobody preempts. */
static void narrow(struct rule *r)
{
    if (r->invariant != 4 || r->timer == 0)
        return;
    r->also = 0;
    r->banned |= EX_EV_ENTRY | EX_EV_PREEMPT;
}

static int check_rule(struct pyemu_explorer *x, struct rule *r)
{
    narrow(r);
    return r->invariant == 10 ? check_owners(x) : check(x, r);
}

static int judge_rule(const struct pyemu_explorer *x, struct rule *r)
{
    struct graph g = {0};
    struct finding at;
    uint32_t s = 0;

    if (r->invariant == 10)
        return ex_owners(x, &s);
    narrow(r);
    const int verdict = judge(x, &g, r, &at);

    free_graph(&g);
    return verdict;
}

static void conclude(struct pyemu_explorer *x, const struct rule *r, int verdict)
{
    x->found.invariant = verdict == 1 ? r->invariant : 0;
    x->found.detail = verdict == 1 ? r->detail : EXD_NONE;
    x->end = verdict == 1   ? PYEMU_XE_VIOLATED
             : verdict == 0 ? PYEMU_XE_DONE
                            : PYEMU_XE_MEMORY;
    if (x->m->interrupted != 0)
        x->end = PYEMU_XE_INTERRUPTED;
}

/* How many vCPUs and timers an invariant speaks of, each by itself. */
static uint32_t vcpus_of(const struct pyemu_explorer *x, uint32_t invariant)
{
    return invariant == 10 ? 1U : x->m->s->cfg.n_vcpus;
}

static uint32_t timers_of(uint32_t invariant)
{
    return invariant == 2 ? N_TIMERS + 1U : invariant == 4 ? 2U : 1U;
}

void ex_cycles_begin(struct pyemu_explorer *x)
{
    x->graph.first[x->n_states] = (uint32_t)x->graph.n_edges;
}

bool ex_holds(const struct pyemu_explorer *x, uint32_t invariant)
{
    struct rule r = rule_of(invariant);
    int verdict = 0;

    for (r.vcpu = 0; r.vcpu < vcpus_of(x, invariant) && verdict == 0; r.vcpu++)
        for (r.timer = 0; r.timer < timers_of(invariant) && verdict == 0; r.timer++)
            verdict = judge_rule(x, &r);
    return verdict == 0 && x->m->interrupted == 0;
}

int ex_cycles(struct pyemu_explorer *x, uint32_t invariant,
              struct pyemu_explore_result *out)
{
    struct rule r = rule_of(invariant);
    const uint64_t steps = x->transitions;
    int verdict = 0;

    ex_cycles_begin(x);
    for (r.vcpu = 0; r.vcpu < vcpus_of(x, invariant) && verdict == 0; r.vcpu++)
        for (r.timer = 0; r.timer < timers_of(invariant) && verdict == 0; r.timer++) {
            verdict = check_rule(x, &r);
            conclude(x, &r, verdict);
        }
    x->transitions = steps;
    ex_report(x, out);
    return x->m->s->poisoned != 0 ? PYEMU_EBUG : PYEMU_OK;
}
