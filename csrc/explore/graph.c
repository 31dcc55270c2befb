/* graph.c - strongly connected components; no recursion, the graph is large. */
#include "explore/graph.h"

#include <stdlib.h>

/* Tarjan's algorithm without recursion. */
struct tarjan {
    uint32_t *index; /* 0 = not seen */
    uint32_t *low;
    uint32_t *next;  /* edge to try next */
    uint32_t *stack;
    uint32_t *path;
    uint32_t n_stack;
    uint32_t n_path;
    uint32_t counter;
    uint32_t components;
};

static void enter(struct tarjan *t, const struct graph *g, uint32_t s)
{
    t->index[s] = t->low[s] = ++t->counter;
    t->next[s] = g->all->first[s];
    t->stack[t->n_stack++] = s;
    t->path[t->n_path++] = s;
}

static void leave(struct tarjan *t, struct graph *g)
{
    const uint32_t s = t->path[--t->n_path];

    if (t->n_path != 0 && t->low[t->path[t->n_path - 1]] > t->low[s])
        t->low[t->path[t->n_path - 1]] = t->low[s];
    if (t->low[s] != t->index[s])
        return;
    t->components++;
    uint32_t top = PYEMU_NONE;

    while (top != s) {
        top = t->stack[--t->n_stack];
        g->component[top] = t->components;
    }
}

static void walk(struct tarjan *t, struct graph *g, uint32_t root)
{
    enter(t, g, root);
    while (t->n_path != 0) {
        const uint32_t s = t->path[t->n_path - 1];

        if (t->next[s] == g->all->first[s + 1]) {
            leave(t, g);
            continue;
        }
        const struct ex_edge *e = &g->all->edges[t->next[s]++];
        const uint32_t to = e->to;

        if (g->kept[to] == 0 || !edge_allowed(g, s, e))
            continue; /* removed: no fair cycle goes through it */
        if (t->index[to] == 0)
            enter(t, g, to);
        else if (g->component[to] == 0 && t->low[s] > t->index[to])
            t->low[s] = t->index[to];
    }
}

/* A bad cycle has a state that its needed event leaves from: others need no walk. */
static bool is_root(const struct graph *g, uint32_t s)
{
    if (g->kept[s] == 0)
        return false;
    for (uint32_t e = g->all->first[s]; e < g->all->first[s + 1]; e++) {
        const struct ex_edge *edge = &g->all->edges[e];

        if ((g->rule->needed == 0 || (edge->events & g->rule->needed) != 0) &&
            g->kept[edge->to] != 0 && edge_allowed(g, s, edge))
            return true;
    }
    return false;
}

bool graph_components(struct graph *g, uint64_t n, uint32_t *count)
{
    uint32_t *all = calloc(5 * n + 1, sizeof *all);
    struct tarjan t = {0};

    if (all == NULL)
        return false;
    t.index = all;
    t.low = all + n;
    t.next = all + 2 * n;
    t.stack = all + 3 * n;
    t.path = all + 4 * n;
    for (uint32_t s = 0; s < n; s++)
        if (t.index[s] == 0 && is_root(g, s))
            walk(&t, g, s);
    for (uint32_t s = 0; s < n; s++)
        g->kept[s] = g->kept[s] != 0 && g->component[s] != 0;
    *count = t.components;
    free(all);
    return true;
}
