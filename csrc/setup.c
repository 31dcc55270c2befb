/* setup.c - everything Python sets before a run, and the checks it must pass. */
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "host/horizon.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/vgic.h"
#include "kvm/vtimer.h"
#include "policy/paths.h"
#include "policy/steps.h"
#include "run/code_call.h"
#include "state/layout.h"
#include "state/reset.h"

/* Records one pCPU may add before the buffer is looked at again. */
enum { TRACE_MARGIN = 4096 };

static int check_config(struct pyemu_machine *m, const struct pyemu_config *c)
{
    REQUIRE(m, c->n_pcpus >= 1 && c->n_pcpus <= PYEMU_MAX_PCPUS,
            "n_pcpus %u is out of range (1 to %u)", c->n_pcpus, PYEMU_MAX_PCPUS);
    REQUIRE(m, c->n_vcpus >= 1 && c->n_vcpus <= PYEMU_MAX_VCPUS,
            "n_vcpus %u is out of range (1 to %u)", c->n_vcpus, PYEMU_MAX_VCPUS);
    REQUIRE(m, c->n_vms >= 1 && c->n_vms <= c->n_vcpus,
            "n_vms %u is out of range (1 to n_vcpus)", c->n_vms);
    REQUIRE(m, c->n_tasks <= PYEMU_MAX_VCPUS, "n_tasks %u is out of range (0 to %u)",
            c->n_tasks, PYEMU_MAX_VCPUS);
    REQUIRE(m, c->n_programs <= PYEMU_MAX_PROGRAMS,
            "n_programs %u is out of range (0 to %u)", c->n_programs,
            PYEMU_MAX_PROGRAMS);
    REQUIRE(m, c->n_tables <= PYEMU_MAX_TABLES, "n_tables %u is out of range (0 to %u)",
            c->n_tables, PYEMU_MAX_TABLES);
    REQUIRE(m, c->n_lrs >= 1 && c->n_lrs <= PYEMU_MAX_LRS,
            "n_lrs %u is out of range (1 to %u)", c->n_lrs, PYEMU_MAX_LRS);
    REQUIRE(m, c->gic_version == 2 || c->gic_version == 3,
            "gic_version %u is neither 2 nor 3", c->gic_version);
    REQUIRE(m, c->direct_ptimer == 0 || c->vhe != 0,
            "direct_ptimer needs vhe: an nVHE host uses CNTP itself (1.3)");
    REQUIRE(m, c->cntfrq_hz <= c->cpu_hz,
            "cntfrq_hz %llu is above cpu_hz %llu", (unsigned long long)c->cntfrq_hz,
            (unsigned long long)c->cpu_hz);
    REQUIRE(m, c->tick_cyc == 0 || c->tick_cyc >= 1000,
            "tick_cyc %llu is out of range (0, or at least 1000)",
            (unsigned long long)c->tick_cyc);
    return PYEMU_OK;
}

static void init_pcpu(struct pyemu_machine *m, uint32_t i)
{
    const struct pyemu_config *c = &m->s->cfg;
    struct pcpu *p = &m->pcpus[i];

    gic_reset(p);
    p->cur = PYEMU_NONE;
    p->running = PYEMU_NONE;
    p->timers = PYEMU_NONE;
    p->rq = PYEMU_NONE;
    p->msgs = PYEMU_NONE;
    p->online = 1;
    p->idle_exit = 1;
    p->tick_off = 1;
    p->next_slice_cyc = PYEMU_NEVER;
    p->next_tick_cyc = c->tick_cyc == 0 ? PYEMU_NEVER : c->tick_phase_cyc;
    p->cnthctl = CNTHCTL_HOST;
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        p->line_due_cyc[t] = PYEMU_NEVER;
        p->hw[t].expiry_cyc = PYEMU_NEVER;
    }
    p->flags = FLAG(SYNC);
    put_bit64(&p->flags, PYEMU_F_VHE, c->vhe != 0);
    put_bit64(&p->flags, PYEMU_F_GICV3, c->gic_version == 3);
    put_bit64(&p->flags, PYEMU_F_EOIMODE1, c->host_eoimode1 != 0);
    put_bit64(&p->flags, PYEMU_F_FORWARDED, c->forwarded != 0);
    put_bit64(&p->flags, PYEMU_F_DIRECT_P, c->direct_ptimer != 0);
}

