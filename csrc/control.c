/* control.c - what Python does to a machine between runs. */
#include <string.h>

#include "account/account.h"
#include "guest/watch.h"
#include "host/horizon.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/vgic.h"
#include "kvm/vtimer.h"
#include "policy/paths.h"
#include "policy/steps.h"
#include "state/deadline.h"
#include "state/reset.h"

static struct pcpu *pcpu_of(struct pyemu_machine *m, uint32_t vcpu)
{
    return &m->pcpus[m->threads[vcpu].pcpu];
}

#define REQUIRE_VCPU(m, n)                                                    \
    REQUIRE((m), (n) < (m)->s->cfg.n_vcpus, "vcpu %u does not exist (0 to %u)", (n), \
            (m)->s->cfg.n_vcpus - 1U)

/* Affinity: a running or queued thread moves at once, a sleeper when it wakes. */
int pyemu_move(struct pyemu_machine *m, uint32_t vcpu, uint32_t pcpu)
{
    REQUIRE_VCPU(m, vcpu);
    REQUIRE(m, pcpu < m->s->cfg.n_pcpus && m->pcpus[pcpu].online != 0,
            "pcpu %u does not exist or is offline", pcpu);
    struct thread *th = &m->threads[vcpu];
    struct pcpu *p = pcpu_of(m, vcpu);

    if (th->pcpu == pcpu && th->move_to == PYEMU_NONE)
        return PYEMU_OK;
    sched_set_move(m, th, pcpu == th->pcpu ? PYEMU_NONE : pcpu);
    if (th->move_to == PYEMU_NONE || th->state == T_OFF)
        return PYEMU_OK;
    if (th->state == T_RUNNING) {
        p->flags |= FLAG(RESCHED);
        if (m->vcpus[vcpu].stage == STAGE_GUEST) {
            /* stopper thread: a reschedule IPI ends the guest run */
            gic_set_pending(p, INTID_SGI_KICK);
            p->horizon_cyc = p->now_cyc;
        }
    } else if (th->state == T_RUNNABLE && m->rq_nodes[vcpu].queued != 0) {
        heap_remove(m->rq_nodes, &p->rq, vcpu);
        p->n_running--;
        sched_set_move(m, th, PYEMU_NONE);
        sched_migrate(m, p, vcpu, pcpu, false);
    }
    return PYEMU_OK;
}

static uint32_t first_online(const struct pyemu_machine *m)
{
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        if (m->pcpus[i].online != 0)
            return i;
    return PYEMU_NONE;
}

/* A sleeper's hrtimers are taken over with it (hrtimers_dead_cpu). */
static void take_over(struct pyemu_machine *m, uint32_t vcpu, uint32_t to)
{
    struct thread *th = &m->threads[vcpu];
    struct pcpu *p = &m->pcpus[to];

    for (uint32_t n = 2 * vcpu; n < 2 * vcpu + N_TIMERS; n++)
        if (soft_cancel(m, n))
            soft_arm(m, p, n, m->timer_nodes[n].key);
    sched_set_move(m, th, PYEMU_NONE);
    th->pcpu = to;
    count(m, PYEMU_C_MIGRATIONS);
    trace(m, p, vcpu, PYEMU_E_MIGRATE, to);
}

/*
 * CPUHP starting/dying: the timer PPI is enabled/disabled there (4.1), the latter
 * once no vCPU runs there any more. Threads go elsewhere, sleepers at once.
 */
int pyemu_pcpu_online(struct pyemu_machine *m, uint32_t pcpu, uint32_t online)
{
    REQUIRE(m, pcpu < m->s->cfg.n_pcpus, "pcpu %u does not exist (0 to %u)", pcpu,
            m->s->cfg.n_pcpus - 1U);
    struct pcpu *p = &m->pcpus[pcpu];

    if ((p->online != 0) == (online != 0))
        return PYEMU_OK;
    p->online = online != 0;
    if (online != 0) {
        gic_set_enabled(p, INTID_VTIMER, true);
        return PYEMU_OK;
    }
    const uint32_t to = first_online(m);

    if (to == PYEMU_NONE) {
        p->online = 1;
        return machine_fail(m, PYEMU_EINVAL, "pcpu %u is the last one online", pcpu);
    }
    if (p->cur >= m->s->cfg.n_vcpus)
        gic_set_enabled(p, INTID_VTIMER, false);
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        if (m->threads[i].move_to == pcpu)
            sched_set_move(m, &m->threads[i], to);
        if (m->threads[i].pcpu != pcpu || m->threads[i].state == T_OFF)
            continue;
        if (m->threads[i].state == T_SLEEPING || m->threads[i].state == T_PAUSED)
            take_over(m, i, to);
        else
            (void)pyemu_move(m, i, to);
    }
    return PYEMU_OK;
}

