/* machine_code.c - VMs that run machine code: their memory, processors, registers. */
#include <stdlib.h>
#include <string.h>

#include "guest/code.h"
#include "host/sched.h"
#include "run/code_call.h"
#include "run/psci.h"

static int check_vm(struct pyemu_machine *m, uint32_t vm)
{
    REQUIRE(m, vm < m->s->cfg.n_vms, "vm %u does not exist (0 to %u)", vm,
            m->s->cfg.n_vms - 1U);
    return PYEMU_OK;
}

static int check_code(struct pyemu_machine *m, uint32_t vcpu)
{
    REQUIRE(m, vcpu < m->s->cfg.n_vcpus && m->code != NULL && m->code[vcpu] != NULL,
            "vcpu %u does not exist or runs no machine code", vcpu);
    return PYEMU_OK;
}

static int tables(struct pyemu_machine *m)
{
    if (m->code != NULL)
        return PYEMU_OK;
    m->code = calloc(m->s->cfg.n_vcpus, sizeof(struct a64_cpu *));
    m->code_vms = calloc(m->s->cfg.n_vms, sizeof *m->code_vms);
    if (m->code == NULL || m->code_vms == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory for %u processors",
                            m->s->cfg.n_vcpus);
    return PYEMU_OK;
}

static struct a64_mem *memory(const struct pyemu_code_config *c, uint32_t n_cpus)
{
    struct a64_mem_config config = {.n_regions = c->n_regions,
                                    .n_cpus = n_cpus,
                                    .all_present = c->populated != 0,
                                    .has_crc32 = c->has_crc32 != 0,
                                    .has_pan = c->has_pan != 0,
                                    .no_jit = c->no_jit != 0};

    for (uint32_t i = 0; i < c->n_regions; i++)
        config.region[i] = (struct a64_region){.base = c->regions[i].base,
                                               .size = c->regions[i].bytes,
                                               .rom = c->regions[i].rom != 0};
    for (uint32_t i = 0; i < A64_N_COST_CLASSES; i++)
        config.cost[i] = c->cost_cyc[i];
    return a64_mem_create(&config);
}

/* What traps: CNTP_* unless the guest owns it, ICC_* always, ID registers on demand. */
static void traps(const struct pyemu_machine *m, const struct code_vm *cv)
{
    uint32_t icc[32];
    const uint32_t n = code_icc_encodings(icc, 32);

    if (m->s->cfg.gic_version == 3)
        for (uint32_t i = 0; i < n; i++)
            (void)a64_trap_sysreg(cv->mem, icc[i], true, true);
    if (m->s->cfg.direct_ptimer == 0)
        for (uint32_t op2 = 0; op2 < 3; op2++)
            (void)a64_trap_sysreg(cv->mem, a64_sysreg_enc(3, 3, 14, 2, op2), true,
                                  true);
    if (cv->cfg.trap_ids != 0)
        for (uint32_t crm = 1; crm < 8; crm++)
            for (uint32_t op2 = 0; op2 < 8; op2++)
                (void)a64_trap_sysreg(cv->mem, a64_sysreg_enc(3, 0, 0, crm, op2), true,
                                      false);
}

static int processors(struct pyemu_machine *m, uint32_t vm)
{
    const struct code_vm *cv = &m->code_vms[vm];
    const struct a64_clock clock = {.num = m->s->clock.den,
                                    .den = m->s->clock.num,
                                    .cntfrq_hz = m->s->cfg.cntfrq_hz,
                                    .cntvoff_ticks = m->vms[vm].cntvoff_ticks};

    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++) {
        const struct a64_cpu_config config = {.mpidr = code_affinity(i)};
        struct a64_cpu *cpu = a64_cpu_create(cv->mem, &config);

        if (cpu == NULL)
            return machine_fail(m, PYEMU_ENOMEM, "no memory for the processor of "
                                "vcpu %u", i);
        m->code[m->vms[vm].first_vcpu + i] = cpu;
        if (a64_set_clock(cpu, &clock) != A64_OK)
            return machine_fail(m, PYEMU_EINVAL, "the counter's ratio is out of range");
        a64_set_stop_on(cpu, cv->cfg.marks != 0 ? A64_ON_MARK : 0);
    }
    return PYEMU_OK;
}

