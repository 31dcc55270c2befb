/* plan.c - points of the fault plan: when, what, to whom; all of it from the seed. */
#include "soak/soak.h"

#include "base/rng.h"
#include "host/sched.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/vgic.h"
#include "policy/paths.h"

enum { HURRY_CYC = 400, PULSE_CYC = 4000, MOST_LATE_CYC = 20000, DROP_TRIES = 48,
       INTID_DEVICE = INTID_SGI_KICK + 1 };

static uint32_t draw(struct pyemu_machine *m, uint32_t below)
{
    struct soak_state *k = &m->s->soak;

    return rng_below(rng_at(k->cfg.seed ^ UINT64_C(0x736f616b), k->n_draws++), below);
}

static void look_now(struct pcpu *p)
{
    p->horizon_cyc = p->now_cyc;
}

static struct pcpu *any_pcpu(struct pyemu_machine *m)
{
    return &m->pcpus[draw(m, m->s->cfg.n_pcpus)];
}

static struct vcpu *current(struct pyemu_machine *m, const struct pcpu *p)
{
    return p->cur < m->s->cfg.n_vcpus ? &m->vcpus[p->cur] : NULL;
}

/* A move to where it is: out by put, in by load, rival or not. */
static bool preempt(struct pyemu_machine *m)
{
    struct pcpu *p = any_pcpu(m);
    const struct vcpu *v = current(m, p);

    if (v == NULL || m->threads[p->cur].move_to != PYEMU_NONE)
        return false;
    sched_set_move(m, &m->threads[p->cur], pcpu_idx(m, p));
    p->flags |= FLAG(RESCHED);
    if (v->stage == STAGE_GUEST)
        gic_set_pending(p, INTID_SGI_KICK);
    look_now(p);
    return true;
}

static bool migrate(struct pyemu_machine *m)
{
    const uint32_t vcpu = draw(m, m->s->cfg.n_vcpus);
    const uint32_t to = draw(m, m->s->cfg.n_pcpus);

    if (m->pcpus[to].online == 0 || m->threads[vcpu].state == T_OFF ||
        m->threads[vcpu].pcpu == to)
        return false;
    return pyemu_move(m, vcpu, to) == PYEMU_OK;
}

/* An unrelated interrupt; half of them are gone soon, for IAR to return 1023. */
static bool spurious(struct pyemu_machine *m)
{
    struct pcpu *p = any_pcpu(m);

    gic_set_pending(p, INTID_DEVICE);
    look_now(p);
    if (draw(m, 2) != 0)
        m->s->soak.pulse_pcpu = pcpu_idx(m, p);
    return true;
}

static void end_pulse(struct pyemu_machine *m)
{
    struct soak_state *k = &m->s->soak;
    struct pcpu *p = &m->pcpus[k->pulse_pcpu];

    k->pulse_pcpu = PYEMU_NONE;
    p->irq_latch &= ~bit32(INTID_DEVICE);
    gic_update(p);
}

/* Lines that rise reach the GIC late from now on, or in time again (1.4). */
static bool late(struct pyemu_machine *m)
{
    struct pyemu_config *cfg = &m->s->cfg;

    cfg->line_assert_cyc = m->s->soak.assert_cyc;
    if (draw(m, 2) != 0)
        cfg->line_assert_cyc += draw(m, MOST_LATE_CYC);
    paths_clear(m); /* compiled for the latency that was */
    return cfg->line_assert_cyc != m->s->soak.assert_cyc;
}

static bool kick(struct pyemu_machine *m)
{
    struct pcpu *p = any_pcpu(m);

    gic_set_pending(p, INTID_SGI_KICK);
    look_now(p);
    return true;
}

static bool interrupt_ioctl(struct pyemu_machine *m)
{
    const uint32_t t = draw(m, m->s->cfg.n_vcpus);

    if (m->threads[t].state == T_OFF || m->vcpus[t].resident == 0)
        return false;
    return pyemu_signal(m, t) == PYEMU_OK;
}

/* One that is asked for now and lost later, when it may be. */
static bool drop_soon(struct pyemu_machine *m)
{
    if (draw(m, 2) != 0 ? interrupt_ioctl(m) : preempt(m))
        m->s->soak.hurry = DROP_TRIES;
    return false;
}

