/* trap.c - exit reason and syndrome of each trapping op. */
#include "run/trap.h"

#include "hw/gic.h"
#include "run/run.h"
#include "policy/paths.h"
#include "policy/reason.h"

bool trap_is_trap(uint32_t opcode)
{
    switch (opcode) {
    case PYEMU_OP_HVC:
    case PYEMU_OP_SMC:
    case PYEMU_OP_SYSREG:
    case PYEMU_OP_MMIO_KERNEL:
    case PYEMU_OP_MMIO_USER:
    case PYEMU_OP_FAULT:
    case PYEMU_OP_SGI:
    case PYEMU_OP_CPU_ON:
    case PYEMU_OP_CPU_OFF:
    case PYEMU_OP_SYSTEM_OFF:
        return true;
    default:
        return opcode >= PYEMU_OP_GIC_ENABLE && opcode <= PYEMU_OP_GIC_PRIO;
    }
}

static uint32_t reason_of(const struct pyemu_machine *m, const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_WFI:
    case PYEMU_OP_WFE: return PYEMU_X_WFX;
    case PYEMU_OP_SMC: return PYEMU_X_SMC64;
    case PYEMU_OP_HVC:
    case PYEMU_OP_CPU_ON:
    case PYEMU_OP_CPU_OFF:
    case PYEMU_OP_SYSTEM_OFF: return PYEMU_X_HVC64;
    case PYEMU_OP_MMIO_USER: return PYEMU_X_DABT_USER;
    case PYEMU_OP_FAULT:
        return (op->flags & 1U) != 0 ? PYEMU_X_IABT_LOW : PYEMU_X_DABT_FAULT;
    case PYEMU_OP_SGI: /* ICC_SGI1R traps; GICD_SGIR is MMIO */
        return m->s->cfg.gic_version == 3 ? PYEMU_X_SYS64 : PYEMU_X_DABT_KERNEL;
    case PYEMU_OP_SYSREG: return PYEMU_X_SYS64;
    default:
        return op->op >= PYEMU_OP_TIMER_SET && op->op <= PYEMU_OP_TIMER_LIST
                   ? PYEMU_X_SYS64
                   : PYEMU_X_DABT_KERNEL;
    }
}

bool trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op)
{
    const uint32_t reason = reason_of(m, op);

    v->extra_cyc = op->b;
    if (op->op == PYEMU_OP_MMIO_USER)
        v->extra_user = op->c;
    else if (op->op == PYEMU_OP_SGI || op->op == PYEMU_OP_CPU_ON)
        v->extra_cyc = 0; /* b is the target there */
    const bool simple = reason_is_simple(reason, op->op);

    run_guest_exit(m, p, v, reason);
    if (simple)
        v->flags |= (uint64_t)(reason + 1U) << FI_REASON;
    return simple && m->paths != NULL && paths_round_trip(m, p, v);
}

/* Which exit reason a deliverable interrupt gives a guest. */
static uint32_t irq_exit_reason(const struct pcpu *p)
{
    const uint32_t c = gic_candidates(p);

    if (has_bit32(c, INTID_VTIMER))
        return PYEMU_X_IRQ_VTIMER;
    if (has_bit32(c, INTID_SGI_KICK))
        return PYEMU_X_IRQ_KICK;
    if (has_bit32(c, INTID_HTIMER_VHE))
        return PYEMU_X_IRQ_TICK;
    if (has_bit32(c, INTID_PTIMER))
        return PYEMU_X_IRQ_PTIMER;
    return has_bit32(c, INTID_MAINT) ? PYEMU_X_IRQ_MAINT : PYEMU_X_IRQ_DEVICE;
}

bool trap_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    v->extra_cyc = 0;
    const uint32_t reason = irq_exit_reason(p);

    run_guest_exit(m, p, v, reason);
    v->flags |= (uint64_t)(reason + 1U) << FI_REASON;
    return false;
}
