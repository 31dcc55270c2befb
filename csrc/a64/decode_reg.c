/* Decode: data processing (register). Arm ARM C4.1 "Data Processing -- Register". */
#include "bits.h"
#include "decode.h"

/* The 64-bit op of every pair in ops.h is followed by its 32-bit form. */
static uint16_t op_by_size(uint32_t op64, uint32_t sf)
{ return (uint16_t)(op64 + (sf ? 0 : 1)); }

static enum a64_cost_class dec_logical(uint32_t w, struct a64_slot *s)
{
    static const uint16_t plain[8] = { OP_AND64, OP_BIC64, OP_ORR64,  OP_ORN64,
                                       OP_EOR64, OP_EON64, OP_ANDS64, OP_BICS64 };
    static const uint16_t shifted[8] = { OP_ANDSH64,  OP_BICSH64, OP_ORRSH64,
                                         OP_ORNSH64,  OP_EORSH64, OP_EONSH64,
                                         OP_ANDSSH64, OP_BICSSH64 };
    uint32_t sf = w >> 31, kind = bits32(w, 29, 2) * 2 + bits32(w, 21, 1);
    uint32_t amount = bits32(w, 10, 6), type = bits32(w, 22, 2);
    if (!sf && amount > 31)
        return dec_undef(s);
    s->imm = amount;
    s->ra = (uint8_t)type;
    if (amount == 0) {
        s->op = op_by_size(plain[kind], sf);
        if (kind == 2 && s->rn == R_ZERO)
            s->op = OP_SF(sf, MOV);
        return A64_COST_ALU;
    }
    s->op = op_by_size(shifted[kind], sf);
    if (sf && type == 0 && kind == 4)
        s->op = OP_EORL64;
    else if (sf && type == 0 && kind == 2)
        s->op = OP_ORRL64;
    else if (type == 1 && kind == 4)
        s->op = OP_SF(sf, EORLSR);
    return A64_COST_ALU;
}

static enum a64_cost_class dec_addsub_shifted(uint32_t w, struct a64_slot *s)
{
    static const uint16_t plain[4] = { OP_ADD64, OP_ADDS64, OP_SUB64, OP_SUBS64 };
    static const uint16_t shifted[4] = { OP_ADDSH64, OP_ADDSSH64, OP_SUBSH64,
                                         OP_SUBSSH64 };
    uint32_t sf = w >> 31, kind = bits32(w, 29, 2), amount = bits32(w, 10, 6);
    uint32_t type = bits32(w, 22, 2);
    if (type == 3 || (!sf && amount > 31))
        return dec_undef(s);
    s->imm = amount;
    s->ra = (uint8_t)type;
    if (amount == 0) {
        s->op = op_by_size(plain[kind], sf);
        if (kind == 3 && s->rd == R_SINK)
            s->op = OP_SF(sf, CMP);
        return A64_COST_ALU;
    }
    s->op = op_by_size(shifted[kind], sf);
    if (type == 0 && kind == 0)
        s->op = OP_SF(sf, ADDL);
    else if (type == 0 && kind == 2 && sf)
        s->op = OP_SUBL64;
    else if (type == 1 && kind == 0 && sf)
        s->op = OP_ADDLSR64;
    return A64_COST_ALU;
}

static enum a64_cost_class dec_addsub_ext(uint32_t w, struct a64_slot *s)
{
    static const uint16_t ops[4] = { OP_ADDX64, OP_ADDSX64, OP_SUBX64, OP_SUBSX64 };
    uint32_t sf = w >> 31, kind = bits32(w, 29, 2), option = bits32(w, 13, 3),
             sh = bits32(w, 10, 3);
    if (bits32(w, 22, 2) != 0 || sh > 4)
        return dec_undef(s);
    s->rn = sp_reg(bits32(w, 5, 5));
    s->rd = kind & 1 ? dst_reg(w & 31) : sp_reg(w & 31);
    s->ra = (uint8_t)option;
    s->imm = sh;
    s->op = op_by_size(ops[kind], sf);
    if (sf && kind == 0 && option == 2)
        s->op = OP_ADD_UXTW;
    else if (sf && kind == 0 && option == 6)
        s->op = OP_ADD_SXTW;
    return A64_COST_ALU;
}

static enum a64_cost_class dec_dp2(const struct a64_mem *mem, uint32_t w,
                                   struct a64_slot *s)
{
    uint32_t sf = w >> 31, opcode = bits32(w, 10, 6);
    if (bits32(w, 29, 1) != 0)
        return dec_undef(s);
    switch (opcode) {
    case 2: s->op = OP_SF(sf, UDIV); return A64_COST_DIV;
    case 3: s->op = OP_SF(sf, SDIV); return A64_COST_DIV;
    case 8: s->op = OP_SF(sf, LSLV); return A64_COST_ALU;
    case 9: s->op = OP_SF(sf, LSRV); return A64_COST_ALU;
    case 10: s->op = OP_SF(sf, ASRV); return A64_COST_ALU;
    case 11: s->op = OP_SF(sf, RORV); return A64_COST_ALU;
    default: break;
    }
    if (opcode < 16 || opcode > 23 || !mem->has_crc32 || sf != ((opcode & 3) == 3))
        return dec_undef(s);
    s->op = OP_CRC32;
    s->ra = (uint8_t)(opcode & 3); /* log2 bytes */
    s->imm = opcode >= 20;         /* CRC32C */
    return A64_COST_MUL;
}

