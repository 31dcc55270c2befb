/* x86-64 encoder of the code generator: instructions into a buffer, operands as host
 * registers, as guest registers (a host register or a place in struct a64_arch), or as
 * memory. Knows nothing of A64. */
#ifndef A64_JIT_X86_H
#define A64_JIT_X86_H

#include <string.h>

#include "jit.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Fixed roles. RAX, RCX and RDX are free within one guest instruction. */
enum {
    H_CPU = RBP,   /* &cpu + CPU_BIAS */
    H_TLB = R12,   /* soft TLB of the mode */
    H_LEFT = R15,  /* cycles left after the block being executed */
    CPU_BIAS = 128 /* so that x[0..31] have one-byte displacements */
};

/* Group 1 numbers; the opcode "reg, r/m" is n * 8 + 3. */
enum { G_ADD, G_OR, G_ADC, G_SBB, G_AND, G_SUB, G_XOR, G_CMP };
enum { SH_ROR = 1, SH_SHL = 4, SH_SHR = 5, SH_SAR = 7 };
enum {
    X_MOV = 0x8b,
    X_STORE = 0x89,
    X_LEA = 0x8d,
    X_TEST = 0x85,
    X_MOVSXD = 0x63,
    X_IMUL = 0xfaf,
    X_BSR = 0xfbd,
    X_MOVZX8 = 0xfb6,
    X_MOVZX16 = 0xfb7,
    X_MOVSX8 = 0xfbe,
    X_MOVSX16 = 0xfbf,
    X_CMOV = 0xf40
};
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_L = 12,
       CC_GE, CC_LE, CC_G };

#define OP_OF(g) ((uint32_t)(g) * 8 + 3)
#define ARCH(field) ((int32_t)offsetof(struct a64_cpu, a.field))
#define CPU(field) ((int32_t)offsetof(struct a64_cpu, field))

/* Host register of each guest register, 0 = in memory: what compiled code uses most.
 * Of X18 to SP only those that C functions keep: hypercall_routine() relies on it. */
static inline uint32_t pin_of(uint32_t g)
{
    static const uint8_t pin[R_COUNT] = {
        [0] = RBX, [1] = RSI, [2] = RDI,  [3] = R8,   [4] = R9,
        [5] = R10, [6] = R11, [19] = R13, [R_SP] = R14
    };
    return pin[g];
}

static inline void put8(struct a64_emit *e, uint32_t v)
{ *e->at++ = (uint8_t)v; }

static inline void put32(struct a64_emit *e, uint32_t v)
{
    memcpy(e->at, &v, 4);
    e->at += 4;
}

static inline void put64(struct a64_emit *e, uint64_t v)
{
    memcpy(e->at, &v, 8);
    e->at += 8;
}

static inline bool fits8(int32_t v)
{ return v >= -128 && v < 128; }

static inline bool fits32(uint64_t v)
{ return (uint64_t)(int64_t)(int32_t)(uint32_t)v == v; }

static inline void x_op(struct a64_emit *e, uint32_t rex, uint32_t op)
{
    if (rex != 0)
        put8(e, 0x40 | (rex & 15));
    if (op > 0xff)
        put8(e, op >> 8);
    put8(e, op);
}

/* Keeps the record of whether the host's flags are the guest's. */
static inline void note_flags(struct a64_emit *e, uint32_t op)
{
    if (op != X_MOV && op != X_STORE && op != X_LEA && op != X_MOVSXD && op != 0x88 &&
        (op & 0xff0) != X_CMOV && (op & ~9u) != X_MOVZX8)
        e->host_flags = false;
}

enum { REX_W = 8, REX_FORCE = 0x40 };

