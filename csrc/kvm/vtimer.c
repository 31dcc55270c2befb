/* vtimer.c - timer primitives (sections 3.2-3.9, 4.3-4.12). */
#include "kvm/vtimer.h"

#include "account/account.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "kvm/vgic.h"
#include "state/deadline.h"

void vtimer_mem_written(struct pyemu_machine *m, struct vcpu *v, uint32_t t,
                        uint64_t now_cyc)
{
    const uint64_t offset = t == TIMER_V ? m->vms[v->vm].cntvoff_ticks : 0;

    v->mem[t].expiry_cyc =
        timer_expiry(&m->s->clock, v->mem[t].cval_ticks, offset, now_cyc);
    timer_mem_recalc(v, t, now_cyc);
}

void vtimer_reset(struct pyemu_machine *m, struct vcpu *v, uint64_t now_cyc)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        v->mem[t].ctl = 0;
        vtimer_mem_written(m, v, t, now_cyc);
    }
    deadline_withdraw(m, v, true);
    deadline_arm(m, v, &v->mem[TIMER_V]);
}

uint64_t vtimer_earliest(const struct pyemu_machine *m, const struct vcpu *v)
{
    /* an interrupt in service ends no WFI: its timer needs no host timer */
    const bool skips = machine_switch(m, PYEMU_S_BG_SKIPS_ACTIVE);
    uint64_t at = PYEMU_NEVER;

    if ((v->flags & FLAG(CAN_V)) != 0 && !(skips && (v->flags & FLAG(VACT_V)) != 0))
        at = v->mem[TIMER_V].expiry_cyc;
    if ((v->flags & FLAG(CAN_P)) != 0 && !(skips && (v->flags & FLAG(VACT_P)) != 0))
        at = min_u64(at, v->mem[TIMER_P].expiry_cyc);
    return at;
}

/*
 * Register moves. CAN follows CTL and DUE follows CVAL, so that reading one
 * register hands over exactly the flag that belongs to it.
 */
static void reg_move(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                     uint32_t prim, uint32_t t)
{
    struct timer_regs *hw = &p->hw[t];
    struct timer_regs *mem = &v->mem[t];

    switch (prim) {
    case PYEMU_P_CNTV_CTL_R:
        mem->ctl = hw->ctl;
        put_bit64(&v->flags, timer_can(t), has_bit64(p->flags, timer_hcan(t)));
        break;
    case PYEMU_P_CNTV_CVAL_R:
        mem->cval_ticks = hw->cval_ticks;
        mem->expiry_cyc = hw->expiry_cyc;
        put_bit64(&v->flags, timer_due(t), has_bit64(p->flags, timer_hdue(t)));
        if (t == TIMER_V && p->offset_ticks != m->vms[v->vm].cntvoff_ticks)
            vtimer_mem_written(m, v, t, p->now_cyc); /* the guest's own offset */
        break;
    case PYEMU_P_CNTV_CTL_W0:
        hw->ctl = 0;
        timer_recalc(m, p, t);
        break;
    case PYEMU_P_CNTV_CVAL_W:
        hw->cval_ticks = mem->cval_ticks;
        hw->expiry_cyc = mem->expiry_cyc;
        if (t == TIMER_V && p->offset_ticks != m->vms[v->vm].cntvoff_ticks)
            hw->expiry_cyc = timer_expiry(&m->s->clock, hw->cval_ticks,
                                          p->offset_ticks, p->now_cyc);
        timer_recalc(m, p, t);
        break;
    default:
        hw->ctl = mem->ctl;
        timer_recalc(m, p, t);
        break;
    }
}

/* CTL as a read returns it now: with a stale ISTATUS until an ISB (1.4, B40). */
static bool hw_fires(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    const bool now = timer_line(p, t);

    if (m->s->cfg.stale_istatus != 0 && (p->stale & (1U << t)) != 0)
        return !now;
    return now;
}

static void eval(struct vcpu *v, uint32_t t, bool fire)
{
    const uint32_t level = t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P;

    put_bit64(&v->flags, PYEMU_F_FIRE, fire);
    put_bit64(&v->flags, PYEMU_F_CHANGED, fire != has_bit64(v->flags, level));
}

