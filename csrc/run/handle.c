/* handle.c - exit handlers; distributor writes of op programs included. */
#include "run/handle.h"

#include "account/account.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "run/psci.h"
#include "kvm/inject.h"
#include "kvm/vgic.h"
#include "kvm/vtimer.h"
#include "policy/reason.h"
#include "run/rules.h"
#include "policy/steps.h"

static const struct pyemu_op *trapped_op(const struct pyemu_machine *m,
                                         const struct vcpu *v)
{
    return vcpu_is_code(v) ? &v->trap : &m->programs[v->prog].ops[v->trap_op];
}

/* SGI: every target's vgic gets it; each one elsewhere by message. */
static void handle_sgi(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                       const struct pyemu_op *op)
{
    const struct vm *vm = &m->vms[v->vm];
    const uint32_t arg = INJECT_SGI | (v->id & 0xffU);

    charge(m, p, PYEMU_P_HANDLE_SGI);
    for (uint32_t i = 0; i < vm->n_vcpus; i++) {
        struct vcpu *target = &m->vcpus[vm->first_vcpu + i];
        const bool hit = (op->flags & SGI_LIST) != 0
                             ? i >> 4 == op->b && has_bit64(op->c, i & 15U)
                         : op->c != 0 ? target != v
                                      : i == op->b;

        if (!hit)
            continue;
        count(m, PYEMU_C_SGIS_SENT);
        inject_irq(m, p, target, op->a, arg);
    }
}

/* Distributor writes that change one private interrupt (2.1, 2.4). */
static void handle_gic_write(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             const struct pyemu_op *op)
{
    struct vgic_irq *q = vgic_irq_of(m, v, op->a);

    switch (op->op) {
    case PYEMU_OP_GIC_ENABLE:
        q->enabled = 1;
        if (q->hw != 0 && machine_switch(m, PYEMU_S_SAMPLE_ON_ENABLE))
            vgic_sample_enabled(m, p, v, op->a); /* B29 */
        break;
    case PYEMU_OP_GIC_DISABLE: q->enabled = 0; break;
    case PYEMU_OP_SPENDR: vgic_guest_write(m, p, v, op->a, VGIC_SPEND); break;
    case PYEMU_OP_CPENDR: vgic_guest_write(m, p, v, op->a, VGIC_CPEND); break;
    case PYEMU_OP_SACTIVER: vgic_guest_write(m, p, v, op->a, VGIC_SACTIVE); break;
    case PYEMU_OP_CACTIVER: vgic_guest_write(m, p, v, op->a, VGIC_CACTIVE); break;
    default: q->prio = (uint8_t)op->c; break;
    }
    (void)vgic_requeue(m, v, op->a);
}

/* A trapped access to the emulated physical timer (3.9, 4.12). */
static void handle_ptimer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                          const struct pyemu_op *op)
{
    struct timer_regs *t = &v->mem[TIMER_P];
    const uint64_t now_ticks = clock_ticks_at(&m->s->clock, p->now_cyc);

    charge(m, p, PYEMU_P_HANDLE_PTIMER);
    switch (op->op) {
    case PYEMU_OP_TIMER_SET:
        t->cval_ticks = now_ticks + op->c;
        t->ctl = CTL_ENABLE;
        break;
    case PYEMU_OP_TIMER_TVAL: {
        const uint64_t low = op->c & UINT32_MAX;
        const bool negative =
            (low >> 31) != 0 && machine_switch(m, PYEMU_S_TVAL_SIGNED);

        t->cval_ticks = now_ticks + (negative ? low | ~(uint64_t)UINT32_MAX : low);
        break;
    }
    case PYEMU_OP_TIMER_CTL: t->ctl = (uint32_t)op->c & (CTL_ENABLE | CTL_IMASK); break;
    case PYEMU_OP_TIMER_NEXT:
        t->cval_ticks += op->c;
        if ((op->flags & 1U) != 0 && t->cval_ticks <= now_ticks)
            t->cval_ticks = now_ticks + op->c;
        break;
    default: t->cval_ticks = op->c; break;
    }
    vtimer_mem_written(m, v, TIMER_P, p->now_cyc);
    p->horizon_cyc = p->now_cyc; /* the new deadline is part of it */
    v->after = AFTER_PT_TRAP;
}

static void handle_psci(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        const struct pyemu_op *op)
{
    charge(m, p, PYEMU_P_HANDLE_PSCI);
    switch (op->op) {
    case PYEMU_OP_CPU_ON: psci_cpu_on(m, p, v, op->a, op->b); break;
    case PYEMU_OP_CPU_OFF: v->flags |= FLAG(POWERED_OFF) | FLAG(REQ); break;
    case PYEMU_OP_SYSTEM_OFF: psci_system_off(m, p, v); break;
    default: break;
    }
}

static void handle_op(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const struct pyemu_op *op = trapped_op(m, v);

    switch (op->op) {
    case PYEMU_OP_WFI:
        if ((op->flags & WFI_SUSPEND) == 0)
            count(m, PYEMU_C_WFI_STAT);
        v->after = AFTER_BLOCK;
        break;
    case PYEMU_OP_WFE: count(m, PYEMU_C_WFE_STAT); break;
    case PYEMU_OP_MMIO_USER:
        count(m, PYEMU_C_MMIO_USER_STAT);
        v->after = AFTER_USER;
        break;
    case PYEMU_OP_GIC_MMIO: /* the distributor's registers are Python's */
        v->stage = STAGE_STOPPED;
        m->stop = PYEMU_STOP_MMIO + 1;
        m->stop_vcpu = vcpu_idx(m, v);
        break;
    case PYEMU_OP_SGI: handle_sgi(m, p, v, op); break;
    case PYEMU_OP_CPU_ON:
    case PYEMU_OP_CPU_OFF:
    case PYEMU_OP_SYSTEM_OFF: handle_psci(m, p, v, op); break;
    default:
        if (op->op >= PYEMU_OP_GIC_ENABLE && op->op <= PYEMU_OP_GIC_PRIO)
            handle_gic_write(m, p, v, op);
        else if (op->op >= PYEMU_OP_TIMER_SET && op->op <= PYEMU_OP_TIMER_LIST)
            handle_ptimer(m, p, v, op);
        break;
    }
}

void handle_exit(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    v->after = AFTER_ENTER;
    charge(m, p, reason_prim(v->reason));
    if (reason_stat(v->reason) != 0)
        count(m, reason_stat(v->reason));
    v->flags &= ~(UINT64_C(15) << FI_REASON);
    v->spin_cyc = v->extra_cyc;
    m->s->dyn_count[PYEMU_P_EXTRA] += v->extra_cyc;
    v->extra_cyc = 0;
    if (v->reason > PYEMU_X_IRQ_MAINT)
        handle_op(m, p, v);
}
