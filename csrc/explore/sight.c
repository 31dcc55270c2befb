/*
 * sight.c - a partial-order reduction: an outside event waits until the next
 * thing to happen can notice it. Until then it commutes with every step, and no
 * invariant looks at it, so that no verdict changes; a test holds both searches
 * together. Where in doubt a place sees everything.
 */
#include "cpu/irq.h"
#include "explore/explore.h"
#include "hw/timer.h"
#include "policy/steps.h"

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
    case PYEMU_P_PT_CANCEL: return EX_SEES_TIME;
    case PYEMU_P_CNTV_CTL_W0:
    case PYEMU_P_CNTV_CVAL_W:
    case PYEMU_P_CNTV_CTL_W:
    case PYEMU_P_CNTP_CTL_W0:
    case PYEMU_P_CNTP_CVAL_W:
    case PYEMU_P_CNTP_CTL_W: return EX_SEES_TIME | EX_SEES_LINE;
    case PYEMU_P_IAR_R: return EX_SEES_TIME | EX_SEES_LINE;
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

/* Flags that an interrupt handler, put or load may change under a thread. */
static uint64_t shared_flags(void)
{
    return FLAG(LEVEL_V) | FLAG(LEVEL_P) | FLAG(VACT_V) | FLAG(VACT_P) | FLAG(AP) |
           FLAG(LRS) | FLAG(REQ) | FLAG(SIGNAL) | FLAG(BG_ARMED) | FLAG(PT_ARMED) |
           FLAG(LOADED) | FLAG(CLEARED) | FLAG(WAITING) | FLAG(CAN_V) | FLAG(CAN_P) |
           FLAG(DUE_V) | FLAG(DUE_P) | FLAG(HCAN_V) | FLAG(HDUE_V) | FLAG(HCAN_P) |
           FLAG(HDUE_P) | FLAG(PIRQ) | FLAG(RUNNING) | FLAG(LINE_V) | FLAG(SYNC) |
           FLAG(POWERED_OFF);
}

/* EXQ_*: how far a step commutes with interrupts and preemption. */
uint8_t ex_step_quiet(const struct pyemu_machine *m, uint32_t pc)
{
    const struct pyemu_step *s = &m->policy.steps[pc];

    if ((m->policy.guards[s->guard].mask & shared_flags()) != 0)
        return EXQ_NO;
    switch (s->prim) {
    case PYEMU_P_PREEMPT_ON: /* before it there is no preemption */
    case PYEMU_P_WAKE_IF: return EXQ_ALWAYS;
    case PYEMU_P_PREEMPT_OFF: return EXQ_IRQ; /* the last chance to preempt */
    default: return EXQ_IF_NOT_TAKEN;
    }
}

static const struct vcpu *thread_of(const struct pyemu_explorer *x,
                                    const struct pcpu *p)
{
    return p->cur == PYEMU_NONE ? NULL : &x->m->vcpus[p->cur];
}

static bool in_hook(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return v->stage == STAGE_HOOK && v->pc < x->m->policy.hook_start[v->hook + 1];
}

static bool holds(const struct pyemu_explorer *x, const struct pcpu *p,
                  const struct vcpu *v, uint32_t pc)
{
    const struct policy_table *t = &x->m->policy;

    return guard_holds(&t->guards[t->steps[pc].guard], flags_of(p, v));
}

/* The end of a hook that only leads to the next one. */
static bool only_goes_on(const struct vcpu *v)
{
    switch (v->cont) {
    case CONT_BLOCK:
    case CONT_CHECK_POLL:
    case CONT_CHECK_BLOCK: /* may fall asleep, or has just reset its wake-up */
    case CONT_PUT_SCHED: return false;
    default: return true;
    }
}

/*
 * Nothing that happens now differs from its happening after the next step: an
 * interrupt's handler, put and load commute with it, and no invariant looks in
 * between. A step whose guard fails by flags of the thread alone does nothing.
 */
/*
 * Beyond the requests of an entry a handler, or a load, can leave nothing but a new
 * request behind; the entry is then refused, and so it is after a kick.
 */
static bool is_a_kick(const struct pyemu_explorer *x, const struct vcpu *v)
{
    const uint32_t prim = x->m->policy.steps[v->pc].prim;

    return has_bit64(x->cfg.actions, PYEMU_A_KICK) && x->kick_covers != 0 &&
           v->hook == PYEMU_H_ENTER &&
           (prim == PYEMU_P_PREEMPT_OFF || prim == PYEMU_P_IRQ_OFF);
}

