/*
 * guest.c - control flow of op programs. One loop: take a pending interrupt,
 * else one op. Ends at a trap, a deliverable physical interrupt (IMO routes it
 * to EL2 whatever PSTATE.I says, 1.4) or the limit.
 */
#include "guest/guest.h"

#include "account/account.h"
#include "guest/code.h"
#include "guest/ops.h"
#include "hw/gic.h"
#include "hw/vcpuif.h"
#include "kvm/vgic.h"
#include "policy/paths.h"
#include "policy/trip.h"
#include "run/rules.h"
#include "run/run.h"
#include "run/trap.h"
#include "state/reset.h"

/* Then one exit goes step by step, so that an interrupted run ends (Ctrl-C). */
enum { MAX_TRIPS = 1 << 20 };

enum op_result { OP_NEXT = 0, OP_LEFT, OP_IRQ_CHECK };

/* Vector to the handler if a virtual interrupt may be taken now. */
static bool take_virq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->pstate_i != 0 || v->irq_entry == PYEMU_NONE || vcpuif_hppvi(p, v) < 0)
        return false;
    charge(m, p, PYEMU_P_G_VECTOR);
    v->gpc_return = v->gpc;
    v->compute_saved = v->compute_cyc;
    v->compute_cyc = 0;
    v->gpc = v->irq_entry;
    v->pstate_i = 1;
    v->in_irq = 1;
    return true;
}

bool guest_wfi_completes(const struct pcpu *p)
{
    if ((p->flags & FLAG(PIRQ)) != 0)
        return true;
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].state == LR_PENDING)
            return true;
    return false;
}

static void compute(struct pcpu *p, struct vcpu *v, uint64_t limit_cyc)
{
    const uint64_t room = limit_cyc > p->now_cyc ? limit_cyc - p->now_cyc : 0;
    const uint64_t n = min_u64(v->compute_cyc, room);

    p->now_cyc += n;
    v->compute_cyc -= n;
}

/* Rarer ops that move the program counter or a register. */
static void flow_op(struct pyemu_machine *m, struct vcpu *v, const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_WAIT_REG:
        if (v->regs[op->a] < op->c + v->regs[PYEMU_N_REGS - 1])
            v->gpc = op->b;
        break;
    case PYEMU_OP_RAND:
        if ((ops_random(m, v) >> 32) < op->c)
            v->gpc = op->b;
        break;
    case PYEMU_OP_LIST_SEEK:
        v->list_table = op->a;
        v->list_pos = op->c;
        v->list_end = op->b;
        break;
    case PYEMU_OP_SEV: v->event = 1; break;
    case PYEMU_OP_MARK: break;
    default: break;
    }
}

/* Return from the handler; a computation it interrupted goes on. */
static void eret(struct vcpu *v)
{
    v->gpc = v->gpc_return;
    v->pstate_i = 0;
    v->in_irq = 0;
    v->compute_cyc = v->compute_saved;
    v->compute_saved = 0;
}

static void end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint64_t ran = p->now_cyc - v->entry_cyc;

    v->guest_cyc += ran;
    m->s->tail_guest_cyc += ran;
    run_end(m, p, v);
}

static enum op_result trap(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                           const struct pyemu_op *op)
{
    trap_take(m, p, v, op);
    return OP_LEFT;
}

/* Waits: no trap where the architecture lets them complete at once. */
static enum op_result wait_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                              const struct pyemu_op *op)
{
    charge(m, p, PYEMU_P_G_INSN);
    if (op->op == PYEMU_OP_WFI && guest_wfi_completes(p))
        return OP_NEXT;
    if (op->op == PYEMU_OP_WFE && v->event != 0) {
        v->event = 0;
        return OP_NEXT;
    }
    return trap(m, p, v, op);
}

