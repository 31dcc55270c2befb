/*
 * snapshot_check.c - every field of a snapshot's flat state that a run uses as an
 * index, a bound or a state number, before the state is believed. A file's checksum
 * is right whoever wrote it; nothing here relies on that. Values that only mean
 * something else than before (a count, a CVAL, a flag a guard reads) are let through.
 */
#include <string.h>

#include "snapshot.h"

enum { MOST_LATE_TICKS = 1 << 28, MOST_HURRY = 48, FLAGS_END = 60 };

static const uint64_t MOST_CYC = UINT64_C(1) << 63;

/* A vCPU, pCPU or thread that exists, or none. */
static bool one_of(uint32_t index, uint32_t n)
{
    return index < n || index == PYEMU_NONE;
}

static bool is_bool(uint32_t value)
{
    return value <= 1;
}

static bool bools(const uint8_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] > 1)
            return false;
    return true;
}

static int check_soak(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    const struct soak_state *k = &in->s->soak;
    const struct pyemu_config *cfg = &in->s->cfg;

    BELIEVE(m, k->cfg.kinds >> PYEMU_FAULT_COUNT == 0 &&
                   k->cfg.mean_cyc <= UINT64_C(1) << 40 &&
                   (k->cfg.mean_cyc == 0 || k->cfg.overdue_cyc >= 1),
            "soak.cfg is no plan of faults");
    BELIEVE(m, k->cfg.mean_cyc == 0 || k->next_cyc >= in->s->window_start_cyc,
            "soak.next_cyc %llu has gone by", (unsigned long long)k->next_cyc);
    BELIEVE(m, one_of(k->pulse_pcpu, cfg->n_pcpus) || k->cfg.mean_cyc == 0,
            "soak.pulse_pcpu %u does not exist", k->pulse_pcpu);
    BELIEVE(m, one_of(k->reset_vcpu, cfg->n_vcpus) || k->cfg.mean_cyc == 0,
            "soak.reset_vcpu %u does not exist", k->reset_vcpu);
    BELIEVE(m, k->hurry <= MOST_HURRY, "soak.hurry %u is out of range (0 to %u)",
            k->hurry, MOST_HURRY);
    BELIEVE(m, k->done.invariant < 16 && k->done.clause <= PYEMU_CL_LR_BOTH,
            "soak.done: I%u, clause %u do not exist", k->done.invariant,
            k->done.clause);
    BELIEVE(m, k->cfg.mean_cyc != 0 || k->assert_cyc == 0 ||
                   cfg->line_assert_cyc <= k->assert_cyc + UINT64_C(20000),
            "cfg.line_assert_cyc is no latency of this host");
    BELIEVE(m, bools(k->struck, sizeof k->struck), "soak.struck is not 0 or 1");
    return PYEMU_OK;
}

static int check_machine(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    const struct machine_state *s = in->s;

    BELIEVE(m, memcmp(&s->clock, &m->s->clock, sizeof s->clock) == 0,
            "clock of other frequencies");
    BELIEVE(m, s->started == 1 && s->poisoned == 0,
            "started %u, poisoned %u: no machine that runs", s->started, s->poisoned);
    BELIEVE(m, s->next_move <= m->n_moves, "next_move %llu is out of range (0 to %llu)",
            (unsigned long long)s->next_move, (unsigned long long)m->n_moves);
    BELIEVE(m, is_bool(s->resume_valid) &&
                   (s->resume_valid == 0 || s->resume_pcpu < s->cfg.n_pcpus),
            "resume_pcpu %u does not exist", s->resume_pcpu);
    BELIEVE(m, s->window_start_cyc <= MOST_CYC, "window_start_cyc is out of range");
    return check_soak(m, in);
}

static int check_vms(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    for (uint32_t i = 0; i < m->s->cfg.n_vms; i++) {
        struct vm own = m->vms[i];

        own.cntvoff_ticks = in->vms[i].cntvoff_ticks;
        BELIEVE(m, memcmp(&own, &in->vms[i], sizeof own) == 0,
                "vm %u has other vCPUs or another irqchip", i);
    }
    return PYEMU_OK;
}

