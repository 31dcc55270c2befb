/* psci.c - CPU_ON, CPU_OFF and SYSTEM_OFF of op programs. */
#include "run/psci.h"

#include "account/account.h"
#include "host/sched.h"
#include "hw/gic.h"
#include "kvm/vtimer.h"
#include "policy/steps.h"
#include "run/code_call.h"

void psci_cpu_on(struct pyemu_machine *m, struct pcpu *p, const struct vcpu *caller,
                 uint32_t id, uint32_t entry)
{
    const struct vm *vm = &m->vms[caller->vm];

    if (id >= vm->n_vcpus)
        return; /* INVALID_PARAMETERS */
    const uint32_t t = vm->first_vcpu + id;

    if (!vcpu_is_code(&m->vcpus[t]) && entry >= m->programs[m->vcpus[t].prog].n)
        return; /* INVALID_ADDRESS */
    const struct message msg = {.kind = MSG_POWER, .vcpu = t, .arg = entry};

    if (m->threads[t].pcpu == pcpu_idx(m, p)) {
        psci_power_on(m, p, &m->vcpus[t], entry);
        return;
    }
    count(m, PYEMU_C_IPIS_SENT);
    charge(m, p, PYEMU_P_IPI_SEND);
    msg_send(m, p, m->threads[t].pcpu, &msg);
}

void psci_power_on(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   uint32_t entry)
{
    if ((v->flags & FLAG(POWERED_OFF)) == 0)
        return; /* ALREADY_ON */
    vtimer_reset(m, v, p->now_cyc); /* kvm_reset_vcpu */
    hook_run(m, p, v, PYEMU_H_RESET);
    v->flags &= ~FLAG(POWERED_OFF);
    v->compute_cyc = 0;
    v->gpc = entry;
    if (vcpu_is_code(v))
        code_power_on(m, v);
    v->pstate_i = 1;
    v->in_irq = 0;
    if (v->sleep_off != 0) /* asleep, or about to be */
        sched_wake(m, p, vcpu_idx(m, v));
}

void psci_vcpu_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t t = vcpu_idx(m, v);

    v->off = 1;
    v->flags |= FLAG(REQ);
    sched_wake(m, p, t);
    if (p->cur == t && has_bit64(v->flags, FI_MODE))
        gic_set_pending(p, INTID_SGI_KICK);
}

/* The others learn it as they would: by a request and a kick. */
void psci_vm_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *caller)
{
    const struct vm *vm = &m->vms[caller->vm];

    for (uint32_t i = 0; i < vm->n_vcpus; i++) {
        const uint32_t t = vm->first_vcpu + i;

        if (&m->vcpus[t] == caller || m->vcpus[t].ended != 0)
            continue;
        if (m->threads[t].pcpu == pcpu_idx(m, p)) {
            psci_vcpu_off(m, p, &m->vcpus[t]);
            continue;
        }
        count(m, PYEMU_C_IPIS_SENT);
        charge(m, p, PYEMU_P_IPI_SEND);
        msg_send(m, p, m->threads[t].pcpu,
                 &(struct message){.kind = MSG_OFF, .vcpu = t});
    }
    caller->off = 1;
}

void psci_system_off(struct pyemu_machine *m, struct pcpu *p, struct vcpu *caller)
{
    psci_vm_off(m, p, caller);
    caller->after = AFTER_OFF;
}
