/* The allow-list of system registers, and what of it is known at decode time. Anything
 * not here is UNDEFINED (unless the host traps it). Arm ARM C5.1.2 "op0 == 0b10/0b11",
 * D12 "AArch64 System Register Descriptions". */
#include "bits.h"
#include "debug.h"
#include "mem.h"
#include "sysreg.h"

#define ALL (~0ull)
#define RW (SYS_R | SYS_W)
#define RO SYS_R
#define FAST_RW (RW | SYS_FAST_R | SYS_FAST_W)
#define FAST_RO (RO | SYS_FAST_R)
#define REG(op0, op1, crn, crm, op2, flags, kind, sr, wmask) \
    { ENC(op0, op1, crn, crm, op2), flags, kind, sr, 0, wmask }

/* Sorted by encoding: found by bisection. CPACR_EL1.FPEN is RES0 on a PE without FP. */
static const struct a64_sysreg table[] = {
    REG(2, 0, 0, 0, 2, RW, K_STORED, SR_OSDTRRX, 0xffffffff),
    REG(2, 0, 0, 2, 0, RW, K_STORED, SR_MDCCINT, 0x60000000),
    REG(2, 0, 0, 2, 2, RW | SYS_DEBUG, K_STORED, SR_MDSCR, 0x6c08f041),
    REG(2, 0, 0, 3, 2, RW, K_STORED, SR_OSDTRTX, 0xffffffff),
    REG(2, 0, 0, 6, 2, RW, K_STORED, SR_OSECCR, 0xffffffff),
    REG(2, 0, 1, 0, 0, RO, K_RAZ_WI, 0, 0), /* MDRAR_EL1 */
    REG(2, 0, 1, 0, 4, SYS_W, K_OSLAR, 0, 1),
    REG(2, 0, 1, 1, 4, RO, K_OSLSR, 0, 0),
    REG(2, 0, 1, 3, 4, RW | SYS_DEBUG, K_STORED, SR_OSDLR, 1),
    REG(2, 0, 1, 4, 4, RW, K_STORED, SR_DBGPRCR, 1),
    REG(2, 0, 7, 8, 6, RW, K_CLAIMSET, 0, 0xff),
    REG(2, 0, 7, 9, 6, RW, K_CLAIMCLR, 0, 0xff),
    REG(2, 0, 7, 14, 6, RO, K_RAZ_WI, 0, 0),                  /* DBGAUTHSTATUS_EL1 */
    REG(2, 3, 0, 1, 0, RO | SYS_R0, K_RAZ_WI, 0, 0),          /* MDCCSR_EL0 */
    REG(2, 3, 0, 4, 0, RW | SYS_R0 | SYS_W0, K_RAZ_WI, 0, 0), /* DBGDTR_EL0 */
    REG(2, 3, 0, 5, 0, RW | SYS_R0 | SYS_W0, K_RAZ_WI, 0, 0), /* DBGDTRRX/TX_EL0 */
    REG(3, 0, 0, 0, 0, FAST_RO, K_STORED, SR_MIDR, 0),
    REG(3, 0, 0, 0, 5, FAST_RO, K_STORED, SR_MPIDR, 0),
    REG(3, 0, 0, 0, 6, FAST_RO, K_STORED, SR_REVIDR, 0),
    REG(3, 0, 1, 0, 0, RW | SYS_CTX, K_SCTLR, SR_SCTLR, 0x048dd21f),
    REG(3, 0, 1, 0, 1, RW, K_RAZ_WI, 0, 0), /* ACTLR_EL1 */
    REG(3, 0, 1, 0, 2, RW, K_STORED, SR_CPACR, 0),
    REG(3, 0, 2, 0, 0, RW | SYS_CTX | SYS_FAST_R, K_STORED, SR_TTBR0, ALL),
    REG(3, 0, 2, 0, 1, RW | SYS_CTX | SYS_FAST_R, K_STORED, SR_TTBR1, ALL),
    REG(3, 0, 2, 0, 2, RW | SYS_CTX | SYS_FAST_R, K_STORED, SR_TCR,
        0x0000007ff7ffffbfull),
    REG(3, 0, 4, 0, 0, RW | SYS_FAST_R, K_STORED, SR_SPSR, 0xffffffff),
    REG(3, 0, 4, 0, 1, FAST_RW, K_STORED, SR_ELR, ALL),
    REG(3, 0, 4, 1, 0, RW | SYS_FAST_R | SYS_FAST_W, K_SP_EL0, 0, ALL),
    REG(3, 0, 4, 2, 0, RW, K_SPSEL, 0, 1),
    REG(3, 0, 4, 2, 2, RO, K_CURRENTEL, 0, 0),
    REG(3, 0, 4, 2, 3, RW, K_PAN, 0, 1 << 22),
    REG(3, 0, 5, 1, 0, RW, K_RAZ_WI, 0, 0), /* AFSR0_EL1 */
    REG(3, 0, 5, 1, 1, RW, K_RAZ_WI, 0, 0), /* AFSR1_EL1 */
    REG(3, 0, 5, 2, 0, RW | SYS_FAST_R, K_STORED, SR_ESR, 0xffffffff),
    REG(3, 0, 6, 0, 0, FAST_RW, K_STORED, SR_FAR, ALL),
    REG(3, 0, 7, 4, 0, FAST_RW, K_STORED, SR_PAR, ALL),
    REG(3, 0, 10, 2, 0, RW | SYS_CTX | SYS_FAST_R, K_STORED, SR_MAIR, ALL),
    REG(3, 0, 10, 3, 0, RW, K_RAZ_WI, 0, 0), /* AMAIR_EL1 */
    REG(3, 0, 12, 0, 0, RW | SYS_FAST_R, K_STORED, SR_VBAR, ~0x7ffull),
    REG(3, 0, 12, 1, 0, RO, K_ISR, 0, 0),
    REG(3, 0, 13, 0, 1, RW | SYS_FAST_R, K_STORED, SR_CONTEXTIDR, 0xffffffff),
    REG(3, 0, 13, 0, 4, FAST_RW, K_STORED, SR_TPIDR_EL1, ALL),
    REG(3, 0, 14, 1, 0, RW, K_STORED, SR_CNTKCTL, 0x3ff),
    REG(3, 1, 0, 0, 0, RO, K_CCSIDR, 0, 0),
    REG(3, 1, 0, 0, 1, FAST_RO, K_STORED, SR_CLIDR, 0),
    REG(3, 1, 0, 0, 7, RO, K_RAZ_WI, 0, 0), /* AIDR_EL1 */
    REG(3, 2, 0, 0, 0, RW, K_STORED, SR_CSSELR, 15),
    REG(3, 3, 0, 0, 1, FAST_RO | SYS_R0, K_CTR, SR_CTR, 0),
    REG(3, 3, 0, 0, 7, RO | SYS_R0, K_DCZID, 0, 0),
    REG(3, 3, 4, 2, 0, RW | SYS_R0 | SYS_W0, K_NZCV, 0, 0xf0000000),
    REG(3, 3, 4, 2, 1, RW | SYS_R0 | SYS_W0, K_DAIF, 0, 0x3c0),
    REG(3, 3, 13, 0, 2, FAST_RW | SYS_R0 | SYS_W0, K_STORED, SR_TPIDR_EL0, ALL),
    REG(3, 3, 13, 0, 3, FAST_RW | SYS_R0, K_STORED, SR_TPIDRRO, ALL),
    REG(3, 3, 14, 0, 0, FAST_RO | SYS_R0, K_CNTFRQ, SR_CNTFRQ, 0),
    REG(3, 3, 14, 0, 1, RO | SYS_R0, K_CNTPCT, 0, 0),
    REG(3, 3, 14, 0, 2, RO | SYS_R0, K_CNTVCT, 0, 0),
    REG(3, 3, 14, 2, 0, RW | SYS_R0 | SYS_W0, K_CNTP_TVAL, 0, 0),
    REG(3, 3, 14, 2, 1, RW | SYS_R0 | SYS_W0, K_CNTP_CTL, 0, 0),
    REG(3, 3, 14, 2, 2, RW | SYS_R0 | SYS_W0, K_CNTP_CVAL, 0, 0),
    REG(3, 3, 14, 3, 0, RW | SYS_R0 | SYS_W0, K_CNTV_TVAL, 0, 0),
    REG(3, 3, 14, 3, 1, RW | SYS_R0 | SYS_W0, K_CNTV_CTL, 0, 0),
    REG(3, 3, 14, 3, 2, RW | SYS_R0 | SYS_W0, K_CNTV_CVAL, 0, 0),
};
enum { N_TABLE = (int)(sizeof table / sizeof table[0]) };

