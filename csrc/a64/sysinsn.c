/* SYS instructions: cache maintenance, address translation, TLB maintenance. Arm ARM
 * C5.3-C5.5. */
#include "bits.h"
#include "except.h"
#include "ldst.h"
#include "mem.h"
#include "mmu.h"
#include "sysreg.h"

/* Cache maintenance by VA: no data moves (memory is coherent), but translation faults
 * are real. need: the access whose permission is checked, or -1 for none. */
static enum a64_x cache_by_va(struct a64_cpu *cpu, uint64_t va, int need)
{
    struct a64_xl xl;
    const struct a64_req req = { .va = va,
                                 .acc = need == ACC_WRITE ? ACC_WRITE : ACC_READ,
                                 .el = cpu->a.el,
                                 .pan = cpu->a.pan };
    a64_translate_va(cpu, &req, &xl);
    if (xl.fsc == FSC_STAGE2)
        return a64_stop_stage2(
            cpu, &(struct a64_exit){ .addr = xl.ipa, .va = va, .is_walk = 1 });
    bool permission = (xl.fsc & ~3) == FSC_PERMISSION;
    if (xl.fsc < 0 || (permission && need < 0))
        return X_NEXT;
    /* ISS: CM = 1, and WnR is always 1 for maintenance. */
    a64_exception_dabt(cpu, va, (uint32_t)xl.fsc, true, true);
    return X_EXC;
}

static enum a64_x cache_op(struct a64_cpu *cpu, uint32_t w, uint64_t va)
{
    bool el0 = cpu->a.el == 0;
    uint32_t op1 = bits32(w, 16, 3), crm = bits32(w, 8, 4), op2 = bits32(w, 5, 3);
    if (op1 == 0) {
        if (el0) {
            a64_exception_undef(cpu);
            return X_EXC;
        }
        if (crm == 6 && op2 == 1)
            return cache_by_va(cpu, va, ACC_WRITE); /* DC IVAC needs write permission */
        return X_NEXT; /* set/way, IC IALLU(IS): decoded code is always coherent */
    }
    if (el0 && !(cpu->a.sr[SR_SCTLR] & (crm == 4 ? SCTLR_DZE : SCTLR_UCI)))
        return a64_trap_to_el1(cpu, w);
    if (crm == 4)
        return a64_zero_block(cpu, va);
    return cache_by_va(cpu, va, el0 ? ACC_READ : -1);
}

/* AT S1E{0,1}{R,W}: PAR_EL1 gets the result. */
static enum a64_x address_translate(struct a64_cpu *cpu, uint32_t op2, uint64_t va)
{
    struct a64_xl xl;
    bool write = op2 & 1;
    const struct a64_req req = { .va = va,
                                 .acc = write ? ACC_WRITE : ACC_READ,
                                 .el = op2 & 2 ? 0 : 1 };
    a64_translate_va(cpu, &req, &xl);
    if (xl.fsc == FSC_STAGE2)
        return a64_stop_stage2(
            cpu, &(struct a64_exit){ .addr = xl.ipa, .va = va, .is_walk = 1 });
    uint64_t par = 1 << 11; /* RES1 */
    if (xl.fsc >= 0) {
        par |= 1 | (uint64_t)xl.fsc << 1;
    } else {
        /* Device and Normal Non-cacheable are reported as Outer Shareable. */
        bool outer = (xl.e.attrs & AT_DEVICE) || xl.e.mair == 0x44;
        par |= (xl.pa & 0x0000fffffffff000ull) | (uint64_t)xl.e.mair << 56 |
               (uint64_t)(outer ? 2 : xl.e.sh) << 7 | 1 << 9;
    }
    cpu->a.sr[SR_PAR] = par;
    return X_NEXT;
}

static void tlbi_one(struct a64_cpu *cpu, uint32_t op2, uint64_t arg)
{
    uint64_t va = sext(arg << 12, 56);
    uint16_t asid = (uint16_t)(arg >> 48);
    if (!bits64(cpu->a.sr[SR_TCR], 36, 1))
        asid &= 0xff;
    switch (op2) {
    case 0: a64_tlb_flush_all(cpu); break;        /* VMALLE1 */
    case 2: a64_tlb_flush_asid(cpu, asid); break; /* ASIDE1 */
    case 1:
    case 5: a64_tlb_flush_va(cpu, va, asid, false); break; /* VAE1, VALE1 */
    default: a64_tlb_flush_va(cpu, va, asid, true); break; /* VAAE1, VAALE1 */
    }
}

static enum a64_x tlbi(struct a64_cpu *cpu, uint32_t w, uint64_t arg)
{
    uint32_t op2 = bits32(w, 5, 3);
    tlbi_one(cpu, op2, arg);
    if (bits32(w, 8, 4) == 3) /* Inner Shareable: every PE on this memory */
        for (uint32_t i = 0; i < cpu->mem->n_cpus; i++)
            if (cpu->mem->cpu[i] != NULL && cpu->mem->cpu[i] != cpu)
                tlbi_one(cpu->mem->cpu[i], op2, arg);
    return X_NEXT;
}

enum a64_x a64_sys_insn(struct a64_cpu *cpu, uint32_t w)
{
    uint32_t rt = w & 31, crn = bits32(w, 12, 4), crm = bits32(w, 8, 4),
             op1 = bits32(w, 16, 3);
    uint64_t arg = cpu->a.x[rt == 31 ? R_ZERO : rt];
    bool privileged = crn == 8 || (op1 == 0 && crm == 8);
    if (privileged && cpu->a.el == 0) {
        a64_exception_undef(cpu);
        return X_EXC;
    }
    if (crn == 8)
        return tlbi(cpu, w, arg);
    if (op1 == 0 && crm == 8)
        return address_translate(cpu, bits32(w, 5, 3), arg);
    return cache_op(cpu, w, arg);
}
