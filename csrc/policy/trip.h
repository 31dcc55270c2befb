/*
 * trip.h - the fused path: exit, handling and entry as one variant, taken in
 * line by the guest's loop. Applies where nothing is pending and nothing falls
 * due inside; touches only what such a trip changes.
 */
#ifndef PYEMU_POLICY_TRIP_H
#define PYEMU_POLICY_TRIP_H

#include "account/account.h"
#include "policy/compile.h"

/* Exit counts and guest residency: per vCPU and per reason. */
static inline void account_exit(struct pyemu_machine *m, const struct pcpu *p,
                                struct vcpu *v, uint32_t reason)
{
    const uint64_t ran = p->now_cyc - v->entry_cyc;

    v->exits[reason]++;
    m->s->exits++;
    v->guest_cyc += ran;
    m->s->reasons[reason].guest_cyc += ran;
    hist_add(m, HIST_GUEST + reason, ran);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_EXIT, reason), 0);
}

/* Registers a trip leaves changed: the memory copies, as a save wrote them. */
static inline void trip_registers(struct pcpu *p, struct vcpu *v,
                                  const struct variant *x)
{
    if ((x->copies & 1U) != 0)
        v->mem[TIMER_V] = p->hw[TIMER_V];
    if ((x->copies & 2U) != 0)
        v->mem[TIMER_P] = p->hw[TIMER_P];
    if (x->cnthctl != 0)
        p->cnthctl = x->cnthctl;
}

/*
 * One trip for `reason` with `extra` cycles of handling; false: nothing was
 * done. Only variants marked `trip` are remembered in last_trip.
 */
static inline bool trip_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             uint32_t reason, uint64_t extra)
{
    struct variant *x = m->paths->last_trip[reason];
    const uint64_t flags = p->flags | v->flags | bit64(FI_IRQ_OFF) |
                           (uint64_t)(reason + 1U) << FI_REASON;

    if (x == NULL || (flags & x->mask) != x->want)
        return false;
    const uint64_t end_cyc = p->now_cyc + x->cost + extra;

    if (end_cyc >= p->horizon_cyc)
        return false;
    const uint64_t new_flags = (flags & ~x->clear) | x->set;

    account_exit(m, p, v, reason);
    x->count++;
    v->switch_cyc += x->switch_cyc;
    p->flags = new_flags & PCPU_FLAGS;
    v->flags = new_flags & ~PCPU_FLAGS;
    p->now_cyc = end_cyc;
    v->entry_cyc = end_cyc;
    if (x->any_trip != 0)
        trip_registers(p, v, x);
    if (extra != 0) {
        x->n_extra++;
        m->s->dyn_count[PYEMU_P_EXTRA] += extra;
        account_handling(m, reason, x->cost + extra, 1);
    }
    trace(m, p, vcpu_idx(m, v), PYEMU_E_ENTRY, 0);
    return true;
}

#endif