/* Families: the ID block (unallocated ones read as zero) and the breakpoint registers
 * that ID_AA64DFR0_EL1 advertises. */
static bool find_family(uint32_t enc, struct a64_sysreg *out)
{
    uint32_t crm = bits32(enc, 3, 4), op2 = enc & 7;
    if (enc >> 7 == ENC(3, 0, 0, 0, 0) >> 7 && crm >= 1 && crm <= 7) {
        *out = (struct a64_sysreg){ .enc = (uint16_t)enc,
                                    .flags = FAST_RO,
                                    .kind = K_STORED,
                                    .sr = (uint16_t)SR_IDX_ID(crm, op2) };
        return true;
    }
    uint32_t n_regs = op2 < 6 ? N_HW_BREAK : N_HW_WATCH;
    if (enc >> 7 == ENC(2, 0, 0, 0, 0) >> 7 && op2 >= 4 && crm < n_regs) {
        *out = (struct a64_sysreg){ .enc = (uint16_t)enc,
                                    .flags = RW,
                                    .kind = K_DBGREG,
                                    .wmask = op2 & 1 ? 0xffffffff
                                             : op2 == 6 ? ~3ull : ALL };
        return true;
    }
    return false;
}

bool a64_sysreg_find(const struct a64_mem *mem, uint32_t enc, struct a64_sysreg *out)
{
    int lo = 0, hi = N_TABLE - 1;
    while (lo <= hi) {
        int mid = (lo + hi) / 2;
        if (table[mid].enc == enc) {
            *out = table[mid];
            return out->kind != K_PAN || mem->has_pan;
        }
        if (table[mid].enc < enc)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return find_family(enc, out);
}

bool a64_pstate_field_exists(const struct a64_mem *mem, uint32_t op1, uint32_t op2)
{
    return (op1 == 0 && op2 == 5) || (op1 == 3 && (op2 == 6 || op2 == 7)) ||
           (op1 == 0 && op2 == 4 && mem->has_pan);
}

bool a64_sys_op_exists(uint32_t enc)
{
    static const uint16_t ops[] = {
        ENC(1, 0, 7, 1, 0),  ENC(1, 0, 7, 5, 0),  ENC(1, 0, 7, 6, 1),
        ENC(1, 0, 7, 6, 2),  ENC(1, 0, 7, 8, 0),  ENC(1, 0, 7, 8, 1),
        ENC(1, 0, 7, 8, 2),  ENC(1, 0, 7, 8, 3),  ENC(1, 0, 7, 10, 2),
        ENC(1, 0, 7, 14, 2), ENC(1, 0, 8, 3, 0),  ENC(1, 0, 8, 3, 1),
        ENC(1, 0, 8, 3, 2),  ENC(1, 0, 8, 3, 3),  ENC(1, 0, 8, 3, 5),
        ENC(1, 0, 8, 3, 7),  ENC(1, 0, 8, 7, 0),  ENC(1, 0, 8, 7, 1),
        ENC(1, 0, 8, 7, 2),  ENC(1, 0, 8, 7, 3),  ENC(1, 0, 8, 7, 5),
        ENC(1, 0, 8, 7, 7),  ENC(1, 3, 7, 4, 1),  ENC(1, 3, 7, 5, 1),
        ENC(1, 3, 7, 10, 1), ENC(1, 3, 7, 11, 1), ENC(1, 3, 7, 14, 1),
    };
    for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i] == enc)
            return true;
    return false;
}

