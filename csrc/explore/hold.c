/*
 * hold.c - liveness invariants judged side by side: each reads the recorded graph and
 * has memory of its own. Which of them hold does not depend on the threads; a broken
 * one is then told by ex_cycles.
 */
#include <pthread.h>

#include "explore/explore.h"

enum { N_INVARIANTS = 16, FEW_STATES = 50000 };

struct judges {
    const struct pyemu_explorer *x;
    pthread_mutex_t lock;
    uint64_t left;  /* nobody has begun these */
    uint64_t holds;
};

static void *judge(void *arg)
{
    struct judges *j = arg;

    pthread_mutex_lock(&j->lock);
    while (j->left != 0) {
        const uint32_t n = lowest_bit32((uint32_t)j->left);

        j->left &= j->left - 1U;
        pthread_mutex_unlock(&j->lock);
        const bool holds = ex_holds(j->x, n);

        pthread_mutex_lock(&j->lock);
        if (holds)
            j->holds |= bit64(n);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

uint64_t ex_hold(struct pyemu_explorer *x, uint64_t invariants)
{
    struct judges j = {.x = x, .left = invariants};
    pthread_t threads[N_INVARIANTS];
    uint32_t n = 0;

    ex_cycles_begin(x);
    pthread_mutex_init(&j.lock, NULL);
    while (n < x->n_helpers && n < N_INVARIANTS && x->n_states > FEW_STATES &&
           pthread_create(&threads[n], NULL, judge, &j) == 0)
        n++;
    (void)judge(&j);
    while (n != 0)
        pthread_join(threads[--n], NULL);
    pthread_mutex_destroy(&j.lock);
    return j.holds;
}