static enum a64_cost_class dec_dp1(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31;
    if (bits32(w, 29, 1) != 0 || bits32(w, 16, 5) != 0)
        return dec_undef(s);
    switch (bits32(w, 10, 6)) {
    case 0: s->op = OP_SF(sf, RBIT); break;
    case 1: s->op = sf ? OP_REV16_64 : OP_REV16_32; break;
    case 2: s->op = sf ? OP_REV32_64 : OP_REV32; break;
    case 3:
        if (!sf)
            return dec_undef(s);
        s->op = OP_REV64;
        break;
    case 4: s->op = OP_SF(sf, CLZ); break;
    case 5: s->op = OP_SF(sf, CLS); break;
    default: return dec_undef(s);
    }
    return A64_COST_ALU;
}

static enum a64_cost_class dec_dp3(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, op31 = bits32(w, 21, 3), o0 = bits32(w, 15, 1);
    if (bits32(w, 29, 2) != 0 || (op31 != 0 && !sf))
        return dec_undef(s);
    s->ra = src_reg(bits32(w, 10, 5));
    switch (op31 * 2 + o0) {
    case 0: s->op = s->ra == R_ZERO ? OP_SF(sf, MUL) : OP_SF(sf, MADD); break;
    case 1: s->op = OP_SF(sf, MSUB); break;
    case 2: s->op = OP_SMADDL; break;
    case 3: s->op = OP_SMSUBL; break;
    case 4: s->op = OP_SMULH; break;
    case 10: s->op = OP_UMADDL; break;
    case 11: s->op = OP_UMSUBL; break;
    case 12: s->op = OP_UMULH; break;
    default: return dec_undef(s);
    }
    return A64_COST_MUL;
}

static enum a64_cost_class dec_ccmp(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, is_imm = bits32(w, 11, 1), cmp = bits32(w, 30, 1);
    if (bits32(w, 29, 1) != 1 || bits32(w, 10, 1) != 0 || bits32(w, 4, 1) != 0)
        return dec_undef(s);
    s->ra = (uint8_t)bits32(w, 12, 4);
    s->imm = w & 15;
    if (is_imm) {
        s->rm = (uint8_t)bits32(w, 16, 5);
        s->op = cmp ? OP_SF(sf, CCMPI) : OP_SF(sf, CCMNI);
    } else {
        s->op = cmp ? OP_SF(sf, CCMP) : OP_SF(sf, CCMN);
    }
    return A64_COST_ALU;
}

static enum a64_cost_class dec_csel(uint32_t w, struct a64_slot *s)
{
    uint32_t sf = w >> 31, cond = bits32(w, 12, 4);
    if (bits32(w, 29, 1) != 0 || bits32(w, 11, 1) != 0)
        return dec_undef(s);
    uint32_t kind = (bits32(w, 30, 1) * 2 + bits32(w, 10, 1)) * 2 + (sf ? 0 : 1);
    if (cond >= 14) { /* AL and NV: always the first source */
        s->rm = s->rn;
        s->op = OP_SF(sf, MOV);
    } else {
        s->op = (uint16_t)(OP_CSEL64_EQ + cond * 8 + kind);
    }
    return A64_COST_ALU;
}

static enum a64_cost_class dec_adc(uint32_t w, struct a64_slot *s)
{
    static const uint16_t ops[4] = { OP_ADC64, OP_ADCS64, OP_SBC64, OP_SBCS64 };
    if (bits32(w, 10, 6) != 0)
        return dec_undef(s);
    s->op = op_by_size(ops[bits32(w, 29, 2)], w >> 31);
    return A64_COST_ALU;
}

enum a64_cost_class a64_decode_dpreg(const struct a64_mem *mem, uint32_t w,
                                     struct a64_slot *s)
{
    s->rd = dst_reg(w & 31);
    s->rn = src_reg(bits32(w, 5, 5));
    s->rm = src_reg(bits32(w, 16, 5));
    if (bits32(w, 28, 1) == 0) {
        if (bits32(w, 24, 1) == 0)
            return dec_logical(w, s);
        return bits32(w, 21, 1) ? dec_addsub_ext(w, s) : dec_addsub_shifted(w, s);
    }
    if (bits32(w, 24, 1) == 1)
        return dec_dp3(w, s);
    switch (bits32(w, 21, 3)) {
    case 0: return dec_adc(w, s);
    case 2: return dec_ccmp(w, s);
    case 4: return dec_csel(w, s);
    case 6: return bits32(w, 30, 1) ? dec_dp1(w, s) : dec_dp2(mem, w, s);
    default: return dec_undef(s);
    }
}
