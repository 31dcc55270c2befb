/*
 * vgic_lr.c - flush and sync of list registers (2.4). Rules that differ by
 * kernel version are switches of the policy, cited where they are tested.
 */
#include "kvm/vgic_lr.h"

#include <string.h>

#include "account/account.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "hw/vcpuif.h"
#include "kvm/vgic.h"

static bool is_mapped_level(const struct pyemu_machine *m, const struct vgic_irq *q)
{
    return q->hw != 0 && q->edge == 0 && machine_switch(m, PYEMU_S_HW_BIT);
}

/* v2 SGI: one LR per source; the latch stays while sources remain. */
static void take_latch(const struct pyemu_machine *m, struct vcpu *v,
                       struct vgic_irq *q, struct list_register *lr)
{
    if (m->s->cfg.gic_version == 2 && lr->vintid < 16 && q->source != 0) {
        const uint32_t src = lowest_bit32(q->source);

        lr->source = (uint8_t)src;
        q->active_source = (uint8_t)src;
        q->source = (uint8_t)(q->source & (q->source - 1U));
        if (q->source != 0) {
            v->uie |= HCR_NPIE; /* come back for the next source (B26) */
            return;
        }
    }
    q->latch = 0;
}

/* populate_lr: pending and active from the facts; HW never carries both. */
static void populate(struct pyemu_machine *m, struct vcpu *v, uint32_t intid,
                     struct list_register *lr)
{
    struct vgic_irq *q = vgic_irq_of(m, v, intid);
    bool pending = irq_is_pending(q) && q->enabled != 0;

    *lr = (struct list_register){.vintid = (uint16_t)intid, .prio = q->prio,
                                 .source = q->active_source};
    if (is_mapped_level(m, q)) {
        lr->hw = 1;
        lr->pintid = (uint16_t)intid;
        pending = pending && q->active == 0;
    } else if (q->edge == 0) {
        lr->source |= LR_EOI; /* its end is told to whoever emulates the line (2.4) */
        if (machine_switch(m, PYEMU_S_NO_AP_LEVEL))
            pending = pending && q->active == 0; /* B27 */
    } else if (m->s->cfg.gic_version == 2 && q->active != 0 && q->source != 0) {
        pending = false; /* the EOI asks for the next source, NP would at once */
        lr->source |= LR_EOI;
    }
    if (pending) {
        lr->state = LR_PENDING;
        if (q->edge != 0)
            take_latch(m, v, q, lr);
        else if (lr->hw != 0 && machine_switch(m, PYEMU_S_LOWER_ON_POPULATE))
            q->line = 0;
    }
    if (q->active != 0)
        lr->state = (uint8_t)(lr->state | LR_ACTIVE);
    if (intid < N_PRIVATE)
        vgic_mirror(v, intid);
}

/* More candidates than list registers: active first, then by priority (2.4). */
static uint32_t pick(struct pyemu_machine *m, struct vcpu *v, uint64_t taken)
{
    uint32_t best = AP_END;
    uint32_t best_key = UINT32_MAX;
    uint32_t nth = 0;

    for (uint32_t n = v->ap_head; n != AP_END; nth++) {
        const struct vgic_irq *q = vgic_irq_of(m, v, n);
        const uint32_t key = (q->active != 0 ? 0 : 256U) + q->prio;

        if (vgic_wants(m, v, n) && nth < 64 && !has_bit64(taken, nth) &&
            key < best_key) {
            best = nth;
            best_key = key;
        }
        n = q->next;
    }
    return best;
}

static uint32_t nth_irq(struct pyemu_machine *m, struct vcpu *v, uint32_t nth)
{
    uint32_t n = v->ap_head;

    while (nth-- != 0)
        n = vgic_irq_of(m, v, n)->next;
    return n;
}

/* Bug B26: the sources of a GICv2 SGI that are left fill the next list registers. */
static uint32_t more_sources(struct pyemu_machine *m, struct vcpu *v, uint32_t used)
{
    for (uint32_t i = 0; i < used && used < m->s->cfg.n_lrs; i++) {
        const uint32_t intid = v->lr[i].vintid;

        if (intid < 16 && v->irq[intid].source != 0)
            populate(m, v, intid, &v->lr[used++]);
    }
    return used;
}