static enum op_result rare_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                              const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_END:
        end(m, p, v);
        return OP_LEFT;
    case PYEMU_OP_RESET_STATS:
        paths_fold(m); /* what stands in variants belongs to the time before */
        machine_reset_stats(m);
        return OP_NEXT;
    case PYEMU_OP_TIMER_SET:
    case PYEMU_OP_TIMER_CVAL:
    case PYEMU_OP_TIMER_TVAL:
    case PYEMU_OP_TIMER_CTL:
    case PYEMU_OP_TIMER_NEXT:
    case PYEMU_OP_TIMER_LIST:
        return ops_timer(m, p, v, op) ? OP_NEXT : trap(m, p, v, op);
    case PYEMU_OP_WFI:
    case PYEMU_OP_WFE: return wait_op(m, p, v, op);
    case PYEMU_OP_COMPUTE_DIST:
        v->compute_cyc = ops_draw(m, v, op->a);
        return OP_NEXT;
    default:
        if (op->op == PYEMU_OP_MARK)
            trace(m, p, vcpu_idx(m, v), PYEMU_E_MARK, op->c);
        charge(m, p, PYEMU_P_G_INSN);
        flow_op(m, v, op);
        return OP_NEXT;
    }
}

/*
 * One op that is not plain flow; traps and waits leave the guest. Those that
 * may change whether a virtual interrupt can be taken ask for a look.
 */
static enum op_result one_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             const struct pyemu_op *op)
{
    v->trap_op = v->gpc++;
    switch (op->op) {
    case PYEMU_OP_ACK: ops_ack(m, p, v); break;
    case PYEMU_OP_EOI: ops_eoi(m, p, v, false); break;
    case PYEMU_OP_DIR: ops_eoi(m, p, v, true); break;
    case PYEMU_OP_IRQ_ON: v->pstate_i = 0; break;
    case PYEMU_OP_IRQ_OFF: v->pstate_i = 1; break;
    case PYEMU_OP_PMR: v->pmr = (uint32_t)op->c; break;
    case PYEMU_OP_EOIMODE: v->eoimode = op->c != 0; break;
    case PYEMU_OP_ERET: eret(v); break;
    default:
        if (RULES[op->op].traps == 0 || op->op == PYEMU_OP_WFI ||
            op->op == PYEMU_OP_WFE)
            return rare_op(m, p, v, op);
        charge(m, p, PYEMU_P_G_INSN);
        return trap(m, p, v, op);
    }
    charge(m, p, PYEMU_P_G_INSN);
    return OP_IRQ_CHECK;
}

/* One op of plain control flow; false: op is something else. */
static inline bool flow_step(struct vcpu *v, const struct pyemu_op *op, struct flow *f)
{
    switch (op->op) {
    case PYEMU_OP_JUMP:
        f->pc = op->b;
        break;
    case PYEMU_OP_LOOP:
        if (++v->regs[op->a] < op->c) {
            f->pc = op->b;
        } else {
            v->regs[op->a] = 0;
            f->pc++;
        }
        break;
    case PYEMU_OP_COUNT:
        v->regs[op->a] += op->c;
        f->pc++;
        break;
    case PYEMU_OP_UNTIL:
        f->pc = v->regs[op->a] < op->c ? op->b : f->pc + 1;
        break;
    case PYEMU_OP_IF_INTID:
        f->pc = v->iar != op->a ? op->b : f->pc + 1;
        break;
    default: return false;
    }
    f->n_insns++;
    return true;
}

static inline void flow_compute(struct vcpu *v, const struct pyemu_op *op,
                                struct flow *f)
{
    const uint64_t n = min_u64(op->c, f->until_cyc - f->now_cyc);

    f->pc++;
    f->now_cyc += n;
    v->compute_cyc = op->c - n;
}

/* IABT where a fault op says so; every other reason stands in the table. */
static inline struct trip flow_trip(const struct pyemu_op *op)
{
    const bool iabt = op->op == PYEMU_OP_FAULT && (op->flags & 1U) != 0;

    return (struct trip){.reason = iabt ? (uint32_t)PYEMU_X_IABT_LOW
                                        : RULES[op->op].reason,
                         .n_insns = 1,
                         .extra = op->b};
}