/* handle_exit after an interrupt does nothing, and what comes next sees the same. */
static bool handles_nothing(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return v->trap_op == EX_NO_TRAP && v->reason <= PYEMU_X_IRQ_MAINT &&
           x->m->policy.steps[v->pc].prim == PYEMU_P_HANDLE;
}

static bool quiet(const struct pyemu_explorer *x, const struct pcpu *p, uint32_t enough)
{
    const struct vcpu *v = thread_of(x, p);

    if (x->cfg.reduce == 0 || v == NULL || v->stage != STAGE_HOOK ||
        p->irq_stage != ISR_NONE)
        return false;
    if (!in_hook(x, v))
        return only_goes_on(v);
    if (is_a_kick(x, v) || handles_nothing(x, v))
        return true;
    if (x->quiet[v->pc] == EXQ_IF_NOT_TAKEN)
        return !holds(x, p, v, v->pc);
    return x->quiet[v->pc] >= enough;
}

bool ex_quiet(const struct pyemu_explorer *x, uint32_t pcpu)
{
    return quiet(x, &x->m->pcpus[pcpu], EXQ_ALWAYS);
}

/*
 * The interrupt path. What arrives while a handler runs waits for the thread: the
 * loop over IAR finds now what the next exception would find (2.2). A line that
 * is pending may still fall before IAR is read.
 */
static bool to_come(const struct timer_regs *r, uint64_t now_cyc)
{
    return ctl_can_fire(r->ctl) && r->expiry_cyc > now_cyc &&
           r->expiry_cyc != PYEMU_NEVER;
}

/* Is a deadline to come that a step with this view of a timer can tell? */
static bool time_matters(const struct pcpu *p, const struct vcpu *v, uint32_t prim)
{
    const struct timer_regs *hw = p->hw;
    const struct timer_regs *mem = v == NULL ? hw : v->mem;
    const uint64_t now = p->now_cyc;
    bool any = false;

    switch (prim) {
    case PYEMU_P_EVAL_V_HW:
    case PYEMU_P_SAVE_CTL_ISR:
    case PYEMU_P_CNTV_CTL_W0:
    case PYEMU_P_VGIC_SYNC:
        return to_come(&hw[TIMER_V], now) || to_come(&hw[TIMER_P], now);
    case PYEMU_P_EVAL_P:
    case PYEMU_P_PT_EMULATE:
    case PYEMU_P_PT_ARM: return to_come(&mem[TIMER_P], now);
    case PYEMU_P_EVAL_V:
        return to_come(&mem[TIMER_V], now) || to_come(&hw[TIMER_V], now);
    default:
        for (uint32_t t = 0; t < N_TIMERS; t++)
            any = any || to_come(&hw[t], now) || to_come(&mem[t], now);
        return any || p->timers != PYEMU_NONE;
    }
}

/* Can a timer's interrupt reach this pCPU while nothing but time and lines move? */
static uint32_t irq_possible(const struct pyemu_explorer *x, const struct pcpu *p)
{
    uint32_t sees = p->timers != PYEMU_NONE ? EX_SEES_TIME : 0;

    if (x->m->s->cfg.stale_istatus != 0)
        return EX_SEES_TIME | EX_SEES_LINE;
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        const uint32_t intid = timer_intid(t);

        if (!has_bit32(p->irq_enabled, intid) || has_bit32(p->irq_active, intid))
            continue;
        if (ctl_can_fire(p->hw[t].ctl) || p->line_target[t] != 0 ||
            has_bit32(p->irq_line, intid))
            sees |= EX_SEES_TIME | EX_SEES_LINE;
    }
    return sees;
}

static uint32_t step_sees(const struct pyemu_explorer *x, const struct pcpu *p,
                          const struct vcpu *v, uint32_t pc)
{
    uint32_t sees = x->sees[pc];

    if ((sees & EX_SEES_TIME) != 0 &&
        !time_matters(p, v, x->m->policy.steps[pc].prim))
        sees &= ~(uint32_t)EX_SEES_TIME;
    return sees;
}