int pyemu_signal(struct pyemu_machine *m, uint32_t vcpu)
{
    REQUIRE_VCPU(m, vcpu);
    struct vcpu *v = &m->vcpus[vcpu];
    struct pcpu *p = pcpu_of(m, vcpu);

    v->flags |= FLAG(SIGNAL);
    sched_wake(m, p, vcpu);
    if (p->cur == vcpu && has_bit64(v->flags, FI_MODE))
        gic_set_pending(p, INTID_SGI_KICK);
    p->horizon_cyc = p->now_cyc;
    return PYEMU_OK;
}

/* A paused vCPU leaves KVM_RUN and stays in user space until resumed. */
int pyemu_vcpu_pause(struct pyemu_machine *m, uint32_t vcpu, uint32_t pause)
{
    REQUIRE_VCPU(m, vcpu);
    struct vcpu *v = &m->vcpus[vcpu];
    struct thread *th = &m->threads[vcpu];

    v->paused = pause != 0;
    if (pause != 0)
        return th->state == T_PAUSED ? PYEMU_OK : pyemu_signal(m, vcpu);
    v->flags &= ~FLAG(SIGNAL);
    if (th->state == T_PAUSED) {
        th->state = T_SLEEPING;
        sched_wake(m, pcpu_of(m, vcpu), vcpu);
    }
    return PYEMU_OK;
}

/* KVM_ARM_VCPU_INIT again: memory is reset by the policy's reset hook. */
int pyemu_vcpu_reset(struct pyemu_machine *m, uint32_t vcpu)
{
    REQUIRE_VCPU(m, vcpu);
    struct vcpu *v = &m->vcpus[vcpu];
    struct pcpu *p = pcpu_of(m, vcpu);
    const bool loads = machine_switch(m, PYEMU_S_IOCTL_LOADS);

    if (loads)
        hook_run(m, p, v, PYEMU_H_LOAD);
    vtimer_reset(m, v, p->now_cyc);
    hook_run(m, p, v, PYEMU_H_RESET);
    if (loads)
        hook_run(m, p, v, PYEMU_H_PUT);
    v->pstate_i = 1;
    v->in_irq = 0;
    v->compute_cyc = 0;
    horizon_update(m, p);
    return PYEMU_OK;
}

static bool hw_is_truth(const struct pyemu_machine *m, const struct vcpu *v)
{
    return (v->flags & FLAG(LOADED)) != 0 ||
           (v->stage == STAGE_GUEST && m->s->cfg.n_vcpus != 0);
}

static void get_timer(const struct pyemu_machine *m, const struct vcpu *v,
                      const struct pcpu *p, uint32_t t, struct pyemu_timer_state *out)
{
    const bool direct = t == TIMER_V || m->s->cfg.direct_ptimer != 0;
    const struct timer_regs *r = direct && hw_is_truth(m, v) ? &p->hw[t] : &v->mem[t];

    out->cval_ticks = r->cval_ticks;
    out->ctl = r->ctl;
    out->level = has_bit64(v->flags, t == TIMER_V ? PYEMU_F_LEVEL_V : PYEMU_F_LEVEL_P);
}

int pyemu_get_vcpu(struct pyemu_machine *m, uint32_t vcpu, struct pyemu_vcpu_state *out)
{
    REQUIRE_VCPU(m, vcpu);
    const struct vcpu *v = &m->vcpus[vcpu];
    const struct pcpu *p = pcpu_of(m, vcpu);

    memset(out, 0, sizeof *out);
    get_timer(m, v, p, TIMER_V, &out->vtimer);
    get_timer(m, v, p, TIMER_P, &out->ptimer);
    memcpy(out->regs, v->regs, sizeof out->regs);
    out->list_pos = v->list_pos;
    out->list_end = v->list_end;
    out->list_table = v->list_table;
    out->compute_left_cyc = v->compute_cyc;
    out->compute_saved_cyc = v->compute_saved;
    out->n_draws = v->rng_n;
    out->pc = v->gpc;
    out->irq_return_pc = v->gpc_return;
    out->iar = v->iar;
    out->pstate_i = v->pstate_i;
    out->in_irq = v->in_irq;
    out->event = v->event;
    out->powered_off = has_bit64(v->flags, PYEMU_F_POWERED_OFF);
    out->vmcr_pmr = v->pmr;
    out->vmcr_eoimode = v->eoimode;
    out->apr[0] = v->vapr;
    for (uint32_t i = 0; i < N_PRIVATE; i++) {
        const struct vgic_irq *q = &v->irq[i];

        out->irq[i] = (struct pyemu_irq_state){
            .line = q->line, .latch = q->latch, .active = q->active,
            .enabled = q->enabled, .edge = q->edge, .prio = q->prio,
            .source = q->source, .active_source = q->active_source};
    }
    return PYEMU_OK;
}

