/* Decode: top level and data processing (immediate). Arm ARM C4.1 "A64 instruction set
 * encoding". */
#include "decode.h"

#include "bits.h"

bool a64_bitmask_imm(uint32_t n, uint32_t imms, uint32_t immr, uint32_t datasize,
                     uint64_t *out)
{
    uint32_t combined = (n << 6) | (~imms & 0x3f), len = 6;
    while (len > 0 && (combined >> len) == 0)
        len--;
    if (len < 1 || (n == 1 && datasize == 32))
        return false;
    uint32_t esize = 1u << len, levels = esize - 1;
    uint32_t s = imms & levels, r = immr & levels;
    if (s == levels)
        return false;
    uint64_t elem = mask64(s + 1);
    if (r != 0)
        elem = ((elem >> r) | (elem << (esize - r))) & mask64(esize);
    for (uint32_t w = esize; w < 64; w *= 2)
        elem |= elem << w;
    *out = elem & mask64(datasize);
    return true;
}

static enum a64_cost_class dec_addsub_imm(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, sub = bits32(w, 30, 1), flags = bits32(w, 29, 1),
             rd = w & 31;
    uint64_t imm = (uint64_t)bits32(w, 10, 12) << (bits32(w, 22, 1) ? 12 : 0);
    s->rn = sp_reg(bits32(w, 5, 5));
    s->imm = imm;
    if (!flags) {
        s->rd = sp_reg(rd);
        s->op = OP_SF(sf, ADDI);
        if (sub)
            s->imm = 0 - imm;
        return A64_COST_ALU;
    }
    s->rd = dst_reg(rd);
    if (sub)
        s->op = rd == 31 ? OP_SF(sf, CMPI) : OP_SF(sf, SUBSI);
    else
        s->op = OP_SF(sf, ADDSI);
    return A64_COST_ALU;
}

static enum a64_cost_class dec_logical_imm(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, opc = bits32(w, 29, 2), rd = w & 31;
    if (!a64_bitmask_imm(bits32(w, 22, 1), bits32(w, 10, 6), bits32(w, 16, 6),
                         sf ? 64 : 32, &s->imm))
        return dec_undef(s);
    s->rn = src_reg(bits32(w, 5, 5));
    s->rd = opc == 3 ? dst_reg(rd) : sp_reg(rd);
    switch (opc) {
    case 0: s->op = OP_ANDI; break; /* a 32-bit mask clears the upper half by itself */
    case 1: s->op = OP_SF(sf, ORRI); break;
    case 2: s->op = OP_SF(sf, EORI); break;
    default: s->op = OP_SF(sf, ANDSI); break;
    }
    return A64_COST_ALU;
}

static enum a64_cost_class dec_movewide(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, opc = bits32(w, 29, 2), hw = bits32(w, 21, 2);
    if (opc == 1 || (!sf && hw > 1))
        return dec_undef(s);
    uint64_t imm = (uint64_t)bits32(w, 5, 16) << (16 * hw);
    s->rd = dst_reg(w & 31);
    s->rm = (uint8_t)(16 * hw);
    s->op = opc == 3 ? OP_SF(sf, MOVK) : OP_MOVI;
    s->imm = opc == 0 ? ~imm & mask64(sf ? 64 : 32) : imm;
    return A64_COST_ALU;
}

/* UBFM/SBFM/BFM as shifts: a = left shift that drops the bits above the field, b =
 * right shift. */
static enum a64_cost_class dec_bitfield(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, opc = bits32(w, 29, 2), immr = bits32(w, 16, 6),
             imms = bits32(w, 10, 6);
    uint32_t size = sf ? 64 : 32;
    if (opc == 3 || bits32(w, 22, 1) != sf || immr >= size || imms >= size)
        return dec_undef(s);
    bool extract = imms >= immr;
    uint32_t lsb = size - immr, width = extract ? imms - immr + 1 : imms + 1;
    s->rd = dst_reg(w & 31);
    s->rn = src_reg(bits32(w, 5, 5));
    s->imm = mask64(width);
    s->rm = (uint8_t)(extract ? immr : lsb);
    if (opc == 1) {
        s->op = extract ? OP_SF(sf, BFXIL) : OP_SF(sf, BFI);
        if (!extract)
            s->imm <<= lsb;
    } else if (opc == 2) {
        s->op = extract ? OP_UBFX : OP_UBFIZ;
        if (sf && imms == 63)
            s->op = OP_LSRI64;
        else if (sf && imms + 1 == immr)
            s->op = OP_LSLI64;
    } else {
        s->op = OP_SF(sf, SBFM);
        if (sf && imms == 63) {
            s->op = OP_ASRI64;
        } else if (sf && immr == 0 && imms == 31) {
            s->op = OP_SXTW;
        } else {
            s->rm = (uint8_t)(63 - imms);
            s->ra = (uint8_t)(extract ? 63 - imms + immr : 63 - imms - lsb);
        }
    }
    return A64_COST_ALU;
}

static enum a64_cost_class dec_extract(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, imms = bits32(w, 10, 6);
    if (bits32(w, 29, 2) != 0 || bits32(w, 21, 1) != 0 || bits32(w, 22, 1) != sf ||
        (!sf && imms > 31))
        return dec_undef(s);
    s->op = OP_SF(sf, EXTR);
    s->rd = dst_reg(w & 31);
    s->rn = src_reg(bits32(w, 5, 5));
    s->rm = src_reg(bits32(w, 16, 5));
    s->imm = imms;
    return A64_COST_ALU;
}

enum a64_cost_class a64_decode_dpimm(uint32_t w, struct a64_slot *s)
{
    switch (bits32(w, 23, 3)) {
    case 0:
    case 1: {
        uint64_t imm = sext(((uint64_t)bits32(w, 5, 19) << 2) | bits32(w, 29, 2), 21);
        s->op = w >> 31 ? OP_ADRP : OP_ADR;
        s->imm = w >> 31 ? imm << 12 : imm;
        s->rd = dst_reg(w & 31);
        return A64_COST_ALU;
    }
    case 2: return dec_addsub_imm(w, s);
    case 4: return dec_logical_imm(w, s);
    case 5: return dec_movewide(w, s);
    case 6: return dec_bitfield(w, s);
    case 7: return dec_extract(w, s);
    default: return dec_undef(s); /* 3: add/sub with tags, FEAT_MTE */
    }
}

bool a64_op_ends_block(uint32_t op)
{
    if (op < OP_ADDI64 && op >= OP_B_N && op != OP_NOP)
        return true; /* all branches, the conditional ones included */
    return op == OP_UNDEF || op == OP_SLOW_END || op == OP_PAGE_END || op == OP_ISB ||
           op == OP_YIELD || op == OP_MSR_EL1 || op == OP_MRS_EL1 || op == OP_MRS_ANY ||
           op == OP_MRS_CNTVCT;
}

enum a64_cost_class a64_decode(const struct a64_mem *mem, uint32_t w, uint32_t off,
                               struct a64_slot *s)
{
    *s = (struct a64_slot){ .op = OP_UNDEF };
    switch (bits32(w, 25, 4)) {
    case 8:
    case 9: return a64_decode_dpimm(w, s);
    case 10:
    case 11: return a64_decode_branch(mem, w, off, s);
    case 4:
    case 6:
    case 12:
    case 14: return a64_decode_ldst(w, s);
    case 5:
    case 13: return a64_decode_dpreg(mem, w, s);
    default: /* reserved, SVE, and the FP/SIMD space of a PE without FP */
        return dec_undef(s);
    }
}