static void init_state(struct pyemu_machine *m)
{
    const struct pyemu_config *c = &m->s->cfg;

    for (uint32_t i = 0; i < c->n_pcpus; i++)
        init_pcpu(m, i);
    for (uint32_t i = 0; i < c->n_vcpus; i++) {
        vgic_reset(m, &m->vcpus[i]);
        m->vcpus[i].ended = 2; /* not set up */
    }
    for (uint32_t i = 0; i < m->n_msgs; i++)
        m->msgs[i].next_free = i + 1 < m->n_msgs ? i + 1 : PYEMU_NONE;
    for (uint32_t i = 0; i < PYEMU_N_SPIS * c->n_vms; i++) {
        m->spis[i].next = AP_END;
        m->spis[i].on = PYEMU_NONE;
        m->spis[i].prio = HOST_IRQ_PRIORITY;
        m->spis[i].edge = 1; /* KVM's reset value; recorded: no maintenance at EOI */
    }
    m->latency_cyc = 1;
    m->trace_stop = PYEMU_NEVER;
    machine_reset_stats(m);
}

int pyemu_machine_new(const struct pyemu_config *cfg, struct pyemu_machine **out)
{
    struct pyemu_machine *m = calloc(1, sizeof *m);

    if (m == NULL)
        return PYEMU_ENOMEM;
    *out = m; /* kept on failure, so that pyemu_error can be read */
    int status = check_config(m, cfg);

    if (status == PYEMU_OK)
        status = layout_new(m, cfg);
    if (status != PYEMU_OK)
        return status;
    m->s->cfg = *cfg;
    REQUIRE(m, clock_init(&m->s->clock, cfg->cpu_hz, cfg->cntfrq_hz),
            "cpu_hz %llu and cntfrq_hz %llu are out of range (1 Hz to 4.29 GHz, "
            "after reduction)",
            (unsigned long long)cfg->cpu_hz, (unsigned long long)cfg->cntfrq_hz);
    m->programs = calloc(cfg->n_programs + 1U, sizeof *m->programs);
    m->tables = calloc(cfg->n_tables + 1U, sizeof *m->tables);
    if (m->programs == NULL || m->tables == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory for %u programs",
                            cfg->n_programs);
    if (cfg->plain == 0 && cfg->trace_steps == 0 && cfg->stale_istatus == 0) {
        m->paths = paths_new();
        if (m->paths == NULL)
            return machine_fail(m, PYEMU_ENOMEM, "no memory for the path cache");
    }
    paths_clear(m);
    init_state(m);
    return PYEMU_OK;
}

static void price_steps(struct pyemu_machine *m)
{
    for (uint32_t i = 0; i < m->policy.n_steps; i++)
        m->policy.cost[i] = m->cost[m->policy.steps[i].prim];
    paths_clear(m);
}

int pyemu_set_costs(struct pyemu_machine *m, const uint32_t *cost_cyc, uint32_t n)
{
    REQUIRE(m, n == PYEMU_P_COUNT, "%u costs given, %u primitives exist", n,
            PYEMU_P_COUNT);
    for (uint32_t i = 0; i < n; i++)
        REQUIRE(m, cost_cyc[i] <= 1U << 30,
                "cost of primitive %u is %u cycles (0 to 2^30)", i, cost_cyc[i]);
    REQUIRE(m, cost_cyc[PYEMU_P_G_INSN] >= 1,
            "g_insn costs 0 cycles (1 to 2^30): a guest loop would never end");
    memcpy(m->cost, cost_cyc, sizeof m->cost);
    const uint64_t flight = m->cost[PYEMU_P_IPI_LATENCY];

    m->latency_cyc = flight > 0 ? flight : 1;
    price_steps(m);
    return PYEMU_OK;
}

