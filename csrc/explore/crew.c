/*
 * crew.c - threads that expand chunks. Chunks are numbered; whoever is free takes the
 * next one, and the searching thread takes them back by number: what it sees does
 * not depend on how many work, or when. It works itself rather than wait.
 */
#include <pthread.h>
#include <stdlib.h>

#include "explore/chunk.h"

struct ex_crew {
    struct pyemu_explorer *x;
    pthread_mutex_t lock;
    pthread_cond_t to_do;
    pthread_cond_t filled;
    uint64_t given;  /* chunks handed out */
    uint64_t begun;  /* of those, taken by somebody */
    uint64_t taken;  /* of those, done with */
    bool over;
    uint32_t n_slots;
    struct ex_chunk *slots;
    uint32_t n_threads;
    pthread_t *threads;
    struct ex_hand *hands;
};

struct ex_hand {
    struct ex_crew *crew;
    struct pyemu_explorer *x;
};

/* The next chunk that nobody has begun. The lock is held, and let go meanwhile. */
static void work(struct ex_crew *crew, struct pyemu_explorer *x)
{
    struct ex_chunk *c = &crew->slots[crew->begun++ % crew->n_slots];

    pthread_mutex_unlock(&crew->lock);
    ex_chunk_fill(x, c);
    pthread_mutex_lock(&crew->lock);
    c->ready = true;
    pthread_cond_signal(&crew->filled);
}

static void *help(void *arg)
{
    struct ex_hand *hand = arg;
    struct ex_crew *crew = hand->crew;

    pthread_mutex_lock(&crew->lock);
    while (!crew->over) {
        if (crew->begun == crew->given)
            pthread_cond_wait(&crew->to_do, &crew->lock);
        else
            work(crew, hand->x);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* As many threads as can be had: with none the searching thread does it all. */
static void hire(struct ex_crew *crew)
{
    struct pyemu_explorer *x = crew->x;

    for (uint32_t i = 0; i < x->n_helpers; i++) {
        struct ex_hand *hand = &crew->hands[crew->n_threads];

        hand->crew = crew;
        hand->x = x->helpers[i];
        if (pthread_create(&crew->threads[crew->n_threads], NULL, help, hand) == 0)
            crew->n_threads++;
    }
}

struct ex_crew *ex_crew_new(struct pyemu_explorer *x)
{
    struct ex_crew *crew = calloc(1, sizeof *crew);

    if (crew == NULL)
        return NULL;
    crew->x = x;
    crew->n_slots = 1U + 4U * x->n_helpers;
    crew->slots = calloc(crew->n_slots, sizeof *crew->slots);
    crew->threads = calloc(x->n_helpers + 1U, sizeof *crew->threads);
    crew->hands = calloc(x->n_helpers + 1U, sizeof *crew->hands);
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->to_do, NULL);
    pthread_cond_init(&crew->filled, NULL);
    if (crew->slots == NULL || crew->threads == NULL || crew->hands == NULL) {
        ex_crew_free(crew);
        return NULL;
    }
    hire(crew);
    return crew;
}

void ex_crew_free(struct ex_crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->over = true;
    pthread_cond_broadcast(&crew->to_do);
    pthread_mutex_unlock(&crew->lock);
    for (uint32_t i = 0; i < crew->n_threads; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_mutex_destroy(&crew->lock);
    pthread_cond_destroy(&crew->to_do);
    pthread_cond_destroy(&crew->filled);
    free(crew->slots);
    free(crew->threads);
    free(crew->hands);
    free(crew);
}

/* A chunk to write states into, or NULL while all are on their way. */
struct ex_chunk *ex_crew_room(struct ex_crew *crew)
{
    return crew->given - crew->taken == crew->n_slots
               ? NULL
               : &crew->slots[crew->given % crew->n_slots];
}

void ex_crew_give(struct ex_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->slots[crew->given % crew->n_slots].ready = false;
    crew->given++;
    pthread_cond_signal(&crew->to_do);
    pthread_mutex_unlock(&crew->lock);
}

/* The oldest chunk, expanded; NULL if none is out. */
struct ex_chunk *ex_crew_take(struct ex_crew *crew)
{
    struct ex_chunk *c = &crew->slots[crew->taken % crew->n_slots];

    if (crew->taken == crew->given)
        return NULL;
    pthread_mutex_lock(&crew->lock);
    while (!c->ready) {
        if (crew->begun != crew->given)
            work(crew, crew->x);
        else
            pthread_cond_wait(&crew->filled, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return c;
}

/* The chunk taken last may be used again. */
void ex_crew_done(struct ex_crew *crew)
{
    crew->taken++;
}
