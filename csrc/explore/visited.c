/*
 * visited.c - the states seen so far, in breadth-first order. Each is kept whole, so
 * no two are confused; an open-addressed table of indices finds it again. Parents
 * and moves give the shortest way to any state.
 */
#include <stdlib.h>
#include <string.h>

#include "explore/explore.h"

#ifdef __GNUC__
#define PREFETCH(at) __builtin_prefetch(at)
#else
#define PREFETCH(at) ((void)(at))
#endif

enum { FIRST_STATES = 1 << 12 };

uint64_t ex_hash(const uint64_t *w, uint32_t n)
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

uint64_t ex_visited_bytes(const struct pyemu_explorer *x)
{
    return bytes_for(x, x->n_states, x->table_size);
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
        const uint64_t h = ex_hash(state_at(x, n), x->n_words);

        table_put(x, h, entry_of(h, (uint32_t)n));
    }
    return true;
}

/* Room for one more: the table at most 4/5 full. */
bool ex_reserve(struct pyemu_explorer *x)
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
    return find(x, w, ex_hash(w, x->n_words));
}

/* Memory that a look at this hash will wait for: the entry, then the state. */
void ex_look_ahead(const struct pyemu_explorer *x, uint64_t hash)
{
    PREFETCH(&x->table[hash & (x->table_size - 1)]);
}

void ex_look_closer(const struct pyemu_explorer *x, uint64_t hash)
{
    const uint64_t e = x->table[hash & (x->table_size - 1)];

    if (e != 0 && ((e ^ hash) >> 32) == 0)
        PREFETCH(state_at(x, (uint32_t)e - 1U));
}

/* Index of the state, new or not; PYEMU_NONE if there is no room. */
uint32_t ex_visit(struct pyemu_explorer *x, const uint64_t *w, uint64_t hash,
                  uint32_t from, ex_move by)
{
    const uint32_t old = find(x, w, hash);

    if (old != PYEMU_NONE)
        return old;
    if (!ex_reserve(x))
        return PYEMU_NONE;
    const uint32_t n = (uint32_t)x->n_states++;

    memcpy(x->states + (uint64_t)n * x->n_words, w, x->n_words * sizeof *w);
    x->parent[n] = from;
    x->by[n] = by;
    table_put(x, hash, entry_of(hash, n));
    return n;
}
