/* trap.c - exit reason and syndrome of each trapping op. */
#include "run/trap.h"

#include "account/account.h"
#include "hw/gic.h"
#include "kvm/vgic.h"
#include "run/rules.h"
#include "run/run.h"
#include "policy/trip.h"

/* Cases that the opcode alone does not decide. */
static uint32_t reason_of(const struct pyemu_machine *m, const struct pyemu_op *op)
{
    if (op->op == PYEMU_OP_SGI && m->s->cfg.gic_version == 2)
        return PYEMU_X_DABT_KERNEL; /* GICD_SGIR is MMIO */
    if (op->op == PYEMU_OP_FAULT && (op->flags & 1U) != 0)
        return PYEMU_X_IABT_LOW;
    if (op->op == PYEMU_OP_WFI && (op->flags & WFI_SUSPEND) != 0)
        return PYEMU_X_HVC64;
    return RULES[op->op].reason;
}

static void leave(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                  uint32_t reason)
{
    const uint64_t ran = p->now_cyc - v->entry_cyc;

    account_exit(m, v, reason, ran);
    v->guest_cyc += ran;
    v->reason = (uint8_t)reason;
    v->exit_cyc = p->now_cyc;
    m->s->exits++;
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_EXIT, reason), 0);
    run_guest_exit(m, p, v);
}

void trap_take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op)
{
    const uint32_t reason = reason_of(m, op);

    v->extra_cyc = RULES[op->op].b_is_extra != 0 ? op->b : 0;
    if (op->op == PYEMU_OP_MMIO_USER)
        v->extra_user = op->c;
    leave(m, p, v, reason);
    if (RULES[op->op].simple != 0)
        v->flags |= reason_bits(reason);
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
    leave(m, p, v, reason);
    v->flags |= reason_bits(reason);
}

bool trap_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               uint32_t reason, uint64_t *host_cyc)
{
    if (!trips_allowed(m, v) || has_bit64(p->flags, PYEMU_F_RESCHED))
        return false;
    uint32_t found = vgic_alone(m, p, v);

    if (found == VGIC_UNSTEADY)
        found = vgic_steady(m, p, v);
    struct flow f = {.now_cyc = p->now_cyc,
                     .limit_cyc = PYEMU_NEVER,
                     .horizon_cyc = p->horizon_cyc,
                     .flags = p->flags | v->flags | offset_flag(m, p, v) |
                              (uint64_t)found << FI_VGIC,
                     .entry_cyc = v->entry_cyc,
                     .max_exits = 1,
                     .pc = v->gpc};

    if (!trip_take(m, p, v, &f, (struct trip){.reason = reason}))
        return false;
    flow_end(m, p, v, &f);
    *host_cyc = f.now_cyc - f.exit_cyc;
    return true;
}

bool trap_irq_trip(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint64_t *host_cyc)
{
    return trap_trip(m, p, v, irq_exit_reason(p), host_cyc);
}
