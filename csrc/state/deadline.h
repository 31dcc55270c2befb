/*
 * deadline.h - the books of the guest's virtual timer. Each guest write that leaves
 * the timer able to fire arms one deadline and replaces the one before. A deadline
 * ends by the guest's acknowledge, or withdrawn, by the next write:
 *
 *   armed    = acknowledged + withdrawn + those still armed
 *   expiries = those of them that were noticed + lost
 *
 * Lost is one that had expired and that the guest replaced although its hardware
 * did not show it any more.
 */
#ifndef PYEMU_STATE_DEADLINE_H
#define PYEMU_STATE_DEADLINE_H

#include "state/state.h"

/* Expired and neither acknowledged nor withdrawn? */
static inline bool deadline_open(const struct vcpu *v)
{
    return v->counted == v->deadline && v->settled != v->deadline;
}

/* Armed, whether it has expired or not? */
static inline bool deadline_armed(const struct vcpu *v)
{
    return v->settled != v->deadline;
}

/* The output rose: each deadline once, however often a restore raises it again. */
static inline void deadline_expired(struct pyemu_machine *m, struct vcpu *v)
{
    if (v->counted == v->deadline)
        return;
    v->counted = v->deadline;
    count(m, PYEMU_C_EXPIRIES);
}

static inline void deadline_settle(struct pyemu_machine *m, struct vcpu *v,
                                   uint32_t counter, bool shown)
{
    if (v->settled == v->deadline)
        return;
    count(m, counter);
    m->s->n_settled += v->counted == v->deadline && shown;
    v->settled = v->deadline;
}

/* Before a write of the guest; `shown`: the line is high on its hardware. */
static inline void deadline_withdraw(struct pyemu_machine *m, struct vcpu *v,
                                     bool shown)
{
    deadline_settle(m, v, PYEMU_C_DEADLINES_WITHDRAWN, shown);
}

static inline void deadline_ack(struct pyemu_machine *m, struct vcpu *v)
{
    deadline_settle(m, v, PYEMU_C_DEADLINES_ACKED, true);
}

/* After it; a reset or user space may have written as well. */
static inline void deadline_arm(struct pyemu_machine *m, struct vcpu *v,
                                const struct timer_regs *r)
{
    v->written_cval = r->cval_ticks;
    v->written_ctl = r->ctl;
    v->deadline++;
    if ((r->ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE)
        count(m, PYEMU_C_DEADLINES_ARMED);
    else
        v->settled = v->deadline;
}

#endif