void vgic_flush(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t n_lrs = m->s->cfg.n_lrs;
    uint32_t used = 0;

    v->uie = 0;
    if (v->ap_len <= n_lrs) {
        for (uint32_t n = v->ap_head; n != AP_END;) {
            const struct vgic_irq *q = vgic_irq_of(m, v, n);
            if (vgic_wants(m, v, n))
                populate(m, v, n, &v->lr[used++]);
            n = q->next;
        }
    } else {
        uint64_t taken = 0;

        for (; used < n_lrs; used++) {
            const uint32_t nth = pick(m, v, taken);

            if (nth >= 64)
                break; /* fewer than n_lrs among those that are looked at */
            taken |= bit64(nth);
            populate(m, v, nth_irq(m, v, nth), &v->lr[used]);
        }
        /*
         * One LR never has two valid, so U would hold for ever: there the LR's
         * own EOI asks for the next (a HW one cannot: the next exit serves it).
         */
        if (used == n_lrs && n_lrs > 1) /* else nothing is left to come back for */
            v->uie |= HCR_UIE;
        else if (n_lrs == 1 && used == 1)
            v->lr[0].source |= LR_EOI;
        if (machine_switch(m, PYEMU_S_EOICOUNT))
            v->uie |= HCR_LRENPIE; /* 6.19 (B39) */
    }
    if (machine_switch(m, PYEMU_S_MULTI_LR))
        used = more_sources(m, v, used);
    charge_switch(m, p, v, PYEMU_P_POPULATE, used);
    v->used_lrs = (uint16_t)used;
    put_bit64(&v->flags, PYEMU_F_LRS, used != 0);
}

/* hyp restore: HCR, APR and each used LR (2.4). */
void vgic_restore(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    for (uint32_t i = 0; i < v->used_lrs; i++)
        p->lr[i] = v->lr[i];
    p->n_lrs = (uint8_t)v->used_lrs;
    p->uie = v->uie;
    v->hcr_eoicount = 0; /* HCR is written */
    charge_switch(m, p, v, PYEMU_P_LR_W, v->used_lrs);
    charge_switch(m, p, v, PYEMU_P_VGIC_IF_W, 2);
}

/* hyp save: APR and ELRSR reads, per LR read-if-not-empty and write 0, HCR := 0. */
void vgic_save(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    uint32_t n_read = 0;

    for (uint32_t i = 0; i < p->n_lrs; i++) {
        n_read += p->lr[i].state != LR_INVALID;
        v->lr[i] = p->lr[i];
        if (p->lr[i].state == LR_INVALID)
            v->elrsr = (uint16_t)(v->elrsr | bit32(i));
        else
            v->elrsr = (uint16_t)(v->elrsr & ~bit32(i));
        p->lr[i].state = LR_INVALID;
    }
    charge_switch(m, p, v, PYEMU_P_LR_R, n_read);
    charge_switch(m, p, v, PYEMU_P_LR_W, p->n_lrs);
    charge_switch(m, p, v, PYEMU_P_VGIC_IF_R, 2);
    charge_switch(m, p, v, PYEMU_P_VGIC_IF_W, 1);
    p->n_lrs = 0;
    p->uie = 0;
    p->eisr = 0;
    gic_set_line(p, INTID_MAINT, false);
}

void vgic_sample(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                 uint32_t intid)
{
    const uint32_t t = intid == INTID_PTIMER ? TIMER_P : TIMER_V;
    struct vgic_irq *q = &v->irq[intid];

    m->s->dyn_count[t == TIMER_V ? PYEMU_P_EVAL_V_HW : PYEMU_P_EVAL_P_HW]++;
    p->now_cyc += m->cost[PYEMU_P_EVAL_V_HW];
    q->line = timer_line(p, t);
    /* an interrupt in service keeps its physical active bit (I3) */
    if (q->line == 0 && q->active == 0) {
        charge(m, p, t == TIMER_V ? PYEMU_P_ACTIVE_CLEAR_V : PYEMU_P_ACTIVE_CLEAR_P);
        gic_set_active(p, intid, false);
    }
    vgic_mirror(v, intid);
}

