/* inject.c - queue on the target's vgic, then kick (2.4). */
#include "kvm/inject.h"

#include "account/account.h"
#include "host/sched.h"
#include "hw/gic.h"
#include "kvm/vgic.h"

/* Wake if asleep, reschedule IPI if in guest mode, nothing otherwise. */
static void kick(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const uint32_t t = vcpu_idx(m, v);

    if (v->sleep_off == 0)
        sched_wake(m, p, t);
    if (p->cur == t && has_bit64(v->flags, FI_MODE))
        gic_set_pending(p, INTID_SGI_KICK);
}

void inject_apply(struct pyemu_machine *m, struct pcpu *p, const struct message *msg)
{
    struct vcpu *v = &m->vcpus[msg->vcpu];
    bool queued = false;

    if ((msg->arg & INJECT_SGI) != 0)
        queued = vgic_inject_sgi(m, v, msg->intid, msg->arg & 0xffU);
    else if ((msg->arg & INJECT_MOVED) != 0)
        queued = vgic_requeue(m, v, msg->intid);
    else
        queued = vgic_inject(m, v, msg->intid, (msg->arg & INJECT_LEVEL) != 0);
    trace(m, p, msg->vcpu, KIND(PYEMU_E_INJECT, msg->intid),
          (msg->arg & INJECT_SGI) != 0 ? 1U : msg->arg);
    if (queued)
        kick(m, p, v);
}

void inject_requeue(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                    uint32_t intid)
{
    if (vgic_requeue(m, v, intid))
        kick(m, p, v);
}

void inject_irq(struct pyemu_machine *m, struct pcpu *p, struct vcpu *target,
                uint32_t intid, uint32_t arg)
{
    const uint32_t t = vcpu_idx(m, target);
    const struct message msg = {.kind = MSG_INJECT, .vcpu = t, .intid = intid,
                                .arg = arg};

    charge(m, p, PYEMU_P_VGIC_INJECT);
    if (m->threads[t].pcpu == pcpu_idx(m, p)) {
        inject_apply(m, p, &msg);
        return;
    }
    count(m, PYEMU_C_IPIS_SENT);
    charge(m, p, PYEMU_P_IPI_SEND);
    msg_send(m, p, m->threads[t].pcpu, &msg);
}
