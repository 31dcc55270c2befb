/*
 * walk_vgic.c - interrupt steps of a walk: list registers, injection, the
 * physical active state, the host's interrupt path. Restates vgic.c, vgic_lr.c,
 * gic.c and irq.c for the case that 27 is the only interrupt there is; then its
 * facts are flags: VACT_V active, LINE_V line, AP listed.
 */
#include "policy/walk.h"

#include "account/account.h"
#include "hw/gic.h"

/* With no list register in use each vgic step alone changes nothing. */
static bool vgic_in_place(struct walk *w, uint32_t prim, uint32_t steady)
{
    static const uint8_t order[] = {PYEMU_P_VGIC_SAVE, PYEMU_P_VGIC_SYNC,
                                    PYEMU_P_VGIC_FLUSH, PYEMU_P_VGIC_RESTORE};
    const uint32_t n = steady == VGIC_IDLE ? 0 : steady - VGIC_STEADY;

    if (steady == VGIC_UNSTEADY || (steady == VGIC_IDLE && prim == PYEMU_P_VGIC_SYNC))
        return false;
    if (n == 0)
        w->x.vgic = 4;
    else if (w->x.vgic == 4 || order[w->x.vgic++] != prim)
        return false;
    switch (prim) {
    case PYEMU_P_VGIC_SAVE:
        walk_charge(w, DYN_LR_R, n, true);
        walk_charge(w, DYN_LR_W, n, true);
        walk_charge(w, DYN_IF_R, 2, true);
        walk_charge(w, DYN_IF_W, 1, true);
        break;
    case PYEMU_P_VGIC_SYNC:
        walk_charge(w, DYN_FOLD, n, true);
        walk_put(w, PYEMU_F_LRS, false);
        break;
    case PYEMU_P_VGIC_FLUSH:
        walk_charge(w, DYN_POPULATE, n, true);
        walk_put(w, PYEMU_F_LRS, n != 0);
        break;
    default:
        walk_charge(w, DYN_LR_W, n, true);
        walk_charge(w, DYN_IF_W, 2, true);
        break;
    }
    return true;
}

/* The oracle for 27, which is enabled and has no latch (vgic.c). */
static bool wanted(struct walk *w)
{
    return walk_get(w, PYEMU_F_VACT_V) || walk_get(w, PYEMU_F_LINE_V);
}

static void alone_save(struct walk *w)
{
    struct vgic_moves *g = &w->x.gic;

    walk_charge(w, DYN_LR_R, g->n_lrs != 0 && g->state != LR_INVALID, true);
    walk_charge(w, DYN_LR_W, g->n_lrs, true);
    walk_charge(w, DYN_IF_R, 2, true);
    walk_charge(w, DYN_IF_W, 1, true);
    if (g->n_lrs != 0) {
        g->image = g->state;
        w->saved = true;
    }
    g->state = LR_INVALID;
    g->n_lrs = 0;
}

/* Sampling the line of a mapped interrupt (4.16, 5.15). */
static void alone_sample(struct walk *w)
{
    const bool line = walk_line_high(w, TIMER_V);

    walk_charge(w, DYN_SAMPLE, 1, false);
    walk_put(w, PYEMU_F_LINE_V, line);
    if (line || walk_get(w, PYEMU_F_VACT_V))
        return; /* in service it keeps its physical active bit (I3) */
    walk_charge(w, DYN_SAMPLE_CLEAR, 1, false);
    walk_put(w, FI_PACT_V, false);
    w->x.gic.pact = SET_ZERO;
    walk_deliver(w);
}

static bool alone_sync(struct walk *w)
{
    struct vgic_moves *g = &w->x.gic;

    if (g->used != 0 && !w->saved)
        return false;
    walk_charge(w, DYN_FOLD, g->used, true);
    if (g->used != 0) {
        const bool was = walk_get(w, PYEMU_F_VACT_V);
        const bool active = (g->image & LR_ACTIVE) != 0;
        const bool pending = (g->image & LR_PENDING) != 0;
        const bool deactivated = was && !active && walk_get(w, PYEMU_F_LINE_V);

        walk_put(w, PYEMU_F_VACT_V, active);
        if ((pending && machine_switch(w->m, PYEMU_S_RESAMPLE_PENDING)) ||
            (deactivated && machine_switch(w->m, PYEMU_S_RESAMPLE_DEACT)))
            alone_sample(w);
    }
    g->used = 0;
    walk_put(w, PYEMU_F_LRS, false);
    walk_put(w, PYEMU_F_AP, walk_get(w, PYEMU_F_AP) && wanted(w));
    return true;
}

