/* CPUs: creation, reset, run, completion of stops, register access for the host. */
#include <stdlib.h>
#include <string.h>

#include "a64.h"
#include "bits.h"
#include "debug.h"
#include "decode.h"
#include "except.h"
#include "exec.h"
#include "jit.h"
#include "mem.h"
#include "mmu.h"
#include "sysreg.h"

_Static_assert(sizeof(struct a64_slot) == 16,
               "PC arithmetic in exec.c relies on 16-byte slots");
_Static_assert(sizeof(struct a64_code) % 16 == 0,
               "slots must stay 16-byte aligned in the pool");
_Static_assert(sizeof(struct a64_ftlb) == 32, "soft TLB index is a shift");

static bool host_is_supported(void)
{
    uint32_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1 && ((int64_t)-1 >> 1) == -1; /* little-endian, arithmetic shift */
}

static uint64_t pa_range(uint32_t pa_bits)
{
    switch (pa_bits) {
    case 32: return 0;
    case 36: return 1;
    case 40: return 2;
    case 42: return 3;
    case 44: return 4;
    default: return 5;
    }
}

/* Identification of a Cortex-A53 r0p4 (its TRM), without FP/SIMD, AArch32, EL2, EL3 and
 * PMU; 16K granule and 16-bit ASIDs added. */
static void init_id(struct a64_cpu *cpu)
{
    uint64_t *sr = cpu->a.sr;
    sr[SR_MIDR] = 0x410fd034;
    sr[SR_CTR] = 0x84448004;
    sr[SR_CLIDR] = 0x0a200023;
    sr[SR_CCSIDR0] = 0x700fe01a;
    sr[SR_CCSIDR1] = 0x201fe00a;
    sr[SR_CCSIDR2] = 0x707fe07a;
    sr[SR_IDX_ID(4, 0)] = 0x00ff0011;                        /* ID_AA64PFR0_EL1 */
    sr[SR_IDX_ID(5, 0)] = 0x10305006;                        /* ID_AA64DFR0_EL1 */
    sr[SR_IDX_ID(6, 0)] = cpu->mem->has_crc32 ? 1 << 16 : 0; /* ID_AA64ISAR0_EL1 */
    sr[SR_IDX_ID(7, 0)] =
        pa_range(cpu->a.pa_bits) | 2 << 4 | 1 << 20;       /* ID_AA64MMFR0_EL1 */
    sr[SR_IDX_ID(7, 1)] = cpu->mem->has_pan ? 1 << 20 : 0; /* ID_AA64MMFR1_EL1 */
}

/* CPUs that run in turn share the host's first cache: what is hot in each must not lie
 * at the same offset of a page, where all of them compete for one set. */
static struct a64_cpu *allocate(uint32_t idx)
{
    enum { LINE = 64, HOT_LINES = 13, PAGE = 4096 };
    uint8_t *block = calloc(1, sizeof(struct a64_cpu) + 2 * (size_t)PAGE);
    if (block == NULL)
        return NULL;
    const size_t to_page = PAGE - (uintptr_t)block % PAGE;
    const size_t color = (size_t)idx * HOT_LINES * LINE % PAGE;
    struct a64_cpu *cpu = (struct a64_cpu *)(void *)(block + to_page + color);
    cpu->block = block;
    return cpu;
}

struct a64_cpu *a64_cpu_create(struct a64_mem *mem, const struct a64_cpu_config *config)
{
    uint32_t pa_bits = config->pa_bits ? config->pa_bits : 40;
    if (!host_is_supported() || mem->n_cpus >= mem->max_cpus || pa_bits < 32 ||
        pa_bits > 48)
        return NULL;
    struct a64_cpu *cpu = allocate(mem->n_cpus);
    if (cpu == NULL)
        return NULL;
    cpu->mem = mem;
    cpu->a.pa_bits = pa_bits;
    cpu->a.sr[SR_MPIDR] = config->mpidr | 1u << 31;
    init_id(cpu);
    cpu->cpu_idx = mem->n_cpus;
    mem->cpu[mem->n_cpus++] = cpu;
    const struct a64_clock clock = { .num = 1, .den = 1, .cntfrq_hz = 62500000 };
    a64_set_clock(cpu, &clock);
    a64_reset(cpu, 0);
    return cpu;
}