static int check_step(struct pyemu_machine *m, const struct pyemu_step *s, uint32_t i,
                      uint32_t n_guards)
{
    REQUIRE(m, s->prim < PYEMU_P_STEP_COUNT,
            "step %u: primitive %u may not stand in a table (0 to %u)", i, s->prim,
            PYEMU_P_STEP_COUNT - 1U);
    REQUIRE(m, s->guard < n_guards, "step %u: guard %u does not exist (0 to %u)", i,
            s->guard, n_guards - 1U);
    REQUIRE(m, s->hook < PYEMU_H_COUNT, "step %u: hook %u does not exist", i, s->hook);
    REQUIRE(m, s->prim != PYEMU_P_ERET || s->hook == PYEMU_H_ENTER,
            "step %u: eret may stand in hook enter only", i);
    REQUIRE(m, s->prim != PYEMU_P_HANDLE || s->hook == PYEMU_H_EXIT,
            "step %u: handle may stand in hook exit only", i);
    REQUIRE(m,
            (s->prim != PYEMU_P_CHECK_SIGNAL && s->prim != PYEMU_P_CHECK_REQUESTS &&
             s->prim != PYEMU_P_REQUESTS) ||
                s->hook == PYEMU_H_ENTER,
            "step %u: requests are checked in hook enter only", i);
    return PYEMU_OK;
}

static int check_hooks(struct pyemu_machine *m, const struct pyemu_step *steps,
                       uint32_t n_steps, const uint32_t *hook_start)
{
    REQUIRE(m, hook_start[0] == 0 && hook_start[PYEMU_H_COUNT] == n_steps,
            "hook_start must run from 0 to %u", n_steps);
    for (uint32_t h = 0; h < PYEMU_H_COUNT; h++) {
        REQUIRE(m, hook_start[h] <= hook_start[h + 1], "hook %u ends before it starts",
                h);
        for (uint32_t i = hook_start[h]; i < hook_start[h + 1]; i++)
            REQUIRE(m, i < n_steps && steps[i].hook == h,
                    "step %u does not belong to hook %u", i, h);
    }
    const uint32_t last = hook_start[PYEMU_H_ENTER + 1];

    REQUIRE(m, last > 0 && steps[last - 1].prim == PYEMU_P_ERET &&
                   steps[last - 1].guard == 0,
            "hook enter must end with an unguarded eret");
    return PYEMU_OK;
}

int pyemu_set_policy(struct pyemu_machine *m, const struct pyemu_step *steps,
                     uint32_t n_steps, const uint32_t *hook_start,
                     const struct pyemu_guard *guards, uint32_t n_guards,
                     uint64_t switches)
{
    REQUIRE(m, n_steps >= 1 && n_steps <= PYEMU_MAX_STEPS,
            "%u steps are out of range (1 to %u)", n_steps, PYEMU_MAX_STEPS);
    REQUIRE(m, n_guards >= 1 && n_guards <= PYEMU_MAX_GUARDS,
            "%u guards are out of range (1 to %u)", n_guards, PYEMU_MAX_GUARDS);
    REQUIRE(m, guards[0].mask == 0 && guards[0].want == 0 && guards[0].inverted == 0,
            "guard 0 must always hold");
    for (uint32_t i = 0; i < n_guards; i++)
        REQUIRE(m, (guards[i].mask >> PYEMU_F_COUNT) == 0 &&
                       (guards[i].want & ~guards[i].mask) == 0,
                "guard %u tests flags that do not exist", i);
    for (uint32_t i = 0; i < n_steps; i++) {
        const int status = check_step(m, &steps[i], i, n_guards);

        if (status != PYEMU_OK)
            return status;
    }
    const int status = check_hooks(m, steps, n_steps, hook_start);

    if (status != PYEMU_OK)
        return status;
    memcpy(m->policy.steps, steps, n_steps * sizeof *steps);
    memcpy(m->policy.guards, guards, n_guards * sizeof *guards);
    memcpy(m->policy.hook_start, hook_start, sizeof m->policy.hook_start);
    m->policy.n_steps = n_steps;
    m->policy.n_guards = n_guards;
    m->policy.switches = switches;
    steps_prepare(&m->policy);
    price_steps(m);
    return PYEMU_OK;
}

