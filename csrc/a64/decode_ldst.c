/* Decode: loads and stores. Arm ARM C4.1 "Loads and Stores". Forms without a fast
 * handler become OP_MEM_SLOW, which a64_ldst() executes from the word; allocation is
 * decided here alone. */
#include "bits.h"
#include "decode.h"

static enum a64_cost_class mem_slow(struct a64_slot *s, bool load)
{
    s->op = OP_MEM_SLOW;
    return load ? A64_COST_LOAD : A64_COST_STORE;
}

static enum a64_cost_class dec_exclusive(uint32_t w, struct a64_slot *s)
{
    uint32_t size = bits32(w, 30, 2), o2 = bits32(w, 23, 1), o1 = bits32(w, 21, 1);
    if (o2 == 0 && (o1 == 0 || size >= 2)) {
        s->op = OP_SLOW_END;
        return A64_COST_EXCLUSIVE;
    }
    if (o2 == 1 && o1 == 0 && bits32(w, 15, 1) == 1)
        return mem_slow(s, bits32(w, 22, 1)); /* LDAR, STLR */
    return dec_undef(s);                      /* CASP, CAS, LDLAR: v8.1 */
}

static enum a64_cost_class dec_literal(uint32_t w, struct a64_slot *s)
{
    uint32_t opc = bits32(w, 30, 2);
    if (bits32(w, 24, 2) != 0)
        return dec_undef(s);
    if (opc == 3) {
        s->op = OP_NOP; /* PRFM */
        return A64_COST_NOP;
    }
    s->rd = dst_reg(w & 31);
    s->imm = sext((uint64_t)bits32(w, 5, 19) << 2, 21);
    if (opc != 1)
        return mem_slow(s, true);
    s->op = OP_LDRL;
    return A64_COST_LOAD;
}

static uint16_t pair_op(uint32_t opc, uint32_t load, uint32_t mode, bool sp)
{
    if (opc == 2 && sp) {
        if (mode == 2)
            return load ? OP_LDP64_SP : OP_STP64_SP;
        if (load && mode == 1)
            return OP_LDP64_SPPOST;
        return !load && mode == 3 ? OP_STP64_SPPRE : OP_MEM_SLOW;
    }
    if (sp)
        return OP_MEM_SLOW;
    switch (mode) {
    case 1:
        return opc ? (load ? OP_LDP64_POST : OP_STP64_POST)
                   : (load ? OP_LDP32_POST : OP_STP32_POST);
    case 2:
        return opc ? (load ? OP_LDP64_I : OP_STP64_I)
                   : (load ? OP_LDP32_I : OP_STP32_I);
    case 3:
        return opc ? (load ? OP_LDP64_PRE : OP_STP64_PRE)
                   : (load ? OP_LDP32_PRE : OP_STP32_PRE);
    default: return OP_MEM_SLOW;
    }
}

static enum a64_cost_class dec_pair(uint32_t w, struct a64_slot *s)
{
    uint32_t opc = bits32(w, 30, 2), mode = bits32(w, 23, 2), load = bits32(w, 22, 1);
    uint32_t rt = w & 31, rn = bits32(w, 5, 5), rt2 = bits32(w, 10, 5);
    if (opc == 3 || (opc == 1 && (!load || mode == 0)))
        return dec_undef(s);
    uint32_t scale = opc == 2 ? 3 : 2;
    bool writes = mode == 1 || mode == 3;
    /* CONSTRAINED UNPREDICTABLE overlaps go to the slow form, which defines what
     * happens. */
    if (opc == 1 || (load && rt == rt2) ||
        (writes && (rt == rn || rt2 == rn) && rn != 31))
        return mem_slow(s, load);
    s->rn = sp_reg(rn);
    s->rd = load ? dst_reg(rt) : src_reg(rt);
    s->ra = load ? dst_reg(rt2) : src_reg(rt2);
    s->imm = sext(bits32(w, 15, 7), 7) << scale;
    s->op = pair_op(opc, load, mode == 0 ? 2 : mode, rn == 31);
    return load ? A64_COST_LOAD : A64_COST_STORE;
}

enum { N_MODES_OP = 7 }; /* addressing modes per type in A64_MODES */

