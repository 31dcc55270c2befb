/* Exception entry and return, PSTATE. Everything is taken to EL1: the host plays EL2.
 */
#include "except.h"

#include "bits.h"
#include "debug.h"
#include "flags.h"
#include "mmu.h"

enum { PSR_M_EL1H = 5, PSR_IL = 1 << 20, PSR_SS = 1 << 21,
       PSR_PAN = 1 << 22, PSR_DAIF = 0x3c0 };
enum { VEC_SYNC = 0x000, VEC_IRQ = 0x080, VEC_FIQ = 0x100, VEC_SERROR = 0x180 };

uint64_t a64_pstate(const struct a64_cpu *cpu)
{
    const struct a64_arch *a = &cpu->a;
    uint64_t mode = a->el == 0 ? 0u : 4u | a->spsel;
    return ((uint64_t)a64_nzcv(a) << 28) | (a->pan ? PSR_PAN : 0u) |
           (a->il ? PSR_IL : 0u) | (a->ss ? PSR_SS : 0u) | a->daif | mode;
}

static uint32_t sp_bank(const struct a64_arch *a)
{ return a->el == 1 && a->spsel ? 1 : 0; }

void a64_set_el_sp(struct a64_cpu *cpu, uint32_t el, uint32_t spsel)
{
    struct a64_arch *a = &cpu->a;
    a->sp[sp_bank(a)] = a->x[R_SP];
    a->el = (uint8_t)el;
    a->spsel = (uint8_t)spsel;
    a->x[R_SP] = a->sp[sp_bank(a)];
    a64_mode_changed(cpu);
}

void a64_pstate_set(struct a64_cpu *cpu, uint64_t spsr)
{
    struct a64_arch *a = &cpu->a;
    a64_set_nzcv(a, (uint32_t)(spsr >> 28) & 15);
    a->daif = (uint32_t)spsr & PSR_DAIF;
    a->il = (spsr & PSR_IL) != 0;
    a->ss = (spsr & PSR_SS) != 0;
    a->pan = cpu->mem->has_pan && (spsr & PSR_PAN) != 0;
    uint32_t el = (uint32_t)bits64(spsr, 2, 2);
    a64_set_el_sp(cpu, el, (uint32_t)(spsr & 1) | (el == 0 ? 1u : 0u));
}

/* AArch64.TakeException(): saves PSTATE, masks DAIF, selects SP_EL1 and the vector. */
static void enter_el1(struct a64_cpu *cpu, uint64_t vector)
{
    struct a64_arch *a = &cpu->a;
    uint64_t table = a->sr[SR_VBAR];
    if (a->el == 0)
        vector += 0x400;
    else if (a->spsel)
        vector += 0x200;
    a->sr[SR_SPSR] = a64_pstate(cpu);
    a->sr[SR_ELR] = a->pc;
    a->daif = PSR_DAIF;
    a->il = a->ss = a->stepped = 0;
    if (cpu->mem->has_pan && !(a->sr[SR_SCTLR] & SCTLR_SPAN))
        a->pan = 1;
    a64_set_el_sp(cpu, 1, 1);
    a->pc = table + vector;
    cpu->stats.exceptions++;
}

void a64_exception(struct a64_cpu *cpu, uint32_t ec, uint32_t iss)
{
    cpu->a.sr[SR_ESR] = ((uint64_t)ec << 26) | ESR_IL | iss;
    enter_el1(cpu, VEC_SYNC);
}

void a64_exception_undef(struct a64_cpu *cpu)
{ a64_exception(cpu, EC_UNKNOWN, 0); }

/* Aborts and the like have one class for "from a lower EL" and the next for "same EL".
 */
static void abort_from(struct a64_cpu *cpu, uint32_t ec_low, uint32_t iss, uint64_t far)
{
    cpu->a.sr[SR_FAR] = far;
    a64_exception(cpu, ec_low + cpu->a.el, iss);
}

void a64_exception_iabt(struct a64_cpu *cpu, uint64_t far, uint32_t fsc)
{ abort_from(cpu, EC_IABT_LOW, fsc, far); }

void a64_exception_dabt(struct a64_cpu *cpu, uint64_t far, uint32_t fsc, bool write,
                        bool cm)
{
    abort_from(cpu, EC_DABT_LOW, fsc | ((write ? 1u : 0u) << 6) | ((cm ? 1u : 0u) << 8),
               far);
}

void a64_exception_pc_alignment(struct a64_cpu *cpu)
{
    cpu->a.sr[SR_FAR] = cpu->a.pc;
    a64_exception(cpu, EC_PC_ALIGN, 0);
}

bool a64_take_interrupt(struct a64_cpu *cpu)
{
    struct a64_arch *a = &cpu->a;
    if (a->serror && !(a->daif & 0x100)) {
        a->serror = 0;
        a->sr[SR_ESR] =
            ((uint64_t)EC_SERROR << 26) | ESR_IL | (a->serror_iss & 0x1ffffff);
        enter_el1(cpu, VEC_SERROR);
    } else if (a->irq && !(a->daif & 0x080)) {
        enter_el1(cpu, VEC_IRQ);
    } else if (a->fiq && !(a->daif & 0x040)) {
        enter_el1(cpu, VEC_FIQ);
    } else {
        return false;
    }
    return true;
}

/* IllegalExceptionReturn(): AArch32, EL2/EL3, M<1>, or EL0 with M<0>. */
static bool return_is_illegal(uint64_t spsr)
{
    return bits64(spsr, 4, 1) || bits64(spsr, 2, 2) > 1 || bits64(spsr, 1, 1) ||
           (spsr & 15) == 1;
}

void a64_eret(struct a64_cpu *cpu)
{
    struct a64_arch *a = &cpu->a;
    uint64_t spsr = a->sr[SR_SPSR];
    a->pc = a->sr[SR_ELR];
    a->excl.size = 0; /* an exception return clears the local monitor... */
    a->event = 1;     /* ...and sets the event register: AArch64.ExceptionReturn() */
    const bool illegal = return_is_illegal(spsr);
    const uint8_t ss = a64_step_returns(cpu, spsr, illegal);
    if (illegal) {
        /* SetPSTATEFromPSR(): flags and masks are restored, EL and SP stay, IL is set.
         */
        uint64_t mode = 4u | a->spsel;
        a64_pstate_set(cpu, (spsr & ~15ull) | mode | PSR_IL);
    } else {
        a64_pstate_set(cpu, spsr);
        a->pc = a64_strip_tag(cpu, a->pc);
    }
    a->ss = ss;
}
