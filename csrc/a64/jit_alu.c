/* Templates: arithmetic and logic with two operands, with and without flags; the
 * guest's flags in the host's.
 *
 * Between instructions the guest's flags are cpu->jit_flags: AH as LAHF stores it, with
 * the carry inverted (A64 has "no borrow", x86 "borrow"), and AL = overflow. A setter
 * leaves them in the host's flags too, for a reader that follows at once. */
#include "bits.h"
#include "jit_x86.h"

enum src {
    S_NONE, /* the table has no row */
    S_REG,
    S_IMM,
    S_SHIFT, /* type in ra, amount in imm */
    S_LSL,
    S_LSR,
    S_EXT, /* option in ra, amount in imm */
    S_UXTW,
    S_SXTW
};
enum kind { K_PLAIN, K_ADD, K_SUB, K_LOGIC, K_COMPARE };

struct row {
    uint8_t w, group, src, kind, invert;
};

#define ROW2(name, ...) \
    [OP_##name##64] = { REX_W, __VA_ARGS__ }, [OP_##name##32] = { 0, __VA_ARGS__ }

static const struct row rows[] = {
    ROW2(ADDI, G_ADD, S_IMM, K_PLAIN, 0),
    ROW2(ADDSI, G_ADD, S_IMM, K_ADD, 0),
    ROW2(SUBSI, G_SUB, S_IMM, K_SUB, 0),
    ROW2(CMPI, G_SUB, S_IMM, K_COMPARE, 0),
    [OP_ANDI] = { REX_W, G_AND, S_IMM, K_PLAIN, 0 },
    ROW2(ORRI, G_OR, S_IMM, K_PLAIN, 0),
    ROW2(EORI, G_XOR, S_IMM, K_PLAIN, 0),
    ROW2(ANDSI, G_AND, S_IMM, K_LOGIC, 0),
    ROW2(ADD, G_ADD, S_REG, K_PLAIN, 0),
    ROW2(SUB, G_SUB, S_REG, K_PLAIN, 0),
    ROW2(ADDS, G_ADD, S_REG, K_ADD, 0),
    ROW2(SUBS, G_SUB, S_REG, K_SUB, 0),
    ROW2(CMP, G_SUB, S_REG, K_COMPARE, 0),
    ROW2(ADDL, G_ADD, S_LSL, K_PLAIN, 0),
    [OP_SUBL64] = { REX_W, G_SUB, S_LSL, K_PLAIN, 0 },
    [OP_ADDLSR64] = { REX_W, G_ADD, S_LSR, K_PLAIN, 0 },
    [OP_EORL64] = { REX_W, G_XOR, S_LSL, K_PLAIN, 0 },
    ROW2(EORLSR, G_XOR, S_LSR, K_PLAIN, 0),
    [OP_ORRL64] = { REX_W, G_OR, S_LSL, K_PLAIN, 0 },
    ROW2(ADDSH, G_ADD, S_SHIFT, K_PLAIN, 0),
    ROW2(SUBSH, G_SUB, S_SHIFT, K_PLAIN, 0),
    ROW2(ADDSSH, G_ADD, S_SHIFT, K_ADD, 0),
    ROW2(SUBSSH, G_SUB, S_SHIFT, K_SUB, 0),
    ROW2(AND, G_AND, S_REG, K_PLAIN, 0),
    ROW2(ORR, G_OR, S_REG, K_PLAIN, 0),
    ROW2(EOR, G_XOR, S_REG, K_PLAIN, 0),
    ROW2(ANDS, G_AND, S_REG, K_LOGIC, 0),
    ROW2(BIC, G_AND, S_REG, K_PLAIN, 1),
    ROW2(ORN, G_OR, S_REG, K_PLAIN, 1),
    ROW2(EON, G_XOR, S_REG, K_PLAIN, 1),
    ROW2(BICS, G_AND, S_REG, K_LOGIC, 1),
    ROW2(ANDSH, G_AND, S_SHIFT, K_PLAIN, 0),
    ROW2(ORRSH, G_OR, S_SHIFT, K_PLAIN, 0),
    ROW2(EORSH, G_XOR, S_SHIFT, K_PLAIN, 0),
    ROW2(ANDSSH, G_AND, S_SHIFT, K_LOGIC, 0),
    ROW2(BICSH, G_AND, S_SHIFT, K_PLAIN, 1),
    ROW2(ORNSH, G_OR, S_SHIFT, K_PLAIN, 1),
    ROW2(EONSH, G_XOR, S_SHIFT, K_PLAIN, 1),
    ROW2(BICSSH, G_AND, S_SHIFT, K_LOGIC, 1),
    [OP_ADD_UXTW] = { REX_W, G_ADD, S_UXTW, K_PLAIN, 0 },
    [OP_ADD_SXTW] = { REX_W, G_ADD, S_SXTW, K_PLAIN, 0 },
    ROW2(ADDX, G_ADD, S_EXT, K_PLAIN, 0),
    ROW2(SUBX, G_SUB, S_EXT, K_PLAIN, 0),
    ROW2(ADDSX, G_ADD, S_EXT, K_ADD, 0),
    ROW2(SUBSX, G_SUB, S_EXT, K_SUB, 0),
    ROW2(ADC, G_ADC, S_REG, K_PLAIN, 0),
    ROW2(ADCS, G_ADC, S_REG, K_ADD, 0),
    ROW2(SBC, G_SBB, S_REG, K_PLAIN, 0),
    ROW2(SBCS, G_SBB, S_REG, K_SUB, 0),
};

/* --- flags ----------------------------------------------------------------------- */
enum { CMC = 0xf5, STC = 0xf9, LAHF = 0x9f, SAHF = 0x9e };

static void flags_to_host(struct a64_emit *e)
{
    if (e->host_flags)
        return;
    x_rc(e, W_OP(0, X_MOVZX16), RAX, CPU(jit_flags));
    put8(e, 0x04); /* add al, 0x7f: overflows iff AL = 1 */
    put8(e, 0x7f);
    put8(e, SAHF);
    e->host_flags = true;
}

/* The host's flags are the guest's now. */
static void flags_are_set(struct a64_emit *e)
{
    e->host_flags = true;
    if (!e->keep_flags)
        return;
    put8(e, LAHF);
    put8(e, 0x0f); /* seto al */
    put8(e, 0x90);
    put8(e, 0xc0);
    put8(e, 0x66);
    x_rc(e, W_OP(0, X_STORE), RAX, CPU(jit_flags));
}

uint32_t a64_jit_cond(struct a64_emit *e, uint32_t cond)
{
    static const uint8_t cc[N_CONDS] = { CC_E,  CC_NE, CC_AE, CC_B, CC_S,
                                         CC_NS, CC_O,  CC_NO, CC_A, CC_BE,
                                         CC_GE, CC_L,  CC_G,  CC_LE };
    flags_to_host(e);
    return cc[cond];
}

/* --- operands -------------------------------------------------------------------- */
struct operand {
    enum { O_GUEST, O_HOST, O_IMM } where;
    uint32_t reg;
    int32_t imm;
};

static void shift_by_type(struct a64_emit *e, uint32_t w, uint32_t type, uint32_t n)
{
    static const uint8_t kind[4] = { SH_SHL, SH_SHR, SH_SAR, SH_ROR };
    x_shift(e, w, kind[type & 3], RCX, n);
}

/* ExtendReg(): rm into RCX. */
static void extended(struct a64_emit *e, uint32_t rm, uint32_t option, uint32_t n)
{
    static const uint32_t op[8] = { X_MOVZX8, X_MOVZX16, X_MOV,    X_MOV,
                                    X_MOVSX8, X_MOVSX16, X_MOVSXD, X_MOV };
    uint32_t w = option >= 3 ? REX_W : 0;
    if ((option & 3) == 0) /* SIL and the like need a REX prefix */
        w |= REX_FORCE;
    x_rg(e, w, op[option], RCX, rm);
    x_shift(e, REX_W, SH_SHL, RCX, n);
}

/* The second operand; computed into RCX unless it can be used as it is. */
static struct operand second(struct a64_emit *e, const struct row *r,
                             const struct a64_slot *s)
{
    uint64_t imm = r->w ? s->imm : (uint64_t)(int64_t)(int32_t)(uint32_t)s->imm;
    switch (r->src) {
    case S_IMM:
        if (fits32(imm))
            return (struct operand){ .where = O_IMM, .imm = (int32_t)(uint32_t)imm };
        x_movi(e, RCX, imm);
        return (struct operand){ .where = O_HOST, .reg = RCX };
    case S_REG:
        if (!r->invert)
            return (struct operand){ .where = O_GUEST, .reg = s->rm };
        g_load(e, r->w, RCX, s->rm);
        break;
    case S_EXT: extended(e, s->rm, s->ra, (uint32_t)s->imm); break;
    case S_UXTW: extended(e, s->rm, 2, (uint32_t)s->imm); break;
    case S_SXTW: extended(e, s->rm, 6, (uint32_t)s->imm); break;
    default:
        g_load(e, r->w, RCX, s->rm);
        shift_by_type(e, r->w, r->src == S_SHIFT ? s->ra : r->src == S_LSR ? 1 : 0,
                      (uint32_t)s->imm);
    }
    if (r->invert)
        x_g3(e, r->w, 2, RCX);
    return (struct operand){ .where = O_HOST, .reg = RCX };
}

static void apply(struct a64_emit *e, uint32_t w, uint32_t group, uint32_t reg,
                  const struct operand *o)
{
    if (o->where == O_IMM)
        x_ri(e, w, group, reg, o->imm);
    else if (o->where == O_HOST)
        x_rr(e, w, OP_OF(group), reg, o->reg);
    else
        x_rg(e, w, OP_OF(group), reg, o->reg);
}

/* Sums that LEA does, which leaves the flags alone. */
static bool by_lea(struct a64_emit *e, const struct row *r, const struct a64_slot *s)
{
    uint32_t n = pin_of(s->rn), m = pin_of(s->rm), d = pin_of(s->rd);
    uint32_t shift = r->src == S_LSL ? (uint32_t)s->imm : 0;
    if (r->group != G_ADD || r->kind != K_PLAIN || n == 0 || d == 0 ||
        (n == d && !e->host_flags))
        return false;
    if (r->src == S_IMM && fits32(s->imm)) {
        x_rm(e, W_OP(r->w, X_LEA), d, n, (int32_t)(uint32_t)s->imm);
        return true;
    }
    if ((r->src != S_REG && r->src != S_LSL) || m == 0 || shift > 3)
        return false;
    x_rx(e, W_OP(r->w, X_LEA), d, n, m | shift << 4);
    return true;
}

static void with_carry(struct a64_emit *e, const struct row *r)
{
    if (r->group != G_ADC && r->group != G_SBB)
        return;
    flags_to_host(e);
    if (r->group == G_ADC)
        put8(e, CMC);
}

static void binary(struct a64_emit *e, const struct row *r, const struct a64_slot *s)
{
    bool discard = s->rd == R_SINK && r->kind != K_PLAIN;
    struct operand o = second(e, r, s);
    with_carry(e, r);
    if (r->kind == K_COMPARE || (discard && r->group == G_SUB)) {
        apply(e, r->w, G_CMP, g_read(e, r->w, s->rn, RDX), &o);
        flags_are_set(e);
        return;
    }
    uint32_t d = discard ? RDX : g_dest(s->rd, RDX);
    if (o.where == O_GUEST && o.reg == s->rd && s->rd != s->rn)
        d = RDX; /* the second operand is read after the first one is copied */
    if (d != pin_of(s->rn))
        x_rg(e, r->w, X_MOV, d, s->rn);
    apply(e, r->w, r->group, d, &o);
    if (r->kind == K_ADD)
        put8(e, CMC);
    else if (r->kind == K_LOGIC)
        put8(e, STC);
    if (!discard)
        g_done(e, s->rd, d);
    if (r->kind != K_PLAIN)
        flags_are_set(e);
}

/* --- conditional select and compare ---------------------------------------------- */
static void select(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t kind = (op - OP_CSEL64_EQ) % 8, cond = (op - OP_CSEL64_EQ) / 8;
    uint32_t w = kind & 1 ? 0 : REX_W, cc = a64_jit_cond(e, cond);
    if (kind >> 1 == 1 && s->rn == R_ZERO && s->rm == R_ZERO) { /* CSET */
        x_movi(e, RCX, 0);
        put8(e, 0x0f);
        put8(e, 0x90 | (cc ^ 1));
        put8(e, 0xc1);
    } else {
        x_rg(e, w, X_MOV, RCX, s->rm);
        if (kind >> 1 >= 2)
            x_g3(e, w, 2, RCX);
        if (kind >> 1 == 1 || kind >> 1 == 3)
            x_rm(e, W_OP(w, X_LEA), RCX, RCX, 1);
        x_rg(e, w, X_CMOV | cc, RCX, s->rn);
    }
    g_done(e, s->rd, RCX);
}

static void compare_if(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t n = op - OP_CCMPI64, w = n & 1 ? 0 : REX_W;
    bool is_imm = op < OP_CCMP64, add = n >> 1 & 1;
    struct operand o = { .where = is_imm ? O_IMM : O_GUEST,
                         .reg = s->rm,
                         .imm = s->rm };
    uint8_t *no = NULL, *done = NULL;
    if (s->ra < N_CONDS)
        no = x_short(e, a64_jit_cond(e, s->ra) ^ 1);
    g_load(e, w, RDX, s->rn);
    apply(e, w, add ? G_ADD : G_CMP, RDX, &o);
    if (add)
        put8(e, CMC);
    if (no != NULL) {
        put8(e, 0xeb);
        put8(e, 0);
        done = e->at - 1;
        x_land(e, no);
        x_movi(e, RAX, a64_jit_flags_word((uint32_t)s->imm));
        put8(e, 0x04);
        put8(e, 0x7f);
        put8(e, SAHF);
        x_land(e, done);
    }
    flags_are_set(e);
}

bool a64_jit_alu(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    if (op >= OP_CSEL64_EQ && op < OP_CSEL64_EQ + 8 * N_CONDS) {
        select(e, op, s);
        return true;
    }
    if (op >= OP_CCMPI64 && op <= OP_CCMN32) {
        compare_if(e, op, s);
        return true;
    }
    if (op >= sizeof rows / sizeof rows[0] || rows[op].src == S_NONE)
        return false;
    struct row r = rows[op];
    if (op == OP_ANDI && s->imm >> 31 == 0)
        r.w = 0; /* the mask clears the upper half by itself */
    if (!by_lea(e, &r, s))
        binary(e, &r, s);
    return true;
}