/* op reg, rm between host registers. w: 0, REX_W, or REX_FORCE for byte registers. */
static inline void x_rr(struct a64_emit *e, uint32_t w, uint32_t op, uint32_t reg,
                        uint32_t rm)
{
    note_flags(e, op);
    x_op(e, w | (reg >> 3 << 2) | rm >> 3, op);
    put8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void x_disp(struct a64_emit *e, uint32_t reg, uint32_t base, int32_t disp)
{
    uint32_t mod = disp == 0 && (base & 7) != 5 ? 0 : fits8(disp) ? 0x40 : 0x80;
    put8(e, mod | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == 4)
        put8(e, 0x24);
    if (mod == 0x40)
        put8(e, (uint32_t)disp);
    else if (mod == 0x80)
        put32(e, (uint32_t)disp);
}

/* op reg, [base + disp] */
static inline void x_rm(struct a64_emit *e, uint32_t w_op, uint32_t reg, uint32_t base,
                        int32_t disp)
{
    uint32_t op = w_op & 0xffff, w = w_op >> 16;
    note_flags(e, op);
    x_op(e, w | (reg >> 3 << 2) | base >> 3, op);
    x_disp(e, reg, base, disp);
}
#define W_OP(w, op) ((uint32_t)(w) << 16 | (uint32_t)(op))

/* op reg, [base + index << scale]; base is not RBP or R13. */
static inline void x_rx(struct a64_emit *e, uint32_t w_op, uint32_t reg, uint32_t base,
                        uint32_t index_scale)
{
    uint32_t index = index_scale & 15, scale = index_scale >> 4, w = w_op >> 16;
    note_flags(e, w_op & 0xffff);
    x_op(e, w | (reg >> 3 << 2) | (index >> 3 << 1) | base >> 3, w_op & 0xffff);
    if ((base & 7) == 5) {
        put8(e, 0x44 | (reg & 7) << 3);
        put8(e, scale << 6 | (index & 7) << 3 | (base & 7));
        put8(e, 0);
        return;
    }
    put8(e, 0x04 | (reg & 7) << 3);
    put8(e, scale << 6 | (index & 7) << 3 | (base & 7));
}

/* The same on a field of the CPU. */
static inline void x_rc(struct a64_emit *e, uint32_t w_op, uint32_t reg, int32_t offset)
{ x_rm(e, w_op, reg, H_CPU, offset - CPU_BIAS); }

/* op reg, guest register */
static inline void x_rg(struct a64_emit *e, uint32_t w, uint32_t op, uint32_t reg,
                        uint32_t g)
{
    if (pin_of(g) != 0)
        x_rr(e, w, op, reg, pin_of(g));
    else
        x_rc(e, W_OP(w, op), reg, ARCH(x[0]) + (int32_t)g * 8);
}

/* Group 1 with an immediate on a host register. */
static inline void x_ri(struct a64_emit *e, uint32_t w, uint32_t group, uint32_t rm,
                        int32_t imm)
{
    e->host_flags = false;
    x_op(e, w | rm >> 3, fits8(imm) ? 0x83 : 0x81);
    put8(e, 0xc0 | group << 3 | (rm & 7));
    if (fits8(imm))
        put8(e, (uint32_t)imm);
    else
        put32(e, (uint32_t)imm);
}

/* Group 1 with an immediate on a field of the CPU. */
static inline void x_ci(struct a64_emit *e, uint32_t w, uint32_t group, int32_t offset,
                        int32_t imm)
{
    e->host_flags = false;
    x_op(e, w, fits8(imm) ? 0x83 : 0x81);
    x_disp(e, group, H_CPU, offset - CPU_BIAS);
    if (fits8(imm))
        put8(e, (uint32_t)imm);
    else
        put32(e, (uint32_t)imm);
}

static inline void x_shift(struct a64_emit *e, uint32_t w, uint32_t kind, uint32_t rm,
                           uint32_t n)
{
    if (n == 0)
        return;
    e->host_flags = false;
    x_op(e, w | rm >> 3, 0xc1);
    put8(e, 0xc0 | kind << 3 | (rm & 7));
    put8(e, n);
}

static inline void x_shift_cl(struct a64_emit *e, uint32_t w, uint32_t kind,
                              uint32_t rm)
{ x_rr(e, w, 0xd3, kind, rm); }

/* Group 3: 2 NOT, 3 NEG, 4 MUL, 5 IMUL, 6 DIV, 7 IDIV on a host register. */
static inline void x_g3(struct a64_emit *e, uint32_t w, uint32_t n, uint32_t rm)
{
    bool keep = e->host_flags && n == 2;
    x_rr(e, w, 0xf7, n, rm);
    e->host_flags = keep;
}

static inline void x_movi(struct a64_emit *e, uint32_t reg, uint64_t imm)
{
    if (imm >> 32 == 0) {
        x_op(e, reg >> 3, 0xb8 | (reg & 7));
        put32(e, (uint32_t)imm);
    } else if (fits32(imm)) {
        x_op(e, REX_W | reg >> 3, 0xc7);
        put8(e, 0xc0 | (reg & 7));
        put32(e, (uint32_t)imm);
    } else {
        x_op(e, REX_W | reg >> 3, 0xb8 | (reg & 7));
        put64(e, imm);
    }
}

/* --- jumps: return the place of the 32-bit distance ------------------------------ */
static inline uint32_t here(const struct a64_emit *e)
{ return (uint32_t)(e->at - e->jit->rw); }

static inline void patch_to(struct a64_jit *jit, uint32_t at, uint32_t target)
{
    uint32_t rel = target - (at + 4);
    memcpy(jit->rw + at, &rel, 4);
}

static inline uint32_t x_jcc(struct a64_emit *e, uint32_t cc)
{
    put8(e, 0x0f);
    put8(e, 0x80 | cc);
    put32(e, 0);
    return here(e) - 4;
}

static inline uint32_t x_jmp(struct a64_emit *e)
{
    put8(e, 0xe9);
    put32(e, 0);
    return here(e) - 4;
}

static inline void x_jmp_to(struct a64_emit *e, uint32_t target)
{ patch_to(e->jit, x_jmp(e), target); }

static inline void x_call_to(struct a64_emit *e, uint32_t target)
{
    put8(e, 0xe8);
    put32(e, 0);
    patch_to(e->jit, here(e) - 4, target);
}

/* A forward jump of up to 127 bytes: returns the place of its one-byte distance. */
static inline uint8_t *x_short(struct a64_emit *e, uint32_t cc)
{
    put8(e, 0x70 | cc);
    put8(e, 0);
    return e->at - 1;
}

static inline void x_land(struct a64_emit *e, uint8_t *place)
{
    *place = (uint8_t)(e->at - place - 1);
    e->host_flags = false;
}

/* --- guest registers ------------------------------------------------------------- */
/* Reads g into a host register that may be g's own. */
static inline uint32_t g_read(struct a64_emit *e, uint32_t w, uint32_t g,
                              uint32_t scratch)
{
    if (pin_of(g) != 0)
        return pin_of(g);
    x_rg(e, w, X_MOV, scratch, g);
    return scratch;
}

static inline void g_load(struct a64_emit *e, uint32_t w, uint32_t reg, uint32_t g)
{
    if (pin_of(g) == 0 || pin_of(g) != reg || w == 0)
        x_rg(e, w, X_MOV, reg, g);
}

/* Where a result for g is computed; g_done() stores it if g lives in memory. */
static inline uint32_t g_dest(uint32_t g, uint32_t scratch)
{ return pin_of(g) != 0 ? pin_of(g) : scratch; }

static inline void g_done(struct a64_emit *e, uint32_t g, uint32_t reg)
{
    if (pin_of(g) == 0)
        x_rc(e, W_OP(REX_W, X_STORE), reg, ARCH(x[0]) + (int32_t)g * 8);
    else if (pin_of(g) != reg)
        x_rr(e, REX_W, X_MOV, pin_of(g), reg);
}

#endif
