/*
 * trip.h - the fused path: exit, handling and entry as one variant, taken in
 * line by the guest's loop. Applies where nothing is pending and nothing falls
 * due inside. What trips of one run of the loop change is kept in registers
 * (struct flow) and stored once, when the loop ends.
 */
#ifndef PYEMU_POLICY_TRIP_H
#define PYEMU_POLICY_TRIP_H

#include "account/account.h"
#include "policy/compile.h"

struct flow {
    uint64_t now_cyc;
    uint64_t until_cyc;   /* the earlier of limit and horizon */
    uint64_t limit_cyc;
    uint64_t horizon_cyc;
    uint64_t flags;       /* those of pCPU and vCPU, and FI_VGIC */
    uint64_t entry_cyc;
    uint64_t exit_cyc;
    uint64_t guest_cyc;
    uint64_t switch_cyc;
    uint64_t n_insns;
    uint64_t n_exits;
    uint64_t max_exits;   /* fewer than the run may still take: the last one leaves */
    uint32_t pc;
    uint32_t moves_id;    /* register moves that stand as this variant left them */
};

/* Exit counts and guest residency: per vCPU and per reason. */
static inline void account_exit(struct pyemu_machine *m, struct vcpu *v,
                                uint32_t reason, uint64_t ran)
{
    v->exits[reason]++;
    m->s->reasons[reason].guest_cyc += ran;
    hist_add(m, HIST_GUEST + reason, ran);
}

static inline uint64_t reason_bits(uint32_t reason)
{
    return (uint64_t)(reason + 1U) << FI_REASON;
}

/* Round trips that may still be taken; the last exit of a limit leaves by itself. */
static inline uint64_t trips_left(const struct pyemu_machine *m)
{
    return m->until_exits == 0 ? PYEMU_NEVER : m->until_exits - m->s->exits - 1U;
}

static inline bool trips_allowed(const struct pyemu_machine *m, const struct vcpu *v)
{
    return m->paths != NULL && v->off == 0 && trips_left(m) != 0;
}

/* Stores what a run of the loop changed. */
static inline void flow_end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                            const struct flow *f)
{
    p->now_cyc = f->now_cyc;
    v->gpc = f->pc;
    m->s->dyn_count[PYEMU_P_G_INSN] += f->n_insns;
    if (f->n_exits == 0)
        return;
    p->flags = f->flags & PCPU_FLAGS;
    v->flags = f->flags & ~(PCPU_FLAGS | FOUND_FLAGS);
    v->entry_cyc = f->entry_cyc;
    v->guest_cyc += f->guest_cyc;
    v->switch_cyc += f->switch_cyc;
    m->s->exits += f->n_exits;
}

/* Finds the round trip for these flags, NULL if there is none (paths.c). */
struct variant *trip_find(struct pyemu_machine *m, uint32_t reason, uint64_t flags);

/* What few trips need: register moves, handling time of their own. */
void trip_moves(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                const struct variant *x, uint64_t start_cyc);
void trip_extra(struct pyemu_machine *m, struct variant *x, uint64_t extra);

/* Moves that stand are not repeated; others may have changed the guest's view. */
static inline void trip_rest(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             struct flow *f, const struct variant *x)
{
    p->now_cyc = f->now_cyc;
    trip_moves(m, p, v, x, f->exit_cyc);
    f->moves_id = x->moves_id;
    f->horizon_cyc = p->horizon_cyc;
    f->until_cyc = min_u64(f->limit_cyc, f->horizon_cyc);
    if (x->moves_id == MOVES_ONCE)
        f->until_cyc = 0; /* the guest's loop looks afresh */
}

/* Why the guest leaves: an instruction that traps, or none, an interrupt. */
struct trip {
    uint32_t reason;
    uint32_t n_insns;
    uint64_t extra; /* cycles of handling that the guest's program adds */
};

/* One trip; false: nothing was done. */
static inline bool trip_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             struct flow *f, struct trip t)
{
    const uint32_t reason = t.reason;
    const uint64_t extra = t.extra;
    struct variant *x = &m->paths->variants[m->paths->trip[reason]];
    const uint64_t flags = f->flags | bit64(FI_IRQ_OFF) | reason_bits(reason);
    const uint64_t exit_cyc = f->now_cyc + t.n_insns * m->cost[PYEMU_P_G_INSN];

    if ((flags & x->mask) != x->want) {
        x = trip_find(m, reason, flags);
        if (x == NULL)
            return false;
    }
    const uint64_t host_cyc = x->cost + extra;

    if (exit_cyc + host_cyc >= f->horizon_cyc || f->n_exits >= f->max_exits)
        return false;
    const uint64_t ran = exit_cyc - f->entry_cyc;

    x->count++;
    account_exit(m, v, reason, ran);
    f->n_exits++;
    f->n_insns += t.n_insns;
    f->pc += t.n_insns;
    f->guest_cyc += ran;
    f->switch_cyc += x->switch_cyc;
    f->flags = (flags & ~x->clear) | x->set;
    f->now_cyc = exit_cyc + host_cyc;
    f->entry_cyc = f->now_cyc;
    f->exit_cyc = exit_cyc;
    if (m->trace_cap != 0)
        trace_trip(m, p, v, KIND(PYEMU_E_EXIT, reason), exit_cyc);
    if (x->moves_id != 0 && x->moves_id != f->moves_id)
        trip_rest(m, p, v, f, x);
    if (extra != 0)
        trip_extra(m, x, extra);
    if (f->limit_cyc != PYEMU_NEVER) { /* counts guest cycles only */
        f->limit_cyc = add_sat(f->limit_cyc, host_cyc);
        if (f->until_cyc != 0)
            f->until_cyc = min_u64(f->limit_cyc, f->horizon_cyc);
    }
    if (m->trace_cap != 0) {
        trace_trip(m, p, v, PYEMU_E_ENTRY, f->now_cyc);
        if (m->trace_n >= m->trace_stop)
            f->until_cyc = 0; /* the buffer must be drained */
    }
    return true;
}

#endif