static void decode_mrs(struct a64_slot *s, const struct a64_sysreg *reg)
{
    if (reg->kind == K_CNTVCT) {
        s->op = OP_MRS_CNTVCT;
        return;
    }
    if (!(reg->flags & SYS_FAST_R))
        return;
    bool any_el = reg->kind == K_STORED && (reg->flags & SYS_R0);
    s->op = any_el ? OP_MRS_ANY : OP_MRS_EL1;
    s->imm = reg->kind == K_SP_EL0 ? offsetof(struct a64_arch, sp)
                                   : offsetof(struct a64_arch, sr) + 8u * reg->sr;
}

enum a64_cost_class a64_decode_sysreg(const struct a64_mem *mem, uint32_t w,
                                      struct a64_slot *s)
{
    struct a64_sysreg reg;
    uint32_t enc = bits32(w, 5, 16);
    bool read = bits32(w, 21, 1),
         trapped = a64_trap_bit(read ? mem->trap_r : mem->trap_w, enc);
    s->op = OP_SLOW_END;
    if (bits32(w, 19, 2) == 1) {
        if (read || !a64_sys_op_exists(enc))
            return dec_undef(s);
        return bits32(w, 12, 4) == 8 ? A64_COST_TLBI : A64_COST_CACHE;
    }
    bool known = a64_sysreg_find(mem, enc, &reg);
    if (known && !(reg.flags & (read ? SYS_R : SYS_W)))
        known = false;
    if (!known)
        return trapped ? A64_COST_SYSREG : dec_undef(s);
    if (trapped)
        return A64_COST_SYSREG;
    if (read) {
        s->rd = dst_reg(w & 31);
        decode_mrs(s, &reg);
    } else if (reg.flags & SYS_FAST_W) {
        s->rn = src_reg(w & 31);
        s->op = OP_MSR_EL1;
        s->imm = reg.kind == K_SP_EL0 ? offsetof(struct a64_arch, sp)
                                      : offsetof(struct a64_arch, sr) + 8u * reg.sr;
    }
    return reg.kind >= K_CNTFRQ ? A64_COST_COUNTER : A64_COST_SYSREG;
}
