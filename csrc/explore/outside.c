/* outside.c - events from outside: what other CPUs, devices and user space do. */
#include "explore/explore.h"
#include "host/sched.h"
#include "host/softtimer.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "kvm/inject.h"
#include "kvm/vgic.h"
#include "kvm/vtimer.h"
#include "policy/steps.h"

/* kvm_vcpu_kick: wake a sleeper, IPI if in guest mode, else nothing. */
static void kick(struct pyemu_explorer *x, uint32_t i)
{
    struct pyemu_machine *m = x->m;
    struct pcpu *p = &m->pcpus[m->threads[i].pcpu];

    if (p->cur == i && has_bit64(m->vcpus[i].flags, FI_MODE))
        gic_set_pending(p, INTID_SGI_KICK);
    else
        sched_wake(m, p, i);
}

/* Resetting a machine, user space clears what it injected itself, and its states. */
static void reset_irqchip(struct vcpu *v)
{
    const uint16_t intids[] = {EX_OTHER_SGI, INTID_PTIMER};

    for (uint32_t n = 0; n < sizeof intids / sizeof *intids; n++) {
        struct vgic_irq *q = &v->irq[intids[n]];

        if (q->hw != 0)
            continue; /* a mapped one is KVM's to reset (B11) */
        q->line = 0;
        q->active = 0;
        q->latch = 0;
        vgic_mirror(v, intids[n]);
    }
}

/* An ioctl on the vCPU: up to 4.15 each one loads and puts it (B12). */
static void ioctl_timer(struct pyemu_explorer *x, uint32_t i, bool reset)
{
    struct pyemu_machine *m = x->m;
    struct vcpu *v = &m->vcpus[i];
    struct pcpu *p = &m->pcpus[m->threads[i].pcpu];
    const bool loads = machine_switch(m, PYEMU_S_IOCTL_LOADS);

    if (loads)
        hook_run(m, p, v, PYEMU_H_LOAD);
    for (uint32_t t = 0; t < (reset ? 2U : 1U); t++) {
        v->mem[t].ctl = 0;
        if (!reset)
            v->mem[t].cval_ticks = 0;
        vtimer_mem_written(m, v, t, p->now_cyc);
        x->ghost[i].t[t] = v->mem[t];
    }
    if (reset)
        hook_run(m, p, v, PYEMU_H_RESET);
    if (loads)
        hook_run(m, p, v, PYEMU_H_PUT);
    if (!reset)
        return;
    reset_irqchip(v);
    v->pstate_i = 1;
    v->vapr = 0;
    v->iar = INTID_SPURIOUS;
    x->ghost[i].ended = 0;
    x->ghost[i].owed = 0;
    x->ghost[i].orphan = v->irq[INTID_VTIMER].active;
}

/* VGIC attributes by ioctl: the enable bit of 27, the other way round (B32). */
static void uaccess(struct pyemu_explorer *x, uint32_t i)
{
    struct pyemu_machine *m = x->m;
    struct pcpu *p = &m->pcpus[m->threads[i].pcpu];
    struct vgic_irq *q = &m->vcpus[i].irq[INTID_VTIMER];

    q->enabled = q->enabled == 0;
    if (machine_switch(m, PYEMU_S_UACCESS_HW))
        gic_set_enabled(p, INTID_VTIMER, q->enabled != 0);
    inject_requeue(m, p, &m->vcpus[i], INTID_VTIMER);
}

/* CPUHP dying and starting; hrtimers of a dead pCPU move to the first one. */
static void hotplug(struct pyemu_explorer *x, struct pcpu *p, bool online)
{
    struct pyemu_machine *m = x->m;

    p->online = online;
    gic_set_enabled(p, INTID_VTIMER, online);
    if (online)
        return;
    for (uint32_t n = 0; n < 2 * m->s->cfg.n_vcpus; n++)
        if (m->timer_nodes[n].queued == 1 + pcpu_idx(m, p))
            for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
                if (m->pcpus[k].online != 0)
                    soft_arm(m, &m->pcpus[k], n, m->timer_nodes[n].key);
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
            if (m->threads[i].pcpu == pcpu_idx(m, p) && m->pcpus[k].online != 0)
                m->threads[i].pcpu = k;
}

