/* Translation of blocks: charge, templates in order, branches, and the bindings of
 * all jumps out. Blocks that follow each other are laid out in line as long as they
 * are decoded, so falling through costs nothing. */
#include "block.h"
#include "decode.h"
#include "jit_x86.h"

void a64_jit_place(struct a64_emit *e, uint32_t at, uint32_t kind, uint32_t slot)
{
    struct a64_jit *jit = e->jit;
    jit->place[jit->n_places++] = (struct a64_place){ .at = at,
                                                      .kind = (uint8_t)kind,
                                                      .slot = (uint16_t)slot };
}

/* Everything jumped from for this instruction comes back here. */
static void resume_here(struct a64_emit *e, uint32_t first)
{
    for (uint32_t i = first; i < e->jit->n_places; i++)
        e->jit->place[i].resume = here(e);
}

/* --- flags ----------------------------------------------------------------------- */
static bool sets_flags_only(uint32_t op)
{
    switch (op) {
#define SETTER2(n) \
    case OP_##n##64: \
    case OP_##n##32:
        SETTER2(ADDSI) SETTER2(SUBSI) SETTER2(CMPI) SETTER2(ANDSI) SETTER2(ADDS)
        SETTER2(SUBS) SETTER2(CMP) SETTER2(ADDSSH) SETTER2(SUBSSH) SETTER2(ANDS)
        SETTER2(BICS) SETTER2(ANDSSH) SETTER2(BICSSH) SETTER2(ADDSX) SETTER2(SUBSX)
        return true;
    default: return false;
    }
}

static bool is_template_alu(uint32_t op)
{
    return op == OP_ADR || op == OP_ADRP ||
           (op >= OP_ADDI64 && op <= OP_CSNEG32_LE && op != OP_CRC32) || op == OP_NOP;
}

/* Must the flags that the instruction at idx sets be stored? Not if the next that
 * touches them sets them all, and nothing between can leave the block. */
static bool flags_matter(const struct a64_code *code, uint32_t idx)
{
    for (uint32_t i = idx + 1; i < SLOTS_PER_PAGE; i++) {
        uint32_t op = a64_base_op(code->slot[i].op);
        if (sets_flags_only(op))
            return false;
        if (!is_template_alu(op) || (op >= OP_ADC64 && op <= OP_CCMN32) ||
            (op >= OP_CSEL64_EQ && op <= OP_CSNEG32_LE))
            return true;
    }
    return true;
}

/* --- instructions that end blocks ------------------------------------------------ */
static void edge(struct a64_emit *e, uint32_t at, uint32_t slot)
{ a64_jit_place(e, at, PLACE_EDGE, slot); }

static uint32_t near_slot(const struct a64_emit *e, const struct a64_slot *s)
{ return e->idx + (uint32_t)((int64_t)s->imm / (int64_t)sizeof(struct a64_slot)); }

/* RAX = jit_page + off. */
static void page_address(struct a64_emit *e, uint64_t off)
{
    x_rc(e, W_OP(REX_W, X_MOV), RAX, CPU(jit_page));
    x_ri(e, REX_W, G_ADD, RAX, (int32_t)(uint32_t)off);
}

static void link_register(struct a64_emit *e)
{
    page_address(e, (uint64_t)e->idx * 4 + 4);
    g_done(e, 30, RAX);
}

/* To the address in RAX: the fetch cache, the page's table of translations. */
static void jump_to_rax(struct a64_emit *e)
{
    x_rr(e, 0, X_MOV, RCX, RAX);
    x_shift(e, 0, SH_SHR, RCX, 12);
    x_rr(e, 0, X_MOVZX8, RCX, RCX);
    x_shift(e, 0, SH_SHL, RCX, 4);
    x_rc(e, W_OP(REX_W, OP_OF(G_ADD)), RCX, CPU(fetch));
    x_rr(e, REX_W, X_MOV, RDX, RAX);
    x_ri(e, REX_W, G_AND, RDX, ~0xffc);
    x_rm(e, W_OP(REX_W, OP_OF(G_CMP)), RDX, RCX, offsetof(struct a64_fetch, tag));
    patch_to(e->jit, x_jcc(e, CC_NE), e->jit->jump);
    x_rm(e, W_OP(REX_W, X_MOV), RCX, RCX, offsetof(struct a64_fetch, code));
    x_rc(e, W_OP(REX_W, X_STORE), RDX, CPU(jit_page));
    x_rc(e, W_OP(REX_W, X_STORE), RCX, CPU(cur_code));
    x_rr(e, 0, X_MOV, RDX, RAX);
    x_ri(e, 0, G_AND, RDX, 0xffc);
    x_op(e, 0, X_MOV); /* mov edx, [rcx + rdx + jit] */
    put8(e, 0x84 | RDX << 3);
    put8(e, RDX << 3 | RCX);
    put32(e, (uint32_t)offsetof(struct a64_code, jit));
    x_op(e, REX_W, X_LEA); /* lea rcx, [rip + start of the code] */
    put8(e, 0x05 | RCX << 3);
    put32(e, 0u - (here(e) + 4));
    x_rr(e, REX_W, OP_OF(G_ADD), RDX, RCX);
    put8(e, 0xff); /* jmp rdx */
    put8(e, 0xe0 | RDX);
}