/* What only round trips need, worked out at the first one. */
static inline void trips_begin(const struct pyemu_machine *m, const struct pcpu *p,
                               const struct vcpu *v, struct flow *f)
{
    if (f->flags != 0)
        return;
    uint32_t steady = vgic_steady(m, p, v);

    if (steady == VGIC_UNSTEADY)
        steady = vgic_alone(m, p, v);
    f->flags = p->flags | v->flags | offset_flag(m, p, v) | (uint64_t)steady << FI_VGIC;
    if (trips_allowed(m, v) && (f->flags & FLAG(RESCHED)) == 0)
        f->max_exits = min_u64(trips_left(m), MAX_TRIPS);
}

/*
 * Runs flow ops and round trips up to the limit, which host time puts off, and
 * the horizon. true: it stands at an op that is something else.
 */
static bool flow_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                     const struct pyemu_op *ops, uint64_t *limit_cyc)
{
    struct flow f = {.now_cyc = p->now_cyc,
                     .limit_cyc = *limit_cyc,
                     .horizon_cyc = p->horizon_cyc,
                     .until_cyc = min_u64(*limit_cyc, p->horizon_cyc),
                     .entry_cyc = v->entry_cyc,
                     .pc = v->gpc};
    const uint64_t insn_cyc = m->cost[PYEMU_P_G_INSN];
    bool other = false;

    while (f.now_cyc < f.until_cyc) {
        const struct pyemu_op *op = &ops[f.pc];

        if (flow_step(v, op, &f)) {
            f.now_cyc += insn_cyc;
        } else if (op->op == PYEMU_OP_COMPUTE) {
            flow_compute(v, op, &f);
        } else {
            other = RULES[op->op].simple == 0;
            if (!other) {
                trips_begin(m, p, v, &f);
                other = f.max_exits == 0 || !trip_take(m, p, v, &f, flow_trip(op));
            }
            if (other)
                break;
        }
    }
    flow_end(m, p, v, &f);
    *limit_cyc = f.limit_cyc;
    return other;
}

void guest_maintenance(struct pcpu *p, const struct vcpu *v)
{
    const bool line = vcpuif_misr(p, v) != 0;

    if (line != has_bit32(p->irq_line, INTID_MAINT))
        gic_set_line(p, INTID_MAINT, line);
}

static void interrupts(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if ((p->uie | p->eisr) != 0)
        guest_maintenance(p, v);
    (void)take_virq(m, p, v);
}

static void program_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        uint64_t limit_cyc)
{
    const struct pyemu_op *ops = m->programs[v->prog].ops;
    enum op_result last = OP_IRQ_CHECK;

    while (m->stop == 0) {
        if (last == OP_IRQ_CHECK && p->n_lrs != 0)
            interrupts(m, p, v);
        if ((p->flags & FLAG(PIRQ)) != 0) {
            uint64_t host_cyc = 0;

            if (p->horizon_cyc <= p->now_cyc)
                return; /* an EOI raised it in the cycle of an event: that is first */

            if (!trap_irq_trip(m, p, v, &host_cyc)) {
                trap_irq(m, p, v);
                return;
            }
            if (limit_cyc != PYEMU_NEVER)
                limit_cyc = add_sat(limit_cyc, host_cyc);
            last = OP_IRQ_CHECK;
            if (m->trace_n >= m->trace_stop)
                return;
            continue;
        }
        const uint64_t until = min_u64(limit_cyc, p->horizon_cyc);

        if (p->now_cyc >= until || m->trace_n >= m->trace_stop)
            return;
        last = OP_IRQ_CHECK; /* a trip may have brought an interrupt */
        if (v->compute_cyc != 0)
            compute(p, v, until);
        if (v->compute_cyc != 0 || p->now_cyc >= until)
            continue;
        if (RULES[ops[v->gpc].op].flow != 0 && !flow_run(m, p, v, ops, &limit_cyc))
            continue;
        last = one_op(m, p, v, &ops[v->gpc]);
        if (last == OP_LEFT)
            return;
    }
}

void guest_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint64_t limit_cyc)
{
    if (vcpu_is_code(v))
        code_run(m, p, v, limit_cyc);
    else
        program_run(m, p, v, limit_cyc);
}
