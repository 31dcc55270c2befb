/*
 * device.c - the register-level GIC model's way in: the distributor access a
 * vCPU waits for, and the stored facts of its interrupts (2.4).
 */
#include "account/account.h"
#include "a64/a64.h"
#include "hw/lr.h"
#include "kvm/inject.h"
#include "kvm/vgic.h"

static int check_irq(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid)
{
    REQUIRE(m, vcpu < m->s->cfg.n_vcpus, "vcpu %u does not exist (0 to %u)", vcpu,
            m->s->cfg.n_vcpus - 1U);
    REQUIRE(m, intid < N_PRIVATE + PYEMU_N_SPIS, "INTID %u is out of range (0 to %u)",
            intid, N_PRIVATE + PYEMU_N_SPIS - 1U);
    return PYEMU_OK;
}

int pyemu_mmio_get(struct pyemu_machine *m, uint32_t vcpu, struct pyemu_mmio *out)
{
    const int status = check_irq(m, vcpu, 0);

    if (status != PYEMU_OK)
        return status;
    const struct vcpu *v = &m->vcpus[vcpu];

    REQUIRE(m, v->stage == STAGE_STOPPED, "vcpu %u waits for no answer", vcpu);
    if (vcpu_is_code(v)) {
        *out = v->mmio;
        return PYEMU_OK;
    }
    const struct pyemu_op *op = &m->programs[v->prog].ops[v->trap_op];

    *out = (struct pyemu_mmio){.address = op->b, .value = op->c, .size = 4,
                               .is_write = op->flags & 1U};
    return PYEMU_OK;
}

int pyemu_mmio_answer(struct pyemu_machine *m, uint32_t vcpu, uint64_t value)
{
    struct pyemu_mmio access;
    const int status = pyemu_mmio_get(m, vcpu, &access);

    if (status != PYEMU_OK)
        return status;
    struct vcpu *v = &m->vcpus[vcpu];

    v->stage = access.is_user != 0 ? STAGE_USER : STAGE_HOOK;
    if (vcpu_is_code(v))
        (void)a64_mmio_complete(m->code[vcpu], value);
    else if (access.is_write == 0)
        v->regs[m->programs[v->prog].ops[v->trap_op].a] = value;
    return PYEMU_OK;
}

int pyemu_irq_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                  struct pyemu_irq_state *out)
{
    const int status = check_irq(m, vcpu, intid);

    if (status != PYEMU_OK)
        return status;
    const struct vgic_irq *q = vgic_irq_of(m, &m->vcpus[vcpu], intid);

    *out = (struct pyemu_irq_state){.line = q->line,
                                    .latch = q->latch,
                                    .active = q->active,
                                    .enabled = q->enabled,
                                    .edge = q->edge,
                                    .prio = q->prio,
                                    .source = q->source,
                                    .active_source = q->active_source};
    return PYEMU_OK;
}

/* A mapped interrupt that becomes enabled is resampled from 5.3 on (B29). */
static void enabled_again(struct pyemu_machine *m, struct vcpu *v, uint32_t intid)
{
    struct pcpu *p = &m->pcpus[m->threads[vcpu_idx(m, v)].pcpu];

    if (intid < N_PRIVATE && v->irq[intid].hw != 0 && p->running == vcpu_idx(m, v) &&
        machine_switch(m, PYEMU_S_SAMPLE_ON_ENABLE))
        vgic_sample_enabled(m, p, v, intid);
}

int pyemu_irq_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                  const struct pyemu_irq_state *in)
{
    const int status = check_irq(m, vcpu, intid);

    if (status != PYEMU_OK)
        return status;
    struct vcpu *v = vgic_owner(m, &m->vcpus[vcpu], intid);
    struct pcpu *p = &m->pcpus[m->threads[vcpu_idx(m, v)].pcpu];
    struct vgic_irq *q = vgic_irq_of(m, v, intid);
    const struct vgic_irq was = *q;

    q->line = in->line != 0;
    q->latch = in->latch != 0;
    q->active = in->active != 0;
    q->enabled = in->enabled != 0;
    q->edge = in->edge != 0;
    q->prio = in->prio;
    q->source = in->source;
    q->active_source = in->active_source;
    if (was.enabled == 0 && q->enabled != 0)
        enabled_again(m, v, intid);
    if (q->latch != was.latch)
        vgic_follow(m, p, v, intid, true);
    if (q->active != was.active)
        vgic_follow(m, p, v, intid, false);
    inject_requeue(m, p, v, intid);
    return PYEMU_OK;
}

int pyemu_irq_line(struct pyemu_machine *m, uint32_t source, uint32_t intid,
                   uint32_t level)
{
    const int status = check_irq(m, source, intid);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, intid >= N_PRIVATE, "INTID %u is no SPI (%u to %u)", intid, N_PRIVATE,
            N_PRIVATE + PYEMU_N_SPIS - 1U);
    inject_irq(m, &m->pcpus[m->threads[source].pcpu],
               vgic_owner(m, &m->vcpus[source], intid), intid,
               level != 0 ? INJECT_LEVEL : 0);
    return PYEMU_OK;
}

int pyemu_irq_route(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                    uint32_t target)
{
    const int status = check_irq(m, vcpu, intid);

    if (status != PYEMU_OK)
        return status;
    const struct vm *vm = &m->vms[m->vcpus[vcpu].vm];

    REQUIRE(m, intid >= N_PRIVATE && target < vm->n_vcpus,
            "SPI %u to vcpu %u of its VM: out of range", intid, target);
    vgic_irq_of(m, &m->vcpus[vcpu], intid)->target = target;
    return PYEMU_OK;
}

int pyemu_irq_sgi(struct pyemu_machine *m, uint32_t source, uint32_t target,
                  uint32_t intid)
{
    const int status = check_irq(m, source, intid);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, target < m->s->cfg.n_vcpus && intid < 16,
            "SGI %u to vcpu %u: out of range", intid, target);
    count(m, PYEMU_C_SGIS_SENT);
    inject_irq(m, &m->pcpus[m->threads[source].pcpu], &m->vcpus[target], intid,
               INJECT_SGI | (m->vcpus[source].id & 0xffU));
    return PYEMU_OK;
}

int pyemu_list_registers(struct pyemu_machine *m, uint32_t vcpu, uint64_t *out,
                         uint32_t n)
{
    const int status = check_irq(m, vcpu, 0);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, n == PYEMU_MAX_LRS, "%u list registers asked for, room for %u needed", n,
            PYEMU_MAX_LRS);
    const struct vcpu *v = &m->vcpus[vcpu];
    const struct pcpu *p = &m->pcpus[m->threads[vcpu].pcpu];
    const bool in_hw = v->stage == STAGE_GUEST && p->cur == vcpu;
    const uint32_t used = in_hw ? p->n_lrs : v->used_lrs;

    for (uint32_t i = 0; i < n; i++) {
        const struct list_register *lr = in_hw ? &p->lr[i] : &v->lr[i];

        out[i] = i >= used                     ? 0
                 : m->s->cfg.gic_version == 2 ? lr_pack_v2(lr)
                                               : lr_pack_v3(lr);
    }
    return PYEMU_OK;
}
