/* graph.h - the part of the state graph that one liveness invariant looks at. */
#ifndef PYEMU_EXPLORE_GRAPH_H
#define PYEMU_EXPLORE_GRAPH_H

#include "explore/explore.h"

struct edge {
    uint32_t to;
    ex_move by;
    uint16_t events;
};

struct graph {
    uint32_t *first;     /* of each state, in edges; n_states + 1 */
    struct edge *edges;
    uint8_t *kept;       /* 1: the state belongs, 2: it has a way out */
    uint8_t *due;        /* pending lines (bit per pCPU and timer), 128: deadline */
    uint32_t *component;
    uint64_t n_edges;
    uint64_t cap_edges;
};

/* Strongly connected components of the kept states; false without memory. */
bool graph_components(struct graph *g, uint64_t n, uint32_t *count);

#endif
