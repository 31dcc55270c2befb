/*
 * sight.c - a partial-order reduction: an outside event waits until the next
 * thing to happen can notice it. Until then it commutes with every step, and no
 * invariant looks at it, so that no verdict changes; a test holds both searches
 * together. Where in doubt a place sees everything.
 */
#include "cpu/irq.h"
#include "explore/explore.h"

static uint8_t prim_sees(uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_EVAL_V:
    case PYEMU_P_EVAL_V_HW:
    case PYEMU_P_EVAL_V_CTL:
    case PYEMU_P_EVAL_P:
    case PYEMU_P_EVAL_P_HW:
    case PYEMU_P_SAVE_CTL_ISR:
    case PYEMU_P_BG_ARM:
    case PYEMU_P_PT_EMULATE:
    case PYEMU_P_PT_ARM:
    case PYEMU_P_BG_RECHECK:
    case PYEMU_P_PT_RECHECK: return EX_SEES_TIME;
    case PYEMU_P_BG_CANCEL:
    case PYEMU_P_PT_CANCEL: return EX_SEES_TIME | EX_SEES_IRQ;
    case PYEMU_P_CNTV_CTL_W0:
    case PYEMU_P_CNTV_CVAL_W:
    case PYEMU_P_CNTV_CTL_W:
    case PYEMU_P_CNTP_CTL_W0:
    case PYEMU_P_CNTP_CVAL_W:
    case PYEMU_P_CNTP_CTL_W: return EX_SEES_TIME | EX_SEES_LINE;
    case PYEMU_P_IAR_R: return EX_SEES_TIME | EX_SEES_LINE | EX_SEES_IRQ;
    case PYEMU_P_CHECK_SIGNAL: return EX_SEES_SIGNAL;
    case PYEMU_P_REQUESTS:
    case PYEMU_P_CHECK_REQUESTS: return EX_SEES_REQUEST | EX_SEES_VGIC;
    case PYEMU_P_MODE_IN:
    case PYEMU_P_MODE_OUT:
        return EX_SEES_SIGNAL | EX_SEES_REQUEST | EX_SEES_VGIC;
    case PYEMU_P_VGIC_SYNC: return EX_SEES_TIME | EX_SEES_VGIC;
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_VGIC_RESTORE:
    case PYEMU_P_VGIC_SAVE:
    case PYEMU_P_VGIC_RESET_V:
    case PYEMU_P_INJECT_V:
    case PYEMU_P_INJECT_P:
    case PYEMU_P_INJECT_V_FIRE:
    case PYEMU_P_PENDING: return EX_SEES_VGIC;
    case PYEMU_P_HANDLE:
    case PYEMU_P_SAMPLE_V:
    case PYEMU_P_ERET: return EX_SEES_ALL;
    default: return 0;
    }
}

uint8_t ex_step_sees(const struct pyemu_machine *m, uint32_t pc)
{
    const uint64_t mask = m->policy.guards[m->policy.steps[pc].guard].mask;
    uint8_t sees = prim_sees(m->policy.steps[pc].prim);

    if ((mask & (FLAG(DUE_V) | FLAG(DUE_P) | FLAG(HDUE_V) | FLAG(HDUE_P))) != 0)
        sees |= EX_SEES_TIME;
    if ((mask & FLAG(PIRQ)) != 0)
        sees |= EX_SEES_ALL;
    if ((mask & FLAG(SIGNAL)) != 0)
        sees |= EX_SEES_SIGNAL;
    if ((mask & FLAG(REQ)) != 0)
        sees |= EX_SEES_REQUEST | EX_SEES_VGIC;
    if ((mask & (FLAG(AP) | FLAG(LRS))) != 0)
        sees |= EX_SEES_VGIC;
    return sees;
}

uint32_t ex_sees(const struct pyemu_explorer *x, uint32_t pcpu)
{
    const struct pyemu_machine *m = x->m;
    const struct pcpu *p = &m->pcpus[pcpu];
    uint32_t irq = 0;

    if (x->cfg.reduce == 0)
        return EX_SEES_ALL;
    if (p->irq_stage != ISR_NONE) {
        /* the end of a hook is where a handler is chosen: it sees everything */
        for (uint32_t h = PYEMU_H_IRQ_ENTRY; h <= PYEMU_H_IRQ_EXIT; h++)
            if (p->irq_pc == m->policy.hook_start[h + 1])
                return EX_SEES_ALL;
        return x->sees[p->irq_pc];
    }
    if (p->cur == PYEMU_NONE)
        return EX_SEES_ALL;
    const struct vcpu *v = &m->vcpus[p->cur];

    if (v->stage != STAGE_HOOK || v->pc >= m->policy.hook_start[v->hook + 1])
        return EX_SEES_ALL;
    if (!has_bit64(p->flags, FI_IRQ_OFF))
        irq = EX_SEES_TIME | EX_SEES_LINE | EX_SEES_IRQ;
    return irq | x->sees[v->pc];
}
