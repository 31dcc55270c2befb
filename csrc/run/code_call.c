/* code_call.c - SMCCC 1.1 and PSCI 1.0 by registers; the emulated timer's registers. */
#include "run/code_call.h"

#include "hw/timer.h"
#include "kvm/vgic.h"
#include "run/rules.h"
#include "run/trng.h"

/* Function numbers without bit 31, fast call, and 30, 64-bit (PSCI 5, SMCCC 7). */
enum {
    PSCI_VERSION = 0x04000000,
    PSCI_CPU_SUSPEND = 0x04000001,
    PSCI_CPU_OFF = 0x04000002,
    PSCI_CPU_ON = 0x04000003,
    PSCI_AFFINITY_INFO = 0x04000004,
    PSCI_MIGRATE_INFO_TYPE = 0x04000006,
    PSCI_SYSTEM_OFF = 0x04000008,
    PSCI_SYSTEM_RESET = 0x04000009,
    PSCI_FEATURES = 0x0400000a
};

enum { FUNCTION_MASK = 0x3fffffff, FAST_MASK = 0x7fffffff };

enum { VERSION_1_0 = 0x10000, NO_MIGRATION = 2 };

enum psci_error {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = CALL_NOT_SUPPORTED,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_ALREADY_ON = -4
};

enum affinity_state { AFFINITY_ON = 0, AFFINITY_OFF = 1 };

enum { BIT_64 = 1 << 30, MOST_LEVEL = 3 };

#define HWID_MASK 0xff00ffffffULL /* affinity fields of MPIDR_EL1 */

static struct a64_cpu *cpu_of(const struct pyemu_machine *m, const struct vcpu *v)
{
    return m->code[vcpu_idx(m, v)];
}

/* The vCPU with this affinity in MPIDR form, NULL if there is none. */
static struct vcpu *by_affinity(struct pyemu_machine *m, const struct vcpu *v,
                                uint64_t mpidr)
{
    const struct vm *vm = &m->vms[v->vm];
    const uint64_t aff0 = mpidr & 0xffU;
    const uint64_t id = aff0 | (mpidr >> 8 & 0xffU) << 4 | (mpidr >> 16 & 0xffU) << 12;

    if (aff0 > 15 || (mpidr >> 32) != 0 || id >= vm->n_vcpus)
        return NULL;
    return &m->vcpus[vm->first_vcpu + id];
}

/* Argument n of a call: of the 32-bit form only the low word. */
static uint64_t argument(const struct pyemu_machine *m, const struct vcpu *v,
                         uint32_t n)
{
    const struct a64_cpu *cpu = cpu_of(m, v);
    const uint64_t value = a64_get_x(cpu, n);

    return (a64_get_x(cpu, 0) & BIT_64) != 0 ? value : (uint32_t)value;
}

/* KVM clears power_off inside the call: who asks next finds the target on. */
static bool is_on(const struct vcpu *v)
{
    return v->on_pending != 0 || (v->flags & FLAG(POWERED_OFF)) == 0;
}

static int64_t cpu_on(struct pyemu_machine *m, struct vcpu *v)
{
    struct vcpu *target = by_affinity(m, v, argument(m, v, 1));

    if (target == NULL)
        return PSCI_INVALID_PARAMETERS;
    if (is_on(target))
        return PSCI_ALREADY_ON;
    target->on_pending = 1;
    target->boot_pc = argument(m, v, 2);
    target->boot_x0 = argument(m, v, 3);
    v->trap = (struct pyemu_op){.op = PYEMU_OP_CPU_ON, .a = (uint16_t)target->id};
    return PSCI_SUCCESS;
}

static int64_t affinity_info(struct pyemu_machine *m, const struct vcpu *v)
{
    const struct vm *vm = &m->vms[v->vm];
    const uint64_t level = argument(m, v, 2);
    const uint64_t affinity = argument(m, v, 1);
    bool found = false;

    if (level > MOST_LEVEL)
        return PSCI_INVALID_PARAMETERS;
    const uint64_t mask = HWID_MASK & ~((1ULL << 8 * level) - 1);

    for (uint32_t i = 0; i < vm->n_vcpus; i++) {
        const uint64_t hwid = code_affinity(i);

        if ((hwid & mask) != (affinity & mask))
            continue;
        found = true;
        if (is_on(&m->vcpus[vm->first_vcpu + i]))
            return AFFINITY_ON;
    }
    return found ? (int64_t)AFFINITY_OFF : (int64_t)PSCI_INVALID_PARAMETERS;
}

