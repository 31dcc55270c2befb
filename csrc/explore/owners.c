/*
 * owners.c - I10: every activation of a timer's physical interrupt has a deactivator,
 * and it is reachable. In the guest a HW list register is one (the guest's EOI or DIR).
 * Anything else must be on some way through the graph: a load, a sync or fold that
 * clears the active bit, a mask, a later entry with a list register. Ways through what
 * no kernel can count on are no ways: a reset of the VM, its move to another host, the
 * guest's starting a timer (the next interrupt's deactivator would do for this one) and
 * its writes to the pending and active state of its distributor.
 */
#include <stdlib.h>

#include "explore/rules.h"
#include "hw/timer.h"

static bool held_in_guest(const struct pyemu_explorer *x, const struct pcpu *p,
                          uint32_t intid)
{
    if (p->cur == PYEMU_NONE || x->m->vcpus[p->cur].stage != STAGE_GUEST)
        return false;
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].hw != 0 && p->lr[i].pintid == intid &&
            p->lr[i].state != LR_INVALID)
            return true;
    return false;
}

/* Bits 2 pCPU + timer: active, and held by no list register. */
static uint32_t unheld(const struct pyemu_explorer *x, uint32_t k)
{
    const struct pcpu *p = &x->m->pcpus[k];
    uint32_t set = 0;

    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (has_bit32(p->irq_active, timer_intid(t)) &&
            !held_in_guest(x, p, timer_intid(t)))
            set |= 1U << (2 * k + t);
    return set;
}

/* After each step: a deactivation within a move counts, whatever follows it. */
void ex_note_owners(struct pyemu_explorer *x)
{
    uint32_t set = 0;

    if (!has_bit64(x->cfg.invariants, 10))
        return;
    for (uint32_t k = 0; k < EX_MAX_PCPUS; k++)
        if (k < x->m->s->cfg.n_pcpus)
            set |= unheld(x, k);
    x->events |= (~set & 15U) << EX_FREE_SHIFT;
}

/* Where it matters: a guest runs on that pCPU. */
uint32_t ex_ownerless(const struct pyemu_explorer *x)
{
    uint32_t set = 0;

    for (uint32_t k = 0; k < x->m->s->cfg.n_pcpus; k++) {
        const struct pcpu *p = &x->m->pcpus[k];

        if (p->cur != PYEMU_NONE && x->m->vcpus[p->cur].stage == STAGE_GUEST)
            set |= unheld(x, k);
    }
    return set;
}

/* A timer set going, or the distributor's pending and active bits. */
static bool makes_another(uint32_t choice)
{
    return choice == PYEMU_GC_CTL_ON ||
           (choice >= PYEMU_GC_CVAL_PAST && choice <= PYEMU_GC_CVAL_LATE) ||
           (choice >= PYEMU_GC_PCTL_ON && choice <= PYEMU_GC_PTVAL_PAST);
}

static bool is_way(ex_move mv)
{
    const uint32_t kind = ex_kind(mv);
    uint32_t choice = PYEMU_GC_COUNT;

    if (kind == PYEMU_A_GUEST)
        choice = ex_choice(ex_arg(mv));
    else if (kind == PYEMU_A_STEP && ex_arg(mv) != 0 && ex_arg(mv) < EX_ARG_LR)
        choice = ex_arg(mv) - 1U; /* what it has trapped with */
    return kind != PYEMU_A_RESET && kind != PYEMU_A_RESTORE && !makes_another(choice);
}

/* One round over all states: what each can reach; false if nothing was new. */
static bool spread(const struct pyemu_explorer *x, uint8_t *free_later, bool down)
{
    const struct ex_graph *g = &x->graph;
    bool changed = false;

    for (uint64_t i = 0; i < x->n_states; i++) {
        const uint64_t s = down ? x->n_states - 1U - i : i;
        uint32_t set = free_later[s];

        for (uint32_t e = g->first[s]; set != 15U && e < g->first[s + 1]; e++)
            if (is_way(g->edges[e].by))
                set |= free_later[g->edges[e].to] |
                       ((uint32_t)g->edges[e].events >> EX_FREE_SHIFT & 15U);
        changed = changed || set != free_later[s];
        free_later[s] = (uint8_t)set;
    }
    return changed;
}

/* 1: broken in *state, 0: holds, -1: no memory or interrupted. */
int ex_owners(const struct pyemu_explorer *x, uint32_t *state)
{
    uint8_t *free_later = calloc(x->n_states, 1);
    bool down = true;
    int verdict = 0;

    if (free_later == NULL)
        return -1;
    while (x->m->interrupted == 0 && spread(x, free_later, down))
        down = !down;
    for (uint64_t s = 0; s < x->n_states && verdict == 0; s++)
        if (((uint32_t)x->graph.rules[s] >> BIT_I10 & 15U & ~free_later[s]) != 0) {
            *state = (uint32_t)s;
            verdict = 1;
        }
    free(free_later);
    return x->m->interrupted != 0 ? -1 : verdict;
}
