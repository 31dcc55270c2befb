/* graph.h - the part of the state graph that one liveness invariant looks at. */
#ifndef PYEMU_EXPLORE_GRAPH_H
#define PYEMU_EXPLORE_GRAPH_H

#include "explore/rules.h"

/* What one rule looks at of the graph that the search has written down. */
struct graph {
    const struct ex_graph *all;
    const struct rule *rule;
    uint8_t *kept;       /* the state belongs */
    uint32_t *component;
};

/*
 * Does the rule allow the edge? The guest waits for lines under way: they reach the
 * GIC before its next operation (the safety search lets them take for ever).
 */
static inline bool edge_allowed(const struct graph *g, uint32_t from,
                                const struct ex_edge *e)
{
    const bool acts = ex_kind(e->by) == PYEMU_A_GUEST;
    const bool waits = (e->events & (EX_EV_WFI | EX_EV_TRAP)) != 0;

    return (e->events & g->rule->banned) == 0 &&
           !(acts && (g->all->due[from] & DUE_LINES) != 0) &&
           !(g->rule->only_waits && (e->events & EX_EV_GUEST) != 0 && !waits);
}

/* Strongly connected components of the kept states; false without memory. */
bool graph_components(struct graph *g, uint64_t n, uint32_t *count);

#endif
