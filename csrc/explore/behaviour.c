/*
 * behaviour.c - what a policy does, without how: transitions between stable states,
 * where no vCPU thread is inside a hook and no pCPU in an interrupt handler. Each is
 * one choice made in a stable state, and each stable state that it can lead to
 * whatever happens in between. Two tables with the same transitions cannot be told
 * apart by guest, user space or time. The set is told as two sums of hashes.
 */
#include <stdlib.h>

#include "explore/explore.h"

struct paths {
    uint64_t *first;   /* of each state, in to and by */
    uint32_t *to;
    ex_move *by;
    uint8_t *stable;
    uint64_t *hash;
    uint64_t *seen;    /* number of the walk that was here last */
    uint32_t *stack;
    uint64_t n_edges;
    uint64_t cap_edges;
};

static bool is_stable(const struct pyemu_explorer *x)
{
    const struct pyemu_machine *m = x->m;

    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        const struct vcpu *v = &m->vcpus[i];
        const bool off = m->threads[i].state == T_RUNNABLE && v->resident != 0;

        if (v->stage == STAGE_HOOK || (off && v->saved_stage == STAGE_HOOK))
            return false;
    }
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        if (m->pcpus[i].irq_stage != ISR_NONE)
            return false;
    return true;
}

static uint64_t mixed(uint64_t h, uint64_t w)
{
    h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 29;
}

static bool add(struct paths *g, uint32_t to, ex_move by)
{
    if (g->n_edges == g->cap_edges) {
        const uint64_t cap = g->cap_edges == 0 ? 1U << 16 : g->cap_edges * 2;
        uint32_t *t = realloc(g->to, cap * sizeof *t);

        if (t == NULL)
            return false;
        g->to = t;
        ex_move *b = realloc(g->by, cap * sizeof *b);

        if (b == NULL)
            return false;
        g->by = b;
        g->cap_edges = cap;
    }
    g->to[g->n_edges] = to;
    g->by[g->n_edges++] = by;
    return true;
}

static bool add_moves(struct pyemu_explorer *x, struct paths *g)
{
    ex_move moves[EX_MAX_MOVES];
    uint64_t w[EX_MAX_WORDS];
    const uint32_t n_moves = ex_moves(x, moves);

    ex_keep(x);
    for (uint32_t i = 0; i < n_moves; i++) {
        if (i != 0)
            ex_restore(x);
        ex_run(x, moves[i]);
        (void)ex_encode(x, w);
        const uint32_t to = ex_find(x, w);

        if (to != PYEMU_NONE && !add(g, to, moves[i]))
            return false;
    }
    return true;
}

static bool build(struct pyemu_explorer *x, struct paths *g)
{
    const uint64_t n = x->n_states;

    g->first = calloc(n + 1, sizeof *g->first);
    g->stable = calloc(n, 1);
    g->hash = calloc(n, sizeof *g->hash);
    g->seen = calloc(n, sizeof *g->seen);
    g->stack = calloc(n + 1, sizeof *g->stack);
    if (g->first == NULL || g->stable == NULL || g->hash == NULL || g->seen == NULL ||
        g->stack == NULL)
        return false;
    for (uint64_t s = 0; s < n; s++) {
        const uint64_t *w = x->states + s * x->n_words;

        g->first[s] = g->n_edges;
        if ((s & 1023U) == 0 && x->m->interrupted != 0)
            return false;
        for (uint32_t i = 0; i < x->n_words; i++)
            g->hash[s] = mixed(g->hash[s], w[i] + i);
        ex_decode(x, w);
        g->stable[s] = is_stable(x);
        if (!add_moves(x, g))
            return false;
    }
    g->first[n] = g->n_edges;
    return true;
}

/* Every stable state that one choice leads to, through states that are not. */
static void follow(struct paths *g, uint64_t from, uint64_t edge, uint64_t walk,
                   struct pyemu_explore_behaviour *out)
{
    uint32_t n = 0;

    g->stack[n++] = g->to[edge];
    g->seen[g->to[edge]] = walk;
    while (n != 0) {
        const uint32_t s = g->stack[--n];

        if (g->stable[s] != 0) {
            const uint64_t h = mixed(mixed(g->hash[from], g->by[edge]), g->hash[s]);

            out->transitions++;
            out->sum[0] += h;
            out->sum[1] += mixed(h, UINT64_C(0x9e3779b97f4a7c15));
            continue;
        }
        for (uint64_t e = g->first[s]; e < g->first[s + 1]; e++)
            if (g->seen[g->to[e]] != walk) {
                g->seen[g->to[e]] = walk;
                g->stack[n++] = g->to[e];
            }
    }
}

static void free_paths(struct paths *g)
{
    free(g->first);
    free(g->to);
    free(g->by);
    free(g->stable);
    free(g->hash);
    free(g->seen);
    free(g->stack);
}

int ex_behaviour(struct pyemu_explorer *x, struct pyemu_explore_behaviour *out)
{
    struct paths g = {0};
    const uint64_t steps = x->transitions;
    uint64_t walk = 0;

    *out = (struct pyemu_explore_behaviour){0};
    if (!build(x, &g)) {
        free_paths(&g);
        return machine_fail(x->m, PYEMU_ENOMEM, "no memory for the transitions");
    }
    for (uint64_t s = 0; s < x->n_states; s++) {
        if (g.stable[s] == 0)
            continue;
        out->stable++;
        for (uint64_t e = g.first[s]; e < g.first[s + 1]; e++)
            follow(&g, s, e, ++walk, out);
    }
    free_paths(&g);
    x->transitions = steps;
    return PYEMU_OK;
}
