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

/* Does its guest anything but leave for the host, or another guest anything? */
static inline bool acts_otherwise(const struct rule *r, const struct ex_edge *e)
{
    const uint32_t arg = ex_arg(e->by);

    if ((e->events & EX_EV_GUEST) == 0)
        return false;
    if (ex_vcpu(e->by) != r->vcpu)
        return true;
    return ex_kind(e->by) == PYEMU_A_GUEST ? arg != PYEMU_GC_HVC && arg < EX_TRAP_BUSY
                                           : arg != 1U + PYEMU_GC_HVC;
}

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
           !(g->rule->only_waits && (e->events & EX_EV_GUEST) != 0 && !waits) &&
           !(g->rule->only_exits && acts_otherwise(g->rule, e));
}

/*
 * Strongly connected components of the kept states that a bad cycle can reach: the
 * others are kept no longer. False without memory.
 */
bool graph_components(struct graph *g, uint64_t n, uint32_t *count);

#endif
