/* steps.c - one step at a time; every rule of a primitive stands here or in the
 * module it names. */
#include "policy/steps.h"

#include "account/account.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/vgic.h"
#include "kvm/vtimer.h"

/* Interrupts that KVM forwarded: the timer PPIs it owns (2.2). */
static bool is_forwarded(const struct pyemu_machine *m, const struct pcpu *p,
                         uint32_t intid)
{
    if (!has_bit64(p->flags, PYEMU_F_FORWARDED))
        return false;
    return intid == INTID_VTIMER ||
           (intid == INTID_PTIMER && m->s->cfg.direct_ptimer != 0);
}

static void isr_prim(struct pyemu_machine *m, struct pcpu *p, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_IAR_R:
        p->acked = gic_ack(p);
        put_bit64(&p->flags, PYEMU_F_SPURIOUS, p->acked == INTID_SPURIOUS);
        put_bit64(&p->flags, PYEMU_F_ACK_FORWARDED, is_forwarded(m, p, p->acked));
        trace(m, p, p->running, KIND(PYEMU_E_IRQ, p->acked & 0xffU), p->acked);
        break;
    case PYEMU_P_EOIR_W:
        gic_eoi(p, p->acked, has_bit64(p->flags, PYEMU_F_EOIMODE1));
        break;
    case PYEMU_P_DIR_W:
        gic_deactivate(p, p->acked);
        break;
    default:
        break;
    }
}

static void pcpu_prim(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_ISB:
        p->stale = 0;
        p->flags |= FLAG(SYNC);
        break;
    case PYEMU_P_CNTVOFF_W: p->offset_ticks = m->vms[v->vm].cntvoff_ticks; break;
    case PYEMU_P_CNTVOFF_W0: p->offset_ticks = 0; break;
    case PYEMU_P_CNTHCTL_W_GUEST: p->cnthctl = CNTHCTL_GUEST; break;
    case PYEMU_P_CNTHCTL_W_HOST: p->cnthctl = CNTHCTL_HOST; break;
    case PYEMU_P_IRQ_OFF: p->flags |= bit64(FI_IRQ_OFF); break;
    case PYEMU_P_IRQ_ON: p->flags &= ~bit64(FI_IRQ_OFF); break;
    case PYEMU_P_IRQ_SAVE:
        p->irq_saved = has_bit64(p->flags, FI_IRQ_OFF);
        p->flags |= bit64(FI_IRQ_OFF);
        break;
    case PYEMU_P_IRQ_RESTORE:
        put_bit64(&p->flags, FI_IRQ_OFF, p->irq_saved != 0);
        break;
    case PYEMU_P_RUNNING_SET:
        p->running = vcpu_idx(m, v);
        p->flags |= FLAG(RUNNING);
        break;
    case PYEMU_P_RUNNING_CLEAR:
        p->running = PYEMU_NONE;
        p->flags &= ~FLAG(RUNNING);
        break;
    default:
        isr_prim(m, p, prim);
        break;
    }
}