static bool mem_fires(const struct vcpu *v, uint32_t t)
{
    return has_bit64(v->flags, timer_can(t)) && has_bit64(v->flags, timer_due(t));
}

static void set_level(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t t, bool level)
{
    put_bit64(&v->flags, t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P, level);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_LEVEL, timer_intid(t)), level);
}

/* kvm_timer_update_irq: counted whether or not the vgic filters it (2.4). */
static void inject(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t t,
                   bool level)
{
    count(m, PYEMU_C_VGIC_INJECT);
    charge(m, p, PYEMU_P_VGIC_INJECT);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_INJECT, timer_intid(t)), level);
    if (has_bit64(v->flags, PYEMU_F_USER_IRQCHIP)) {
        v->flags |= FLAG(SIGNAL); /* the VMM has to see the level (3.8) */
        return;
    }
    if (level && t == TIMER_V)
        v->injected_cyc = p->now_cyc;
    if (vgic_inject(m, v, timer_intid(t), level))
        sched_wake(m, p, vcpu_idx(m, v));
}

static bool level_of(const struct vcpu *v, uint32_t t)
{
    return has_bit64(v->flags, t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P);
}

void vtimer_level(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                  uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_EVAL_V: eval(v, TIMER_V, mem_fires(v, TIMER_V)); break;
    case PYEMU_P_EVAL_V_HW: eval(v, TIMER_V, hw_fires(m, p, TIMER_V)); break;
    case PYEMU_P_EVAL_V_CTL:
        eval(v, TIMER_V, has_bit64(p->flags, PYEMU_F_HCAN_V));
        break;
    case PYEMU_P_EVAL_P: eval(v, TIMER_P, mem_fires(v, TIMER_P)); break;
    case PYEMU_P_EVAL_P_HW: eval(v, TIMER_P, hw_fires(m, p, TIMER_P)); break;
    case PYEMU_P_LEVEL_V:
        set_level(m, p, v, TIMER_V, has_bit64(v->flags, PYEMU_F_FIRE));
        break;
    case PYEMU_P_LEVEL_V_SET: set_level(m, p, v, TIMER_V, true); break;
    case PYEMU_P_LEVEL_V_CLEAR: set_level(m, p, v, TIMER_V, false); break;
    case PYEMU_P_LEVEL_P:
        set_level(m, p, v, TIMER_P, has_bit64(v->flags, PYEMU_F_FIRE));
        break;
    case PYEMU_P_LEVEL_P_SET: set_level(m, p, v, TIMER_P, true); break;
    case PYEMU_P_LEVEL_P_CLEAR: set_level(m, p, v, TIMER_P, false); break;
    case PYEMU_P_INJECT_V: inject(m, p, v, TIMER_V, level_of(v, TIMER_V)); break;
    case PYEMU_P_INJECT_P: inject(m, p, v, TIMER_P, level_of(v, TIMER_P)); break;
    case PYEMU_P_SAVE_CTL_ISR: /* whoever it belongs to: bug B01 */
        v->mem[TIMER_V].ctl = p->hw[TIMER_V].ctl;
        timer_mem_recalc(v, TIMER_V, p->now_cyc);
        break;
    case PYEMU_P_INJECT_V_FIRE:
        inject(m, p, v, TIMER_V, has_bit64(v->flags, PYEMU_F_FIRE));
        break;
    default: break;
    }
}

