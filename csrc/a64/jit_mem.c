/* Templates: loads and stores. One probe of the soft TLB in line; whatever it misses
 * (also misaligned and crossing accesses) is a64_ldst()'s. */
#include "jit_x86.h"

enum { MODE_I, MODE_R, MODE_RS, MODE_RU, MODE_PRE, MODE_POST, MODE_SP, N_ADDRESS };
enum {
    TAG_R = offsetof(struct a64_ftlb, rtag),
    TAG_W = offsetof(struct a64_ftlb, wtag)
};

_Static_assert(sizeof(struct a64_ftlb) == 32 && FTLB_SIZE == 256, "see probe()");

static void base_plus(struct a64_emit *e, uint32_t base, uint64_t imm)
{
    int32_t disp = (int32_t)(uint32_t)imm;
    if (pin_of(base) != 0 && disp != 0) {
        x_rm(e, W_OP(REX_W, X_LEA), RAX, pin_of(base), disp);
        return;
    }
    x_rg(e, REX_W, X_MOV, RAX, base);
    if (disp != 0)
        x_ri(e, REX_W, G_ADD, RAX, disp);
}

static void base_plus_index(struct a64_emit *e, const struct a64_slot *s, uint32_t mode)
{
    static const uint32_t load[] = { [MODE_R] = W_OP(REX_W, X_MOV),
                                     [MODE_RS] = W_OP(REX_W, X_MOVSXD),
                                     [MODE_RU] = W_OP(0, X_MOV) };
    uint32_t base = g_read(e, REX_W, s->rn, RAX), index = pin_of(s->rm);
    if (mode != MODE_R || index == 0) {
        index = RCX;
        x_rg(e, load[mode] >> 16, load[mode] & 0xffff, RCX, s->rm);
    }
    x_rx(e, W_OP(REX_W, X_LEA), RAX, base, index | (uint32_t)s->ra << 4);
}

/* SP must be aligned if the mode checks it. */
static void check_sp(struct a64_emit *e)
{
    uint32_t sp = g_read(e, REX_W, R_SP, RAX);
    x_rc(e, W_OP(REX_W, X_TEST), sp, CPU(sp_mask));
    a64_jit_place(e, x_jcc(e, CC_NE), PLACE_MEM, e->idx);
}

/* From VA to host address in RAX, or away. second: offset of a pair's other half. */
static void probe(struct a64_emit *e, uint32_t size, int32_t tag, uint32_t second)
{
    x_rr(e, 0, X_MOV, RCX, RAX);
    x_shift(e, 0, SH_SHR, RCX, 7);
    x_ri(e, 0, G_AND, RCX, 0x1fe0);
    /* Of a pair the second half is compared: with the entry of the first half's page
     * that matches only if both are in it. */
    if (second != 0)
        x_rm(e, W_OP(REX_W, X_LEA), RDX, RAX, (int32_t)second);
    else
        x_rr(e, REX_W, X_MOV, RDX, RAX);
    x_ri(e, REX_W, G_AND, RDX, (int32_t)(0xfffff000u | (size - 1)));
    x_op(e, REX_W | RDX >> 3 << 2 | RCX >> 3 << 1 | H_TLB >> 3, OP_OF(G_CMP));
    put8(e, 0x44 | RDX << 3);
    put8(e, RCX << 3 | (H_TLB & 7));
    put8(e, (uint32_t)tag);
    a64_jit_place(e, x_jcc(e, CC_NE), PLACE_MEM, e->idx);
    x_op(e, REX_W | H_TLB >> 3, OP_OF(G_ADD));
    put8(e, 0x44 | RAX << 3);
    put8(e, RCX << 3 | (H_TLB & 7));
    put8(e, (uint32_t)offsetof(struct a64_ftlb, add));
}

static void write_back(struct a64_emit *e, const struct a64_slot *s)
{
    int32_t imm = (int32_t)(uint32_t)s->imm;
    if (pin_of(s->rn) != 0)
        x_ri(e, REX_W, G_ADD, pin_of(s->rn), imm);
    else
        x_ci(e, REX_W, G_ADD, ARCH(x[0]) + s->rn * 8, imm);
}