static void jump_far(struct a64_emit *e, const struct a64_slot *s)
{
    page_address(e, (uint64_t)e->idx * 4 + s->imm);
    jump_to_rax(e);
}

/* Test of a CBZ or TBZ family branch; the condition under which it is taken. */
static uint32_t test_of(struct a64_emit *e, uint32_t n, const struct a64_slot *s)
{
    if (n < 4) { /* CBZ64, CBNZ64, CBZ32, CBNZ32 */
        uint32_t w = n < 2 ? REX_W : 0, r = pin_of(s->rn);
        if (r != 0)
            x_rr(e, w, X_TEST, r, r);
        else
            x_ci(e, w, G_CMP, ARCH(x[0]) + s->rn * 8, 0);
        return n & 1 ? CC_NE : CC_E;
    }
    e->host_flags = false;
    if (pin_of(s->rn) != 0) { /* BT */
        x_op(e, REX_W | pin_of(s->rn) >> 3, 0xfba);
        put8(e, 0xe0 | (pin_of(s->rn) & 7));
        put8(e, s->rm);
        return n & 1 ? CC_B : CC_AE;
    }
    put8(e, 0xf6); /* test byte */
    x_disp(e, 0, H_CPU, ARCH(x[0]) + s->rn * 8 + s->rm / 8 - CPU_BIAS);
    put8(e, 1u << s->rm % 8);
    return n & 1 ? CC_NE : CC_E;
}

/* Conditional branches; the fall-through is the next slot. */
static bool conditional(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t cc;
    bool far = false;
    if (op >= OP_BEQ_N && op <= OP_BLE_N) {
        cc = a64_jit_cond(e, op - OP_BEQ_N);
    } else if (op == OP_BCOND_F) {
        cc = a64_jit_cond(e, s->ra);
        far = true;
    } else if (op >= OP_CBZ64_N && op <= OP_CBNZ32_N) {
        cc = test_of(e, op - OP_CBZ64_N, s);
    } else if (op >= OP_CBZ64_F && op <= OP_CBNZ32_F) {
        cc = test_of(e, op - OP_CBZ64_F, s);
        far = true;
    } else if (op >= OP_TBZ_N && op <= OP_TBNZ_F) {
        far = op >= OP_TBZ_F;
        cc = test_of(e, 4 + ((op - OP_TBZ_N) & 1), s);
    } else {
        return false;
    }
    if (!far) {
        edge(e, x_jcc(e, cc), near_slot(e, s));
        return true;
    }
    uint32_t over = x_jcc(e, cc ^ 1);
    jump_far(e, s);
    patch_to(e->jit, over, here(e));
    return true;
}

/* Unconditional ones; nothing falls through. */
static bool unconditional(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    switch (op) {
    case OP_BL_N: link_register(e); /* fall through */
    case OP_B_N: edge(e, x_jmp(e), near_slot(e, s)); return true;
    case OP_BL_F: link_register(e); /* fall through */
    case OP_B_F: jump_far(e, s); return true;
    case OP_BLR:
        g_load(e, REX_W, RCX, s->rn); /* before the link: BLR X30 */
        link_register(e);
        x_rr(e, REX_W, X_MOV, RAX, RCX);
        jump_to_rax(e);
        return true;
    case OP_BR:
    case OP_RET:
        g_load(e, REX_W, RAX, s->rn);
        jump_to_rax(e);
        return true;
    case OP_PAGE_END:
        page_address(e, A64_PAGE_SIZE);
        jump_to_rax(e);
        return true;
    default: return false;
    }
}

static void call_helper(struct a64_emit *e, uint32_t routine)
{
    e->host_flags = false;
    x_movi(e, RAX, e->idx);
    x_call_to(e, routine);
}

static bool is_call(const struct a64_emit *e)
{
    uint32_t word;
    memcpy(&word, e->code->host + e->idx * 4, sizeof word);
    return (word & 0xffe0001f) == 0xd4000002; /* HVC */
}

/* System instructions: moves of plain registers in line, the rest by a64_slow(). */
static void system(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t first = e->jit->n_places;
    switch (op) {
    case OP_ISB: return;
    case OP_YIELD:
        put8(e, 0xf6); /* test byte: may it stop? */
        x_disp(e, 0, H_CPU, ARCH(stop_on) - CPU_BIAS);
        put8(e, A64_ON_YIELD);
        a64_jit_place(e, x_jcc(e, CC_NE), PLACE_SLOW, e->idx);
        break;
    case OP_MRS_EL1:
    case OP_MSR_EL1:
        x_rc(e, W_OP(0, X_MOVZX8), RAX, ARCH(el));
        put8(e, 0x84); /* test [spsel], al */
        x_disp(e, RAX, H_CPU, ARCH(spsel) - CPU_BIAS);
        a64_jit_place(e, x_jcc(e, CC_E), PLACE_SLOW, e->idx);
        break;
    case OP_MRS_ANY: break;
    case OP_MRS_CNTVCT: call_helper(e, e->jit->counter); return;
    default: call_helper(e, is_call(e) ? e->jit->call : e->jit->slow); return;
    }
    if (op == OP_MRS_EL1 || op == OP_MRS_ANY) {
        uint32_t d = g_dest(s->rd, RDX);
        x_rc(e, W_OP(REX_W, X_MOV), d, ARCH(x[0]) + (int32_t)s->imm);
        g_done(e, s->rd, d);
    } else if (op == OP_MSR_EL1) {
        uint32_t v = g_read(e, REX_W, s->rn, RDX);
        x_rc(e, W_OP(REX_W, X_STORE), v, ARCH(x[0]) + (int32_t)s->imm);
    }
    resume_here(e, first);
    e->host_flags = false;
}

