/*
 * vgic.c - stored facts, ap_list, injection (2.4).
 *
 * line  latch active | level irq pending | edge irq pending | on the ap_list
 *   0     0     0    |       no          |       no         | no
 *   1     0     0    |       yes         |       no         | level: if enabled
 *   x     1     0    |       yes         |       yes        | if enabled
 *   x     x     1    |    as without     |    as without    | yes (active stays)
 */
#include "kvm/vgic.h"

#include "account/account.h"
#include "hw/gic.h"
#include "kvm/inject.h"
#include "kvm/vgic_lr.h"

struct vgic_irq *vgic_irq_of(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    if (intid < N_PRIVATE)
        return &v->irq[intid];
    ASSERT(m, intid - N_PRIVATE < PYEMU_N_SPIS);
    return &m->spis[(uint64_t)v->vm * PYEMU_N_SPIS + (intid - N_PRIVATE)];
}

struct vcpu *vgic_owner(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    if (intid < N_PRIVATE)
        return v;
    return &m->vcpus[m->vms[v->vm].first_vcpu + vgic_irq_of(m, v, intid)->target];
}

void vgic_mirror(struct vcpu *v, uint32_t intid)
{
    const struct vgic_irq *q = &v->irq[intid];

    /* made pending by the guest: the physical interrupt stays active for it (B33) */
    const bool active = q->active != 0 || (q->hw == HW_FORWARDS && q->latch != 0);

    if (intid == INTID_VTIMER) {
        put_bit64(&v->flags, PYEMU_F_VACT_V, active);
        put_bit64(&v->flags, PYEMU_F_LINE_V, q->line != 0);
    } else if (intid == INTID_PTIMER) {
        put_bit64(&v->flags, PYEMU_F_VACT_P, active);
    }
}

/* The oracle: does this vCPU have to hold the interrupt? (vgic_target_oracle) */
static bool wants_list(const struct vgic_irq *q)
{
    return q->active != 0 || (q->enabled != 0 && irq_is_pending(q));
}

bool vgic_wants(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    const struct vgic_irq *q = vgic_irq_of(m, v, intid);

    return wants_list(q) && (q->active != 0 || vgic_owner(m, v, intid) == v);
}

static void ap_append(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);

    q->queued = 1;
    q->on = vcpu_idx(m, v);
    q->next = AP_END;
    if (v->ap_head == AP_END) {
        v->ap_head = intid;
    } else {
        struct vgic_irq *last = vgic_irq_of(m, v, v->ap_head);

        while (last->next != AP_END)
            last = vgic_irq_of(m, v, last->next);
        last->next = (uint16_t)intid;
    }
    v->ap_len++;
    put_bit64(&v->flags, PYEMU_F_AP, true);
}

/*
 * vgic_queue_irq_unlock: not queued and wanted: append; in any case where the
 * oracle says yes, make a request (4.13+; before it: kick without one, B25).
 */
static bool queue(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);

    if (intid < N_PRIVATE)
        vgic_mirror(v, intid);
    if (!wants_list(q))
        return false;
    if (q->queued == 0)
        ap_append(m, v, intid);
    if (machine_switch(m, PYEMU_S_INJECT_REQUEST))
        v->flags |= FLAG(REQ);
    return true;
}

bool vgic_requeue(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    return queue(m, v, intid);
}

static uint32_t active_prim(uint32_t intid, bool set)
{
    if (intid == INTID_PTIMER)
        return set ? PYEMU_P_ACTIVE_SET_P : PYEMU_P_ACTIVE_CLEAR_P;
    return set ? PYEMU_P_ACTIVE_SET_V : PYEMU_P_ACTIVE_CLEAR_V;
}

bool vgic_inject(struct pyemu_machine *m, struct vcpu *v, uint32_t intid, bool level)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);

    if (q->edge != 0) {
        if (!level)
            return false;
        q->latch = 1;
        return queue(m, v, intid);
    }
    if (q->hw != 0 && machine_switch(m, PYEMU_S_SIGNAL_ONCE)) {
        if (!level || has_bit32(v->signalled, intid))
            return false;
        v->signalled |= bit32(intid);
        q->latch = 1;
        return queue(m, v, intid);
    }
    if ((q->line != 0) == level)
        return false;
    q->line = level;
    return queue(m, v, intid);
}

void vgic_guest_write(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t intid, enum vgic_write what)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);
    const bool set = what == VGIC_SPEND || what == VGIC_SACTIVE;
    const bool pend = what == VGIC_SPEND || what == VGIC_CPEND;

    if (pend && intid < 16 && m->s->cfg.gic_version == 2)
        return; /* read-only bits: GICD_SPENDSGIR has them */
    if (pend)
        q->latch = set;
    else
        q->active = set;
    if (!set && !machine_switch(m, PYEMU_S_SIGNAL_STICKY))
        v->signalled &= ~(intid < N_PRIVATE ? bit32(intid) : 0U);
    vgic_follow(m, p, v, intid, pend);
}

