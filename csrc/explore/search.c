/*
 * search.c - breadth first over packed states. Each is kept whole, so no two are
 * confused; an open-addressed table of indices finds it again. Parents and moves
 * give the shortest way to any state.
 */
#include <stdlib.h>
#include <string.h>

#include "explore/explore.h"

enum { FIRST_STATES = 1 << 12 };

static uint64_t hash_of(const uint64_t *w, uint32_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15);

    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ w[i]) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return h;
}

static uint64_t bytes_for(const struct pyemu_explorer *x, uint64_t cap, uint64_t table)
{
    return cap * (x->n_words * sizeof(uint64_t) + sizeof(uint32_t) + sizeof(ex_move)) +
           table * sizeof(uint64_t);
}

static bool grow_states(struct pyemu_explorer *x, uint64_t cap)
{
    if (bytes_for(x, cap, x->table_size) + ex_record_bytes(x) > x->cfg.max_bytes)
        return false;
    uint64_t *s = realloc(x->states, cap * x->n_words * sizeof *s);

    if (s == NULL)
        return false;
    x->states = s;
    uint32_t *p = realloc(x->parent, cap * sizeof *p);

    if (p == NULL)
        return false;
    x->parent = p;
    ex_move *b = realloc(x->by, cap * sizeof *b);

    if (b == NULL)
        return false;
    x->by = b;
    x->cap_states = cap;
    x->set_bytes = bytes_for(x, cap, x->table_size);
    return true;
}

/* A table entry: the upper half of the hash, and the state's index plus one. */
static uint64_t entry_of(uint64_t hash, uint32_t n)
{
    return (hash & ~(uint64_t)UINT32_MAX) | (n + 1U);
}

static void table_put(struct pyemu_explorer *x, uint64_t hash, uint64_t entry)
{
    const uint64_t mask = x->table_size - 1;
    uint64_t at = hash & mask;

    while (x->table[at] != 0)
        at = (at + 1) & mask;
    x->table[at] = entry;
}

static const uint64_t *state_at(const struct pyemu_explorer *x, uint64_t n)
{
    return x->states + n * x->n_words;
}

static bool grow_table(struct pyemu_explorer *x, uint64_t size)
{
    if (bytes_for(x, x->cap_states, size) + ex_record_bytes(x) > x->cfg.max_bytes)
        return false;
    uint64_t *t = calloc(size, sizeof *t);

    if (t == NULL)
        return false;
    free(x->table);
    x->table = t;
    x->table_size = size;
    x->set_bytes = bytes_for(x, x->cap_states, size);
    for (uint64_t n = 0; n < x->n_states; n++) {
        const uint64_t h = hash_of(state_at(x, n), x->n_words);

        table_put(x, h, entry_of(h, (uint32_t)n));
    }
    return true;
}

/* Room for one more: the table at most 4/5 full. */
static bool reserve(struct pyemu_explorer *x)
{
    if (x->n_states == x->cap_states &&
        !grow_states(x, x->cap_states == 0 ? FIRST_STATES
                                           : x->cap_states + x->cap_states / 2))
        return false;
    if ((x->n_states + 1) * 5 > x->table_size * 4 &&
        !grow_table(x, x->table_size == 0 ? 2 * FIRST_STATES : 2 * x->table_size))
        return false;
    return true;
}

