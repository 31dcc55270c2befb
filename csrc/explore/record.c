/*
 * record.c - the state graph on paper, for the cycle search: one edge for each move
 * between stored states. It is kept beside the visited set, and counts towards the
 * memory bound, only if a liveness invariant is asked for.
 */
#include <stdlib.h>

#include "explore/rules.h"

bool ex_wants_cycles(const struct pyemu_explore_config *cfg)
{
    return (cfg->invariants & EX_LIVENESS) != 0;
}

bool ex_records(const struct pyemu_explorer *x)
{
    return ex_wants_cycles(&x->cfg);
}

static uint64_t state_bytes(void)
{
    return sizeof(uint32_t) + sizeof(uint16_t) + sizeof(uint8_t);
}

uint64_t ex_record_bytes(const struct pyemu_explorer *x)
{
    return x->graph.cap_edges * sizeof(struct ex_edge) +
           x->graph.cap_states * state_bytes();
}

static bool fits(const struct pyemu_explorer *x, uint64_t more)
{
    return x->set_bytes + ex_record_bytes(x) + more <= x->cfg.max_bytes;
}

static bool grow_states(struct pyemu_explorer *x, struct ex_graph *g)
{
    const uint64_t cap = g->cap_states == 0 ? 1U << 12 : g->cap_states * 3 / 2;

    if (!fits(x, (cap - g->cap_states) * state_bytes()))
        return false;
    uint32_t *first = realloc(g->first, (cap + 1) * sizeof *first);

    if (first == NULL)
        return false;
    g->first = first;
    uint16_t *rules = realloc(g->rules, cap * sizeof *rules);

    if (rules == NULL)
        return false;
    g->rules = rules;
    uint8_t *due = realloc(g->due, cap * sizeof *due);

    if (due == NULL)
        return false;
    g->due = due;
    g->cap_states = cap;
    return true;
}

/* Its edges follow. */
bool ex_record_state(struct pyemu_explorer *x, uint32_t n, uint16_t rules, uint8_t due)
{
    struct ex_graph *g = &x->graph;

    if (n >= g->cap_states && !grow_states(x, g))
        return false;
    g->first[n] = (uint32_t)g->n_edges;
    g->rules[n] = rules;
    g->due[n] = due;
    return true;
}

bool ex_record_edge(struct pyemu_explorer *x, ex_move by, uint32_t events, uint32_t to)
{
    struct ex_graph *g = &x->graph;

    if (g->n_edges == g->cap_edges) {
        const uint64_t cap = g->cap_edges == 0 ? 1U << 14 : g->cap_edges * 3 / 2;

        if (cap > UINT32_MAX || !fits(x, (cap - g->cap_edges) * sizeof *g->edges))
            return false;
        struct ex_edge *e = realloc(g->edges, cap * sizeof *e);

        if (e == NULL)
            return false;
        g->edges = e;
        g->cap_edges = cap;
    }
    g->edges[g->n_edges++] = (struct ex_edge){to, by, (uint16_t)events};
    return true;
}

void ex_record_free(struct pyemu_explorer *x)
{
    free(x->graph.first);
    free(x->graph.edges);
    free(x->graph.rules);
    free(x->graph.due);
}