static void alone_flush(struct walk *w)
{
    struct vgic_moves *g = &w->x.gic;
    const bool active = walk_get(w, PYEMU_F_VACT_V);
    const bool pending = walk_get(w, PYEMU_F_LINE_V) && !active;

    g->used = walk_get(w, PYEMU_F_AP) && wanted(w);
    walk_charge(w, DYN_POPULATE, g->used, true);
    walk_put(w, PYEMU_F_LRS, g->used != 0);
    if (g->used == 0)
        return;
    g->image = active ? LR_ACTIVE : pending ? LR_PENDING : LR_INVALID;
    w->saved = true;
    if (pending && machine_switch(w->m, PYEMU_S_LOWER_ON_POPULATE))
        walk_put(w, PYEMU_F_LINE_V, false);
}

static bool vgic_alone_step(struct walk *w, uint32_t prim)
{
    struct vgic_moves *g = &w->x.gic;

    g->touched = 1;
    switch (prim) {
    case PYEMU_P_VGIC_SAVE: alone_save(w); return true;
    case PYEMU_P_VGIC_SYNC: return alone_sync(w);
    case PYEMU_P_VGIC_FLUSH: alone_flush(w); return true;
    default:
        if (g->used != 0 && !w->saved)
            return false;
        g->n_lrs = g->used;
        g->state = g->used != 0 ? g->image : (uint8_t)LR_INVALID;
        walk_charge(w, DYN_LR_W, g->used, true);
        walk_charge(w, DYN_IF_W, 2, true);
        return true;
    }
}

/*
 * The four vgic steps. Where FI_VGIC promises that all of them together leave
 * everything as it is (vgic_steady), they must come in this order.
 */
bool walk_vgic(struct walk *w, uint32_t prim)
{
    const uint32_t steady = walk_class(w);

    return steady >= VGIC_ALONE ? vgic_alone_step(w, prim)
                                : vgic_in_place(w, prim, steady);
}

/* kvm_timer_update_irq for 27 (vtimer.c); the thread runs, so no wake-up. */
bool walk_inject(struct walk *w, uint32_t prim)
{
    const bool level = walk_get(w, prim == PYEMU_P_INJECT_V ? PYEMU_F_LEVEL_V
                                                            : PYEMU_F_FIRE);

    if (prim == PYEMU_P_INJECT_P || !walk_alone(w) ||
        walk_get(w, PYEMU_F_USER_IRQCHIP))
        return false;
    w->x.n_injects++;
    walk_charge(w, DYN_INJECT, 1, false);
    if (!walk_record(w, KIND(PYEMU_E_INJECT, INTID_VTIMER), ARG_CONST, level))
        return false;
    if (level) {
        w->x.injected = w->x.handle_prim != 0 ? 2 : 1;
        w->x.injected_cyc = (uint32_t)w->cost;
    }
    if (walk_get(w, PYEMU_F_LINE_V) == level)
        return true;
    w->x.gic.touched = 1;
    walk_put(w, PYEMU_F_LINE_V, level);
    if (!wanted(w))
        return true;
    walk_put(w, PYEMU_F_AP, true);
    if (machine_switch(w->m, PYEMU_S_INJECT_REQUEST))
        walk_put(w, PYEMU_F_REQ, true);
    return true;
}

void walk_deliver(struct walk *w)
{
    if (walk_alone(w))
        walk_put(w, PYEMU_F_PIRQ, walk_line_high(w, TIMER_V) &&
                                      !walk_get(w, FI_PACT_V) && !w->acked);
}

