/* Decode: branches, exception generation and system instructions. Arm ARM C4.1
 * "Branches, Exception Generating and System instructions". */
#include "bits.h"
#include "decode.h"
#include "sysreg.h"

/* Picks the near form when the target is in the same page; near is OP_x_N, far is
 * OP_x_F. */
static void set_target(struct a64_slot *s, uint32_t off, uint64_t rel, uint32_t near,
                       uint32_t far)
{
    uint64_t target = off + rel;
    bool is_near = target < A64_PAGE_SIZE;
    s->op = (uint16_t)(is_near ? near : far);
    s->imm = is_near ? rel * (sizeof(struct a64_slot) / 4) : rel;
}

static enum a64_cost_class dec_cond(uint32_t w, uint32_t off, struct a64_slot *s)
{
    uint32_t cond = w & 15;
    uint64_t rel = sext((uint64_t)bits32(w, 5, 19) << 2, 21);
    if (bits32(w, 24, 1) != 0 || bits32(w, 4, 1) != 0)
        return dec_undef(s);
    s->ra = (uint8_t)cond;
    if (cond >= 14)
        set_target(s, off, rel, OP_B_N, OP_B_F);
    else
        set_target(s, off, rel, OP_BEQ_N + cond, OP_BCOND_F);
    return A64_COST_BRANCH;
}

static enum a64_cost_class dec_compare_branch(uint32_t w, uint32_t off,
                                              struct a64_slot *s)
{
    uint32_t sf = w >> 31, nz = bits32(w, 24, 1);
    s->rn = src_reg(w & 31);
    if (bits32(w, 25, 1)) { /* TBZ, TBNZ: the top bit is part of the bit number */
        s->rm = (uint8_t)((sf << 5) | bits32(w, 19, 5));
        set_target(s, off, sext((uint64_t)bits32(w, 5, 14) << 2, 16),
                   nz ? OP_TBNZ_N : OP_TBZ_N, nz ? OP_TBNZ_F : OP_TBZ_F);
    } else {
        uint32_t kind = nz + (sf ? 0 : 2);
        set_target(s, off, sext((uint64_t)bits32(w, 5, 19) << 2, 21), OP_CBZ64_N + kind,
                   OP_CBZ64_F + kind);
    }
    return A64_COST_BRANCH;
}

static enum a64_cost_class dec_exception(uint32_t w, struct a64_slot *s)
{
    uint32_t opc = bits32(w, 21, 3), ll = w & 3;
    if (bits32(w, 2, 3) != 0 || !((opc == 0 && ll != 0) || (opc == 1 && ll == 0)))
        return dec_undef(s); /* HLT and DCPSn too: no external debugger */
    s->op = OP_SLOW_END;
    return A64_COST_EXCEPTION;
}

static enum a64_cost_class dec_branch_reg(uint32_t w, struct a64_slot *s)
{
    uint32_t opc = bits32(w, 21, 4), rn = bits32(w, 5, 5);
    if (bits32(w, 16, 5) != 31 || bits32(w, 10, 6) != 0 || (w & 31) != 0)
        return dec_undef(s);
    s->rn = src_reg(rn);
    switch (opc) {
    case 0: s->op = OP_BR; break;
    case 1: s->op = OP_BLR; break;
    case 2: s->op = OP_RET; break;
    case 4:
        if (rn != 31)
            return dec_undef(s);
        s->op = OP_SLOW_END;
        return A64_COST_EXCEPTION;
    default: return dec_undef(s); /* DRPS needs debug state; BRAA.. are v8.3 */
    }
    return A64_COST_BRANCH;
}

/* op0 = 0: PSTATE fields, hints, barriers. */
static enum a64_cost_class dec_sys0(const struct a64_mem *mem, uint32_t w,
                                    struct a64_slot *s)
{
    uint32_t op1 = bits32(w, 16, 3), crn = bits32(w, 12, 4), crm = bits32(w, 8, 4);
    uint32_t op2 = bits32(w, 5, 3);
    if ((w & 31) != 31 || bits32(w, 21, 1) != 0)
        return dec_undef(s);
    s->op = OP_SLOW_END;
    if (crn == 2 && op1 == 3) {
        uint32_t hint = crm * 8 + op2;
        if ((hint >= 2 && hint <= 5) || (hint >= 80 && hint < 96))
            /* WFE, WFI, SEV, SEVL; marks */
            return A64_COST_NOP;
        s->op = hint == 1
                    ? OP_YIELD
                    : OP_NOP; /* NOP, hint-space PAuth and BTI, unallocated hints */
        return A64_COST_NOP;
    }
    if (crn == 3 && op1 == 3) {
        if (op2 == 2)
            return A64_COST_EXCLUSIVE; /* CLREX */
        if (op2 != 4 && op2 != 5 && op2 != 6)
            return dec_undef(s);
        s->op = OP_ISB; /* all barriers: memory is sequentially consistent here */
        return A64_COST_BARRIER;
    }
    if (crn == 4 && a64_pstate_field_exists(mem, op1, op2))
        return A64_COST_SYSREG;
    return dec_undef(s);
}

enum a64_cost_class a64_decode_branch(const struct a64_mem *mem, uint32_t w,
                                      uint32_t off, struct a64_slot *s)
{
    uint32_t top = bits32(w, 29, 3);
    if ((top & 3) == 0) {
        uint64_t rel = sext((uint64_t)bits32(w, 0, 26) << 2, 28);
        bool link = w >> 31;
        set_target(s, off, rel, link ? OP_BL_N : OP_B_N, link ? OP_BL_F : OP_B_F);
        return A64_COST_BRANCH;
    }
    if ((top & 3) == 1)
        return dec_compare_branch(w, off, s);
    if (top == 2)
        return bits32(w, 25, 1) == 0 ? dec_cond(w, off, s) : dec_undef(s);
    if (top != 6)
        return dec_undef(s);
    if (bits32(w, 25, 1))
        return dec_branch_reg(w, s);
    if (bits32(w, 24, 1) == 0)
        return dec_exception(w, s);
    if (bits32(w, 22, 2) != 0)
        return dec_undef(s); /* 128-bit and later system forms */
    if (bits32(w, 19, 2) == 0)
        return dec_sys0(mem, w, s);
    return a64_decode_sysreg(mem, w, s);
}
