/* rules.h - what each liveness invariant forbids, as a part of the state graph. */
#ifndef PYEMU_EXPLORE_RULES_H
#define PYEMU_EXPLORE_RULES_H

#include "explore/explore.h"

enum { DUE_LINES = 15, DUE_WORK = 16, DUE_TIME = 128 }; /* bits of due and done */

/* In terms of states, moves and events. */
struct rule {
    uint32_t invariant;
    uint32_t detail;
    uint32_t vcpu;
    uint32_t timer;      /* N_TIMERS: the other interrupt */
    uint32_t banned;     /* events no edge may have */
    uint32_t needed;     /* event a cycle must have; 0: any cycle */
    uint32_t also;       /* and another one */
    bool only_waits;     /* the guest does nothing but WFI */
    bool only_exits;     /* this vCPU's guest only HVC, others nothing */
    bool dead_ends;      /* a state without any move breaks it, too */
};

struct rule rule_of(uint32_t invariant);

/* Bit of the rule in what rules_of gives for a state; 0: every state belongs. */
uint32_t rule_bit(const struct rule *r);

enum { BIT_I10 = 10 }; /* + 2 pCPU + timer, in rules_of */

/* The rules whose bad behaviour the decoded state belongs to. */
uint16_t rules_of(const struct pyemu_explorer *x);

/* What fairness promises and the move does: a line's change, a deadline. */
static inline uint8_t done_by(ex_move mv)
{
    const uint32_t kind = ex_kind(mv);

    if (kind == PYEMU_A_TICK)
        return DUE_TIME;
    if (kind == PYEMU_A_WORK_RUN)
        return (uint8_t)(DUE_WORK << ex_vcpu(mv));
    if (kind == PYEMU_A_LINE_ASSERT || kind == PYEMU_A_LINE_RETIRE)
        return (uint8_t)(1U << (2 * ex_pcpu(mv) + ex_arg(mv)));
    return 0;
}

/* Of all moves of a state: what is pending there. */
uint8_t due_of(const ex_move *moves, uint32_t n);

#endif