/* Physical active state: where it is what it shall be, or 27 is all there is. */
bool walk_active(struct walk *w, uint32_t prim)
{
    const bool virt =
        prim == PYEMU_P_ACTIVE_SET_V || prim == PYEMU_P_ACTIVE_CLEAR_V;
    const bool active = prim == PYEMU_P_ACTIVE_SET_V || prim == PYEMU_P_ACTIVE_SET_P;

    if (walk_get(w, virt ? FI_PACT_V : FI_PACT_P) == active)
        return true;
    if (!virt || !walk_alone(w))
        return false;
    walk_put(w, FI_PACT_V, active);
    w->x.gic.pact = active ? SET_ONE : SET_ZERO;
    walk_deliver(w);
    return true;
}

/* IAR: 27 if it is deliverable, 1023 otherwise; nothing else can be pending. */
static bool walk_ack(struct walk *w)
{
    const bool hit = walk_get(w, PYEMU_F_PIRQ);

    w->iar = hit ? IAR_HIT : IAR_SPURIOUS;
    walk_put(w, PYEMU_F_SPURIOUS, !hit);
    walk_put(w, PYEMU_F_ACK_FORWARDED, hit && walk_get(w, PYEMU_F_FORWARDED));
    if (hit) {
        walk_put(w, FI_PACT_V, true);
        w->x.gic.pact = SET_ONE;
        w->acked = true;
        walk_deliver(w);
    }
    const uint32_t intid = hit ? INTID_VTIMER : INTID_SPURIOUS;

    return walk_record(w, KIND(PYEMU_E_IRQ, intid & 0xffU), ARG_CONST, intid);
}

/* EOIR drops the priority; DIR, with EOImode 0 EOIR itself, deactivates (2.1). */
static bool walk_eoi(struct walk *w, uint32_t prim)
{
    if (prim == PYEMU_P_EOIR_W)
        w->acked = false;
    const bool eoimode1 = walk_get(w, PYEMU_F_EOIMODE1);

    if ((prim == PYEMU_P_DIR_W) == eoimode1) {
        walk_put(w, FI_PACT_V, false);
        w->x.gic.pact = SET_ZERO;
    }
    walk_deliver(w);
    return true;
}

bool walk_isr(struct walk *w, uint32_t prim)
{
    if (!w->in_irq)
        return false;
    return prim == PYEMU_P_IAR_R ? walk_ack(w) : walk_eoi(w, prim);
}

static bool irq_hook(struct walk *w, uint32_t hook)
{
    const struct policy_table *t = &w->m->policy;
    bool last = false;

    for (uint32_t pc = t->hook_start[hook]; pc < t->hook_start[hook + 1]; pc++) {
        if (!walk_guarded(w, pc, &last))
            return false;
        if (w->iar == IAR_SPURIOUS)
            return true;
    }
    return true;
}

/*
 * irq.c's loop. A storm, a priority that is not dropped, or a step that masks
 * or unmasks interrupts is not for here.
 */
bool walk_interrupt(struct walk *w)
{
    const uint64_t scratch = FLAG(FIRE) | FLAG(CHANGED) | FLAG(ACT);
    const uint64_t flags = w->flags;
    const uint64_t written = w->written;

    if (!walk_alone(w) || w->in_irq || w->x.running != KEEP)
        return false;
    w->in_irq = true;
    w->x.gic.acked = 1;
    walk_put(w, FI_IRQ_OFF, true);
    for (uint32_t i = 0; i < 3; i++) {
        w->iar = IAR_NONE;
        if (!irq_hook(w, PYEMU_H_IRQ_ENTRY) || w->iar == IAR_NONE)
            return false;
        if (w->iar == IAR_SPURIOUS)
            break;
        w->x.n_irqs++;
        if (w->acked || !irq_hook(w, PYEMU_H_VTIMER_ISR) ||
            !irq_hook(w, PYEMU_H_IRQ_EXIT))
            return false;
    }
    w->in_irq = false;
    walk_put(w, FI_IRQ_OFF, false);
    w->flags = (w->flags & ~scratch) | (flags & scratch);
    w->written = (w->written & ~scratch) | (written & scratch);
    return w->iar == IAR_SPURIOUS;
}