static bool equal(const uint64_t *a, const uint64_t *b, uint32_t n)
{
    uint64_t differ = 0;

    for (uint32_t i = 0; i < n; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

static uint32_t find(const struct pyemu_explorer *x, const uint64_t *w, uint64_t hash)
{
    const uint64_t mask = x->table_size - 1;
    uint64_t at = hash & mask;

    for (; x->table[at] != 0; at = (at + 1) & mask) {
        const uint64_t e = x->table[at];
        const uint32_t n = (uint32_t)e - 1U;

        if (((e ^ hash) >> 32) == 0 && equal(state_at(x, n), w, x->n_words))
            return n;
    }
    return PYEMU_NONE;
}

uint32_t ex_find(const struct pyemu_explorer *x, const uint64_t *w)
{
    return find(x, w, hash_of(w, x->n_words));
}

/* Index of the state, new or not; PYEMU_NONE if there is no room. */
static uint32_t visit(struct pyemu_explorer *x, const uint64_t *w, uint64_t hash,
                      uint32_t from, ex_move by)
{
    const uint32_t old = find(x, w, hash);

    if (old != PYEMU_NONE)
        return old;
    if (!reserve(x))
        return PYEMU_NONE;
    const uint32_t n = (uint32_t)x->n_states++;

    memcpy(x->states + (uint64_t)n * x->n_words, w, x->n_words * sizeof *w);
    x->parent[n] = from;
    x->by[n] = by;
    table_put(x, hash, entry_of(hash, n));
    return n;
}

void ex_report(const struct pyemu_explorer *x, struct pyemu_explore_result *out)
{
    memset(out, 0, sizeof *out);
    out->states = x->n_states;
    out->transitions = x->transitions;
    out->bytes = bytes_for(x, x->n_states, x->table_size);
    out->depth = x->depth;
    out->end = x->end;
    out->invariant = x->found.invariant;
    out->detail = x->found.detail;
    out->n_rows = x->n_rows;
    out->loop_row = x->loop_row;
    out->state_bytes = x->n_words * (uint32_t)sizeof(uint64_t);
    out->graph_bytes = ex_record_bytes(x);
}

#ifdef __GNUC__
#define PREFETCH(at) __builtin_prefetch(at)
#else
#define PREFETCH(at) ((void)(at))
#endif

/* States one move away, looked up together so that memory is waited for once. */
struct batch {
    uint64_t w[EX_MAX_MOVES][EX_MAX_WORDS];
    uint64_t hash[EX_MAX_MOVES];
    uint32_t events[EX_MAX_MOVES];
};

static bool visit_all(struct pyemu_explorer *x, const struct batch *b, uint32_t n_moves,
                      uint32_t from, const ex_move *moves)
{
    const uint64_t mask = x->table_size - 1;

    for (uint32_t i = 0; i < n_moves; i++) {
        const uint64_t e = x->table[b->hash[i] & mask];

        if (e != 0 && ((e ^ b->hash[i]) >> 32) == 0)
            PREFETCH(state_at(x, (uint32_t)e - 1U));
    }
    for (uint32_t i = 0; i < n_moves; i++) {
        const uint32_t to = visit(x, b->w[i], b->hash[i], from, moves[i]);

        if (to == PYEMU_NONE ||
            (ex_records(x) && !ex_record_edge(x, moves[i], b->events[i], to))) {
            x->end = PYEMU_XE_MEMORY;
            return false;
        }
    }
    return true;
}

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

/* All moves of one state; false when the search must stop. */
static bool expand(struct pyemu_explorer *x, uint32_t n)
{
    ex_move moves[EX_MAX_MOVES];
    struct batch b;

    ex_decode(x, state_at(x, n));
    const uint32_t n_moves = ex_moves(x, moves);

    if (ex_records(x) && !ex_record_state(x, n, moves, n_moves)) {
        x->end = PYEMU_XE_MEMORY;
        return false;
    }
    if (n_moves > 1)
        ex_keep(x);
    for (uint32_t i = 0; i < n_moves; i++) {
        if (i != 0)
            ex_restore(x);
        x->events = 0;
        ex_run(x, moves[i]);
        if (x->found.invariant != 0) {
            const struct violation found = x->found;

            x->end = PYEMU_XE_VIOLATED;
            (void)ex_path(x, n, &moves[i], 1);
            x->loop_row = 0;
            x->found = found;
            return false;
        }
        ex_encode(x, b.w[i]);
        b.events[i] = x->events;
        b.hash[i] = hash_of(b.w[i], x->n_words);
        PREFETCH(&x->table[b.hash[i] & (x->table_size - 1)]);
    }
    return visit_all(x, &b, n_moves, n, moves);
}

static bool may_go_on(struct pyemu_explorer *x)
{
    if (x->n_states >= x->cfg.max_states) {
        x->end = PYEMU_XE_STATES;
        return false;
    }
    if ((x->checked & 1023U) == 0 && x->m->interrupted != 0) {
        x->end = PYEMU_XE_INTERRUPTED;
        return false;
    }
    return true;
}

int ex_search(struct pyemu_explorer *x, struct pyemu_explore_result *out)
{
    uint64_t w[EX_MAX_WORDS];

    if (x->n_states == 0) {
        x->end = PYEMU_XE_MEMORY;
        ex_encode(x, w);
        if (!reserve(x) ||
            visit(x, w, hash_of(w, x->n_words), PYEMU_NONE, 0) == PYEMU_NONE) {
            ex_report(x, out);
            return PYEMU_OK;
        }
    }
    uint64_t level_end = x->n_states;

    x->end = PYEMU_XE_DONE;
    while (x->checked < x->n_states && may_go_on(x)) {
        if (x->checked == level_end) {
            if (x->depth + 1 >= x->cfg.max_depth) {
                x->end = PYEMU_XE_DEPTH;
                break;
            }
            x->depth++;
            level_end = x->n_states;
        }
        if (!expand(x, (uint32_t)x->checked))
            break;
        x->checked++;
        if (x->m->s->poisoned != 0)
            return PYEMU_EBUG;
    }
    ex_report(x, out);
    return PYEMU_OK;
}
