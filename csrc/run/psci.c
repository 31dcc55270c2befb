/* psci.c - CPU_ON, CPU_OFF and SYSTEM_OFF of op programs. */
#include "run/psci.h"

#include "account/account.h"
#include "host/sched.h"

void psci_cpu_on(struct pyemu_machine *m, struct pcpu *p, const struct vcpu *caller,
                 uint32_t id, uint32_t entry)
{
    const struct vm *vm = &m->vms[caller->vm];

    if (id >= vm->n_vcpus)
        return; /* INVALID_PARAMETERS */
    const uint32_t t = vm->first_vcpu + id;
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
    v->flags &= ~FLAG(POWERED_OFF);
    v->gpc = entry;
    v->pstate_i = 1;
    v->in_irq = 0;
    if (v->sleep_off != 0) /* asleep, or about to be */
        sched_wake(m, p, vcpu_idx(m, v));
}

void psci_system_off(struct pyemu_machine *m, struct vcpu *caller)
{
    struct vm *vm = &m->vms[caller->vm];

    vm->off = 1;
    for (uint32_t i = 0; i < vm->n_vcpus; i++)
        m->vcpus[vm->first_vcpu + i].flags |= FLAG(REQ);
    caller->after = AFTER_OFF;
}