int pyemu_code_vm(struct pyemu_machine *m, uint32_t vm,
                  const struct pyemu_code_config *c)
{
    int status = check_vm(m, vm);

    if (status == PYEMU_OK)
        status = tables(m);
    if (status != PYEMU_OK)
        return status;
    struct code_vm *cv = &m->code_vms[vm];

    REQUIRE(m, cv->mem == NULL && m->s->started == 0, "vm %u has its memory already",
            vm);
    REQUIRE(m, c->n_regions >= 1 && c->n_regions <= PYEMU_MAX_REGIONS,
            "vm %u: %u memory regions are out of range (1 to %u)", vm, c->n_regions,
            PYEMU_MAX_REGIONS);
    REQUIRE(m, m->vms[vm].n_vcpus <= A64_MAX_CPUS, "vm %u: at most %u vCPUs", vm,
            A64_MAX_CPUS);
    REQUIRE(m, c->uart == 0 || (c->uart_intid >= N_PRIVATE &&
                                c->uart_intid < N_PRIVATE + PYEMU_N_SPIS),
            "vm %u: the UART's INTID %u is no SPI (%u to %u)", vm, c->uart_intid,
            N_PRIVATE, N_PRIVATE + PYEMU_N_SPIS - 1U);
    cv->cfg = *c;
    cv->uart.stop_at = PYEMU_NONE;
    cv->mem = memory(c, m->vms[vm].n_vcpus);
    REQUIRE(m, cv->mem != NULL,
            "vm %u: memory regions overlap, are not multiples of 4 KiB or too large, "
            "or a cost is out of range",
            vm);
    traps(m, cv);
    return processors(m, vm);
}

void code_free(struct pyemu_machine *m)
{
    if (m->code != NULL)
        for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
            a64_cpu_destroy(m->code[i]);
    if (m->code_vms != NULL)
        for (uint32_t i = 0; i < m->s->cfg.n_vms; i++)
            a64_mem_destroy(m->code_vms[i].mem);
    free(m->code);
    free(m->code_vms);
    free(m->watch);
}

static int check_memory(struct pyemu_machine *m, uint32_t vm)
{
    const int status = check_vm(m, vm);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, m->code_vms != NULL && m->code_vms[vm].mem != NULL,
            "vm %u runs no machine code", vm);
    return PYEMU_OK;
}

int pyemu_code_write(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                     const uint8_t *data, uint64_t n)
{
    const int status = check_memory(m, vm);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_mem_write(m->code_vms[vm].mem, address, data, n) == A64_OK,
            "vm %u has no memory for %llu bytes at 0x%llx", vm, (unsigned long long)n,
            (unsigned long long)address);
    return PYEMU_OK;
}

int pyemu_code_read(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                    uint8_t *out, uint64_t n)
{
    const int status = check_memory(m, vm);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_mem_read(m->code_vms[vm].mem, address, out, n) == A64_OK,
            "vm %u has no memory for %llu bytes at 0x%llx", vm, (unsigned long long)n,
            (unsigned long long)address);
    return PYEMU_OK;
}

int pyemu_console_read(struct pyemu_machine *m, uint32_t vm, uint8_t *out, uint64_t *n)
{
    const int status = check_memory(m, vm);

    if (status != PYEMU_OK)
        return status;
    struct code_uart *u = &m->code_vms[vm].uart;

    memcpy(out, u->text, u->n);
    *n = u->n;
    u->n = 0;
    return PYEMU_OK;
}

int pyemu_console_stop_at(struct pyemu_machine *m, uint32_t vm, uint32_t byte)
{
    const int status = check_memory(m, vm);

    if (status != PYEMU_OK)
        return status;
    m->code_vms[vm].uart.stop_at = byte;
    return PYEMU_OK;
}

int pyemu_code_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg, uint64_t *out)
{
    const int status = check_code(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, reg <= PYEMU_R_PSTATE, "register %u does not exist (0 to %u)", reg,
            PYEMU_R_PSTATE);
    const struct a64_cpu *cpu = m->code[vcpu];

    *out = reg == PYEMU_R_PC       ? a64_get_pc(cpu)
           : reg == PYEMU_R_PSTATE ? a64_get_pstate(cpu)
                                   : a64_get_x(cpu, reg);
    return PYEMU_OK;
}

int pyemu_code_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg, uint64_t value)
{
    const int status = check_code(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, reg <= PYEMU_R_PSTATE, "register %u does not exist (0 to %u)", reg,
            PYEMU_R_PSTATE);
    struct a64_cpu *cpu = m->code[vcpu];

    if (reg == PYEMU_R_PC)
        a64_set_pc(cpu, value);
    else if (reg != PYEMU_R_PSTATE)
        a64_set_x(cpu, reg, value);
    else
        REQUIRE(m, a64_set_pstate(cpu, value) == A64_OK,
                "PSTATE 0x%llx is no state of EL0 or EL1", (unsigned long long)value);
    return PYEMU_OK;
}

uint64_t pyemu_code_insns(const struct pyemu_machine *m, uint32_t vcpu)
{
    if (m->code == NULL || vcpu >= m->s->cfg.n_vcpus || m->code[vcpu] == NULL)
        return 0;
    return a64_insns(m->code[vcpu]);
}

int pyemu_vm_off(struct pyemu_machine *m, uint32_t vcpu)
{
    const int status = check_code(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    struct vcpu *v = &m->vcpus[vcpu];

    psci_vm_off(m, &m->pcpus[m->threads[vcpu].pcpu], v);
    return PYEMU_OK;
}
