/* chunk.c - what can happen in each state of a chunk, and where it leads. */
#include "explore/chunk.h"
#include "explore/rules.h"

/* A move and the steps that must follow it: those states are not kept. */
void ex_run(struct pyemu_explorer *x, ex_move mv)
{
    for (uint32_t n = 0; n < EX_CHAIN; n++) {
        ex_apply(x, mv);
        x->transitions += 1U + ex_light(x);
        if (!ex_forced(x, &mv))
            return;
    }
}

/* All moves of one state, written from edge `at` on; false: one breaks something. */
static bool expand(struct pyemu_explorer *x, struct ex_chunk *c, uint32_t i,
                   uint32_t at)
{
    struct ex_node *node = &c->node[i];
    ex_move *moves = &c->by[at];

    ex_decode(x, c->in + (uint64_t)i * x->n_words);
    const uint32_t n_moves = ex_moves(x, moves);

    node->n_edges = n_moves;
    if (ex_records(x)) {
        node->rules = rules_of(x);
        node->due = due_of(moves, n_moves);
    }
    if (n_moves > 1)
        ex_keep(x);
    for (uint32_t k = 0; k < n_moves; k++) {
        uint64_t *w = c->words + (uint64_t)(at + k) * EX_MAX_WORDS;

        if (k != 0)
            ex_restore(x);
        x->events = 0;
        ex_run(x, moves[k]);
        if (x->found.invariant != 0) {
            c->found = x->found;
            c->broken_by = moves[k];
            return false;
        }
        (void)ex_encode(x, w);
        c->events[at + k] = (uint16_t)x->events;
        c->hash[at + k] = ex_hash(w, x->n_words);
    }
    return true;
}

void ex_chunk_fill(struct pyemu_explorer *x, struct ex_chunk *c)
{
    c->found.invariant = 0;
    c->n_edges = 0;
    for (c->n_done = 0; c->n_done < c->n; c->n_done++) {
        struct ex_node *node = &c->node[c->n_done];
        const uint64_t before = x->transitions;
        const bool whole = expand(x, c, c->n_done, c->n_edges);

        node->transitions = (uint32_t)(x->transitions - before);
        if (!whole)
            break;
        c->n_edges += node->n_edges;
    }
    c->poisoned = x->m->s->poisoned != 0;
}
