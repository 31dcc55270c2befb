/* cycles.c - liveness: fair cycles among the visited states. */
#include "explore/explore.h"

int pyemu_explore_cycles(struct pyemu_explorer *x, uint32_t invariant,
                         struct pyemu_explore_result *out)
{
    (void)invariant;
    (void)out;
    return x->m->s->poisoned != 0 ? PYEMU_EBUG : PYEMU_OK;
}
