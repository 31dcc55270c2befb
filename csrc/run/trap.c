/* trap.c - exit reason and syndrome of each trapping op. */
#include "run/trap.h"

#include "account/account.h"
#include "hw/gic.h"
#include "run/run.h"
#include "policy/paths.h"

/* Exit counts, guest residency: per vCPU, per reason, in total. */
static inline void account_exit(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         uint32_t reason)
{
    const uint64_t ran = p->now_cyc - v->entry_cyc;

    v->exits[reason]++;
    v->guest_cyc += ran;
    v->reason = (uint8_t)reason;
    v->exit_cyc = p->now_cyc;
    m->s->exits++;
    m->s->guest_cyc += ran;
    m->s->reasons[reason].guest_cyc += ran;
    hist_add(m, HIST_GUEST + reason, ran);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_EXIT, reason), 0);
}

struct trap_rule {
    uint8_t reason;
    uint8_t simple; /* pure time and counts: may go round in one path variant */
    uint8_t b_is_extra; /* b of the op is host time, not a target */
};

static const struct trap_rule RULES[PYEMU_OP_N] = {
    [PYEMU_OP_WFI] = {PYEMU_X_WFX, 0, 0},
    [PYEMU_OP_WFE] = {PYEMU_X_WFX, 0, 0},
    [PYEMU_OP_HVC] = {PYEMU_X_HVC64, 1, 1},
    [PYEMU_OP_SMC] = {PYEMU_X_SMC64, 1, 1},
    [PYEMU_OP_SYSREG] = {PYEMU_X_SYS64, 1, 1},
    [PYEMU_OP_MMIO_KERNEL] = {PYEMU_X_DABT_KERNEL, 1, 1},
    [PYEMU_OP_MMIO_USER] = {PYEMU_X_DABT_USER, 0, 1},
    [PYEMU_OP_FAULT] = {PYEMU_X_DABT_FAULT, 1, 1},
    [PYEMU_OP_SGI] = {PYEMU_X_SYS64, 0, 0}, /* ICC_SGI1R; GICv2: below */
    [PYEMU_OP_CPU_ON] = {PYEMU_X_HVC64, 0, 0},
    [PYEMU_OP_CPU_OFF] = {PYEMU_X_HVC64, 0, 0},
    [PYEMU_OP_SYSTEM_OFF] = {PYEMU_X_HVC64, 0, 0},
    [PYEMU_OP_TIMER_SET] = {PYEMU_X_SYS64, 0, 0}, /* CNTP_* traps (1.2) */
    [PYEMU_OP_TIMER_CVAL] = {PYEMU_X_SYS64, 0, 0},
    [PYEMU_OP_TIMER_TVAL] = {PYEMU_X_SYS64, 0, 0},
    [PYEMU_OP_TIMER_CTL] = {PYEMU_X_SYS64, 0, 0},
    [PYEMU_OP_TIMER_NEXT] = {PYEMU_X_SYS64, 0, 0},
    [PYEMU_OP_TIMER_LIST] = {PYEMU_X_SYS64, 0, 0},
    [PYEMU_OP_GIC_ENABLE] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_GIC_DISABLE] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_SPENDR] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_CPENDR] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_SACTIVER] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_CACTIVER] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_GIC_MMIO] = {PYEMU_X_DABT_KERNEL, 0, 0},
    [PYEMU_OP_GIC_PRIO] = {PYEMU_X_DABT_KERNEL, 0, 0},
};

/* Cases that the opcode alone does not decide. */
static uint32_t reason_of(const struct pyemu_machine *m, const struct pyemu_op *op)
{
    if (op->op == PYEMU_OP_SGI && m->s->cfg.gic_version == 2)
        return PYEMU_X_DABT_KERNEL; /* GICD_SGIR is MMIO */
    if (op->op == PYEMU_OP_FAULT && (op->flags & 1U) != 0)
        return PYEMU_X_IABT_LOW;
    return RULES[op->op].reason;
}

static uint64_t reason_bits(uint32_t reason)
{
    return (uint64_t)(reason + 1U) << FI_REASON;
}

bool trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op)
{
    const uint32_t reason = reason_of(m, op);
    const bool simple = RULES[op->op].simple != 0;

    v->extra_cyc = RULES[op->op].b_is_extra != 0 ? op->b : 0;
    if (op->op == PYEMU_OP_MMIO_USER)
        v->extra_user = op->c;
    account_exit(m, p, v, reason);
    if (simple && m->paths != NULL && m->s->exits != m->until_exits &&
        paths_round_trip(m, p, v, reason_bits(reason)))
        return true;
    run_guest_exit(m, p, v);
    if (simple)
        v->flags |= reason_bits(reason);
    return false;
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

void trap_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t reason = irq_exit_reason(p);

    v->extra_cyc = 0;
    account_exit(m, p, v, reason);
    run_guest_exit(m, p, v);
    v->flags |= reason_bits(reason);
}