/* --- blocks ---------------------------------------------------------------------- */
static void straight(struct a64_emit *e, uint32_t op, const struct a64_slot *s)
{
    uint32_t first = e->jit->n_places;
    e->keep_flags = flags_matter(e->code, e->idx);
    if (a64_jit_alu(e, op, s) || a64_jit_move(e, op, s))
        return;
    if (a64_jit_mem(e, op, s)) {
        resume_here(e, first);
        e->host_flags = false;
        return;
    }
    call_helper(e, op == OP_MEM_SLOW ? e->jit->mem : e->jit->alu);
}

static uint32_t slots_to_end(const struct a64_code *code, uint32_t idx)
{
    uint32_t end = idx;
    while (end < SLOTS_PER_PAGE && !a64_op_ends_block(a64_base_op(code->slot[end].op)))
        end++;
    return end - idx + (end < SLOTS_PER_PAGE);
}

static void charge(struct a64_emit *e)
{
    const struct a64_slot *s = &e->code->slot[e->idx];
    x_ri(e, REX_W, G_SUB, H_LEFT, s->rem);
    a64_jit_place(e, x_jcc(e, CC_S), PLACE_PARTIAL, e->idx);
    if (!e->jit->unit_costs)
        x_ci(e, REX_W, G_ADD, CPU(jit_insns), (int32_t)slots_to_end(e->code, e->idx));
    e->host_flags = false;
}

/* Emits the block at e->idx; true if it falls through to e->idx. */
static bool block(struct a64_emit *e)
{
    charge(e);
    for (;;) {
        const struct a64_slot *s = &e->code->slot[e->idx];
        uint32_t op = a64_base_op(s->op);
        if (unconditional(e, op, s))
            return false;
        bool ends = a64_op_ends_block(op);
        if (!ends)
            straight(e, op, s);
        else if (!conditional(e, op, s))
            system(e, op, s);
        e->idx++;
        if (ends)
            return true;
    }
}

void a64_jit_chain(struct a64_jit *jit, uint32_t patch, uint32_t target)
{ patch_to(jit, patch, target); }

static void bind(struct a64_emit *e, const struct a64_place *p)
{
    struct a64_jit *jit = e->jit;
    const uint32_t *table = e->code->jit;
    if (p->kind == PLACE_EDGE && p->slot < SLOTS_PER_PAGE && table[p->slot] != 0) {
        patch_to(jit, p->at, table[p->slot]);
        return;
    }
    patch_to(jit, p->at, here(e));
    x_movi(e, RAX, p->slot);
    switch (p->kind) {
    case PLACE_EDGE:
        x_movi(e, RDX, p->at);
        x_jmp_to(e, jit->near);
        break;
    case PLACE_PARTIAL: x_jmp_to(e, jit->partial); break;
    default:
        x_call_to(e, p->kind == PLACE_MEM ? jit->mem : jit->slow);
        x_jmp_to(e, p->resume);
    }
}

static bool is_full(const struct a64_emit *e, uint32_t begin)
{ return here(e) - begin > JIT_ROOM / 4 || e->jit->n_places > JIT_PLACES / 4; }

void a64_jit_translate(struct a64_jit *jit, struct a64_mem *mem, struct a64_code *code,
                       uint32_t idx)
{
    struct a64_emit e = { .jit = jit, .code = code, .idx = idx };
    if (JIT_BYTES - jit->used < JIT_ROOM) {
        for (uint32_t i = 0; i < mem->n_code; i++)
            memset(mem->code[i].jit, 0, sizeof mem->code[i].jit);
        jit->used = jit->first;
        jit->gen++;
    }
    /* fetched in blocks of 32 bytes: where a loop lies must not change its speed */
    uint32_t begin = (jit->used + 31U) & ~31U;
    e.at = jit->rw + begin;
    jit->n_places = 0;
    for (;;) {
        code->jit[e.idx] = here(&e);
        if (!block(&e))
            break;
        if (e.idx == SLOTS_PER_PAGE) {
            (void)unconditional(&e, OP_PAGE_END, NULL);
            break;
        }
        if (code->jit[e.idx] != 0 || code->slot[e.idx].rem == 0 || is_full(&e, begin)) {
            edge(&e, x_jmp(&e), e.idx);
            break;
        }
    }
    for (uint32_t i = 0; i < jit->n_places; i++)
        bind(&e, &jit->place[i]);
    jit->used = here(&e);
}
