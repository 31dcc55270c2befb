/* Templates: moves, bit fields, shifts, multiplication, division, bit counting. */
#include "bits.h"
#include "jit_x86.h"

/* rd = rn in a register that may be changed: rd's own or scratch. */
static uint32_t copy(struct a64_emit *e, uint32_t w, uint32_t rd, uint32_t rn)
{
    uint32_t d = g_dest(rd, RDX);
    if (d != pin_of(rn))
        x_rg(e, w, X_MOV, d, rn);
    return d;
}

static uint32_t ones(uint64_t mask)
{
    uint32_t n = 0;
    for (; mask != 0; mask >>= 1)
        n += mask & 1;
    return n;
}

/* (rn >> right) & mask(width) << left, the 64-bit form serves both sizes. */
static void unsigned_field(struct a64_emit *e, const struct a64_slot *s, uint32_t right,
                           uint32_t left)
{
    uint32_t width = ones(s->imm), d = g_dest(s->rd, RDX);
    if (right == 0 && left == 0 && (width == 8 || width == 16 || width == 32)) {
        uint32_t op = width == 8 ? X_MOVZX8 : width == 16 ? X_MOVZX16 : X_MOV;
        x_rg(e, width == 8 ? REX_FORCE : 0, op, d, s->rn);
    } else {
        d = copy(e, REX_W, s->rd, s->rn);
        if (width < 32) {
            x_shift(e, REX_W, SH_SHR, d, right);
            x_ri(e, 0, G_AND, d, (int32_t)s->imm);
            x_shift(e, REX_W, SH_SHL, d, left);
        } else {
            x_shift(e, REX_W, SH_SHL, d, 64 - width - right);
            x_shift(e, REX_W, SH_SHR, d, 64 - width - left);
        }
    }
    g_done(e, s->rd, d);
}

static void signed_field(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t d = copy(e, REX_W, s->rd, s->rn);
    x_shift(e, REX_W, SH_SHL, d, s->rm);
    x_shift(e, REX_W, SH_SAR, d, s->ra);
    if (op == OP_SBFM32)
        x_rr(e, 0, X_MOV, d, d);
    g_done(e, s->rd, d);
}

/* rd ^ ((rd ^ field) & mask), the field shifted into place. */
static void insert(struct a64_emit *e, uint32_t w, uint32_t shift,
                   const struct a64_slot *s)
{
    uint64_t mask = w ? s->imm : (uint64_t)(int64_t)(int32_t)(uint32_t)s->imm;
    x_rg(e, REX_W, X_MOV, RDX, s->rn);
    x_shift(e, REX_W, shift, RDX, s->rm);
    x_rg(e, w, OP_OF(G_XOR), RDX, s->rd);
    if (fits32(mask)) {
        x_ri(e, w, G_AND, RDX, (int32_t)(uint32_t)mask);
    } else {
        x_movi(e, RCX, mask);
        x_rr(e, w, OP_OF(G_AND), RDX, RCX);
    }
    x_rg(e, w, OP_OF(G_XOR), RDX, s->rd);
    g_done(e, s->rd, RDX);
}

static void move_keep(struct a64_emit *e, uint32_t w, const struct a64_slot *s)
{
    uint64_t keep = ~(0xffffull << s->rm);
    uint32_t d = copy(e, w, s->rd, s->rd);
    if (w == 0) {
        x_ri(e, 0, G_AND, d, (int32_t)(uint32_t)keep);
        x_ri(e, 0, G_OR, d, (int32_t)(uint32_t)s->imm);
    } else {
        x_movi(e, RCX, keep);
        x_rr(e, w, OP_OF(G_AND), d, RCX);
        x_movi(e, RCX, s->imm);
        x_rr(e, w, OP_OF(G_OR), d, RCX);
    }
    g_done(e, s->rd, d);
}

static void extract(struct a64_emit *e, uint32_t w, const struct a64_slot *s)
{
    x_rg(e, w, X_MOV, RDX, s->rm);
    x_rg(e, w, X_MOV, RCX, s->rn);
    if (s->imm != 0) {
        x_rr(e, w, 0xfac, RCX, RDX); /* shrd rdx, rcx, n */
        put8(e, (uint32_t)s->imm);
    }
    g_done(e, s->rd, RDX);
}

