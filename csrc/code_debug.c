/* code_debug.c - what a debugger and a profiler ask of VMs that run machine code. */
#include <stdlib.h>
#include <string.h>

#include "guest/code.h"
#include "guest/watch.h"

#define WORD(x) ((unsigned long long)(x))

static int check_vcpu(struct pyemu_machine *m, uint32_t vcpu)
{
    REQUIRE(m, vcpu < m->s->cfg.n_vcpus && m->code != NULL && m->code[vcpu] != NULL,
            "vcpu %u does not exist or runs no machine code", vcpu);
    return PYEMU_OK;
}

int pyemu_code_read_virtual(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                            uint8_t *out, uint64_t n)
{
    const int status = check_vcpu(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_virt_read(m->code[vcpu], va, out, n) == A64_OK,
            "vcpu %u has no memory for %llu bytes at virtual 0x%llx", vcpu, WORD(n),
            WORD(va));
    return PYEMU_OK;
}

int pyemu_code_write_virtual(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                             const uint8_t *data, uint64_t n)
{
    const int status = check_vcpu(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_virt_write(m->code[vcpu], va, data, n) == A64_OK,
            "vcpu %u has no memory for %llu bytes at virtual 0x%llx", vcpu, WORD(n),
            WORD(va));
    return PYEMU_OK;
}

int pyemu_code_translate(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                         uint64_t *out)
{
    const int status = check_vcpu(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_translate(m->code[vcpu], va, 1, false, out) == A64_OK,
            "vcpu %u does not translate virtual 0x%llx (fault status 0x%llx)", vcpu,
            WORD(va), WORD(*out));
    return PYEMU_OK;
}

int pyemu_code_sysreg_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg,
                          uint64_t *out)
{
    const int status = check_vcpu(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_get_sysreg(m->code[vcpu], reg, out) == A64_OK,
            "system register 0x%x does not exist", reg);
    return PYEMU_OK;
}

int pyemu_code_sysreg_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg,
                          uint64_t value)
{
    const int status = check_vcpu(m, vcpu);

    if (status != PYEMU_OK)
        return status;
    REQUIRE(m, a64_set_sysreg(m->code[vcpu], reg, value) == A64_OK,
            "system register 0x%x does not exist or cannot be 0x%llx", reg,
            WORD(value));
    return PYEMU_OK;
}

int pyemu_code_break(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                     uint32_t insert)
{
    REQUIRE(m, vm < m->s->cfg.n_vms && m->code_vms != NULL &&
                   m->code_vms[vm].mem != NULL,
            "vm %u does not exist or runs no machine code", vm);
    const uint32_t first = m->vms[vm].first_vcpu;

    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++)
        REQUIRE(m, a64_breakpoint(m->code[first + i], address, insert != 0) == A64_OK,
                "vm %u: %s at 0x%llx (at most %u)", vm,
                insert != 0 ? "no room for a breakpoint" : "no breakpoint",
                WORD(address), A64_MAX_BREAKPOINTS);
    return PYEMU_OK;
}

static int change_watch(struct pyemu_machine *m, uint32_t vm,
                        const struct a64_watchpoint *w, bool insert)
{
    REQUIRE(m, vm < m->s->cfg.n_vms && m->code_vms != NULL &&
                   m->code_vms[vm].mem != NULL,
            "vm %u does not exist or runs no machine code", vm);
    const uint32_t first = m->vms[vm].first_vcpu;

    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++)
        REQUIRE(m, a64_watchpoint(m->code[first + i], w, insert) == A64_OK,
                "vm %u: %s of %llu bytes at 0x%llx (at most %u)", vm,
                insert ? "no room for a watchpoint" : "no watchpoint", WORD(w->len),
                WORD(w->va), A64_MAX_WATCHPOINTS);
    return PYEMU_OK;
}

int pyemu_code_watch(struct pyemu_machine *m, uint32_t vm, uint64_t address, uint64_t n,
                     uint32_t on)
{
    return change_watch(m, vm, &(struct a64_watchpoint){address, n, on}, true);
}

int pyemu_code_unwatch(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                       uint64_t n, uint32_t on)
{
    return change_watch(m, vm, &(struct a64_watchpoint){address, n, on}, false);
}

uint64_t pyemu_code_watched(const struct pyemu_machine *m)
{
    return m->stop_address;
}

static int make_watch(struct pyemu_machine *m)
{
    if (m->watch != NULL)
        return PYEMU_OK;
    m->watch = calloc(1, sizeof *m->watch +
                             m->s->cfg.n_vcpus * sizeof(struct watch_vcpu));
    if (m->watch == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory to watch %u vCPUs",
                            m->s->cfg.n_vcpus);
    m->watch->step_vcpu = PYEMU_NONE;
    return PYEMU_OK;
}

int pyemu_code_step(struct pyemu_machine *m, uint32_t vcpu, uint64_t n)
{
    int status = vcpu == PYEMU_NONE ? PYEMU_OK : check_vcpu(m, vcpu);

    if (status == PYEMU_OK)
        status = make_watch(m);
    if (status != PYEMU_OK)
        return status;
    m->watch->step_vcpu = vcpu;
    if (vcpu != PYEMU_NONE)
        m->watch->step_goal = add_sat(watch_steps(m, &m->vcpus[vcpu]), n);
    return PYEMU_OK;
}

uint32_t pyemu_code_stopped(const struct pyemu_machine *m)
{
    return m->stop_vcpu;
}

int pyemu_code_profile(struct pyemu_machine *m, const uint64_t *starts, uint64_t n,
                       uint64_t period_cyc, uint64_t *sums)
{
    REQUIRE(m, m->code != NULL, "no VM runs machine code");
    for (uint64_t i = 1; i < n; i++)
        REQUIRE(m, starts[i - 1] < starts[i], "address %llu of the profile: not "
                "ascending", WORD(i));
    const int status = make_watch(m);

    if (status != PYEMU_OK)
        return status;
    struct code_watch *w = m->watch;

    w->starts = starts;
    w->n_starts = n;
    w->period_cyc = period_cyc;
    w->sums = sums;
    memset(w->vcpus, 0, m->s->cfg.n_vcpus * sizeof w->vcpus[0]);
    watch_reset(m);
    return PYEMU_OK;
}