int pyemu_set_table(struct pyemu_machine *m, uint32_t idx, const uint64_t *values,
                    uint64_t n)
{
    REQUIRE(m, idx < m->s->cfg.n_tables, "table %u does not exist (0 to %u)", idx,
            m->s->cfg.n_tables);
    REQUIRE(m, n >= 1 && n <= UINT32_MAX, "table %u has %llu values (1 to 2^32 - 1)",
            idx, (unsigned long long)n);
    m->tables[idx].values = values;
    m->tables[idx].n = n;
    return PYEMU_OK;
}

int pyemu_set_moves(struct pyemu_machine *m, const struct pyemu_move *moves, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        REQUIRE(m,
                moves[i].vcpu < m->s->cfg.n_vcpus &&
                    moves[i].pcpu < m->s->cfg.n_pcpus,
                "move %llu: vcpu %u or pcpu %u does not exist", (unsigned long long)i,
                moves[i].vcpu, moves[i].pcpu);
        REQUIRE(m, i == 0 || moves[i - 1].at_cyc <= moves[i].at_cyc,
                "move %llu is earlier than the one before it", (unsigned long long)i);
    }
    m->moves = moves;
    m->n_moves = n;
    m->s->next_move = 0;
    return PYEMU_OK;
}

int pyemu_set_outside(struct pyemu_machine *m, const struct pyemu_outside *irqs,
                      uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        REQUIRE(m, irqs[i].pcpu < m->s->cfg.n_pcpus &&
                       (irqs[i].vcpu == PYEMU_NONE ||
                        irqs[i].vcpu < m->s->cfg.n_vcpus),
                "outside interrupt %llu: vcpu or pcpu does not exist",
                (unsigned long long)i);
        REQUIRE(m, irqs[i].vcpu == PYEMU_NONE || irqs[i].intid < N_PRIVATE,
                "outside interrupt %llu: INTID %u is out of range (0 to 31)",
                (unsigned long long)i, irqs[i].intid);
        REQUIRE(m, i == 0 || irqs[i - 1].at_cyc <= irqs[i].at_cyc,
                "outside interrupt %llu is earlier than the one before it",
                (unsigned long long)i);
    }
    m->outside = irqs;
    m->n_outside = n;
    return PYEMU_OK;
}

int pyemu_set_vm(struct pyemu_machine *m, uint32_t vm, const struct pyemu_vm_config *c)
{
    REQUIRE(m, vm < m->s->cfg.n_vms, "vm %u does not exist (0 to %u)", vm,
            m->s->cfg.n_vms - 1U);
    REQUIRE(m, c->n_vcpus >= 1 && c->first_vcpu < m->s->cfg.n_vcpus &&
                   c->n_vcpus <= m->s->cfg.n_vcpus - c->first_vcpu,
            "vm %u: vcpus %u+%u are out of range", vm, c->first_vcpu, c->n_vcpus);
    REQUIRE(m, m->s->cfg.gic_version == 3 || c->n_vcpus <= 8,
            "vm %u: a GICv2 VM has at most 8 vCPUs, not %u", vm, c->n_vcpus);
    m->vms[vm].cntvoff_ticks = c->cntvoff_ticks;
    m->has_offsets = m->has_offsets || c->cntvoff_ticks != 0;
    m->vms[vm].user_irqchip = c->user_irqchip;
    m->vms[vm].first_vcpu = c->first_vcpu;
    m->vms[vm].n_vcpus = c->n_vcpus;
    return PYEMU_OK;
}