/* The guest has silenced the device meanwhile: let it interrupt again (5.3, B29). */
void vgic_sample_enabled(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         uint32_t intid)
{
    const uint32_t t = intid == INTID_PTIMER ? TIMER_P : TIMER_V;
    struct vgic_irq *q = &v->irq[intid];
    const bool was_high = q->line != 0;

    m->s->dyn_count[t == TIMER_V ? PYEMU_P_EVAL_V_HW : PYEMU_P_EVAL_P_HW]++;
    p->now_cyc += m->cost[PYEMU_P_EVAL_V_HW];
    q->line = timer_line(p, t);
    if (q->active == 0 && was_high && q->line == 0) {
        charge(m, p, t == TIMER_V ? PYEMU_P_ACTIVE_CLEAR_V : PYEMU_P_ACTIVE_CLEAR_P);
        gic_set_active(p, intid, false);
    }
    vgic_mirror(v, intid);
}

static void fold_one(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                     const struct list_register *lr)
{
    struct vgic_irq *q = vgic_irq_of(m, v, lr->vintid);
    const bool pending = (lr->state & LR_PENDING) != 0;
    const bool was_active = q->active != 0;

    q->active = (lr->state & LR_ACTIVE) != 0;
    if (lr->state == LR_INVALID && lr->vintid < N_PRIVATE)
        v->signalled &= ~bit32(lr->vintid);
    if (q->edge != 0 && pending) {
        q->latch = 1;
        if (m->s->cfg.gic_version == 2 && lr->vintid < 16)
            q->source = (uint8_t)(q->source | bit32(lr->source & 7U));
    }
    if (q->edge == 0 && !pending)
        q->latch = 0;
    if (lr->hw != 0 && q->edge == 0) {
        const bool deactivated = was_active && q->active == 0 && q->line != 0;

        if ((pending && machine_switch(m, PYEMU_S_RESAMPLE_PENDING)) ||
            (deactivated && machine_switch(m, PYEMU_S_RESAMPLE_DEACT)))
            vgic_sample(m, p, v, lr->vintid);
    }
    if (lr->vintid < N_PRIVATE)
        vgic_mirror(v, lr->vintid);
}

static bool is_in_lr(const struct vcpu *v, uint32_t intid)
{
    for (uint32_t i = 0; i < v->used_lrs; i++)
        if (v->lr[i].vintid == intid)
            return true;
    return false;
}

/* The active interrupt with the highest priority that no list register held. */
static struct vgic_irq *outside_lrs(struct pyemu_machine *m, struct vcpu *v,
                                    uint32_t *intid)
{
    const bool head = machine_switch(m, PYEMU_S_EOI_FROM_HEAD); /* bug B38 */
    struct vgic_irq *best = NULL;

    for (uint32_t n = v->ap_head; n != AP_END;) {
        struct vgic_irq *q = vgic_irq_of(m, v, n);

        if (q->active != 0 && (head || !is_in_lr(v, n)) &&
            (best == NULL || q->prio < best->prio)) {
            best = q;
            *intid = n;
        }
        n = q->next;
    }
    return best;
}

/* 6.19: each EOI that met no list register ends an interrupt outside them (B39). */
static void replay(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    for (; v->hcr_eoicount != 0; v->hcr_eoicount--) {
        uint32_t intid = 0;
        struct vgic_irq *q = outside_lrs(m, v, &intid);

        if (q == NULL)
            continue;
        q->active = 0;
        if (intid >= N_PRIVATE)
            continue;
        if (q->hw != 0)
            gic_deactivate(p, intid);
        vgic_mirror(v, intid);
    }
}

void vgic_fold(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    v->uie = 0;
    charge_switch(m, p, v, PYEMU_P_FOLD, v->used_lrs);
    for (uint32_t i = 0; i < v->used_lrs; i++) {
        if (machine_switch(m, PYEMU_S_STALE_ELRSR) && has_bit32(v->elrsr, i))
            v->lr[i].state = LR_INVALID;
        fold_one(m, p, v, &v->lr[i]);
    }
    if (machine_switch(m, PYEMU_S_EOICOUNT))
        replay(m, p, v);
    v->used_lrs = 0;
    v->flags &= ~FLAG(LRS);
}