/* --- multiplication and division ------------------------------------------------- */
static void product(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t w = op == OP_MUL32 || op == OP_MADD32 || op == OP_MSUB32 ? 0 : REX_W;
    uint32_t load = op == OP_SMADDL || op == OP_SMSUBL   ? W_OP(REX_W, X_MOVSXD)
                    : op == OP_UMADDL || op == OP_UMSUBL ? W_OP(0, X_MOV)
                                                         : 0;
    bool minus = op == OP_MSUB64 || op == OP_MSUB32 || op == OP_SMSUBL ||
                 op == OP_UMSUBL;
    if (load != 0) {
        x_rg(e, load >> 16, load & 0xffff, RDX, s->rn);
        x_rg(e, load >> 16, load & 0xffff, RCX, s->rm);
        x_rr(e, REX_W, X_IMUL, RDX, RCX);
    } else {
        x_rg(e, w, X_MOV, RDX, s->rn);
        x_rg(e, w, X_IMUL, RDX, s->rm);
    }
    if (minus)
        x_g3(e, w, 3, RDX);
    if (op != OP_MUL64 && op != OP_MUL32)
        x_rg(e, w, OP_OF(G_ADD), RDX, s->ra);
    g_done(e, s->rd, RDX);
}

static void high_product(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    x_rg(e, REX_W, X_MOV, RAX, s->rn);
    x_g3(e, REX_W, op == OP_UMULH ? 4 : 5, g_read(e, REX_W, s->rm, RCX));
    g_done(e, s->rd, RDX);
}

static void divide(struct a64_emit *e, bool is_signed, uint32_t w,
                   const struct a64_slot *s)
{
    uint8_t *zero, *minus_one = NULL, *done = NULL;
    x_rg(e, w, X_MOV, RCX, s->rm);
    x_movi(e, RAX, 0);
    x_rr(e, w, X_TEST, RCX, RCX);
    zero = x_short(e, CC_E); /* division by zero is 0 */
    x_rg(e, w, X_MOV, RAX, s->rn);
    if (is_signed) {
        x_ri(e, w, G_CMP, RCX, -1); /* INT_MIN / -1 wraps here and traps there */
        minus_one = x_short(e, CC_E);
        x_op(e, w, 0x99); /* cqo */
    } else {
        x_movi(e, RDX, 0);
    }
    x_g3(e, w, is_signed ? 7 : 6, RCX);
    if (is_signed) {
        put8(e, 0xeb);
        put8(e, 0);
        done = e->at - 1;
        x_land(e, minus_one);
        x_g3(e, w, 3, RAX);
        x_land(e, done);
    }
    x_land(e, zero);
    g_done(e, s->rd, RAX);
}

/* --- single registers ------------------------------------------------------------ */
static void shift_by_register(struct a64_emit *e, uint32_t n, const struct a64_slot *s)
{
    static const uint8_t kind[4] = { SH_SHL, SH_SHR, SH_SAR, SH_ROR };
    uint32_t w = n & 1 ? 0 : REX_W;
    x_rg(e, w, X_MOV, RCX, s->rm);
    uint32_t d = copy(e, w, s->rd, s->rn);
    x_shift_cl(e, w, kind[n >> 1], d);
    g_done(e, s->rd, d);
}

static void shift_by_constant(struct a64_emit *e, uint32_t kind,
                              const struct a64_slot *s)
{
    uint32_t d = copy(e, REX_W, s->rd, s->rn);
    x_shift(e, REX_W, kind, d, s->rm);
    g_done(e, s->rd, d);
}

static void leading_zeros(struct a64_emit *e, uint32_t w, const struct a64_slot *s)
{
    x_movi(e, RAX, w ? 127 : 63);
    x_rg(e, w, X_BSR, RCX, s->rn);
    x_rr(e, w, X_CMOV | CC_E, RCX, RAX); /* of 0 the result is undefined, but not ZF */
    x_ri(e, w, G_XOR, RCX, w ? 63 : 31);
    g_done(e, s->rd, RCX);
}