/* A kick has done its work once the vCPU is out of guest mode (2.4). */
static bool drop(struct pyemu_machine *m)
{
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        struct pcpu *p = &m->pcpus[i];
        const struct vcpu *v = current(m, p);

        if (!has_bit32(p->irq_latch, INTID_SGI_KICK) ||
            (v != NULL && (v->stage == STAGE_GUEST || has_bit64(v->flags, FI_MODE))))
            continue;
        p->irq_latch &= ~bit32(INTID_SGI_KICK);
        gic_update(p);
        return true;
    }
    return false;
}

static bool wake(struct pyemu_machine *m)
{
    const uint32_t t = draw(m, m->s->cfg.n_vcpus);

    if (m->threads[t].state != T_SLEEPING || m->vcpus[t].stage == STAGE_START)
        return false;
    struct pcpu *p = &m->pcpus[m->threads[t].pcpu];

    sched_wake(m, p, t);
    look_now(p);
    return true;
}

static bool hotplug(struct pyemu_machine *m)
{
    const uint32_t i = draw(m, m->s->cfg.n_pcpus);
    uint32_t n_online = 0;

    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
        n_online += m->pcpus[k].online != 0;
    if (m->pcpus[i].online != 0 && n_online == 1)
        return false;
    look_now(&m->pcpus[i]);
    return pyemu_pcpu_online(m, i, m->pcpus[i].online == 0) == PYEMU_OK;
}

/* KVM_ARM_VCPU_INIT needs the vCPU out of KVM_RUN: pause it, go on when it is. */
static bool reset_begin(struct pyemu_machine *m)
{
    const uint32_t t = draw(m, m->s->cfg.n_vcpus);

    if (m->s->soak.reset_vcpu != PYEMU_NONE || m->vcpus[t].ended != 0 ||
        vcpu_is_code(&m->vcpus[t]) || m->vcpus[t].paused != 0 ||
        m->threads[t].state == T_OFF || m->vcpus[t].stage == STAGE_START)
        return false;
    m->s->soak.reset_vcpu = t;
    return pyemu_vcpu_pause(m, t, 1) == PYEMU_OK;
}

/* What a VMM does on reset: init the vCPU, clear its private interrupts, set PC. */
static void reset_end(struct pyemu_machine *m)
{
    const uint32_t t = m->s->soak.reset_vcpu;
    struct vcpu *v = &m->vcpus[t];

    /* the ioctl may load the vCPU, so its pCPU runs no other one meanwhile */
    if (m->threads[t].state != T_PAUSED ||
        m->pcpus[m->threads[t].pcpu].cur < m->s->cfg.n_vcpus)
        return;
    (void)pyemu_vcpu_reset(m, t);
    for (uint32_t i = 0; i < N_PRIVATE; i++) {
        struct vgic_irq *q = &v->irq[i];

        q->latch = 0;
        q->active = 0;
        q->source = 0;
        q->active_source = 0;
        (void)vgic_requeue(m, v, i);
    }
    v->vapr = 0;
    v->iar = INTID_SPURIOUS;
    v->gpc = v->entry;
    v->compute_saved = 0;
    m->s->soak.reset_vcpu = PYEMU_NONE;
    (void)pyemu_vcpu_pause(m, t, 0);
}

static bool harm(struct pyemu_machine *m, uint32_t kind)
{
    switch (kind) {
    case PYEMU_FAULT_PREEMPT: return preempt(m);
    case PYEMU_FAULT_MIGRATE: return migrate(m);
    case PYEMU_FAULT_SPURIOUS: return spurious(m);
    case PYEMU_FAULT_LATE: return late(m);
    case PYEMU_FAULT_KICK: return kick(m);
    case PYEMU_FAULT_DROP: return drop_soon(m);
    case PYEMU_FAULT_WAKE: return wake(m);
    case PYEMU_FAULT_SIGNAL: return interrupt_ioctl(m);
    case PYEMU_FAULT_HOTPLUG: return hotplug(m);
    case PYEMU_FAULT_RESET: return reset_begin(m);
    default: return false;
    }
}

/* Snapshots and machines to move to are Python's; the plan says when. */
static void ask(struct pyemu_machine *m, uint32_t kind)
{
    struct soak_state *k = &m->s->soak;

    k->done.faults[kind]++;
    k->next_ask = k->done.points + k->cfg.ask_every;
    m->stop = PYEMU_STOP_FAULT + 1;
    m->stop_step = kind;
}

