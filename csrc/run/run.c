/* run.c - the vCPU thread's order between hooks; see run.h. */
#include "run/run.h"

#include "account/account.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "run/block.h"
#include "run/handle.h"
#include "run/uart.h"
#include "policy/paths.h"
#include "policy/steps.h"

void run_hook(struct vcpu *v, const struct pyemu_machine *m, uint32_t hook,
              uint32_t cont)
{
    v->hook = (uint8_t)hook;
    v->cont = (uint8_t)cont;
    v->pc = m->policy.hook_start[hook];
    v->stage = STAGE_HOOK;
}

static void load_begin(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                       uint32_t cont)
{
    const bool by_sched = cont == CONT_LOAD_SCHED;

    count(m, PYEMU_C_VCPU_LOAD);
    v->loads++;
    v->load_cyc = p->now_cyc;
    put_bit64(&v->flags, PYEMU_F_PREEMPTED, by_sched);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_LOAD, by_sched), 0);
    /* time went by while the memory copy was the truth */
    timer_mem_recalc(v, TIMER_V, p->now_cyc);
    timer_mem_recalc(v, TIMER_P, p->now_cyc);
    v->flags |= bit64(FI_PREEMPT_OFF);
    run_hook(v, m, PYEMU_H_LOAD, cont);
}

static void put_begin(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t cont)
{
    const bool by_sched = cont == CONT_PUT_SCHED;

    count(m, PYEMU_C_VCPU_PUT);
    put_bit64(&v->flags, PYEMU_F_PREEMPTED, by_sched);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_PUT, by_sched), 0);
    v->flags |= bit64(FI_PREEMPT_OFF);
    if (by_sched)
        p->flags |= bit64(FI_IRQ_OFF); /* sched-out notifier (4.7) */
    run_hook(v, m, PYEMU_H_PUT, cont);
}

/* Locals of the code a hook describes: put and load have their own. */
static uint8_t scratch_of(uint64_t flags)
{
    return (uint8_t)(((flags >> PYEMU_F_FIRE) & 7U) |
                     ((flags >> PYEMU_F_WAKE) & 1U) << 3);
}

static void put_scratch(struct vcpu *v)
{
    const uint64_t saved = v->saved_scratch;

    v->flags &= ~(FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT) | FLAG(WAKE));
    v->flags |= (saved & 7U) << PYEMU_F_FIRE | (saved >> 3) << PYEMU_F_WAKE;
}

void run_sched_out(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->resident == 0) {
        sched_thread_off(m, p, T_RUNNABLE);
        return;
    }
    v->saved_pc = v->pc;
    v->saved_cont = v->cont;
    v->saved_stage = v->stage;
    v->saved_hook = v->hook;
    v->saved_scratch = scratch_of(v->flags);
    put_begin(m, p, v, CONT_PUT_SCHED);
}

void run_sched_in(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->resident != 0)
        load_begin(m, p, v, CONT_LOAD_SCHED);
}

static void put_sched_done(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    v->flags &= ~bit64(FI_PREEMPT_OFF);
    p->flags &= ~bit64(FI_IRQ_OFF);
    v->stage = v->saved_stage;
    v->hook = v->saved_hook;
    v->pc = v->saved_pc;
    v->cont = v->saved_cont;
    if (v->stage == STAGE_SLEEP) {
        v->stage = STAGE_WOKEN;
        count(m, PYEMU_C_VCPU_SLEEP);
        trace(m, p, vcpu_idx(m, v), PYEMU_E_SLEEP, 0);
        sched_thread_off(m, p, v->woken != 0 ? T_RUNNABLE : T_SLEEPING);
    } else {
        count(m, PYEMU_C_PREEMPTED);
        sched_thread_off(m, p, T_RUNNABLE);
    }
}

/* load by notifier done: go on where the put interrupted (kept in saved_*). */
static void load_sched_done(struct vcpu *v)
{
    v->flags &= ~bit64(FI_PREEMPT_OFF);
    put_scratch(v);
    v->stage = v->saved_stage;
    if (v->stage == STAGE_SLEEP)
        v->stage = STAGE_WOKEN;
    v->hook = v->saved_hook;
    v->pc = v->saved_pc;
    v->cont = v->saved_cont;
}

static void user_exit(struct pyemu_machine *m, struct vcpu *v)
{
    run_hook(v, m, PYEMU_H_USER_EXIT, CONT_USER_EXIT);
}

static void exit_done(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    switch (v->after) {
    case AFTER_BLOCK: block_begin(m, p, v); break;
    case AFTER_USER:
    case AFTER_OFF: user_exit(m, v); break;
    case AFTER_PT_TRAP: run_hook(v, m, PYEMU_H_PT_TRAP, CONT_PT_TRAP); break;
    default: run_hook(v, m, PYEMU_H_ENTER, CONT_NONE); break;
    }
}

