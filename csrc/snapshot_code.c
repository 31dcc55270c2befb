/*
 * snapshot_code.c - what machine code guests have beside the flat state: memory page by
 * page, processors, consoles. Translated code is no state: it is made again.
 */
#include <string.h>

#include "guest/code.h"
#include "snapshot.h"

/* Of one VM: description and console, then its memory and its processors. */
struct vm_part {
    struct pyemu_code_config cfg;
    struct code_uart uart;
    uint64_t mem_bytes;
};

static bool runs_code(const struct pyemu_machine *m, uint32_t vm)
{
    return m->code != NULL && m->code_vms[vm].mem != NULL;
}

static uint64_t vm_bytes(const struct pyemu_machine *m, uint32_t vm)
{
    return sizeof(struct vm_part) + a64_mem_save_size(m->code_vms[vm].mem) +
           m->vms[vm].n_vcpus * a64_cpu_save_size();
}

uint64_t snapshot_code_bytes(const struct pyemu_machine *m)
{
    uint64_t n = 0;

    for (uint32_t vm = 0; vm < m->s->cfg.n_vms; vm++)
        if (runs_code(m, vm))
            n += vm_bytes(m, vm);
    return n;
}

static uint8_t *save_vm(const struct pyemu_machine *m, uint32_t vm, uint8_t *out)
{
    const struct code_vm *cv = &m->code_vms[vm];
    struct vm_part part;

    memset(&part, 0, sizeof part); /* padding too: equal machines, equal bytes */
    part.cfg = cv->cfg;
    part.uart = cv->uart;
    part.mem_bytes = a64_mem_save_size(cv->mem);
    memcpy(out, &part, sizeof part);
    out += sizeof part;
    (void)a64_mem_save(cv->mem, out, part.mem_bytes);
    out += part.mem_bytes;
    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++) {
        (void)a64_cpu_save(m->code[m->vms[vm].first_vcpu + i], out,
                           a64_cpu_save_size());
        out += a64_cpu_save_size();
    }
    return out;
}

void snapshot_code_save(const struct pyemu_machine *m, uint8_t *out)
{
    for (uint32_t vm = 0; vm < m->s->cfg.n_vms; vm++)
        if (runs_code(m, vm))
            out = save_vm(m, vm, out);
}

/* The same memory map and costs; whether code is translated is the host's affair. */
static bool same_guest(const struct pyemu_code_config *a,
                       const struct pyemu_code_config *b)
{
    struct pyemu_code_config own = *a;

    own.no_jit = b->no_jit;
    return memcmp(&own, b, sizeof own) == 0;
}

static int check_cpus(struct pyemu_machine *m, uint32_t vm, const uint8_t *in)
{
    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++) {
        const uint32_t vcpu = m->vms[vm].first_vcpu + i;
        const char *bad = a64_cpu_check(m->code[vcpu], in, a64_cpu_save_size());

        BELIEVE(m, bad == NULL, "processor of vcpu %u: %s is no state of it", vcpu,
                bad);
        in += a64_cpu_save_size();
    }
    return PYEMU_OK;
}

static int check_vm(struct pyemu_machine *m, uint32_t vm, const uint8_t *in, uint64_t n,
                    uint64_t *used)
{
    const uint64_t cpus = m->vms[vm].n_vcpus * a64_cpu_save_size();
    struct vm_part part;

    BELIEVE(m, n >= sizeof part + cpus, "vm %u is cut off", vm);
    memcpy(&part, in, sizeof part);
    BELIEVE(m, same_guest(&m->code_vms[vm].cfg, &part.cfg),
            "vm %u has another board or memory", vm);
    BELIEVE(m, part.uart.n < sizeof part.uart.text && part.uart.level <= 1,
            "vm %u: uart: %u bytes wait, of at most %u", vm, part.uart.n,
            (uint32_t)sizeof part.uart.text - 1U);
    BELIEVE(m, part.mem_bytes <= n - sizeof part - cpus, "vm %u: memory is cut off",
            vm);
    const char *bad =
        a64_mem_check(m->code_vms[vm].mem, in + sizeof part, part.mem_bytes);

    BELIEVE(m, bad == NULL, "vm %u: memory: %s does not fit", vm, bad);
    *used = sizeof part + part.mem_bytes + cpus;
    return check_cpus(m, vm, in + sizeof part + part.mem_bytes);
}

int snapshot_code_check(struct pyemu_machine *m, const uint8_t *in, uint64_t n)
{
    for (uint32_t vm = 0; vm < m->s->cfg.n_vms; vm++) {
        uint64_t used = 0;

        if (!runs_code(m, vm))
            continue;
        const int status = check_vm(m, vm, in, n, &used);

        if (status != PYEMU_OK)
            return status;
        in += used;
        n -= used;
    }
    BELIEVE(m, n == 0, "%llu bytes too many", (unsigned long long)n);
    return PYEMU_OK;
}

static const uint8_t *load_vm(struct pyemu_machine *m, uint32_t vm, const uint8_t *in)
{
    struct code_vm *cv = &m->code_vms[vm];
    const uint32_t stop_at = cv->uart.stop_at;
    struct vm_part part;

    memcpy(&part, in, sizeof part);
    cv->uart = part.uart;
    cv->uart.stop_at = stop_at; /* what Python waits for now */
    in += sizeof part;
    (void)a64_mem_load(cv->mem, in, part.mem_bytes);
    in += part.mem_bytes;
    for (uint32_t i = 0; i < m->vms[vm].n_vcpus; i++) {
        struct a64_cpu *cpu = m->code[m->vms[vm].first_vcpu + i];

        (void)a64_cpu_load(cpu, in, a64_cpu_save_size());
        a64_set_stop_on(cpu, cv->cfg.marks != 0 ? A64_ON_MARK : 0);
        in += a64_cpu_save_size();
    }
    return in;
}

void snapshot_code_load(struct pyemu_machine *m, const uint8_t *in)
{
    for (uint32_t vm = 0; vm < m->s->cfg.n_vms; vm++)
        if (runs_code(m, vm))
            in = load_vm(m, vm, in);
}