/* Also of unused ones: they are read before they are filled. */
static int check_lrs(struct pyemu_machine *m, const struct list_register *lr,
                     const char *whose, uint32_t index)
{
    for (uint32_t i = 0; i < PYEMU_MAX_LRS; i++) {
        const uint32_t most = lr[i].hw != 0 ? N_PRIVATE : N_PRIVATE + PYEMU_N_SPIS;

        BELIEVE(m, lr[i].vintid < most && lr[i].pintid < N_PRIVATE &&
                       lr[i].state <= LR_BOTH && is_bool(lr[i].hw),
                "%s[%u].lr[%u]: INTID %u to %u, state %u", whose, index, i,
                lr[i].vintid, lr[i].pintid, lr[i].state);
    }
    return PYEMU_OK;
}

/* The hook of an interrupt under way, and where it stands in it. */
static bool isr_fits(const struct pyemu_machine *m, const struct pcpu *p)
{
    uint32_t hook = PYEMU_H_IRQ_EXIT;

    if (p->irq_stage == ISR_NONE)
        return true;
    if (p->irq_stage == ISR_ENTRY)
        hook = PYEMU_H_IRQ_ENTRY;
    else if (p->irq_stage == ISR_HANDLER)
        hook = p->acked == INTID_VTIMER ? PYEMU_H_VTIMER_ISR : PYEMU_H_PTIMER_ISR;
    return p->irq_stage <= ISR_EXIT && p->irq_pc >= m->policy.hook_start[hook] &&
           p->irq_pc <= m->policy.hook_start[hook + 1];
}

/* Lost ticks are made up for one by one. */
static bool tick_fits(const struct pyemu_machine *m, const struct pcpu *p)
{
    const uint64_t tick_cyc = m->s->cfg.tick_cyc;

    return tick_cyc == 0 || p->next_tick_cyc >= p->now_cyc ||
           (p->now_cyc - p->next_tick_cyc) / tick_cyc <= MOST_LATE_TICKS;
}

static bool current_fits(const struct pyemu_machine *in, uint32_t i)
{
    const uint32_t cur = in->pcpus[i].cur;

    return cur == PYEMU_NONE ||
           (cur < n_threads(in) && in->threads[cur].pcpu == i &&
            in->threads[cur].state == T_RUNNING);
}

static int check_pcpu(struct pyemu_machine *m, const struct pyemu_machine *in,
                      uint32_t i)
{
    const uint64_t fixed = FLAG(VHE) | FLAG(GICV3) | FLAG(EOIMODE1) | FLAG(FORWARDED) |
                           FLAG(DIRECT_P);
    const struct pcpu *p = &in->pcpus[i];

    BELIEVE(m, p->now_cyc <= MOST_CYC && tick_fits(m, p),
            "pcpu[%u].now_cyc or next_tick_cyc is out of range", i);
    BELIEVE(m, p->horizon_cyc <= max_u64(p->window_cyc, p->now_cyc) &&
                   p->window_cyc <= MOST_CYC,
            "pcpu[%u].horizon_cyc is behind its window", i);
    BELIEVE(m, ((p->flags ^ m->pcpus[i].flags) & fixed) == 0 &&
                   p->flags >> FLAGS_END == 0,
            "pcpu[%u].flags are no host's like this", i);
    BELIEVE(m, current_fits(in, i), "pcpu[%u].cur: thread %u does not run here", i,
            p->cur);
    BELIEVE(m, one_of(p->running, in->s->cfg.n_vcpus),
            "pcpu[%u].running: vcpu %u does not exist", i, p->running);
    BELIEVE(m, p->acked < N_PRIVATE || p->acked == INTID_SPURIOUS,
            "pcpu[%u].acked: INTID %u", i, p->acked);
    BELIEVE(m, isr_fits(m, p), "pcpu[%u].irq_pc: step %u is not in stage %u", i,
            p->irq_pc, p->irq_stage);
    BELIEVE(m, p->n_lrs <= in->s->cfg.n_lrs && is_bool(p->online) &&
                   is_bool(p->line_target[0]) && is_bool(p->line_target[1]) &&
                   is_bool(p->idle_exit) && is_bool(p->eisr) && p->stale < 4 &&
                   p->running_prio <= PRIORITY_IDLE,
            "pcpu[%u]: n_lrs, online, line_target, idle_exit, eisr, stale or "
            "running_prio",
            i);
    BELIEVE(m, p->next_outside <= m->n_outside, "pcpu[%u].next_outside", i);
    return check_lrs(m, p->lr, "pcpu", i);
}