static void load(struct a64_emit *e, uint32_t w_op, uint32_t rd, uint32_t offset)
{
    uint32_t d = g_dest(rd, RDX);
    x_rm(e, w_op, d, RAX, (int32_t)offset);
    g_done(e, rd, d);
}

static void store(struct a64_emit *e, uint32_t size, uint32_t rd, uint32_t offset)
{
    uint32_t v = g_read(e, size == 8 ? REX_W : 0, rd, RDX);
    if (size == 2)
        put8(e, 0x66);
    if (size == 1)
        x_rm(e, W_OP(REX_FORCE, 0x88), v, RAX, (int32_t)offset);
    else
        x_rm(e, W_OP(size == 8 ? REX_W : 0, X_STORE), v, RAX, (int32_t)offset);
}

static void single(struct a64_emit *e, uint32_t n, bool write, const struct a64_slot *s)
{
    static const uint32_t load_op[] = { W_OP(0, X_MOVZX8),      W_OP(0, X_MOVZX16),
                                        W_OP(0, X_MOV),         W_OP(REX_W, X_MOV),
                                        W_OP(0, X_MOVSX8),      W_OP(0, X_MOVSX16),
                                        W_OP(REX_W, X_MOVSX8),  W_OP(REX_W, X_MOVSX16),
                                        W_OP(REX_W, X_MOVSXD) };
    static const uint8_t load_size[] = { 1, 2, 4, 8, 1, 2, 1, 2, 4 };
    uint32_t type = n / N_ADDRESS, mode = n % N_ADDRESS;
    uint32_t size = write ? 1u << type : load_size[type];
    if (mode == MODE_SP)
        check_sp(e);
    if (mode == MODE_R || mode == MODE_RS || mode == MODE_RU)
        base_plus_index(e, s, mode);
    else
        base_plus(e, s->rn, mode == MODE_POST ? 0 : s->imm);
    probe(e, size, write ? TAG_W : TAG_R, 0);
    if (write)
        store(e, size, s->rd, 0);
    else
        load(e, load_op[type], s->rd, 0);
    if (mode == MODE_PRE || mode == MODE_POST)
        write_back(e, s);
}

struct pair {
    uint8_t how; /* as in ops.h */
    uint8_t size, write;
};

static void pair(struct a64_emit *e, const struct pair *p, const struct a64_slot *s)
{
    bool post = p->how == 2 || (p->how == 4 && !p->write);
    if (p->how >= 3)
        check_sp(e);
    base_plus(e, s->rn, post ? 0 : s->imm);
    probe(e, p->size, p->write ? TAG_W : TAG_R, p->size);
    if (p->write) {
        store(e, p->size, s->rd, 0);
        store(e, p->size, s->ra, p->size);
    } else {
        load(e, W_OP(p->size == 8 ? REX_W : 0, X_MOV), s->rd, 0);
        load(e, W_OP(p->size == 8 ? REX_W : 0, X_MOV), s->ra, p->size);
    }
    if (p->how == 1 || p->how == 2 || p->how == 4)
        write_back(e, s);
}

static void literal(struct a64_emit *e, const struct a64_slot *s)
{
    x_rc(e, W_OP(REX_W, X_MOV), RAX, CPU(jit_page));
    x_ri(e, REX_W, G_ADD, RAX, (int32_t)(uint32_t)(s->imm + e->idx * 4));
    probe(e, 8, TAG_R, 0);
    load(e, W_OP(REX_W, X_MOV), s->rd, 0);
}

bool a64_jit_mem(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
#define PAIR_LOAD(n, how, type) { how, sizeof(type), 0 },
#define PAIR_STORE(n, how, type) { how, sizeof(type), 1 },
    static const struct pair pairs[] = { A64_PAIR_OPS(PAIR_LOAD)
                                             A64_STPAIR_OPS(PAIR_STORE) };
    if (op >= OP_L8_I && op < OP_S8_I)
        single(e, op - OP_L8_I, false, s);
    else if (op >= OP_S8_I && op < OP_LDP64_I)
        single(e, op - OP_S8_I, true, s);
    else if (op >= OP_LDP64_I && op < OP_N_BASE)
        pair(e, &pairs[op - OP_LDP64_I], s);
    else if (op == OP_LDRL)
        literal(e, s);
    else
        return false;
    return true;
}