static void put_user_done(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    v->resident = 0;
    v->flags &= ~(bit64(FI_PREEMPT_OFF) | FLAG(SIGNAL));
    if (v->after == AFTER_OFF) {
        run_end(m, p, v);
        return;
    }
    charge(m, p, PYEMU_P_USER);
    if (v->waits_user != 0) { /* machine code: user space emulates its access */
        v->waits_user = 0;
        if (uart_answer(m, p, v)) {
            v->stage = STAGE_USER;
            return;
        }
        v->stage = STAGE_STOPPED;
        m->stop = PYEMU_STOP_MMIO + 1;
        m->stop_vcpu = vcpu_idx(m, v);
        return;
    }
    m->s->dyn_count[PYEMU_P_EXTRA] += v->extra_user & UINT32_MAX;
    v->spin_cyc = v->extra_user & UINT32_MAX;
    v->stage = STAGE_USER;
}

static void load_ioctl_done(struct pyemu_machine *m, struct vcpu *v)
{
    v->flags &= ~bit64(FI_PREEMPT_OFF);
    v->spin_cyc = v->extra_user >> 32;
    m->s->dyn_count[PYEMU_P_EXTRA] += v->spin_cyc;
    v->extra_user = 0;
    if ((v->flags & FLAG(ENABLED)) == 0)
        run_hook(v, m, PYEMU_H_FIRST_RUN, CONT_FIRST_RUN);
    else
        run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
}

static NOINLINE void hook_done(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    switch (v->cont) {
    case CONT_LOAD_IOCTL: load_ioctl_done(m, v); break;
    case CONT_FIRST_RUN:
        v->flags |= FLAG(ENABLED);
        run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
        break;
    case CONT_ABORT:
        if ((v->flags & FLAG(SIGNAL)) != 0) {
            count(m, PYEMU_C_SIGNAL_STAT);
            user_exit(m, v);
        } else {
            run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
        }
        break;
    case CONT_EXIT: exit_done(m, p, v); break;
    case CONT_PT_TRAP: run_hook(v, m, PYEMU_H_ENTER, CONT_NONE); break;
    case CONT_BLOCK: block_check(m, v, CONT_CHECK_BLOCK); break;
    case CONT_CHECK_POLL: block_poll_checked(m, p, v); break;
    case CONT_CHECK_BLOCK: block_checked(m, p, v); break;
    case CONT_UNBLOCK: block_end(m, p, v); break;
    case CONT_USER_EXIT: put_begin(m, p, v, CONT_PUT_USER); break;
    case CONT_PUT_USER: put_user_done(m, p, v); break;
    case CONT_PUT_SCHED: put_sched_done(m, p, v); break;
    case CONT_LOAD_SCHED: load_sched_done(v); break;
    default: machine_poison(m, __FILE__, __LINE__, "hook without continuation"); break;
    }
}

void run_entered(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    count(m, PYEMU_C_GUEST_ENTRIES);
    v->stage = STAGE_GUEST;
    v->entry_cyc = p->now_cyc;
    trace(m, p, vcpu_idx(m, v), PYEMU_E_ENTRY, 0);
}

void run_guest_exit(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    p->flags |= bit64(FI_IRQ_OFF); /* taken to EL2 with interrupts masked */
    run_hook(v, m, PYEMU_H_EXIT, CONT_EXIT);
}

/* Host time with interrupts on. */
static void spin(struct pcpu *p, struct vcpu *v)
{
    const uint64_t room = p->horizon_cyc > p->now_cyc ? p->horizon_cyc - p->now_cyc : 1;
    const uint64_t n = min_u64(v->spin_cyc, room);

    p->now_cyc += n;
    v->spin_cyc -= n;
}

/* A wake-up after the check: the thread is runnable again and schedule() returns. */
static void sleep_now(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->woken != 0)
        v->stage = STAGE_WOKEN;
    else
        run_sched_out(m, p, v);
}

/* What the pCPU's loop would have to look at before the thread's next action. */
static inline bool undisturbed(const struct pyemu_machine *m, const struct pcpu *p,
                               const struct vcpu *v)
{
    const uint64_t off = bit64(FI_IRQ_OFF) | bit64(FI_PREEMPT_OFF);
    const uint64_t flags = flags_of(p, v);

    return p->now_cyc < p->horizon_cyc && m->stop == 0 && m->interrupted == 0 &&
           m->trace_n < m->trace_stop &&
           (flags & (FLAG(RESCHED) | off)) != FLAG(RESCHED) &&
           (flags & (FLAG(PIRQ) | bit64(FI_IRQ_OFF))) != FLAG(PIRQ);
}

