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

enum family { FAM_COST = 0, FAM_REG, FAM_LEVEL, FAM_ACTIVE, FAM_SOFT, FAM_PCPU,
              FAM_ISR, FAM_VCPU };

/* One dispatch a step: which module a primitive belongs to. */
static enum family family_of(uint32_t prim)
{
    if ((prim >= PYEMU_P_CNTV_CTL_R && prim <= PYEMU_P_CNTV_CTL_W) ||
        (prim >= PYEMU_P_CNTP_CTL_R && prim <= PYEMU_P_CNTP_CTL_W))
        return FAM_REG;
    if (prim >= PYEMU_P_EVAL_V && prim <= PYEMU_P_SAVE_CTL_ISR)
        return FAM_LEVEL;
    if ((prim >= PYEMU_P_ACT_EITHER && prim <= PYEMU_P_ACTIVE_CLEAR_P) ||
        prim == PYEMU_P_PPI_ENABLE || prim == PYEMU_P_PPI_DISABLE ||
        prim == PYEMU_P_VGIC_RESET_V || prim == PYEMU_P_SAMPLE_V)
        return FAM_ACTIVE;
    if (prim >= PYEMU_P_BG_ARM && prim <= PYEMU_P_WAKE)
        return FAM_SOFT;
    switch (prim) {
    case PYEMU_P_ISB:
    case PYEMU_P_CNTVOFF_W:
    case PYEMU_P_CNTVOFF_W0:
    case PYEMU_P_CNTHCTL_W_GUEST:
    case PYEMU_P_CNTHCTL_W_HOST:
    case PYEMU_P_IRQ_OFF:
    case PYEMU_P_IRQ_ON:
    case PYEMU_P_IRQ_SAVE:
    case PYEMU_P_IRQ_RESTORE:
    case PYEMU_P_RUNNING_SET:
    case PYEMU_P_RUNNING_CLEAR: return FAM_PCPU;
    case PYEMU_P_IAR_R:
    case PYEMU_P_EOIR_W:
    case PYEMU_P_DIR_W: return FAM_ISR;
    case PYEMU_P_ERET: return FAM_VCPU;
    default: return prim > PYEMU_P_DSB ? FAM_VCPU : FAM_COST;
    }
}

static NOINLINE void isr_prim(struct pyemu_machine *m, struct pcpu *p, uint32_t prim)
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
    case PYEMU_P_DIR_W: /* ignored with EOImode 0 (2.1) */
        if (has_bit64(p->flags, PYEMU_F_EOIMODE1))
            gic_deactivate(p, p->acked);
        break;
    default:
        break;
    }
}

static NOINLINE void pcpu_prim(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_ISB:
        p->stale = 0;
        p->flags |= FLAG(SYNC);
        break;
    case PYEMU_P_CNTVOFF_W:
        timer_set_offset(m, p, m->vms[v->vm].cntvoff_ticks);
        break;
    case PYEMU_P_CNTVOFF_W0: timer_set_offset(m, p, 0); break;
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
    default: break;
    }
}

static NOINLINE enum step_result vcpu_prim(struct pyemu_machine *m, struct pcpu *p,
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
    case PYEMU_P_VMCR_R: v->vmcr_pmr = v->pmr; break;
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

static inline void charge_step(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        uint32_t pc)
{
    const uint32_t cost = m->policy.cost[pc];

    m->s->step_count[pc]++;
    p->now_cyc += cost;
    if (m->policy.steps[pc].is_switch != 0 && v != NULL)
        v->switch_cyc += cost;
}

enum step_result step_effect(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             uint32_t pc)
{
    const uint32_t prim = m->policy.steps[pc].prim;

    charge_step(m, p, v, pc);
    if (m->s->cfg.trace_steps != 0)
        trace(m, p, v != NULL ? vcpu_idx(m, v) : PYEMU_NONE,
              KIND(PYEMU_E_STEP, prim), pc);
    if (v == NULL && needs_vcpu(prim)) {
        count(m, PYEMU_C_HOST_OOPS);
        return STEP_NEXT;
    }
    switch (m->policy.family[pc]) {
    case FAM_REG: vtimer_reg(m, p, v, prim); break;
    case FAM_LEVEL: vtimer_level(m, p, v, prim); break;
    case FAM_ACTIVE: vtimer_active(m, p, v, prim); break;
    case FAM_SOFT: vtimer_soft(m, p, v, prim); break;
    case FAM_PCPU: pcpu_prim(m, p, v, prim); break;
    case FAM_ISR: isr_prim(m, p, prim); break;
    case FAM_VCPU: return vcpu_prim(m, p, v, prim);
    default: break;
    }
    return STEP_NEXT;
}

enum step_result step_execute(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                              uint32_t *pc)
{
    const uint32_t at = (*pc)++;
    const struct pyemu_step *s = &m->policy.steps[at];

    if (!guard_holds(&m->policy.guards[s->guard], flags_of(p, v)))
        return STEP_NEXT;
    return step_effect(m, p, v, at);
}

void steps_prepare(struct policy_table *t)
{
    for (uint32_t i = 0; i < t->n_steps; i++)
        t->family[i] = (uint8_t)family_of(t->steps[i].prim);
}

void hook_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t hook)
{
    uint32_t pc = m->policy.hook_start[hook];

    while (pc < m->policy.hook_start[hook + 1])
        (void)step_execute(m, p, v, &pc);
}