/* First op (mode I) of the load/store type, or 0 if unallocated. */
static uint16_t type_op(uint32_t size, uint32_t opc)
{
    static const uint16_t store[4] = { OP_S8_I, OP_S16_I, OP_S32_I, OP_S64_I };
    static const uint16_t load[4] = { OP_L8_I, OP_L16_I, OP_L32_I, OP_L64_I };
    static const uint16_t sx[4] = { OP_LS8X_I, OP_LS16X_I, OP_LS32X_I, 0 };
    static const uint16_t sw[4] = { OP_LS8W_I, OP_LS16W_I, 0, 0 };
    switch (opc) {
    case 0: return store[size];
    case 1: return load[size];
    case 2: return sx[size];
    default: return sw[size];
    }
}

static enum a64_cost_class dec_regoff(uint32_t w, struct a64_slot *s, uint16_t base,
                                      bool load)
{
    uint32_t option = bits32(w, 13, 3), size = bits32(w, 30, 2);
    if ((option & 2) == 0)
        return dec_undef(s);
    s->rm = src_reg(bits32(w, 16, 5));
    s->ra = (uint8_t)(bits32(w, 12, 1) ? size : 0);
    if (s->rn == R_SP)
        return mem_slow(s, load);
    uint32_t mode = option == 6 ? 2 : option == 2 ? 3 : 1;
    s->op = (uint16_t)(base + mode);
    return load ? A64_COST_LOAD : A64_COST_STORE;
}

static enum a64_cost_class dec_imm9(uint32_t w, struct a64_slot *s, uint16_t base,
                                    bool load)
{
    uint32_t mode = bits32(w, 10, 2), rt = w & 31, rn = bits32(w, 5, 5);
    s->imm = sext(bits32(w, 12, 9), 9);
    if (mode == 0)
        s->op = (uint16_t)(base + (rn == 31 ? 6 : 0));
    else if (mode == 2 || rn == 31 || rt == rn)
        return mem_slow(
            s, load); /* unprivileged; rare or CONSTRAINED UNPREDICTABLE write-back */
    else
        s->op = (uint16_t)(base + (mode == 3 ? 4 : 5));
    return load ? A64_COST_LOAD : A64_COST_STORE;
}

static enum a64_cost_class dec_reg(uint32_t w, struct a64_slot *s)
{
    uint32_t size = bits32(w, 30, 2), opc = bits32(w, 22, 2), rn = bits32(w, 5, 5);
    bool uimm = bits32(w, 24, 1), reg = !uimm && bits32(w, 21, 1);
    uint32_t mode = bits32(w, 10, 2);
    if (reg && mode != 2)
        return dec_undef(s);     /* atomics (v8.1), LDRAA (v8.3) */
    if (size == 3 && opc == 2) { /* PRFM: not with post/pre index or unprivileged */
        bool ok = uimm || (reg ? bits32(w, 14, 1) == 1 : mode == 0);
        s->op = ok ? OP_NOP : OP_UNDEF;
        return ok ? A64_COST_NOP : A64_COST_EXCEPTION;
    }
    uint16_t base = type_op(size, opc);
    if (base == 0)
        return dec_undef(s);
    bool load = opc != 0;
    s->rn = sp_reg(rn);
    s->rd = load ? dst_reg(w & 31) : src_reg(w & 31);
    if (reg)
        return dec_regoff(w, s, base, load);
    if (!uimm)
        return dec_imm9(w, s, base, load);
    s->imm = (uint64_t)bits32(w, 10, 12) << size;
    s->op = (uint16_t)(base + (rn == 31 ? N_MODES_OP - 1 : 0));
    return load ? A64_COST_LOAD : A64_COST_STORE;
}

enum a64_cost_class a64_decode_ldst(uint32_t w, struct a64_slot *s)
{
    if (bits32(w, 26, 1))
        return dec_undef(s); /* FP/SIMD registers */
    switch (bits32(w, 28, 2)) {
    case 0: return bits32(w, 24, 2) == 0 ? dec_exclusive(w, s) : dec_undef(s);
    case 1: return dec_literal(w, s);
    case 2: return bits32(w, 25, 1) == 0 ? dec_pair(w, s) : dec_undef(s);
    default: return bits32(w, 25, 1) == 0 ? dec_reg(w, s) : dec_undef(s);
    }
}