void vgic_follow(struct pyemu_machine *m, struct pcpu *p, const struct vcpu *v,
                 uint32_t intid, bool pend)
{
    const struct vgic_irq *q = &v->irq[intid % N_PRIVATE];
    const bool set = pend ? q->latch != 0 : q->active != 0;

    if (intid >= N_PRIVATE || q->hw == 0 || p->running != vcpu_idx(m, v))
        return;
    if (q->hw == HW_FORWARDS) { /* active for as long as anything is left of it */
        const bool active = q->active != 0 || irq_is_pending(q);

        charge(m, p, active_prim(intid, active));
        gic_set_active(p, intid, active);
        return;
    }
    if (!machine_switch(m, PYEMU_S_MAPPED_WRITES))
        return;
    /* a clear of pending leaves an interrupt in service alone */
    if (set || !pend || q->active == 0) {
        charge(m, p, active_prim(intid, set));
        gic_set_active(p, intid, set);
    }
}

bool vgic_inject_sgi(struct pyemu_machine *m, struct vcpu *v, uint32_t intid,
                     uint32_t source)
{
    struct vgic_irq *q = &v->irq[intid];

    q->latch = 1;
    if (m->s->cfg.gic_version == 2)
        q->source = (uint8_t)(q->source | bit32(source & 7U));
    return queue(m, v, intid);
}

bool vgic_pending(const struct pyemu_machine *m, const struct vcpu *v)
{
    const bool strict = machine_switch(m, PYEMU_S_PENDING_PMR);
    uint32_t n = v->ap_head;

    while (n != AP_END) {
        const struct vgic_irq *q = vgic_irq_of((struct pyemu_machine *)(uintptr_t)m,
                                               (struct vcpu *)(uintptr_t)v, n);

        if (q->enabled != 0 && irq_is_pending(q) &&
            (!strict || (q->active == 0 && q->prio < v->vmcr_pmr)))
            return true;
        n = q->next;
    }
    return false;
}

/* Takes an interrupt off the list; prev: the one before it, NULL if it is the first. */
static void unlink(struct vcpu *v, struct vgic_irq *q, struct vgic_irq *prev)
{
    if (prev == NULL)
        v->ap_head = q->next;
    else
        prev->next = q->next;
    q->queued = 0;
    q->on = PYEMU_NONE;
    q->next = AP_END;
    v->ap_len--;
}

/* Sends SPIs that are to be on another vCPU's list there (vgic_prune_ap_list). */
static void send_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    struct vgic_irq *prev = NULL;

    for (uint32_t n = v->ap_head; n != AP_END;) {
        struct vgic_irq *q = vgic_irq_of(m, v, n);
        const uint32_t next = q->next;

        if (n >= N_PRIVATE && wants_list(q) && !vgic_wants(m, v, n)) {
            unlink(v, q, prev);
            inject_irq(m, p, vgic_owner(m, v, n), n, INJECT_MOVED);
        } else {
            prev = q;
        }
        n = next;
    }
}

/* Drops what the oracle no longer wants; order of the rest is kept. */
static void prune(struct pyemu_machine *m, struct vcpu *v)
{
    struct vgic_irq *prev = NULL;

    for (uint32_t n = v->ap_head; n != AP_END;) {
        struct vgic_irq *q = vgic_irq_of(m, v, n);
        const uint32_t next = q->next;

        if (wants_list(q))
            prev = q;
        else
            unlink(v, q, prev);
        n = next;
    }
    put_bit64(&v->flags, PYEMU_F_AP, v->ap_head != AP_END);
}

void vgic_sync(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    vgic_fold(m, p, v);
    send_off(m, p, v);
    prune(m, v);
}

void vgic_reset_irq(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);

    q->line = 0;
    q->latch = 0;
    q->active = 0;
    q->source = 0;
    q->active_source = 0;
    if (intid < N_PRIVATE) {
        v->signalled &= ~bit32(intid);
        vgic_mirror(v, intid);
    }
    prune(m, v);
}

/* Reset values: SGIs edge and enabled as GICv2 has them, PPIs level. */
void vgic_reset(struct pyemu_machine *m, struct vcpu *v)
{
    v->ap_head = AP_END;
    v->ap_len = 0;
    v->used_lrs = 0;
    v->vapr = 0;
    v->pmr = PRIORITY_IDLE + 1U;
    v->vmcr_pmr = v->pmr;
    v->elrsr = UINT16_MAX;
    v->signalled = 0;
    v->eoimode = 0;
    v->hcr_eoicount = 0;
    for (uint32_t i = 0; i < N_PRIVATE; i++) {
        struct vgic_irq *q = &v->irq[i];

        *q = (struct vgic_irq){.edge = i < 16, .enabled = 1, .next = AP_END,
                               .prio = HOST_IRQ_PRIORITY, .on = PYEMU_NONE};
        q->hw = i == INTID_VTIMER ||
                (i == INTID_PTIMER && m->s->cfg.direct_ptimer != 0);
    }
    v->flags &= ~(FLAG(AP) | FLAG(LRS) | FLAG(VACT_V) | FLAG(VACT_P) | FLAG(LINE_V));
}