/* Is there such a function? Few have a 64-bit form besides the 32-bit one (PSCI 5). */
static bool is_known(uint32_t function)
{
    switch (function & FAST_MASK) {
    case SMCCC_VERSION:
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | BIT_64:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | BIT_64:
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | BIT_64:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_FEATURES: return function >> 31 != 0;
    default: return false;
    }
}

static int64_t answer(struct pyemu_machine *m, struct vcpu *v)
{
    const struct a64_cpu *cpu = cpu_of(m, v);
    const uint32_t function = (uint32_t)a64_get_x(cpu, 0);

    int64_t result = 0;

    if (code_quick_call(function, &result))
        return result;
    if (trng_call(m, v, function & FAST_MASK, &result))
        return result;
    if (!is_known(function))
        return PSCI_NOT_SUPPORTED;
    switch (function & FUNCTION_MASK) {
    case PSCI_VERSION: return VERSION_1_0;
    case PSCI_CPU_SUSPEND: /* as WFI, whatever the state asked for */
        v->trap = (struct pyemu_op){.op = PYEMU_OP_WFI, .flags = WFI_SUSPEND};
        return PSCI_SUCCESS;
    case PSCI_CPU_OFF: v->trap.op = PYEMU_OP_CPU_OFF; return PSCI_SUCCESS;
    case PSCI_CPU_ON: return cpu_on(m, v);
    case PSCI_AFFINITY_INFO: return affinity_info(m, v);
    case PSCI_MIGRATE_INFO_TYPE: return NO_MIGRATION;
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET: v->trap.op = PYEMU_OP_SYSTEM_OFF; return PSCI_SUCCESS;
    case PSCI_FEATURES:
        return is_known((uint32_t)a64_get_x(cpu, 1)) ? PSCI_SUCCESS
                                                     : PSCI_NOT_SUPPORTED;
    default: return PSCI_NOT_SUPPORTED;
    }
}

void code_call(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, bool hvc)
{
    (void)p;
    v->trap = (struct pyemu_op){.op = hvc ? PYEMU_OP_HVC : PYEMU_OP_SMC};
    const int64_t result = hvc ? answer(m, v) : PSCI_NOT_SUPPORTED;

    a64_set_x(cpu_of(m, v), 0, (uint64_t)result);
}

enum {
    CNTP_TVAL = 3 << 14 | 3 << 11 | 14 << 7 | 2 << 3,
    CNTP_CTL,
    CNTP_CVAL
};

bool code_timer_access(struct pyemu_machine *m, const struct pcpu *p, struct vcpu *v,
                       const struct a64_exit *e, uint64_t *value)
{
    static const uint8_t ops[] = {PYEMU_OP_TIMER_TVAL, PYEMU_OP_TIMER_CTL,
                                  PYEMU_OP_TIMER_CVAL};
    const struct timer_regs *t = &v->mem[TIMER_P];
    const uint64_t now = timer_count(m, p, TIMER_P);

    if (e->addr < CNTP_TVAL || e->addr > CNTP_CVAL)
        return false;
    if (e->is_write != 0) {
        v->trap = (struct pyemu_op){.op = ops[e->addr - CNTP_TVAL], .a = TIMER_P,
                                    .c = e->value};
        return true;
    }
    if (e->addr == CNTP_TVAL)
        *value = (uint32_t)(t->cval_ticks - now);
    else if (e->addr == CNTP_CVAL)
        *value = t->cval_ticks;
    else
        *value = t->ctl | ((t->ctl & CTL_ENABLE) != 0 && now >= t->cval_ticks
                               ? (uint32_t)CTL_ISTATUS
                               : 0U);
    return true;
}

void code_power_on(struct pyemu_machine *m, struct vcpu *v)
{
    struct a64_cpu *cpu = cpu_of(m, v);

    v->on_pending = 0;
    a64_reset(cpu, v->boot_pc);
    a64_set_x(cpu, 0, v->boot_x0);
}

void code_vgic_reset(struct pyemu_machine *m, struct vcpu *v)
{
    v->pmr = 0;
    v->vmcr_pmr = 0;
    v->vif_enabled = 0;
    v->vif_bpr = m->s->cfg.gic_version == 2 ? 2 : 3;
    for (uint32_t i = 0; i < N_PRIVATE; i++) {
        struct vgic_irq *q = &v->irq[i];

        q->enabled = 0; /* the distributor is off (GICD_CTLR) */
        q->prio = 0;
    }
}