static enum step_result vcpu_prim(struct pyemu_machine *m, struct pcpu *p,
                                  struct vcpu *v, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_CACHE_SET: v->flags |= FLAG(CLEARED); break;
    case PYEMU_P_CACHE_CLEAR: v->flags &= ~FLAG(CLEARED); break;
    case PYEMU_P_LOADED_SET:
        v->flags |= FLAG(LOADED);
        trace(m, p, vcpu_idx(m, v), PYEMU_E_RESTORE, v->mem[TIMER_V].cval_ticks);
        break;
    case PYEMU_P_LOADED_CLEAR:
        v->flags &= ~FLAG(LOADED);
        trace(m, p, vcpu_idx(m, v), PYEMU_E_SAVE, v->mem[TIMER_V].cval_ticks);
        break;
    case PYEMU_P_ENABLED_SET: v->flags |= FLAG(ENABLED); break;
    case PYEMU_P_VGIC_FLUSH: vgic_flush(m, p, v); break;
    case PYEMU_P_VGIC_RESTORE: vgic_restore(m, p, v); break;
    case PYEMU_P_VGIC_SAVE: vgic_save(m, p, v); break;
    case PYEMU_P_VGIC_SYNC: vgic_sync(m, p, v); break;
    case PYEMU_P_REQUESTS:
        v->flags &= ~FLAG(REQ);
        if ((v->flags & FLAG(POWERED_OFF)) != 0)
            return STEP_SLEEP;
        break;
    case PYEMU_P_PREEMPT_OFF: v->flags |= bit64(FI_PREEMPT_OFF); break;
    case PYEMU_P_PREEMPT_ON: v->flags &= ~bit64(FI_PREEMPT_OFF); break;
    case PYEMU_P_MODE_IN: v->flags |= bit64(FI_MODE); break;
    case PYEMU_P_MODE_OUT: v->flags &= ~bit64(FI_MODE); break;
    case PYEMU_P_CHECK_SIGNAL:
        return (v->flags & FLAG(SIGNAL)) != 0 ? STEP_ABORT : STEP_NEXT;
    case PYEMU_P_CHECK_REQUESTS:
        return (v->flags & FLAG(REQ)) != 0 ? STEP_ABORT : STEP_NEXT;
    case PYEMU_P_PENDING:
        if (vgic_pending(m, v))
            v->flags |= FLAG(WAKE);
        break;
    case PYEMU_P_WAKE_IF: v->flags |= FLAG(WAKE); break;
    case PYEMU_P_USER_LEVELS:
        v->user_levels = v->flags & (FLAG(LEVEL_V) | FLAG(LEVEL_P));
        break;
    case PYEMU_P_HANDLE: return STEP_HANDLE;
    case PYEMU_P_ERET: return STEP_ENTER;
    case PYEMU_P_CALLBACK: return STEP_CALLBACK;
    default: break;
    }
    return STEP_NEXT;
}

/* Primitives that need no vCPU: legal in an interrupt with none running. */
static bool needs_vcpu(uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_NOP:
    case PYEMU_P_ISB:
    case PYEMU_P_DSB:
    case PYEMU_P_IAR_R:
    case PYEMU_P_EOIR_W:
    case PYEMU_P_DIR_W:
    case PYEMU_P_ISR_VTIMER:
        return false;
    default:
        return true;
    }
}

static void charge_step(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        uint32_t pc)
{
    const uint32_t cost = m->policy.cost[pc];

    m->s->step_count[pc]++;
    p->now_cyc += cost;
    if (m->policy.steps[pc].is_switch != 0) {
        p->switch_cyc += cost;
        if (v != NULL)
            v->switch_cyc += cost;
    }
}

enum step_result step_execute(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                              uint32_t *pc)
{
    const uint32_t at = *pc;
    const struct pyemu_step *s = &m->policy.steps[at];

    if (!guard_holds(&m->policy.guards[s->guard], flags_of(p, v))) {
        *pc = at + 1;
        return STEP_NEXT;
    }
    charge_step(m, p, v, at);
    if (m->s->cfg.trace_steps != 0)
        trace(m, p, v != NULL ? vcpu_idx(m, v) : PYEMU_NONE,
              KIND(PYEMU_E_STEP, s->prim), at);
    if (v == NULL && needs_vcpu(s->prim)) {
        count(m, PYEMU_C_HOST_OOPS);
        *pc = at + 1;
        return STEP_NEXT;
    }
    *pc = at + 1;
    if (s->prim >= PYEMU_P_CNTV_CTL_R && v != NULL && vtimer_prim(m, p, v, s->prim))
        return STEP_NEXT;
    pcpu_prim(m, p, v, s->prim);
    return v != NULL ? vcpu_prim(m, p, v, s->prim) : STEP_NEXT;
}

void hook_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t hook)
{
    uint32_t pc = m->policy.hook_start[hook];

    while (pc < m->policy.hook_start[hook + 1])
        (void)step_execute(m, p, v, &pc);
}
