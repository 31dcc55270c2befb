/* System register access: EL0 checks, traps to the host, values and effects. */
#include "sysreg.h"

#include "bits.h"
#include "clock.h"
#include "debug.h"
#include "except.h"
#include "flags.h"
#include "mem.h"
#include "mmu.h"

enum { SCTLR_RES1 = 0x30500980 }; /* bits 29,28,22,20,11,8 (SED),7 (ITD) */

/* --- values
 * ---------------------------------------------------------------------------------- */
static uint64_t ccsidr(const struct a64_arch *a)
{
    switch (a->sr[SR_CSSELR]) {
    case 0: return a->sr[SR_CCSIDR0];
    case 1: return a->sr[SR_CCSIDR1];
    case 2: return a->sr[SR_CCSIDR2];
    default: return 0;
    }
}

static uint64_t timer_read(struct a64_cpu *cpu, uint32_t kind)
{
    bool virt = kind >= K_CNTV_TVAL;
    enum a64_timer t = virt ? A64_TIMER_VIRT : A64_TIMER_PHYS;
    switch (kind - (virt ? K_CNTV_TVAL : K_CNTP_TVAL)) {
    case 0: return (uint32_t)(cpu->a.timer[t].cval - a64_timer_count(cpu, t));
    case 1: return a64_timer_ctl(cpu, t);
    default: return cpu->a.timer[t].cval;
    }
}

static uint64_t *dbg_reg(struct a64_cpu *cpu, uint32_t enc)
{ return &cpu->a.dbg[bits32(enc, 3, 4)][enc & 3]; }

static uint64_t pstate_read(const struct a64_cpu *cpu, uint32_t kind)
{
    const struct a64_arch *a = &cpu->a;
    switch (kind) {
    case K_SPSEL: return a->spsel;
    case K_CURRENTEL: return (uint64_t)a->el << 2;
    case K_PAN: return a->pan ? 1u << 22 : 0;
    case K_NZCV: return (uint64_t)a64_nzcv(a) << 28;
    case K_DAIF: return a->daif;
    default: /* K_ISR */
        return (a->serror ? 0x100u : 0u) | (a->irq ? 0x80u : 0u) |
               (a->fiq ? 0x40u : 0u);
    }
}

uint64_t a64_sysreg_read(struct a64_cpu *cpu, const struct a64_sysreg *reg,
                         uint32_t enc)
{
    const struct a64_arch *a = &cpu->a;
    switch (reg->kind) {
    case K_STORED:
    case K_SCTLR:
    case K_CTR:
    case K_CNTFRQ: return a->sr[reg->sr];
    case K_SP_EL0: return a->el == 1 && a->spsel ? a->sp[0] : a->x[R_SP];
    case K_SPSEL:
    case K_CURRENTEL:
    case K_PAN:
    case K_NZCV:
    case K_DAIF:
    case K_ISR: return pstate_read(cpu, reg->kind);
    case K_DCZID: /* 64-byte blocks; DZP where DC ZVA would trap */
        return a->el == 0 && !(a->sr[SR_SCTLR] & SCTLR_DZE) ? 0x14 : 0x04;
    case K_CCSIDR: return ccsidr(a);
    case K_OSLSR: return a->sr[SR_OSLSR] | 8;
    case K_CLAIMSET: return 0xff;
    case K_CLAIMCLR: return a->sr[SR_DBGCLAIM];
    case K_DBGREG: return *dbg_reg(cpu, enc);
    case K_CNTPCT: return a64_ticks_at(cpu, a->now_cyc);
    case K_CNTVCT: return a64_cntvct(cpu, a->now_cyc);
    case K_CNTP_TVAL:
    case K_CNTP_CTL:
    case K_CNTP_CVAL:
    case K_CNTV_TVAL:
    case K_CNTV_CTL:
    case K_CNTV_CVAL: return timer_read(cpu, reg->kind);
    default: /* K_RAZ_WI, K_OSLAR */ return 0;
    }
}

/* --- effects
 * --------------------------------------------------------------------------------- */