void a64_cpu_destroy(struct a64_cpu *cpu)
{
    if (cpu == NULL)
        return;
    cpu->mem->cpu[cpu->cpu_idx] = NULL; /* the place is not used again */
    free(cpu->block);
}

void a64_reset(struct a64_cpu *cpu, uint64_t pc)
{
    struct a64_arch *a = &cpu->a;
    memset(a->x, 0, sizeof a->x);
    a->sp[0] = a->sp[1] = 0;
    a->el = a->spsel = 1;
    a->pan = a->il = a->event = a->ss = a->stepped = 0;
    a->daif = 0x3c0;
    a->excl.size = 0;
    a->fn = a->fc = a->fv = 0;
    a->fz = 1;
    a->pc = pc;
    a->pending = PEND_NONE;
    a->timer[0] = a->timer[1] = (struct a64_timer_state){ 0, 0, 0 };
    memset(a->dbg, 0, sizeof a->dbg);
    for (uint32_t i = 0; i < SR_MIDR; i++)
        a->sr[i] = 0;
    a->sr[SR_SCTLR] = 0x30500980u | (cpu->mem->has_pan ? 0u : (uint32_t)SCTLR_SPAN);
    a->sr[SR_OSLSR] = 2; /* OS lock set at reset */
    a64_tlb_flush_all(cpu);
    a64_mode_changed(cpu);
    (void)a64_debug_changed(cpu);
}

static enum a64_stop run_until_stop(struct a64_cpu *cpu)
{
    enum a64_stop stop;
    do {
        if (A64_UNLIKELY(cpu->debug))
            stop = a64_debug_exec(cpu);
        else if (cpu->mem->jit != NULL && cpu->n_bp == 0)
            stop = a64_jit_exec(cpu);
        else
            stop = a64_exec(cpu);
    } while (A64_UNLIKELY(stop == (enum a64_stop)STOP_MODE));
    return stop;
}

enum a64_stop a64_run(struct a64_cpu *cpu, uint64_t budget_cyc, struct a64_exit *exit)
{
    if (budget_cyc > 1ull << 62)
        budget_cyc = 1ull << 62;
    cpu->a.pending = PEND_NONE;
    cpu->deadline_cyc = cpu->a.now_cyc + budget_cyc;
    a64_soft_catch_up(cpu);
    enum a64_stop stop = run_until_stop(cpu);
    if (cpu->a.excl.size != 0)
        a64_watch_reservation(cpu);
    if (exit != NULL) {
        if (stop == A64_STOP_BUDGET)
            *exit = (struct a64_exit){ .pc = cpu->a.pc };
        else
            *exit = cpu->a.exit;
    }
    return stop;
}

void a64_set_call(struct a64_cpu *cpu, a64_call_fn *fn, void *context)
{
    cpu->on_call = fn;
    cpu->call_context = context;
}

uint64_t *a64_regs(struct a64_cpu *cpu)
{ return cpu->a.x; }

/* The stopped instruction retires now and is charged as its class would have been. */
static void complete(struct a64_cpu *cpu, enum a64_cost_class class)
{
    cpu->a.pending = PEND_NONE;
    cpu->a.pc += 4;
    cpu->a.n_insns++;
    a64_step_advance(cpu);
    cpu->a.now_cyc += cpu->mem->cost[class];
}

int a64_mmio_complete(struct a64_cpu *cpu, uint64_t value)
{
    const struct a64_exit *e = &cpu->a.exit;
    if (cpu->a.pending != PEND_MMIO || !e->isv)
        return A64_ESTATE;
    if (!e->is_write) {
        value &= mask64(8u * e->size);
        if (e->sign)
            value = sext(value, 8u * e->size);
        if (!e->sixty_four)
            value = (uint32_t)value;
        cpu->a.x[dst_reg(e->rt)] = value;
    }
    complete(cpu, e->is_write ? A64_COST_STORE : A64_COST_LOAD);
    return A64_OK;
}

