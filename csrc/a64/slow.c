/* Dispatch of the out-of-line instructions, exception generation, WFx and events. */
#include "slow.h"

#include "bits.h"
#include "debug.h"
#include "except.h"
#include "ldst.h"
#include "mmu.h"
#include "sysreg.h"

static enum a64_x stop_done(struct a64_cpu *cpu, enum a64_stop stop, uint64_t value,
                            uint32_t esr)
{
    cpu->a.exit = (struct a64_exit){ .pc = cpu->a.pc, .value = value, .esr = esr };
    cpu->a.pc += 4;
    cpu->stop = (uint32_t)stop;
    return X_STOP_DONE;
}

static enum a64_x undef(struct a64_cpu *cpu)
{
    a64_exception_undef(cpu);
    return X_EXC;
}

static enum a64_x exception_generating(struct a64_cpu *cpu, uint32_t w)
{
    uint32_t imm = bits32(w, 5, 16), ll = w & 3;
    if (bits32(w, 21, 3) ==
        1) { /* BRK: the preferred return address is the BRK itself */
        if (cpu->a.stop_on & A64_ON_BRK) {
            cpu->a.exit = (struct a64_exit){ .pc = cpu->a.pc, .value = imm };
            cpu->stop = A64_STOP_BRK;
            return X_STOP;
        }
        a64_exception(cpu, EC_BRK64, imm);
        return X_EXC;
    }
    if (ll == 1) {
        cpu->a.pc += 4;
        a64_step_advance(cpu);
        a64_exception(cpu, EC_SVC64, imm);
        return X_RELOAD;
    }
    if (cpu->a.el == 0)
        return undef(cpu);
    uint32_t ec = ll == 2 ? EC_HVC64 : EC_SMC64;
    return stop_done(cpu, ll == 2 ? A64_STOP_HVC : A64_STOP_SMC, imm,
                     ec << 26 | ESR_IL | imm);
}

/* WFI and WFE trap to EL1 only if they would wait: D1 "WFE/WFI traps". */
static enum a64_x wait_for(struct a64_cpu *cpu, bool wfe)
{
    struct a64_arch *a = &cpu->a;
    uint32_t iss = 1u << 24 | 0xe << 20 | (wfe ? 1u : 0u); /* CV, COND = AL, TI */
    if (wfe ? a->event : a->irq || a->fiq || a->serror) {
        if (wfe)
            a->event = 0;
        return X_NEXT;
    }
    if (a->el == 0 && !(a->sr[SR_SCTLR] & (wfe ? SCTLR_NTWE : SCTLR_NTWI))) {
        a64_exception(cpu, EC_WFX, iss);
        return X_EXC;
    }
    return stop_done(cpu, wfe ? A64_STOP_WFE : A64_STOP_WFI, 0,
                     (uint32_t)EC_WFX << 26 | ESR_IL | iss);
}

static enum a64_x hint(struct a64_cpu *cpu, uint32_t number)
{
    switch (number) {
    case 1:
        return stop_done(cpu, A64_STOP_YIELD, 0,
                         0); /* executor asks only with A64_ON_YIELD */
    case 2: return wait_for(cpu, true);
    case 3: return wait_for(cpu, false);
    case 4:
        for (uint32_t i = 0; i < cpu->mem->n_cpus; i++)
            if (cpu->mem->cpu[i] != NULL)
                cpu->mem->cpu[i]->a.event = 1;
        return cpu->a.stop_on & A64_ON_SEV ? stop_done(cpu, A64_STOP_EVENT, 0, 0)
                                           : X_NEXT;
    case 5: /* SEVL */ cpu->a.event = 1; return X_NEXT;
    default:
        return cpu->a.stop_on & A64_ON_MARK ? stop_done(cpu, A64_STOP_MARK, number, 0)
                                            : X_NEXT;
    }
}

enum a64_x a64_slow(struct a64_cpu *cpu, uint32_t w)
{
    if (bits32(w, 24, 6) == 8)
        return a64_ldst_exclusive(cpu, w);
    if (bits32(w, 24, 8) == 0xd4)
        return exception_generating(cpu, w);
    if (bits32(w, 25, 7) == 0x6b) {
        if (cpu->a.el == 0)
            return undef(cpu);
        a64_eret(cpu);
        return X_RELOAD;
    }
    switch (bits32(w, 19, 2)) {
    case 0: break;
    case 1: return a64_sys_insn(cpu, w);
    default: return a64_sysreg_insn(cpu, w);
    }
    if (bits32(w, 12, 4) == 4)
        return a64_msr_imm(cpu, w);
    if (bits32(w, 12, 4) == 3) {
        cpu->a.excl.size = 0; /* CLREX */
        return X_NEXT;
    }
    return hint(cpu, bits32(w, 5, 7));
}
