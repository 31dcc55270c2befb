/*
 * vgic.h - KVM's software model of the interrupt controller (2.4): stored
 * facts per interrupt, ap_list, oracle, queue, flush (populate), sync (fold,
 * prune). Works on one pCPU's vCPU; crossing pCPUs is host/ipi.h's.
 */
#ifndef PYEMU_KVM_VGIC_H
#define PYEMU_KVM_VGIC_H

#include "state/state.h"

/* The one place that derives pending: edge: latch; level: latch or line. */
static inline bool irq_is_pending(const struct vgic_irq *q)
{
    return q->edge != 0 ? q->latch != 0 : (q->latch | q->line) != 0;
}

/* Requires: intid < N_PRIVATE + PYEMU_N_SPIS; whoever takes it in checks. */
struct vgic_irq *vgic_irq_of(struct pyemu_machine *m, struct vcpu *v, uint32_t intid);

/* Whose interrupt it is: an SPI's is the vCPU it is routed to (2.4). */
struct vcpu *vgic_owner(struct pyemu_machine *m, struct vcpu *v, uint32_t intid);

/* Level change of a level irq, or an edge: queues it. true if it now wants a
 * list register that it did not have (the caller kicks). */
bool vgic_inject(struct pyemu_machine *m, struct vcpu *v, uint32_t intid, bool level);

/* Does this vCPU, whose list has it, have to show it to its guest? An SPI that has been
 * routed elsewhere and is not active goes there at the next sync. */
bool vgic_wants(struct pyemu_machine *m, struct vcpu *v, uint32_t intid);

/* After any change of enabled/pending/active by other means: queue or not. */
bool vgic_requeue(struct pyemu_machine *m, struct vcpu *v, uint32_t intid);

/* An SGI from another vCPU: sets the latch (and the v2 source), queues. */
bool vgic_inject_sgi(struct pyemu_machine *m, struct vcpu *v, uint32_t intid,
                     uint32_t source);

/* What a guest may write about one interrupt's pending and active state. */
enum vgic_write { VGIC_SPEND, VGIC_CPEND, VGIC_SACTIVE, VGIC_CACTIVE };

/* ISPENDR and so on, without the queueing. */
void vgic_guest_write(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t intid, enum vgic_write what);

/* From 4.16 the physical side of a mapped interrupt follows what its vCPU, running,
 * has written: pending or active (B33). */
void vgic_follow(struct pyemu_machine *m, struct pcpu *p, const struct vcpu *v,
                 uint32_t intid, bool pend);

void vgic_flush(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void vgic_restore(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void vgic_save(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);
void vgic_sync(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

/* Is anything deliverable? (kvm_vgic_vcpu_pending_irq) */
bool vgic_pending(const struct pyemu_machine *m, const struct vcpu *v);

/* The same when the guest enables it: an active irq keeps its physical state. */
void vgic_sample_enabled(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         uint32_t intid);

/* Reads the hardware line of a mapped level irq into line_level (4.16+). */
void vgic_sample(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                 uint32_t intid);

/* enum vgic_steady of v as it runs on p. */
uint32_t vgic_steady(const struct pyemu_machine *m, const struct pcpu *p,
                     const struct vcpu *v);

/* VGIC_ALONE* if interrupt 27, mapped and enabled, is all there is; else unsteady. */
uint32_t vgic_alone(const struct pyemu_machine *m, const struct pcpu *p,
                    const struct vcpu *v);

void vgic_reset(struct pyemu_machine *m, struct vcpu *v);
void vgic_reset_irq(struct pyemu_machine *m, struct vcpu *v, uint32_t intid);

/* Flags VACT_* and LINE_V mirror the irq structs for guards: one writer. */
void vgic_mirror(struct vcpu *v, uint32_t intid);

#endif
