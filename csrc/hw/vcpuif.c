/* vcpuif.c - acknowledge, priority drop and deactivate for the guest (2.3). */
#include "hw/vcpuif.h"

#include "account/account.h"
#include "hw/gic.h"

/* Priority groups of 8, as the 5-bit LR priority of GICv2 gives (2.3). */
static uint32_t group_of(uint8_t prio)
{
    return prio >> 3;
}

static uint32_t running_group(const struct vcpu *v)
{
    return v->vapr == 0 ? 32 : lowest_bit32(v->vapr);
}

int vcpuif_hppvi(const struct pcpu *p, const struct vcpu *v)
{
    uint32_t best_prio = v->pmr;
    int best = -1;

    for (uint32_t i = 0; i < p->n_lrs; i++) {
        if (p->lr[i].state != LR_PENDING || p->lr[i].prio >= best_prio)
            continue;
        best = (int)i;
        best_prio = p->lr[i].prio;
    }
    return best >= 0 && best_prio >> 3 < running_group(v) ? best : -1;
}

/* Keeps the flag that the timer interrupt is virtually active in step. */
static void set_lr_state(struct list_register *lr, uint8_t state)
{
    lr->state = state;
}

uint32_t vcpuif_ack(struct pcpu *p, struct vcpu *v)
{
    const int n = vcpuif_hppvi(p, v);

    if (n < 0)
        return INTID_SPURIOUS;
    set_lr_state(&p->lr[n], LR_ACTIVE);
    v->vapr |= bit32(group_of(p->lr[n].prio));
    return p->lr[n].vintid;
}

/*
 * Deactivating a HW list register deactivates the physical interrupt on this
 * pCPU in the same instant. If that is not active the architecture promises
 * nothing: counted, invariant I3.
 */
static void deactivate_lr(struct pyemu_machine *m, struct pcpu *p,
                          struct list_register *lr)
{
    if (lr->hw != 0) {
        if (!has_bit32(p->irq_active, lr->pintid))
            count(m, PYEMU_C_BAD_DEACTIVATE);
        gic_deactivate(p, lr->pintid);
        trace(m, p, p->running, KIND(PYEMU_E_DEACTIVATE, lr->pintid), 0);
    }
    set_lr_state(lr, (uint8_t)(lr->state & ~(uint32_t)LR_ACTIVE));
    if (lr->hw == 0 && (lr->source & LR_EOI) != 0 && lr->state == LR_INVALID)
        p->eisr = 1;
}

static struct list_register *find_active(struct pcpu *p, uint32_t intid)
{
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].vintid == intid && (p->lr[i].state & LR_ACTIVE) != 0)
            return &p->lr[i];
    return NULL;
}

bool vcpuif_eoi(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t intid)
{
    if (intid >= 1020)
        return false;
    v->vapr &= v->vapr - 1U; /* the highest running priority drops */
    struct list_register *lr = find_active(p, intid);

    if (lr == NULL) {
        v->hcr_eoicount++; /* whatever VEOIM is: the reading of 2.3 */
        return false;
    }
    if (v->eoimode != 0)
        return false;
    deactivate_lr(m, p, lr);
    return true;
}

bool vcpuif_dir(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t intid)
{
    struct list_register *lr = find_active(p, intid);

    if (v->eoimode == 0 || lr == NULL)
        return false;
    deactivate_lr(m, p, lr);
    return true;
}

uint32_t vcpuif_misr(const struct pcpu *p, const struct vcpu *v)
{
    uint32_t n_valid = 0;
    uint32_t n_pending = 0;
    uint32_t misr = p->eisr != 0 ? MISR_EOI : 0;

    for (uint32_t i = 0; i < p->n_lrs; i++) {
        n_valid += p->lr[i].state != LR_INVALID;
        n_pending += p->lr[i].state == LR_PENDING;
    }
    if ((p->uie & HCR_UIE) != 0 && n_valid < 2)
        misr |= MISR_U;
    if ((p->uie & HCR_NPIE) != 0 && n_pending == 0)
        misr |= MISR_NP;
    if ((p->uie & HCR_LRENPIE) != 0 && v->hcr_eoicount != 0)
        misr |= MISR_LRENP;
    return misr;
}