static void set_irqs(struct pyemu_machine *m, struct vcpu *v,
                     const struct pyemu_vcpu_state *in)
{
    for (uint32_t i = 0; i < N_PRIVATE; i++) {
        struct vgic_irq *q = &v->irq[i];

        q->line = in->irq[i].line != 0;
        q->latch = in->irq[i].latch != 0;
        q->active = in->irq[i].active != 0;
        q->enabled = in->irq[i].enabled != 0;
        q->prio = in->irq[i].prio;
        q->source = in->irq[i].source;
        q->active_source = in->irq[i].active_source;
        (void)vgic_requeue(m, v, i);
    }
}

/* SET_ONE_REG and device attributes of a vCPU that has not started yet. */
int pyemu_set_vcpu_state(struct pyemu_machine *m, uint32_t vcpu,
                         const struct pyemu_vcpu_state *in)
{
    REQUIRE_VCPU(m, vcpu);
    struct vcpu *v = &m->vcpus[vcpu];
    struct pcpu *p = pcpu_of(m, vcpu);

    REQUIRE(m, v->resident == 0, "vcpu %u is inside KVM_RUN", vcpu);
    REQUIRE(m, !vcpu_is_code(v), "vcpu %u runs machine code", vcpu);
    REQUIRE(m, in->pc < m->programs[v->prog].n &&
                   in->irq_return_pc < m->programs[v->prog].n,
            "vcpu %u: pc %u is outside its program", vcpu, in->pc);
    REQUIRE(m, in->list_table < m->s->cfg.n_tables || in->list_end == 0,
            "vcpu %u: list table %u does not exist", vcpu, in->list_table);
    REQUIRE(m, in->list_end == 0 || in->list_end <= m->tables[in->list_table].n,
            "vcpu %u: list end is outside its table", vcpu);
    v->mem[TIMER_V].cval_ticks = in->vtimer.cval_ticks;
    v->mem[TIMER_V].ctl = in->vtimer.ctl & (CTL_ENABLE | CTL_IMASK);
    v->mem[TIMER_P].cval_ticks = in->ptimer.cval_ticks;
    v->mem[TIMER_P].ctl = in->ptimer.ctl & (CTL_ENABLE | CTL_IMASK);
    vtimer_mem_written(m, v, TIMER_V, p->now_cyc);
    vtimer_mem_written(m, v, TIMER_P, p->now_cyc);
    deadline_withdraw(m, v, true);
    deadline_arm(m, v, &v->mem[TIMER_V]);
    put_bit64(&v->flags, PYEMU_F_LEVEL_V, in->vtimer.level != 0);
    put_bit64(&v->flags, PYEMU_F_LEVEL_P, in->ptimer.level != 0);
    memcpy(v->regs, in->regs, sizeof v->regs);
    v->list_pos = in->list_pos;
    v->list_end = in->list_end;
    v->list_table = in->list_table;
    v->compute_cyc = in->compute_left_cyc;
    v->compute_saved = in->compute_saved_cyc;
    v->rng_n = in->n_draws;
    v->gpc = in->pc;
    v->gpc_return = in->irq_return_pc;
    v->iar = in->iar;
    v->pstate_i = in->pstate_i != 0;
    v->in_irq = in->in_irq != 0;
    v->event = in->event != 0;
    v->pmr = in->vmcr_pmr;
    v->vmcr_pmr = in->vmcr_pmr;
    v->eoimode = in->vmcr_eoimode != 0;
    v->vapr = in->apr[0];
    put_bit64(&v->flags, PYEMU_F_POWERED_OFF, in->powered_off != 0);
    set_irqs(m, v, in);
    return PYEMU_OK;
}

/* All vCPUs of a VM share one offset (I9); takes effect at the next load. */
int pyemu_set_cntvoff(struct pyemu_machine *m, uint32_t vm, uint64_t cntvoff_ticks)
{
    REQUIRE(m, vm < m->s->cfg.n_vms, "vm %u does not exist (0 to %u)", vm,
            m->s->cfg.n_vms - 1U);
    m->vms[vm].cntvoff_ticks = cntvoff_ticks;
    m->has_offsets = m->has_offsets || cntvoff_ticks != 0;
    paths_clear(m);
    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++) {
        const uint32_t n = m->vms[vm].first_vcpu + i;

        vtimer_mem_written(m, &m->vcpus[n], TIMER_V, pcpu_of(m, n)->now_cyc);
    }
    return PYEMU_OK;
}

int pyemu_reset_stats(struct pyemu_machine *m)
{
    REQUIRE(m, m->s->started != 0, "the machine has not been started");
    paths_fold(m); /* what stands in variants belongs to the time before */
    machine_reset_stats(m);
    watch_reset(m);
    return PYEMU_OK;
}

int pyemu_callback_answer(struct pyemu_machine *m, uint32_t vcpu, uint32_t yes)
{
    REQUIRE_VCPU(m, vcpu);
    m->vcpus[vcpu].answer = yes != 0 ? 2 : 1;
    return PYEMU_OK;
}