static uint32_t irq_sees(const struct pyemu_explorer *x, const struct pcpu *p)
{
    const struct pyemu_machine *m = x->m;

    if (p->irq_pc == m->policy.hook_start[ex_isr_hook(p) + 1])
        return 0;
    if (m->policy.steps[p->irq_pc].prim != PYEMU_P_IAR_R)
        return step_sees(x, p, p->running == PYEMU_NONE ? NULL : &m->vcpus[p->running],
                         p->irq_pc);
    if (m->s->cfg.stale_istatus != 0)
        return EX_SEES_ALL; /* the line may rise between exception and IAR (B40) */
    return (p->flags & FLAG(PIRQ)) != 0 ? EX_SEES_LINE : 0;
}

uint32_t ex_sees(const struct pyemu_explorer *x, uint32_t pcpu)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    const struct vcpu *v = thread_of(x, p);

    if (x->cfg.reduce == 0)
        return EX_SEES_ALL;
    if (p->irq_stage != ISR_NONE)
        return irq_sees(x, p);
    if (v == NULL || v->stage != STAGE_HOOK)
        return EX_SEES_ALL;
    if (quiet(x, p, EXQ_IRQ))
        return 0;
    return (in_hook(x, v) ? step_sees(x, p, v, v->pc) : 0U) |
           (has_bit64(p->flags, FI_IRQ_OFF) ? 0U : irq_possible(x, p));
}

/* Events of its vCPU that the step at pc looks at, or runs because of. */
static uint32_t step_notices(const struct policy_table *t, uint32_t pc)
{
    const uint64_t mask = t->guards[t->steps[pc].guard].mask;

    switch (t->steps[pc].prim) {
    case PYEMU_P_CHECK_SIGNAL: return EX_SEES_SIGNAL;
    case PYEMU_P_CHECK_REQUESTS: return EX_SEES_REQUEST | EX_SEES_VGIC;
    case PYEMU_P_VGIC_SYNC: return 0; /* adds nothing to what it folds */
    case PYEMU_P_VGIC_FLUSH:
    case PYEMU_P_REQUESTS:
    case PYEMU_P_MODE_IN: /* before it there is no IPI (B25) */
    case PYEMU_P_PENDING: return EX_SEES_VGIC;
    default:
        return ((mask & FLAG(SIGNAL)) != 0 ? EX_SEES_SIGNAL : 0U) |
               ((mask & FLAG(REQ)) != 0 ? EX_SEES_REQUEST | EX_SEES_VGIC : 0U) |
               ((mask & FLAG(AP)) != 0 ? EX_SEES_VGIC : 0U);
    }
}

/* With interrupts off only the thread itself can tell when such a step runs. */
bool ex_step_light(const struct pyemu_explorer *x, uint32_t pc)
{
    const struct pyemu_machine *m = x->m;

    switch (m->policy.steps[pc].prim) {
    case PYEMU_P_IAR_R:
    case PYEMU_P_ERET:
    case PYEMU_P_HANDLE: return false;
    default:
        return (ex_step_sees(m, pc) & (EX_SEES_TIME | EX_SEES_LINE)) == 0 &&
               step_notices(&m->policy, pc) == 0;
    }
}

/*
 * An outside event of a vCPU waits for the next place that looks at it. In the
 * guest it is an exit by interrupt, with the event at that place.
 */
uint32_t ex_notices(const struct pyemu_explorer *x, uint32_t vcpu)
{
    const struct pyemu_machine *m = x->m;
    const struct vcpu *v = &m->vcpus[vcpu];
    const struct pcpu *p = &m->pcpus[m->threads[vcpu].pcpu];

    if (x->cfg.reduce == 0 || m->threads[vcpu].state == T_SLEEPING)
        return EX_SEES_ALL;
    if (m->threads[vcpu].state != T_RUNNING || p->irq_stage != ISR_NONE ||
        irq_may_be_taken(p))
        return 0;
    switch (v->stage) {
    case STAGE_GUEST:
        return has_bit64(x->cfg.actions, PYEMU_A_DEVICE_IRQ) ? 0 : EX_SEES_ALL;
    case STAGE_SLEEP: return EX_SEES_ALL;
    case STAGE_WOKEN: return EX_SEES_SIGNAL;
    case STAGE_HOOK:
        if (in_hook(x, v))
            return step_notices(&m->policy, v->pc);
        return v->cont == CONT_BLOCK ? EX_SEES_SIGNAL : 0;
    default: return 0;
    }
}