static bool asks(struct pyemu_machine *m)
{
    struct soak_state *k = &m->s->soak;
    const uint32_t both = bit32(PYEMU_FAULT_SNAPSHOT) | bit32(PYEMU_FAULT_MOVE_VM);
    const uint32_t kinds = k->cfg.kinds & both;

    if (kinds == 0 || k->done.points < k->next_ask || k->reset_vcpu != PYEMU_NONE)
        return false;
    ask(m, kinds != both ? lowest_bit32(kinds) : PYEMU_FAULT_SNAPSHOT + draw(m, 2));
    return true;
}

static void strike(struct pyemu_machine *m)
{
    struct soak_state *k = &m->s->soak;
    const uint32_t kind = draw(m, PYEMU_FAULT_SNAPSHOT);

    if (!has_bit32(k->cfg.kinds, kind))
        return;
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        const struct vcpu *v = current(m, &m->pcpus[i]);

        if (v == NULL || v->stage != STAGE_HOOK || v->pc >= m->policy.n_steps)
            continue;
        k->done.n_boundaries += k->struck[v->pc] == 0;
        k->struck[v->pc] = 1;
    }
    if (harm(m, kind))
        k->done.faults[kind]++;
}

static void next_point(struct pyemu_machine *m)
{
    struct soak_state *k = &m->s->soak;
    const uint64_t span = 2 * k->cfg.mean_cyc;
    uint64_t most = min_u64(span, UINT32_MAX);

    if (k->pulse_pcpu != PYEMU_NONE)
        most = min_u64(most, PULSE_CYC);
    if (k->hurry != 0)
        most = min_u64(most, HURRY_CYC);
    k->next_cyc += 1 + draw(m, (uint32_t)most);
}

void soak_point(struct pyemu_machine *m)
{
    struct soak_state *k = &m->s->soak;

    k->done.points++;
    soak_check(m);
    if (k->done.invariant != 0) {
        m->stop = PYEMU_STOP_BROKEN + 1;
        return;
    }
    if (k->pulse_pcpu != PYEMU_NONE)
        end_pulse(m);
    if (k->reset_vcpu != PYEMU_NONE)
        reset_end(m);
    if (k->hurry != 0) {
        k->hurry--;
        if (drop(m)) {
            k->done.faults[PYEMU_FAULT_DROP]++;
            k->hurry = 0;
        }
    } else if (!asks(m)) {
        strike(m);
    }
    next_point(m);
}

int pyemu_set_faults(struct pyemu_machine *m, const struct pyemu_fault_config *cfg)
{
    struct soak_state *k = &m->s->soak;

    REQUIRE(m, m->s->started != 0, "the machine has not been started");
    REQUIRE(m, cfg->kinds >> PYEMU_FAULT_COUNT == 0,
            "fault kinds 0x%x: there are only %u", cfg->kinds, PYEMU_FAULT_COUNT);
    REQUIRE(m, cfg->mean_cyc <= UINT64_C(1) << 40,
            "mean_cyc %llu is out of range (0 to 2^40)",
            (unsigned long long)cfg->mean_cyc);
    REQUIRE(m, cfg->mean_cyc == 0 || cfg->overdue_cyc >= 1,
            "overdue_cyc 0 is out of range (at least 1)");
    const struct pyemu_fault_report none = {0};

    k->cfg = *cfg;
    k->done = none;
    k->n_draws = 0;
    k->hurry = 0;
    k->assert_cyc = m->s->cfg.line_assert_cyc;
    k->pulse_pcpu = PYEMU_NONE;
    k->reset_vcpu = PYEMU_NONE;
    k->next_ask = cfg->ask_every;
    k->next_cyc = m->s->window_start_cyc;
    for (uint32_t i = 0; i < PYEMU_MAX_STEPS; i++)
        k->struck[i] = 0;
    k->base[0] = m->s->counters[PYEMU_C_BAD_DEACTIVATE];
    k->base[1] = m->s->counters[PYEMU_C_HOST_OOPS];
    if (cfg->mean_cyc != 0)
        next_point(m);
    return PYEMU_OK;
}