int a64_sysreg_complete(struct a64_cpu *cpu, uint64_t value)
{
    const struct a64_exit *e = &cpu->a.exit;
    if (cpu->a.pending != PEND_SYSREG)
        return A64_ESTATE;
    if (!e->is_write)
        cpu->a.x[dst_reg(e->rt)] = value;
    complete(cpu, A64_COST_SYSREG);
    return A64_OK;
}

void a64_inject_dabt(struct a64_cpu *cpu, uint64_t far)
{
    a64_exception_dabt(cpu, far, FSC_EXTERNAL, false, false);
    cpu->a.pending = PEND_NONE;
}

void a64_inject_iabt(struct a64_cpu *cpu, uint64_t far)
{
    a64_exception_iabt(cpu, far, FSC_EXTERNAL);
    cpu->a.pending = PEND_NONE;
}

void a64_inject_undef(struct a64_cpu *cpu)
{
    a64_exception_undef(cpu);
    cpu->a.pending = PEND_NONE;
}

uint64_t a64_get_x(const struct a64_cpu *cpu, uint32_t n)
{ return n < 31 ? cpu->a.x[n] : cpu->a.x[R_SP]; }

void a64_set_x(struct a64_cpu *cpu, uint32_t n, uint64_t value)
{ cpu->a.x[n < 31 ? n : (uint32_t)R_SP] = value; }

uint64_t a64_get_pc(const struct a64_cpu *cpu)
{ return cpu->a.pc; }

void a64_set_pc(struct a64_cpu *cpu, uint64_t pc)
{
    cpu->a.pc = pc;
    cpu->a.pending = PEND_NONE;
}

uint64_t a64_get_pstate(const struct a64_cpu *cpu)
{ return a64_pstate(cpu); }

int a64_set_pstate(struct a64_cpu *cpu, uint64_t pstate)
{
    uint64_t mode = pstate & 31;
    if (mode != 0 && mode != 4 && mode != 5)
        return A64_EINVAL;
    a64_pstate_set(cpu, pstate);
    return A64_OK;
}

int a64_get_sysreg(struct a64_cpu *cpu, uint32_t enc, uint64_t *value)
{
    struct a64_sysreg reg;
    if (!a64_sysreg_find(cpu->mem, enc, &reg))
        return A64_EINVAL;
    *value = a64_sysreg_read(cpu, &reg, enc);
    return A64_OK;
}

int a64_set_sysreg(struct a64_cpu *cpu, uint32_t enc, uint64_t value)
{
    struct a64_sysreg reg;
    if (!a64_sysreg_find(cpu->mem, enc, &reg))
        return A64_EINVAL;
    if (!(reg.flags & SYS_W)) { /* read-only to the guest: identification */
        if (reg.kind != K_STORED && reg.kind != K_CTR && reg.kind != K_CNTFRQ)
            return A64_EINVAL;
        cpu->a.sr[reg.sr] = value;
        return A64_OK;
    }
    uint64_t pc = cpu->a.pc;
    a64_sysreg_write(cpu, &reg, enc, value);
    cpu->a.pc = pc;
    return A64_OK;
}

uint32_t a64_sysreg_enc(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm,
                        uint32_t op2)
{ return ENC(op0 & 3, op1 & 7, crn & 15, crm & 15, op2 & 7); }

void a64_set_now(struct a64_cpu *cpu, uint64_t now_cyc)
{ cpu->a.now_cyc = now_cyc; }
uint64_t a64_now(const struct a64_cpu *cpu)
{ return cpu->a.now_cyc; }
uint64_t a64_insns(const struct a64_cpu *cpu)
{ return cpu->a.n_insns; }

void a64_set_irq(struct a64_cpu *cpu, bool irq, bool fiq)
{
    cpu->a.irq = irq;
    cpu->a.fiq = fiq;
}

void a64_set_serror(struct a64_cpu *cpu, bool pending, uint32_t iss)
{
    cpu->a.serror = pending;
    cpu->a.serror_iss = iss;
}

bool a64_event_is_set(const struct a64_cpu *cpu)
{ return cpu->a.event != 0; }
void a64_set_event(struct a64_cpu *cpu)
{ cpu->a.event = 1; }
void a64_set_stop_on(struct a64_cpu *cpu, uint32_t on_mask)
{ cpu->a.stop_on = on_mask & 15; }