/* Would populate fill lr as it stands, and fold take nothing from it? */
static bool lr_settled(const struct pyemu_machine *m, const struct vgic_irq *q,
                       const struct list_register *lr)
{
    const bool hw = is_mapped_level(m, q);
    const bool quiet = hw || q->edge != 0 || q->line == 0 || q->enabled == 0;

    return lr->state == LR_ACTIVE && q->active != 0 && q->latch == 0 && quiet &&
           (lr->hw != 0) == hw && lr->pintid == (hw ? lr->vintid : 0U) &&
           lr->prio == q->prio && lr->source == q->active_source;
}

/* Nothing asks for maintenance, and writing HCR would change nothing. */
static bool hcr_quiet(const struct pcpu *p, const struct vcpu *v)
{
    return (p->uie | v->uie | p->eisr | v->hcr_eoicount) == 0 &&
           !has_bit32(p->irq_line, INTID_MAINT);
}

static bool list_unwanted(const struct vcpu *v)
{
    for (uint32_t at = v->ap_head; at != AP_END; at = v->irq[at].next)
        if (at >= N_PRIVATE || v->irq[at].active != 0 ||
            (v->irq[at].enabled != 0 && irq_is_pending(&v->irq[at])))
            return false;
    return v->ap_len <= 1;
}

uint32_t vgic_steady(const struct pyemu_machine *m, const struct pcpu *p,
                     const struct vcpu *v)
{
    const uint32_t n = v->used_lrs;
    uint32_t at = v->ap_head;

    if (n != p->n_lrs || !hcr_quiet(p, v) ||
        machine_switch(m, PYEMU_S_STALE_ELRSR))
        return VGIC_UNSTEADY;
    if (n == 0 && at != AP_END)
        return list_unwanted(v) ? VGIC_IDLE : VGIC_UNSTEADY;
    if (n != v->ap_len || n >= VGIC_IDLE - VGIC_STEADY)
        return VGIC_UNSTEADY;
    for (uint32_t i = 0; i < n; i++) {
        const struct list_register *lr = &p->lr[i];

        if (at >= N_PRIVATE || lr->vintid != at || !lr_settled(m, &v->irq[at], lr) ||
            memcmp(lr, &v->lr[i], sizeof *lr) != 0)
            return VGIC_UNSTEADY;
        at = v->irq[at].next;
    }
    return VGIC_STEADY + n;
}

/* The physical side: nothing but 27 can be delivered, and its line is the timer's. */
static bool host_alone(const struct pyemu_machine *m, const struct pcpu *p)
{
    const struct pyemu_config *cfg = &m->s->cfg;
    const uint32_t ppi = bit32(INTID_VTIMER);
    const bool line = timer_line(p, TIMER_V);

    return (gic_candidates(p) & ~ppi) == 0 && (p->irq_enabled & ppi) != 0 &&
           ((p->irq_edge | p->irq_latch) & ppi) == 0 &&
           has_bit32(p->irq_line, INTID_VTIMER) == line &&
           p->line_target[TIMER_V] == line &&
           p->running_prio == PRIORITY_IDLE && p->prio[INTID_VTIMER] < p->pmr &&
           cfg->line_assert_cyc == 0 && cfg->line_retire_cyc == 0;
}

uint32_t vgic_alone(const struct pyemu_machine *m, const struct pcpu *p,
                    const struct vcpu *v)
{
    const struct vgic_irq *q = &v->irq[INTID_VTIMER];
    const struct list_register *lr = &p->lr[0];
    const uint32_t n = v->used_lrs;
    const bool listed = v->ap_head == INTID_VTIMER;
    const uint64_t unusual = bit64(PYEMU_S_STALE_ELRSR) | bit64(PYEMU_S_SIGNAL_ONCE);

    if ((m->policy.switches & unusual) != 0 || n > 1 || n != p->n_lrs ||
        v->ap_len != listed || !hcr_quiet(p, v) ||
        !is_mapped_level(m, q) || q->enabled == 0 || q->latch != 0 ||
        p->running != vcpu_idx(m, v) || !host_alone(m, p))
        return VGIC_UNSTEADY;
    if (n == 0)
        return VGIC_ALONE;
    if (lr->vintid != INTID_VTIMER || lr->pintid != INTID_VTIMER || lr->hw == 0 ||
        lr->prio != q->prio || lr->source != q->active_source || lr->state == LR_BOTH)
        return VGIC_UNSTEADY;
    return VGIC_ALONE_LR + lr->state;
}