static enum a64_x timer_write(struct a64_cpu *cpu, uint32_t kind, uint64_t value)
{
    bool virt = kind >= K_CNTV_TVAL;
    enum a64_timer which = virt ? A64_TIMER_VIRT : A64_TIMER_PHYS;
    struct a64_timer_state *t = &cpu->a.timer[which];
    switch (kind - (virt ? K_CNTV_TVAL : K_CNTP_TVAL)) {
    case 0: t->cval = a64_timer_count(cpu, which) + sext(value, 32); break;
    case 1: t->ctl = (uint32_t)value & 3; break;
    default: t->cval = value; break;
    }
    cpu->a.exit = (struct a64_exit){
        .pc = cpu->a.pc, .value = value, .is_write = 1, .rt = (uint8_t)which
    };
    cpu->stop = A64_STOP_TIMER_WRITE;
    cpu->a.pc += 4;
    return X_STOP_DONE;
}

static enum a64_x reload(struct a64_cpu *cpu)
{
    cpu->a.pc += 4;
    return X_RELOAD;
}

/* The executors go on in the other mode if this enables or disables exceptions. */
static enum a64_x debug_written(struct a64_cpu *cpu)
{
    if (!a64_debug_changed(cpu))
        return X_NEXT;
    cpu->stop = STOP_MODE;
    cpu->a.pc += 4;
    return X_STOP_DONE;
}

static enum a64_x pstate_write(struct a64_cpu *cpu, uint32_t kind, uint64_t value)
{
    struct a64_arch *a = &cpu->a;
    switch (kind) {
    case K_SPSEL: a64_set_el_sp(cpu, a->el, (uint32_t)value & 1); return X_NEXT;
    case K_PAN:
        a->pan = (value >> 22) & 1;
        a64_mode_changed(cpu);
        return X_NEXT;
    case K_NZCV: a64_set_nzcv(a, (uint32_t)(value >> 28) & 15); return X_NEXT;
    default: { /* K_DAIF: an interrupt may be deliverable now */
        uint32_t old = a->daif;
        a->daif = (uint32_t)value & 0x3c0;
        return old & ~a->daif ? reload(cpu) : X_NEXT;
    }
    }
}

static enum a64_x stored_write(struct a64_cpu *cpu, const struct a64_sysreg *reg,
                               uint64_t value)
{
    uint64_t fixed = 0;
    if (reg->kind == K_SCTLR) {
        fixed = SCTLR_RES1 | (cpu->mem->has_pan ? 0 : SCTLR_SPAN);
        if (!cpu->mem->has_pan)
            value |= SCTLR_SPAN;
    }
    cpu->a.sr[reg->sr] = (value & reg->wmask) | fixed;
    if (reg->flags & SYS_DEBUG)
        return debug_written(cpu);
    if (!(reg->flags & SYS_CTX))
        return X_NEXT;
    a64_soft_flush(cpu);
    a64_mode_changed(cpu);
    return reload(cpu);
}

enum a64_x a64_sysreg_write(struct a64_cpu *cpu, const struct a64_sysreg *reg,
                            uint32_t enc, uint64_t value)
{
    struct a64_arch *a = &cpu->a;
    switch (reg->kind) {
    case K_STORED:
    case K_SCTLR: return stored_write(cpu, reg, value);
    case K_SP_EL0:
        *(a->el == 1 && a->spsel ? &a->sp[0] : &a->x[R_SP]) = value;
        return X_NEXT;
    case K_SPSEL:
    case K_PAN:
    case K_NZCV:
    case K_DAIF: return pstate_write(cpu, reg->kind, value);
    case K_OSLAR: a->sr[SR_OSLSR] = (value & 1) << 1; return debug_written(cpu);
    case K_CLAIMSET: a->sr[SR_DBGCLAIM] |= value & 0xff; return X_NEXT;
    case K_CLAIMCLR: a->sr[SR_DBGCLAIM] &= ~value; return X_NEXT;
    case K_DBGREG: *dbg_reg(cpu, enc) = value & reg->wmask; return debug_written(cpu);
    case K_CNTP_TVAL:
    case K_CNTP_CTL:
    case K_CNTP_CVAL:
    case K_CNTV_TVAL:
    case K_CNTV_CTL:
    case K_CNTV_CVAL: return timer_write(cpu, reg->kind, value);
    default: return X_NEXT;
    }
}

/* --- the instructions
 * -------------------------------------------------------------------------- */
static uint32_t sys_iss(uint32_t w)
{
    return bits32(w, 19, 2) << 20 | bits32(w, 5, 3) << 17 | bits32(w, 16, 3) << 14 |
           bits32(w, 12, 4) << 10 | (w & 31) << 5 | bits32(w, 8, 4) << 1 |
           bits32(w, 21, 1);
}