static void step_result(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        enum step_result result)
{
    switch (result) {
    case STEP_ENTER:
        if (v->exit_cyc != PYEMU_NEVER)
            account_handling(m, v->reason, p->now_cyc - v->exit_cyc, 1);
        p->flags &= ~bit64(FI_IRQ_OFF);
        run_entered(m, p, v);
        break;
    case STEP_ABORT:
        count(m, PYEMU_C_ABORTS);
        trace(m, p, vcpu_idx(m, v), PYEMU_E_ABORT, 0);
        run_hook(v, m, PYEMU_H_ABORT, CONT_ABORT);
        break;
    case STEP_HANDLE:
        handle_exit(m, p, v);
        break;
    case STEP_SLEEP:
        v->sleep_off = 1;
        v->woken = 0;
        v->stage = STAGE_SLEEP;
        break;
    case STEP_CALLBACK:
        if (v->answer == 0) {
            v->pc--;
            m->stop = PYEMU_STOP_CALLBACK + 1;
            m->stop_vcpu = vcpu_idx(m, v);
            m->stop_step = v->pc;
        } else {
            put_bit64(&v->flags, PYEMU_F_FIRE, v->answer == 2);
            v->answer = 0;
        }
        break;
    default:
        break;
    }
}

/* Steps up to what falls due inside a walk: trying it again would not help. */
static void hook_steps(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t end = m->policy.hook_start[v->hook + 1];
    enum step_result result = STEP_NEXT;

    do {
        result = step_execute(m, p, v, &v->pc);
    } while (result == STEP_NEXT && v->pc < end && undisturbed(m, p, v));
    step_result(m, p, v, result);
}

static inline void hook_step(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t end = m->policy.hook_start[v->hook + 1];

    if (v->pc >= end) {
        hook_done(m, p, v);
        return;
    }
    if (m->paths == NULL) {
        step_result(m, p, v, step_execute(m, p, v, &v->pc));
        return;
    }
    switch (paths_walk(m, p, v, &v->pc, end)) {
    case WALK_MOVED: break;
    case WALK_TOO_LONG: hook_steps(m, p, v); break;
    default: step_result(m, p, v, step_execute(m, p, v, &v->pc)); break;
    }
}

static void woken(struct pyemu_machine *m, struct vcpu *v)
{
    if (v->sleep_off != 0 || v->off != 0) {
        v->sleep_off = 0;
        run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
        return;
    }
    block_check(m, v, CONT_CHECK_BLOCK);
}

/* Its power is gone and the thread stands where KVM_RUN would end for good. */
static bool is_over(const struct pyemu_machine *m, const struct vcpu *v)
{
    if (v->stage == STAGE_HOOK)
        return v->hook == PYEMU_H_ENTER &&
               v->pc == m->policy.hook_start[PYEMU_H_ENTER];
    return vcpu_is_code(v) && (v->stage == STAGE_USER || v->stage == STAGE_START);
}

void run_step(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->off != 0 && is_over(m, v)) {
        run_end(m, p, v);
        return;
    }
    if (v->spin_cyc != 0) {
        spin(p, v);
        return;
    }
    switch (v->stage) {
    case STAGE_HOOK: hook_step(m, p, v); break;
    case STAGE_START:
    case STAGE_USER:
        if (v->paused != 0) {
            sched_thread_off(m, p, T_PAUSED);
            return;
        }
        charge(m, p, PYEMU_P_SYSCALL);
        v->resident = 1;
        load_begin(m, p, v, CONT_LOAD_IOCTL);
        break;
    case STAGE_POLL_NEXT:
        charge(m, p, PYEMU_P_POLL_ITER);
        block_check(m, v, CONT_CHECK_POLL);
        break;
    case STAGE_SLEEP: sleep_now(m, p, v); break;
    case STAGE_STOPPED: /* not answered yet */
        m->stop = PYEMU_STOP_MMIO + 1;
        m->stop_vcpu = vcpu_idx(m, v);
        break;
    case STAGE_WOKEN: woken(m, v); break;
    default: machine_poison(m, __FILE__, __LINE__, "thread in an unknown stage"); break;
    }
}

void run_thread(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t t = p->cur;

    do {
        run_step(m, p, v);
    } while (v->stage != STAGE_GUEST && p->cur == t && undisturbed(m, p, v));
}

void run_end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        p->hw[t].ctl = 0;
        timer_recalc(m, p, t);
        (void)soft_cancel(m, soft_node(m, v, t));
    }
    gic_set_active(p, INTID_VTIMER, false);
    gic_set_active(p, INTID_PTIMER, false);
    gic_set_line(p, INTID_MAINT, false);
    p->n_lrs = 0;
    p->running = PYEMU_NONE;
    p->flags &= ~(FLAG(RUNNING) | bit64(FI_IRQ_OFF));
    v->flags &= ~(FLAG(LOADED) | bit64(FI_MODE) | bit64(FI_PREEMPT_OFF));
    v->resident = 0;
    v->ended = 1;
    m->s->n_off++;
    m->s->last_off_cyc = max_u64(m->s->last_off_cyc, p->now_cyc);
    if (m->s->n_off == m->s->cfg.n_vcpus)
        m->stop = PYEMU_STOP_DONE + 1;
    trace(m, p, vcpu_idx(m, v), PYEMU_E_OFF, 0);
    sched_thread_off(m, p, T_OFF);
}
