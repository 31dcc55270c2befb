/*
 * code_call.h - what the kernel does for machine code that an op cannot say: calls by
 * registers (SMCCC, PSCI) and the emulated physical timer's reads.
 */
#ifndef PYEMU_RUN_CODE_CALL_H
#define PYEMU_RUN_CODE_CALL_H

#include "a64/a64.h"
#include "state/state.h"

/* Affinity as KVM numbers vCPUs: 16 to a cluster (2.4). */
static inline uint64_t code_affinity(uint32_t id)
{
    return (id & 15U) | (uint64_t)(id >> 4 & 0xffU) << 8 |
           (uint64_t)(id >> 12 & 0xffU) << 16;
}

/* HVC or SMC: fills v->trap; the answer stands in X0 when the guest goes on. */
void code_call(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, bool hvc);

enum { SMCCC_VERSION = 0x00000000, VERSION_1_1 = 0x10001, CALL_NOT_SUPPORTED = -1 };

/* The answers that need nothing but the number: 32 bits of X0. */
static inline bool code_quick_call(uint32_t function, int64_t *result)
{
    if (function >> 31 == 0) /* a yielding call: there are none */
        *result = CALL_NOT_SUPPORTED;
    else if ((function & 0x7fffffffU) == SMCCC_VERSION)
        *result = VERSION_1_1;
    else
        return false;
    return true;
}

/*
 * A trapped CNTP_* access: a write becomes v->trap, a read *value; false: e is no
 * register of that timer.
 */
bool code_timer_access(struct pyemu_machine *m, const struct pcpu *p, struct vcpu *v,
                       const struct a64_exit *e, uint64_t *value);

/* CPU_ON has reached the vCPU: warm reset at v->boot_pc. */
void code_power_on(struct pyemu_machine *m, struct vcpu *v);

/* Interrupt state as KVM's vgic has it before the guest programs it. */
void code_vgic_reset(struct pyemu_machine *m, struct vcpu *v);

#endif