enum a64_x a64_trap_to_el1(struct a64_cpu *cpu, uint32_t w)
{
    a64_exception(cpu, EC_SYS64, sys_iss(w));
    return X_EXC;
}

/* True if EL0's access to a register that exists at EL0 traps to EL1 (EC 0x18). */
static bool el0_traps(const struct a64_arch *a, uint32_t kind)
{
    uint64_t cntkctl = a->sr[SR_CNTKCTL], sctlr = a->sr[SR_SCTLR];
    switch (kind) {
    case K_CTR: return !(sctlr & SCTLR_UCT);
    case K_DAIF: return !(sctlr & SCTLR_UMA);
    case K_CNTFRQ: return !(cntkctl & 3);
    case K_CNTPCT: return !(cntkctl & 1);
    case K_CNTVCT: return !(cntkctl & 2);
    case K_CNTV_TVAL:
    case K_CNTV_CTL:
    case K_CNTV_CVAL: return !(cntkctl & 0x100);
    case K_CNTP_TVAL:
    case K_CNTP_CTL:
    case K_CNTP_CVAL: return !(cntkctl & 0x200);
    default: return false;
    }
}

static enum a64_x stop_sysreg(struct a64_cpu *cpu, uint32_t w, uint32_t enc, bool read)
{
    uint32_t rt = w & 31;
    cpu->a.exit = (struct a64_exit){
        .pc = cpu->a.pc,
        .addr = enc,
        .is_write = !read,
        .rt = (uint8_t)rt,
        .value = read ? 0 : cpu->a.x[rt == 31 ? R_ZERO : rt],
        .esr = (uint32_t)EC_SYS64 << 26 | ESR_IL | sys_iss(w),
    };
    cpu->a.pending = PEND_SYSREG;
    cpu->stop = A64_STOP_SYSREG;
    return X_STOP;
}

static enum a64_x undef(struct a64_cpu *cpu)
{
    a64_exception_undef(cpu);
    return X_EXC;
}

enum a64_x a64_sysreg_insn(struct a64_cpu *cpu, uint32_t w)
{
    struct a64_sysreg reg;
    uint32_t enc = bits32(w, 5, 16), rt = w & 31;
    bool read = bits32(w, 21, 1), el0 = cpu->a.el == 0;
    const struct a64_mem *mem = cpu->mem;
    bool trapped = a64_trap_bit(read ? mem->trap_r : mem->trap_w, enc);
    bool known = a64_sysreg_find(mem, enc, &reg);
    uint32_t need = read ? (el0 ? SYS_R0 : SYS_R) : (el0 ? SYS_W0 : SYS_W);
    if (known && !(reg.flags & need))
        return undef(cpu);
    if (known && el0 && el0_traps(&cpu->a, reg.kind))
        return a64_trap_to_el1(cpu, w);
    if (!known && !(trapped && (!el0 || bits32(w, 16, 3) == 3)))
        return undef(cpu);
    if (trapped)
        return stop_sysreg(cpu, w, enc, read);
    if (reg.kind == K_SP_EL0 && !cpu->a.spsel)
        return undef(cpu); /* SP_EL0 is the current stack pointer */
    if (!read)
        return a64_sysreg_write(cpu, &reg, enc, cpu->a.x[rt == 31 ? R_ZERO : rt]);
    cpu->a.x[rt == 31 ? R_SINK : rt] = a64_sysreg_read(cpu, &reg, enc);
    return X_NEXT;
}

enum a64_x a64_msr_imm(struct a64_cpu *cpu, uint32_t w)
{
    uint32_t op1 = bits32(w, 16, 3), op2 = bits32(w, 5, 3), imm = bits32(w, 8, 4);
    if (op1 == 3) {
        if (cpu->a.el == 0 && !(cpu->a.sr[SR_SCTLR] & SCTLR_UMA))
            return a64_trap_to_el1(cpu, w);
        uint32_t daif = op2 == 6 ? cpu->a.daif | imm << 6 : cpu->a.daif & ~(imm << 6);
        return pstate_write(cpu, K_DAIF, daif);
    }
    if (cpu->a.el == 0)
        return undef(cpu);
    if (op2 == 5)
        return pstate_write(cpu, K_SPSEL, imm & 1);
    return pstate_write(cpu, K_PAN, (uint64_t)(imm & 1) << 22);
}