static bool pc_fits(const struct pyemu_machine *m, uint32_t hook, uint32_t pc)
{
    return hook < PYEMU_H_COUNT && pc >= m->policy.hook_start[hook] &&
           pc <= m->policy.hook_start[hook + 1];
}

/* Where its thread stands, and where it goes on after a put by the scheduler. */
static int check_thread_of(struct pyemu_machine *m, const struct vcpu *v, uint32_t i)
{
    BELIEVE(m, v->stage <= STAGE_STOPPED && v->saved_stage <= STAGE_STOPPED &&
                   v->cont <= CONT_LOAD_SCHED && v->saved_cont <= CONT_LOAD_SCHED &&
                   v->after <= AFTER_PT_TRAP && v->reason < PYEMU_X_COUNT &&
                   v->saved_scratch < 16,
            "vcpu[%u]: stage %u, cont %u, after %u, reason %u or a saved one", i,
            v->stage, v->cont, v->after, v->reason);
    BELIEVE(m, pc_fits(m, v->hook, v->pc), "vcpu[%u].pc: step %u is not in hook %u", i,
            v->pc, v->hook);
    BELIEVE(m, pc_fits(m, v->saved_hook, v->saved_pc),
            "vcpu[%u].saved_pc: step %u is not in hook %u", i, v->saved_pc,
            v->saved_hook);
    const uint8_t flags[] = {
        v->pstate_i, v->in_irq,     v->eoimode, v->event,      v->resident,
        v->poll,     v->ended,      v->paused,  v->off,        v->sleep_off,
        v->woken,    v->waits_user, v->work,    v->on_pending, v->vif_enabled};

    BELIEVE(m, bools(flags, sizeof flags) && v->flags >> FLAGS_END == 0,
            "vcpu[%u]: a flag is neither 0 nor 1", i);
    return PYEMU_OK;
}

/* Its program counters and list; the op that waits for an answer is one that can. */
static int check_program(struct pyemu_machine *m, const struct vcpu *v, uint32_t i)
{
    const uint32_t n = m->programs[v->prog].n;

    BELIEVE(m, v->gpc < n && v->gpc_return < n && v->trap_op < n,
            "vcpu[%u].gpc: op %u, %u or %u is outside its program of %u", i, v->gpc,
            v->gpc_return, v->trap_op, n);
    BELIEVE(m, (v->stage != STAGE_STOPPED && v->saved_stage != STAGE_STOPPED) ||
                   m->programs[v->prog].ops[v->trap_op].op == PYEMU_OP_GIC_MMIO,
            "vcpu[%u].stage: its op %u asks for no answer", i, v->trap_op);
    BELIEVE(m, v->waits_user == 0, "vcpu[%u].waits_user: it is an op program", i);
    BELIEVE(m, v->list_end == 0 || (v->list_table < m->s->cfg.n_tables &&
                                    v->list_end <= m->tables[v->list_table].n),
            "vcpu[%u].list_end %llu is outside table %u", i,
            (unsigned long long)v->list_end, v->list_table);
    return PYEMU_OK;
}

static int check_code(struct pyemu_machine *m, const struct vcpu *v, uint32_t i)
{
    const uint32_t op = v->trap.op;
    uint32_t most = UINT16_MAX;

    if (op == PYEMU_OP_SGI)
        most = 15;
    else if (op >= PYEMU_OP_TIMER_SET && op <= PYEMU_OP_TIMER_LIST)
        most = N_TIMERS - 1;
    else if (op >= PYEMU_OP_GIC_ENABLE && op <= PYEMU_OP_GIC_PRIO)
        most = N_PRIVATE - 1;
    BELIEVE(m, op < PYEMU_OP_N && v->trap.a <= most,
            "vcpu[%u].trap: op %u of %u is no trap", i, op, v->trap.a);
    BELIEVE(m, v->mmio.size <= 8 && is_bool(v->mmio.is_user) &&
                   is_bool(v->mmio.is_write),
            "vcpu[%u].mmio: %u bytes", i, v->mmio.size);
    return PYEMU_OK;
}

