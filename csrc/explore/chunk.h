/*
 * chunk.h - a run of states on their way through the search: packed states go in,
 * what each of their moves leads to comes out. An explorer with a machine of its own
 * fills a chunk without looking at the visited set, so that several may work at once.
 */
#ifndef PYEMU_EXPLORE_CHUNK_H
#define PYEMU_EXPLORE_CHUNK_H

#include "explore/explore.h"

enum { EX_CHUNK = 64, EX_CHUNK_EDGES = EX_CHUNK * EX_MAX_MOVES };

/* One state of a chunk, expanded. */
struct ex_node {
    uint32_t n_edges;
    uint32_t transitions; /* steps made to find them */
    uint16_t rules;       /* rules_of, if the graph is recorded */
    uint8_t due;          /* due_of */
};

struct ex_chunk {
    uint64_t from;            /* index of its first state */
    uint32_t n;
    uint32_t n_edges;         /* of those that are done */
    bool poisoned;            /* the machine that worked on it has failed */
    uint32_t n_done;          /* less than n: the next one breaks an invariant */
    bool ready;               /* guarded by the crew's lock */
    ex_move broken_by;
    struct violation found;
    uint64_t in[EX_CHUNK * EX_MAX_WORDS];
    struct ex_node node[EX_CHUNK];
    /* of all edges, in order */
    uint64_t hash[EX_CHUNK_EDGES];
    ex_move by[EX_CHUNK_EDGES];
    uint16_t events[EX_CHUNK_EDGES];
    uint64_t words[EX_CHUNK_EDGES * EX_MAX_WORDS];
};

/* chunk.c */
void ex_chunk_fill(struct pyemu_explorer *x, struct ex_chunk *c);

/* crew.c: chunks are handed out in order, and come back in order */
struct ex_crew;
struct ex_crew *ex_crew_new(struct pyemu_explorer *x);
void ex_crew_free(struct ex_crew *crew);
struct ex_chunk *ex_crew_room(struct ex_crew *crew);
void ex_crew_give(struct ex_crew *crew);
struct ex_chunk *ex_crew_take(struct ex_crew *crew);
void ex_crew_done(struct ex_crew *crew);

#endif
