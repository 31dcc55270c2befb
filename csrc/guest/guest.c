/*
 * guest.c - control flow of op programs. One loop: take a pending interrupt,
 * else one op. Ends at a trap, a deliverable physical interrupt (IMO routes it
 * to EL2 whatever PSTATE.I says, 1.4) or the limit.
 */
#include "guest/guest.h"

#include "account/account.h"
#include "guest/ops.h"
#include "hw/gic.h"
#include "hw/vcpuif.h"
#include "run/run.h"
#include "run/trap.h"
#include "state/reset.h"

enum op_result { OP_NEXT = 0, OP_LEFT, OP_IRQ_CHECK };

/* Vector to the handler if a virtual interrupt may be taken now. */
static bool take_virq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->pstate_i != 0 || v->irq_entry == PYEMU_NONE || vcpuif_hppvi(p, v) < 0)
        return false;
    charge(m, p, PYEMU_P_G_VECTOR);
    v->gpc_return = v->gpc;
    v->gpc = v->irq_entry;
    v->pstate_i = 1;
    v->in_irq = 1;
    return true;
}

/* WFI completes at once if an LR is pending or a physical irq is (3.6). */
static bool wfi_completes(const struct pcpu *p)
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

/* Ops that only move the program counter or a register. */
static void flow_op(struct pyemu_machine *m, struct vcpu *v, const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_JUMP: v->gpc = op->b; break;
    case PYEMU_OP_LOOP:
        if (++v->regs[op->a] < op->c)
            v->gpc = op->b;
        else
            v->regs[op->a] = 0;
        break;
    case PYEMU_OP_COUNT: v->regs[op->a] += op->c; break;
    case PYEMU_OP_UNTIL:
        if (v->regs[op->a] < op->c)
            v->gpc = op->b;
        break;
    case PYEMU_OP_WAIT_REG:
        if (v->regs[op->a] < op->c + v->regs[PYEMU_N_REGS - 1])
            v->gpc = op->b;
        break;
    case PYEMU_OP_IF_INTID:
        if (v->iar != op->a)
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
    default: break;
    }
}

static enum op_result gic_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_ACK: ops_ack(m, p, v); break;
    case PYEMU_OP_EOI: ops_eoi(m, p, v, false); break;
    case PYEMU_OP_DIR: ops_eoi(m, p, v, true); break;
    case PYEMU_OP_IRQ_ON: v->pstate_i = 0; break;
    case PYEMU_OP_IRQ_OFF: v->pstate_i = 1; break;
    case PYEMU_OP_PMR: v->pmr = (uint32_t)op->c; break;
    case PYEMU_OP_EOIMODE: v->eoimode = op->c != 0; break;
    default: /* ERET */
        v->gpc = v->gpc_return;
        v->pstate_i = 0;
        v->in_irq = 0;
        break;
    }
    charge(m, p, PYEMU_P_G_INSN);
    return OP_IRQ_CHECK;
}

static enum op_result plain_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                               const struct pyemu_op *op, uint64_t limit_cyc)
{
    switch (op->op) {
    case PYEMU_OP_COMPUTE:
        v->compute_cyc = op->c;
        compute(p, v, limit_cyc);
        return OP_NEXT;
    case PYEMU_OP_COMPUTE_DIST:
        v->compute_cyc = ops_draw(m, v, op->a);
        compute(p, v, limit_cyc);
        return OP_NEXT;
    case PYEMU_OP_MARK:
        trace(m, p, vcpu_idx(m, v), PYEMU_E_MARK, op->c);
        return OP_NEXT;
    case PYEMU_OP_RESET_STATS:
        machine_reset_stats(m);
        return OP_NEXT;
    case PYEMU_OP_SEV:
        v->event = 1;
        return OP_NEXT;
    default:
        if (op->op >= PYEMU_OP_ACK && op->op <= PYEMU_OP_PMR)
            return gic_op(m, p, v, op);
        if (op->op == PYEMU_OP_EOIMODE)
            return gic_op(m, p, v, op);
        charge(m, p, PYEMU_P_G_INSN);
        flow_op(m, v, op);
        return OP_NEXT;
    }
}

static void end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint64_t ran = p->now_cyc - v->entry_cyc;

    v->guest_cyc += ran;
    p->guest_cyc += ran;
    m->s->guest_cyc += ran;
    run_end(m, p, v);
}

/* One op; traps and waits leave the guest. */
static enum op_result one_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             uint64_t limit_cyc)
{
    const struct pyemu_op *op = &m->programs[v->prog].ops[v->gpc];

    v->trap_op = v->gpc++;
    switch (op->op) {
    case PYEMU_OP_END:
        end(m, p, v);
        return OP_LEFT;
    case PYEMU_OP_WFI:
        charge(m, p, PYEMU_P_G_INSN);
        if (wfi_completes(p))
            return OP_NEXT;
        return trap_take(m, p, v, op) ? OP_IRQ_CHECK : OP_LEFT;
    case PYEMU_OP_WFE:
        charge(m, p, PYEMU_P_G_INSN);
        if (v->event != 0) {
            v->event = 0;
            return OP_NEXT;
        }
        return trap_take(m, p, v, op) ? OP_IRQ_CHECK : OP_LEFT;
    case PYEMU_OP_TIMER_SET:
    case PYEMU_OP_TIMER_CVAL:
    case PYEMU_OP_TIMER_TVAL:
    case PYEMU_OP_TIMER_CTL:
    case PYEMU_OP_TIMER_NEXT:
    case PYEMU_OP_TIMER_LIST:
        if (ops_timer(m, p, v, op))
            return OP_NEXT;
        return trap_take(m, p, v, op) ? OP_IRQ_CHECK : OP_LEFT;
    default:
        if (!trap_is_trap(op->op))
            return plain_op(m, p, v, op, limit_cyc);
        charge(m, p, PYEMU_P_G_INSN);
        return trap_take(m, p, v, op) ? OP_IRQ_CHECK : OP_LEFT;
    }
}

/* Maintenance conditions the guest's own EOIs can create (2.3). */
static void maintenance(struct pcpu *p, const struct vcpu *v)
{
    const bool line = vcpuif_misr(p, v) != 0;

    if (line != has_bit32(p->irq_line, INTID_MAINT))
        gic_set_line(p, INTID_MAINT, line);
}

void guest_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint64_t limit_cyc)
{
    bool check = p->n_lrs != 0;

    while (m->stop == 0) {
        if (check && p->n_lrs != 0) {
            if (p->uie != 0)
                maintenance(p, v);
            (void)take_virq(m, p, v);
            check = false;
        }
        if ((p->flags & FLAG(PIRQ)) != 0) {
            (void)trap_irq(m, p, v);
            return;
        }
        const uint64_t until = min_u64(limit_cyc, p->horizon_cyc);

        if (p->now_cyc >= until)
            return;
        if (v->compute_cyc != 0) {
            compute(p, v, until);
            continue;
        }
        switch (one_op(m, p, v, until)) {
        case OP_LEFT: return;
        case OP_IRQ_CHECK: check = true; break;
        default: break;
        }
    }
}