static int check_irq(struct pyemu_machine *m, const struct vgic_irq *q, uint32_t vm,
                     uint32_t intid)
{
    const uint8_t flags[] = {q->line, q->latch,  q->active,
                             q->edge, q->queued, q->enabled};
    const bool is_spi = intid >= N_PRIVATE;
    const bool maps = intid == INTID_VTIMER || intid == INTID_PTIMER;

    BELIEVE(m, bools(flags, sizeof flags) && q->hw <= (maps ? HW_FORWARDS : 0) &&
                   (!is_spi || q->target < m->vms[vm].n_vcpus),
            "vm %u: INTID %u: a fact is out of range", vm, intid);
    return PYEMU_OK;
}

static int check_vcpu(struct pyemu_machine *m, const struct pyemu_machine *in,
                      uint32_t i)
{
    const struct vcpu *v = &in->vcpus[i];
    const struct vcpu *own = &m->vcpus[i];
    int status = PYEMU_OK;

    BELIEVE(m, v->vm == own->vm && v->id == own->id && v->prog == own->prog &&
                   v->irq_entry == own->irq_entry && v->entry == own->entry &&
                   ((v->flags ^ own->flags) & FLAG(USER_IRQCHIP)) == 0,
            "vcpu[%u] is described otherwise", i);
    BELIEVE(m, v->used_lrs <= in->s->cfg.n_lrs &&
                   ((v->mem[0].ctl | v->mem[1].ctl) & ~3U) == 0,
            "vcpu[%u]: used_lrs %u or a timer's CTL", i, v->used_lrs);
    status = check_thread_of(m, v, i);
    if (status == PYEMU_OK)
        status = vcpu_is_code(v) ? check_code(m, v, i) : check_program(m, v, i);
    if (status == PYEMU_OK)
        status = check_lrs(m, v->lr, "vcpu", i);
    for (uint32_t k = 0; k < N_PRIVATE && status == PYEMU_OK; k++)
        status = check_irq(m, &v->irq[k], v->vm, k);
    return status;
}

static int check_thread(struct pyemu_machine *m, const struct pyemu_machine *in,
                        uint32_t i)
{
    const struct thread *t = &in->threads[i];
    const struct thread *own = &m->threads[i];

    BELIEVE(m, t->pcpu < in->s->cfg.n_pcpus && t->state <= T_PAUSED &&
                   one_of(t->move_to, in->s->cfg.n_pcpus),
            "thread[%u]: pcpu %u, state %u or move_to %u", i, t->pcpu, t->state,
            t->move_to);
    BELIEVE(m, t->state != T_RUNNING || in->pcpus[t->pcpu].cur == i,
            "thread[%u] runs, but not on pcpu %u", i, t->pcpu);
    BELIEVE(m, t->weight == own->weight && t->inv_weight == own->inv_weight &&
                   t->on_cyc == own->on_cyc && t->off_cyc == own->off_cyc &&
                   t->slack_cyc == own->slack_cyc && t->spi == own->spi &&
                   t->spi_vcpu == own->spi_vcpu,
            "thread[%u] is described otherwise", i);
    return PYEMU_OK;
}

int snapshot_state_check(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    const struct pyemu_config *cfg = &m->s->cfg;
    int status = check_machine(m, in);

    if (status == PYEMU_OK)
        status = check_vms(m, in);
    for (uint32_t i = 0; i < n_threads(m) && status == PYEMU_OK; i++)
        status = check_thread(m, in, i);
    for (uint32_t i = 0; i < cfg->n_pcpus && status == PYEMU_OK; i++)
        status = check_pcpu(m, in, i);
    for (uint32_t i = 0; i < cfg->n_vcpus && status == PYEMU_OK; i++)
        status = check_vcpu(m, in, i);
    for (uint32_t i = 0; i < cfg->n_vms * PYEMU_N_SPIS && status == PYEMU_OK; i++)
        status = check_irq(m, &in->spis[i], i / PYEMU_N_SPIS,
                           N_PRIVATE + i % PYEMU_N_SPIS);
    return status;
}