void vtimer_active(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint32_t prim)
{
    const uint64_t f = v->flags;

    switch (prim) {
    case PYEMU_P_ACT_EITHER:
        put_bit64(&v->flags, PYEMU_F_ACT, (f & (FLAG(LEVEL_V) | FLAG(VACT_V))) != 0);
        break;
    case PYEMU_P_ACT_VACT:
        put_bit64(&v->flags, PYEMU_F_ACT, (f & FLAG(VACT_V)) != 0);
        break;
    case PYEMU_P_ACT_LEVEL:
        put_bit64(&v->flags, PYEMU_F_ACT, (f & FLAG(LEVEL_V)) != 0);
        break;
    case PYEMU_P_ACT_EITHER_P:
        put_bit64(&v->flags, PYEMU_F_ACT, (f & (FLAG(LEVEL_P) | FLAG(VACT_P))) != 0);
        break;
    case PYEMU_P_ACTIVE_SET_V: gic_set_active(p, INTID_VTIMER, true); break;
    case PYEMU_P_ACTIVE_CLEAR_V: gic_set_active(p, INTID_VTIMER, false); break;
    case PYEMU_P_ACTIVE_SET_P: gic_set_active(p, INTID_PTIMER, true); break;
    case PYEMU_P_ACTIVE_CLEAR_P: gic_set_active(p, INTID_PTIMER, false); break;
    case PYEMU_P_PPI_ENABLE: gic_set_enabled(p, INTID_VTIMER, true); break;
    case PYEMU_P_PPI_DISABLE:
        gic_set_enabled(p, INTID_VTIMER, false);
        if (has_bit64(p->flags, PYEMU_F_FORWARDED))
            gic_set_active(p, INTID_VTIMER, false); /* 2.2 */
        break;
    case PYEMU_P_VGIC_RESET_V: vgic_reset_irq(m, v, INTID_VTIMER); break;
    case PYEMU_P_SAMPLE_V: vgic_sample(m, p, v, INTID_VTIMER); break;
    default: break;
    }
}

static void arm(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t t,
                uint64_t at_cyc)
{
    charge(m, p, PYEMU_P_HRTIMER_ARM);
    count(m, t == TIMER_V ? PYEMU_C_BG_START : PYEMU_C_PT_START);
    soft_start(m, p, soft_node(m, v, t), at_cyc);
    v->flags |= t == TIMER_V ? FLAG(BG_ARMED) : FLAG(PT_ARMED);
}

static void cancel(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t t)
{
    if (t == TIMER_V)
        v->work = 0; /* cancel_work_sync */
    if (soft_cancel(m, soft_node(m, v, t)))
        charge(m, p, PYEMU_P_HRTIMER_CANCEL);
    v->flags &= ~(t == TIMER_V ? FLAG(BG_ARMED) : FLAG(PT_ARMED));
}

static void pt_emulate(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if ((v->flags & FLAG(CAN_P)) != 0 && (v->flags & FLAG(DUE_P)) == 0)
        arm(m, p, v, TIMER_P, v->mem[TIMER_P].expiry_cyc);
    else
        cancel(m, p, v, TIMER_P);
}

/* Callback: still early (deadline moved)? restart; else FIRE. */
static void recheck(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t t)
{
    const uint64_t at = t == TIMER_V ? vtimer_earliest(m, v) : v->mem[t].expiry_cyc;
    const bool due = at <= p->now_cyc;

    put_bit64(&v->flags, PYEMU_F_FIRE, due);
    if (!due && at != PYEMU_NEVER)
        arm(m, p, v, t, at);
}

void vtimer_soft(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_BG_ARM: {
        const uint64_t at = vtimer_earliest(m, v);

        if (at != PYEMU_NEVER)
            arm(m, p, v, TIMER_V, at);
        break;
    }
    case PYEMU_P_BG_CANCEL: cancel(m, p, v, TIMER_V); break;
    case PYEMU_P_PT_EMULATE: pt_emulate(m, p, v); break;
    case PYEMU_P_PT_ARM:
        if ((v->flags & FLAG(CAN_P)) != 0)
            arm(m, p, v, TIMER_P, v->mem[TIMER_P].expiry_cyc);
        break;
    case PYEMU_P_PT_CANCEL: cancel(m, p, v, TIMER_P); break;
    case PYEMU_P_BG_RECHECK: recheck(m, p, v, TIMER_V); break;
    case PYEMU_P_PT_RECHECK: recheck(m, p, v, TIMER_P); break;
    case PYEMU_P_WORK:
        if (m->work_waits) {
            v->work = 1;
            break;
        }
        /* the worker wakes the vCPU a little later: modelled as its delay */
        charge(m, p, PYEMU_P_WORK_DELAY);
        sched_wake(m, p, vcpu_idx(m, v));
        break;
    case PYEMU_P_WAKE: sched_wake(m, p, vcpu_idx(m, v)); break;
    default: break;
    }
}

void vtimer_reg(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t prim)
{
    if (prim <= PYEMU_P_CNTV_CTL_W)
        reg_move(m, p, v, prim, TIMER_V);
    else
        reg_move(m, p, v, prim - PYEMU_P_CNTP_CTL_R + PYEMU_P_CNTV_CTL_R, TIMER_P);
}