static void init_thread(struct pyemu_machine *m, uint32_t t, uint32_t pcpu,
                        uint32_t weight)
{
    struct thread *th = &m->threads[t];

    th->pcpu = pcpu;
    th->weight = weight;
    th->inv_weight = (uint32_t)((1024ULL << 20) / weight);
    th->move_to = PYEMU_NONE;
    th->state = T_SLEEPING;
}

/* An op program, or the processor that pyemu_code_vm has made. */
static int check_runs(struct pyemu_machine *m, uint32_t vcpu,
                      const struct pyemu_vcpu_config *c)
{
    if (c->program == PYEMU_NONE) {
        REQUIRE(m, m->code != NULL && m->code[vcpu] != NULL,
                "vcpu %u: its vm has no machine code", vcpu);
        return PYEMU_OK;
    }
    REQUIRE(m, c->program < m->s->cfg.n_programs && m->programs[c->program].n != 0,
            "vcpu %u: program %u does not exist", vcpu, c->program);
    const uint32_t n = m->programs[c->program].n;

    REQUIRE(m, c->entry < n && (c->irq_entry < n || c->irq_entry == PYEMU_NONE),
            "vcpu %u: entry %u or irq_entry %u is out of range (0 to %u)", vcpu,
            c->entry, c->irq_entry, n - 1U);
    return PYEMU_OK;
}

int pyemu_set_vcpu(struct pyemu_machine *m, uint32_t vcpu,
                   const struct pyemu_vcpu_config *c)
{
    REQUIRE(m, vcpu < m->s->cfg.n_vcpus, "vcpu %u does not exist (0 to %u)", vcpu,
            m->s->cfg.n_vcpus - 1U);
    REQUIRE(m, c->vm < m->s->cfg.n_vms && c->pcpu < m->s->cfg.n_pcpus,
            "vcpu %u: vm %u or pcpu %u does not exist", vcpu, c->vm, c->pcpu);
    REQUIRE(m, c->weight >= 1 && c->weight <= 100000,
            "vcpu %u: weight %u is out of range (1 to 100000)", vcpu, c->weight);
    REQUIRE(m, c->debit_cyc < 1ULL << 62, "vcpu %u: a debit of %llu cycles", vcpu,
            (unsigned long long)c->debit_cyc);
    const int status = check_runs(m, vcpu, c);

    if (status != PYEMU_OK)
        return status;
    struct vcpu *v = &m->vcpus[vcpu];

    init_thread(m, vcpu, c->pcpu, c->weight);
    m->threads[vcpu].vruntime = c->debit_cyc;
    v->vm = (uint16_t)c->vm;
    v->id = c->id;
    v->prog = c->program;
    v->gpc = c->entry;
    v->irq_entry = c->irq_entry;
    v->pstate_i = 1;
    v->stage = STAGE_START;
    v->ended = 0;
    v->exit_cyc = PYEMU_NEVER;
    v->injected_cyc = PYEMU_NEVER;
    v->counted = UINT32_MAX;
    v->entry = c->entry;
    v->iar = INTID_SPURIOUS;
    if (vcpu_is_code(v))
        code_vgic_reset(m, v);
    put_bit64(&v->flags, PYEMU_F_POWERED_OFF, c->powered_on == 0);
    put_bit64(&v->flags, PYEMU_F_USER_IRQCHIP, m->vms[c->vm].user_irqchip != 0);
    vtimer_mem_written(m, v, TIMER_V, 0);
    vtimer_mem_written(m, v, TIMER_P, 0);
    soft_arm(m, &m->pcpus[c->pcpu], soft_node(m, v, TIMER_V), c->start_cyc);
    return PYEMU_OK;
}