/* KVM_DEV_ARM_VGIC: what user space reads of the interrupts. */
static void save_vgic(struct pyemu_explorer *x, uint32_t i)
{
    struct ghost *g = &x->ghost[i];

    g->stopped = 1;
    for (uint32_t n = 0; n < EX_N_IRQS; n++) {
        const struct vgic_irq *q = &x->m->vcpus[i].irq[EX_IRQS[n]];

        g->kept[n] = (uint8_t)(q->line | q->latch << 1 | q->active << 2 |
                               q->enabled << 3);
    }
}

/* A host that has never run this VM: nothing armed, nothing active. */
static void fresh_host(struct pyemu_machine *m, struct vcpu *v)
{
    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
        for (uint32_t t = 0; t < N_TIMERS; t++) {
            struct pcpu *p = &m->pcpus[k];

            p->hw[t].ctl = 0;
            p->line_target[t] = 0;
            p->line_due_cyc[t] = PYEMU_NEVER;
            timer_recalc(m, p, t);
            gic_set_line(p, timer_intid(t), false);
            gic_set_active(p, timer_intid(t), false);
        }
    (void)soft_cancel(m, soft_node(m, v, TIMER_V));
    (void)soft_cancel(m, soft_node(m, v, TIMER_P));
    v->flags &= ~(FLAG(LEVEL_V) | FLAG(LEVEL_P) | FLAG(CLEARED) | FLAG(BG_ARMED) |
                  FLAG(PT_ARMED) | FLAG(REQ) | FLAG(AP));
    v->work = 0;
    v->ap_head = AP_END;
    v->ap_len = 0;
}

/* The timers are saved now, and both loaded: the vgic is as it was earlier (B23). */
static void restore(struct pyemu_explorer *x, uint32_t i)
{
    struct ghost *g = &x->ghost[i];
    struct vcpu *v = &x->m->vcpus[i];

    fresh_host(x->m, v);
    for (uint32_t n = 0; n < EX_N_IRQS; n++) {
        struct vgic_irq *q = &v->irq[EX_IRQS[n]];

        q->line = g->kept[n] & 1U;
        q->latch = (g->kept[n] >> 1) & 1U;
        q->active = (g->kept[n] >> 2) & 1U;
        q->enabled = (g->kept[n] >> 3) & 1U;
        q->queued = 0;
        g->kept[n] = 0;
        (void)vgic_requeue(x->m, v, EX_IRQS[n]);
    }
    g->stopped = 0;
    g->ended = 0;
}

void ex_outside(struct pyemu_explorer *x, ex_move mv)
{
    struct pyemu_machine *m = x->m;
    struct pcpu *p = &m->pcpus[ex_pcpu(mv)];
    const uint32_t i = ex_vcpu(mv);

    switch (ex_kind(mv)) {
    case PYEMU_A_LINE_ASSERT:
    case PYEMU_A_LINE_RETIRE:
        p->line_due_cyc[ex_arg(mv)] = 0;
        timer_line_events(p);
        break;
    case PYEMU_A_DEVICE_IRQ: gic_set_pending(p, EX_DEVICE_SGI); break;
    case PYEMU_A_SIGNAL:
        m->vcpus[i].flags |= FLAG(SIGNAL);
        kick(x, i);
        break;
    case PYEMU_A_KICK:
        m->vcpus[i].flags |= FLAG(REQ);
        kick(x, i);
        break;
    case PYEMU_A_INJECT: ex_other_raise(x, i, ex_arg(mv)); break;
    case PYEMU_A_UACCESS: uaccess(x, i); break;
    case PYEMU_A_WORK_RUN:
        m->vcpus[i].work = 0;
        sched_wake(m, &m->pcpus[m->threads[i].pcpu], i);
        break;
    case PYEMU_A_SAVE_VGIC: save_vgic(x, i); break;
    case PYEMU_A_RESTORE: restore(x, i); break;
    case PYEMU_A_RESET: ioctl_timer(x, i, true); break;
    case PYEMU_A_SET_REG: ioctl_timer(x, i, false); break;
    case PYEMU_A_OFFLINE: hotplug(x, p, false); break;
    case PYEMU_A_ONLINE: hotplug(x, p, true); break;
    default: break;
    }
}
