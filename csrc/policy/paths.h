/*
 * paths.h - step tables compiled to path variants (design.md 6): a walk of
 * steps, keyed by the flag bits its guards read, becomes one addition of
 * cycles, one count and a few register moves. Exact: it applies only where no
 * event can fall inside it, and counts expand to the same step counts.
 */
#ifndef PYEMU_POLICY_PATHS_H
#define PYEMU_POLICY_PATHS_H

#include "state/state.h"

struct path_cache *paths_new(void);
void paths_free(struct path_cache *c);

/* Forgets all variants; call after the policy or a cost changed. */
void paths_clear(struct pyemu_machine *m);

enum walk_result {
    WALK_NONE = 0, /* nothing done: use the step interpreter */
    WALK_MOVED,
    WALK_TOO_LONG  /* nothing done, something falls due inside the walk */
};

/*
 * Moves *pc towards `end`, variants and single effects in turn, for as long as
 * nothing disturbs.
 */
enum walk_result paths_walk(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                            uint32_t *pc, uint32_t end);

/* Moves variant counts into step counts, histograms and sums. */
void paths_fold(struct pyemu_machine *m);

#endif