static void reverse(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t w = op == OP_REV64 || op == OP_REV32_64 ? REX_W : 0;
    x_rg(e, w, X_MOV, RDX, s->rn);
    x_op(e, w, 0xfc8 | RDX); /* bswap rdx */
    if (op == OP_REV32_64)
        x_shift(e, w, SH_ROR, RDX, 32);
    else if (op == OP_REV16_32)
        x_shift(e, w, SH_ROR, RDX, 16);
    g_done(e, s->rd, RDX);
}

static void address(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t d = g_dest(s->rd, RDX);
    uint64_t off = op == OP_ADRP ? s->imm : s->imm + (uint64_t)e->idx * 4;
    x_rc(e, W_OP(REX_W, X_MOV), d, CPU(jit_page));
    if (fits32(off)) {
        x_rm(e, W_OP(REX_W, X_LEA), d, d, (int32_t)(uint32_t)off);
    } else {
        x_movi(e, RCX, off);
        x_rx(e, W_OP(REX_W, X_LEA), d, d, RCX);
    }
    g_done(e, s->rd, d);
}

static bool moves(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t d = g_dest(s->rd, RDX);
    switch (op) {
    case OP_NOP: return true;
    case OP_MOVI: x_movi(e, d, s->imm); break;
    case OP_MOV64:
        if (s->rm == R_ZERO) {
            x_movi(e, d, 0);
            break;
        }
        d = g_read(e, REX_W, s->rm, d);
        break;
    case OP_MOV32: x_rg(e, 0, X_MOV, d, s->rm); break;
    case OP_SXTW: x_rg(e, REX_W, X_MOVSXD, d, s->rn); break;
    case OP_ADR:
    case OP_ADRP: address(e, op, s); return true;
    case OP_MOVK64: move_keep(e, REX_W, s); return true;
    case OP_MOVK32: move_keep(e, 0, s); return true;
    default: return false;
    }
    g_done(e, s->rd, d);
    return true;
}

static bool fields(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    switch (op) {
    case OP_UBFX: unsigned_field(e, s, s->rm, 0); return true;
    case OP_UBFIZ: unsigned_field(e, s, 0, s->rm); return true;
    case OP_LSLI64: shift_by_constant(e, SH_SHL, s); return true;
    case OP_LSRI64: shift_by_constant(e, SH_SHR, s); return true;
    case OP_ASRI64: shift_by_constant(e, SH_SAR, s); return true;
    case OP_SBFM64:
    case OP_SBFM32: signed_field(e, op, s); return true;
    case OP_BFI64: insert(e, REX_W, SH_SHL, s); return true;
    case OP_BFI32: insert(e, 0, SH_SHL, s); return true;
    case OP_BFXIL64: insert(e, REX_W, SH_SHR, s); return true;
    case OP_BFXIL32: insert(e, 0, SH_SHR, s); return true;
    case OP_EXTR64: extract(e, REX_W, s); return true;
    case OP_EXTR32: extract(e, 0, s); return true;
    default: return false;
    }
}

bool a64_jit_move(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    if (moves(e, op, s) || fields(e, op, s))
        return true;
    if (op >= OP_MUL64 && op <= OP_UMSUBL) {
        product(e, op, s);
        return true;
    }
    if (op >= OP_LSLV64 && op <= OP_RORV32) {
        shift_by_register(e, op - OP_LSLV64, s);
        return true;
    }
    switch (op) {
    case OP_SMULH:
    case OP_UMULH: high_product(e, op, s); return true;
    case OP_UDIV64: divide(e, false, REX_W, s); return true;
    case OP_UDIV32: divide(e, false, 0, s); return true;
    case OP_SDIV64: divide(e, true, REX_W, s); return true;
    case OP_SDIV32: divide(e, true, 0, s); return true;
    case OP_CLZ64: leading_zeros(e, REX_W, s); return true;
    case OP_CLZ32: leading_zeros(e, 0, s); return true;
    case OP_REV64:
    case OP_REV32_64:
    case OP_REV32:
    case OP_REV16_32: reverse(e, op, s); return true;
    default: return false;
    }
}