int pyemu_set_task(struct pyemu_machine *m, uint32_t task,
                   const struct pyemu_task_config *c)
{
    REQUIRE(m, task < m->s->cfg.n_tasks && c->pcpu < m->s->cfg.n_pcpus,
            "task %u or pcpu %u does not exist", task, c->pcpu);
    REQUIRE(m, c->weight >= 1 && c->weight <= 100000,
            "task %u: weight %u is out of range (1 to 100000)", task, c->weight);
    REQUIRE(m, c->intid == 0 || (c->vcpu < m->s->cfg.n_vcpus &&
                                 c->intid >= N_PRIVATE &&
                                 c->intid < N_PRIVATE + PYEMU_N_SPIS),
            "task %u: no SPI %u of vcpu %u", task, c->intid, c->vcpu);
    const uint32_t t = m->s->cfg.n_vcpus + task;

    init_thread(m, t, c->pcpu, c->weight);
    m->threads[t].on_cyc = c->on_cyc;
    m->threads[t].off_cyc = c->off_cyc;
    m->threads[t].slack_cyc = c->slack_cyc;
    m->threads[t].spi = c->intid;
    m->threads[t].spi_vcpu = c->vcpu;
    soft_arm(m, &m->pcpus[c->pcpu], task_node(m, task), c->start_cyc);
    return PYEMU_OK;
}

int pyemu_set_trace(struct pyemu_machine *m, struct pyemu_event *buf, uint64_t cap)
{
    REQUIRE(m, cap == 0 || cap >= 2 * TRACE_MARGIN,
            "a trace buffer of %llu records is too small (at least 8192)",
            (unsigned long long)cap);
    m->trace = buf;
    m->trace_cap = cap;
    m->trace_stop = cap == 0 ? PYEMU_NEVER : cap - TRACE_MARGIN;
    paths_clear(m); /* some steps leave a record: walks end there */
    return PYEMU_OK;
}

/* Can a guest or the outside reach a vCPU on another pCPU? */
static bool talks(const struct pyemu_machine *m)
{
    for (uint64_t i = 0; i < m->n_outside; i++)
        if (m->outside[i].vcpu != PYEMU_NONE)
            return true;
    if (m->code != NULL && m->s->cfg.n_vcpus > 1)
        return true; /* memory they share is enough */
    for (uint32_t i = 0; i < m->s->cfg.n_tasks; i++)
        if (m->threads[m->s->cfg.n_vcpus + i].spi != 0)
            return true;
    for (uint32_t i = 0; i < m->s->cfg.n_programs; i++)
        for (uint32_t k = 0; k < m->programs[i].n; k++)
            switch (m->programs[i].ops[k].op) {
            case PYEMU_OP_SGI:
            case PYEMU_OP_CPU_ON:
            case PYEMU_OP_SYSTEM_OFF:
            case PYEMU_OP_GIC_MMIO: return true;
            default: break;
            }
    return false;
}

/* Threads start when their start time comes; those at 0 are runnable now. */
int pyemu_start(struct pyemu_machine *m)
{
    REQUIRE(m, m->policy.n_steps != 0, "no policy has been set");
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        REQUIRE(m, m->vcpus[i].ended == 0, "vcpu %u has not been set up", i);
        if (m->timer_nodes[soft_node(m, &m->vcpus[i], TIMER_V)].key != 0)
            continue;
        (void)soft_cancel(m, soft_node(m, &m->vcpus[i], TIMER_V));
        sched_enqueue(m, &m->pcpus[m->threads[i].pcpu], i, false);
    }
    for (uint32_t i = 0; i < m->s->cfg.n_tasks; i++) {
        const uint32_t t = m->s->cfg.n_vcpus + i;

        if (m->timer_nodes[task_node(m, i)].key != 0)
            continue;
        (void)soft_cancel(m, task_node(m, i));
        sched_enqueue(m, &m->pcpus[m->threads[t].pcpu], t, false);
    }
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        for (uint32_t n = 0; n < N_PRIVATE; n++)
            if (m->vcpus[i].irq[n].hw != 0 && machine_switch(m, PYEMU_S_DIST_FORWARD))
                m->vcpus[i].irq[n].hw = HW_FORWARDS;
    m->talks = talks(m);
    m->s->started = 1;
    machine_reset_stats(m);
    return PYEMU_OK;
}
