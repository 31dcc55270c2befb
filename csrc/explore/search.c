/*
 * search.c - breadth first. States go out in chunks to be expanded and come back in
 * order; only then are they looked up, so that the visited set has one owner.
 */
#include <string.h>

#include "explore/chunk.h"

void ex_report(const struct pyemu_explorer *x, struct pyemu_explore_result *out)
{
    memset(out, 0, sizeof *out);
    out->states = x->n_states;
    out->transitions = x->stepped;
    out->bytes = ex_visited_bytes(x);
    out->depth = x->depth;
    out->end = x->end;
    out->invariant = x->found.invariant;
    out->detail = x->found.detail;
    out->n_rows = x->n_rows;
    out->loop_row = x->loop_row;
    out->state_bytes = x->n_words * (uint32_t)sizeof(uint64_t);
    out->graph_bytes = ex_record_bytes(x);
}

static bool stop(struct pyemu_explorer *x, uint32_t end)
{
    x->end = end;
    return false;
}

/* May the next state be counted as seen with all its moves? */
static bool may_go_on(struct pyemu_explorer *x)
{
    if (x->n_states >= x->cfg.max_states)
        return stop(x, PYEMU_XE_STATES);
    if ((x->checked & 1023U) == 0 && x->m->interrupted != 0)
        return stop(x, PYEMU_XE_INTERRUPTED);
    if (x->checked == x->level_end) {
        if (x->depth + 1 >= x->cfg.max_depth)
            return stop(x, PYEMU_XE_DEPTH);
        x->depth++;
        x->level_end = x->n_states;
    }
    return true;
}

static bool broken(struct pyemu_explorer *x, const struct ex_chunk *c)
{
    (void)ex_path(x, (uint32_t)x->checked, &c->broken_by, 1);
    x->loop_row = 0;
    x->found = c->found;
    return stop(x, PYEMU_XE_VIOLATED);
}

/* The states that one state leads to, from edge `at` of the chunk on. */
static bool visit_all(struct pyemu_explorer *x, const struct ex_chunk *c, uint32_t i,
                      uint32_t at)
{
    const struct ex_node *node = &c->node[i];
    const uint32_t from = (uint32_t)x->checked;

    if (ex_records(x) && !ex_record_state(x, from, node->rules, node->due))
        return stop(x, PYEMU_XE_MEMORY);
    for (uint32_t k = at; k < at + node->n_edges; k++)
        ex_look_closer(x, c->hash[k]);
    for (uint32_t k = at; k < at + node->n_edges; k++) {
        const uint64_t *w = c->words + (uint64_t)k * EX_MAX_WORDS;
        const uint32_t to = ex_visit(x, w, c->hash[k], from, c->by[k]);

        if (to == PYEMU_NONE ||
            (ex_records(x) && !ex_record_edge(x, c->by[k], c->events[k], to)))
            return stop(x, PYEMU_XE_MEMORY);
    }
    return true;
}

/* What has come back, state by state as if each had just been expanded. */
static bool consume(struct pyemu_explorer *x, const struct ex_chunk *c)
{
    uint32_t at = 0;
    uint32_t ahead = 0;

    for (uint32_t i = 0; i < c->n; i++) {
        if (!may_go_on(x))
            return false;
        x->stepped += c->node[i].transitions;
        if (i == c->n_done)
            return broken(x, c);
        for (; ahead < at + 32U && ahead < c->n_edges; ahead++)
            ex_look_ahead(x, c->hash[ahead]);
        if (!visit_all(x, c, i, at))
            return false;
        at += c->node[i].n_edges;
        x->checked++;
    }
    return true;
}

/* States that have not been given out yet, as long as there is room for them. */
static void give(struct pyemu_explorer *x, struct ex_crew *crew)
{
    struct ex_chunk *c = ex_crew_room(crew);

    while (c != NULL && x->given < x->n_states) {
        const uint64_t left = x->n_states - x->given;

        c->from = x->given;
        c->n = left < EX_CHUNK ? (uint32_t)left : (uint32_t)EX_CHUNK;
        memcpy(c->in, x->states + x->given * x->n_words,
               sizeof *c->in * c->n * x->n_words);
        x->given += c->n;
        ex_crew_give(crew);
        c = ex_crew_room(crew);
    }
}

static int run(struct pyemu_explorer *x, struct ex_crew *crew)
{
    x->end = PYEMU_XE_DONE;
    for (;;) {
        give(x, crew);
        const struct ex_chunk *c = ex_crew_take(crew);

        if (c == NULL)
            return PYEMU_OK;
        if (c->poisoned)
            return PYEMU_EBUG;
        if (!consume(x, c))
            return PYEMU_OK;
        ex_crew_done(crew);
    }
}

/* The state that everything starts from. */
static bool first(struct pyemu_explorer *x)
{
    uint64_t w[EX_MAX_WORDS];

    (void)ex_encode(x, w);
    if (!ex_reserve(x) ||
        ex_visit(x, w, ex_hash(w, x->n_words), PYEMU_NONE, 0) == PYEMU_NONE)
        return false;
    x->level_end = x->n_states;
    return true;
}

int ex_search(struct pyemu_explorer *x, struct pyemu_explore_result *out)
{
    struct ex_crew *crew = ex_crew_new(x);
    int status = PYEMU_OK;

    if (crew == NULL || !first(x))
        x->end = PYEMU_XE_MEMORY;
    else
        status = run(x, crew);
    ex_crew_free(crew);
    ex_report(x, out);
    return status;
}
