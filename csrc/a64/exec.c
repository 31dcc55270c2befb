/* The interpreter. Cycle accounting: left = budget left after the block being
 * executed, which was charged on entry (slot.rem). Hence before executing slot s,
 * left + s->rem cycles are truly left, and leaving a block early gives back the rem
 * of the slot that does not run. A block that does not fit the budget is run in step
 * mode: the same handlers, but every dispatch passes through the step label, which
 * stops at the exact instruction. Instructions are counted by address: entering a
 * block subtracts its first slot's address, leaving it adds the address after the
 * last one executed. */
#if defined(__GNUC__) && !defined(__clang__)
/* Both undo what computed goto is for: one indirect jump at the end of each handler. */
#pragma GCC optimize("no-gcse", "no-crossjumping")
#endif
#include "exec.h"

#include "block.h"
#include "clock.h"
#include "except.h"
#include "exec_alu.h"
#include "exec_mem.h"
#include "ldst.h"
#include "mmu.h"
#include "ops.h"
#include "slow.h"

#if defined(__GNUC__) && !defined(A64_NO_COMPUTED_GOTO)
#define USE_GOTO 1
#else
#define USE_GOTO 0
#endif

#if USE_GOTO
#define OP(n) L_##n
#define OP_PAIR(a, b) L_##a##__##b
#define OP_FLAG(a, b) L_##a##__B##b
#define DISPATCH() goto *tab[s->op]
#define DISPATCH_BASE(op) goto *fast[op]
#else
#define OP(n) case OP_##n
#define OP_PAIR(a, b) case FUSE_PAIR(a, b)
#define OP_FLAG(a, b) case FUSE_FLAG(a, b)
#define DISPATCH() goto dispatch
#define DISPATCH_BASE(op) do { op_now = (op); goto execute; } while (0)
#endif

#define NEXT do { s++; DISPATCH(); } while (0)
#define PC() (pcd + ((uint64_t)(uintptr_t)s >> 2))
/* Enters the block at t: charges it and counts from it. */
#define ENTER(t) \
    do { \
        s = (t); \
        icnt -= (uintptr_t)s; \
        left -= s->rem; \
        if (A64_UNLIKELY(left < 0)) \
            tab = step; \
        DISPATCH(); \
    } while (0)
#define RETIRED() (icnt += (uintptr_t)(s + 1))
#define NEAR() ((const struct a64_slot *)((uintptr_t)s + (uintptr_t)s->imm))
#define SLOT_NOW() (c->deadline_cyc - (uint64_t)(left + s->rem))

static bool bp_hit(struct a64_cpu *c, uint64_t pc)
{
    for (uint32_t i = 0; i < c->n_bp; i++)
        if (c->bp[i] == pc && c->a.skip_bp != pc + 1)
            return true;
    c->a.skip_bp = 0;
    return false;
}

static uint32_t raw_word(const struct a64_cpu *c, const struct a64_slot *s)
{
    uint32_t w;
    memcpy(&w, c->cur_code->host + (size_t)(s - c->cur_code->slot) * 4, sizeof w);
    return w;
}

#if USE_GOTO
#define FILL(n) fill[OP_##n] = &&L_##n;
#define FILL_COND(x, n) fill[OP_B##x##_N] = &&L_B##x##_N;
#define FILL_CSEL(k, x, n) fill[OP_##k##_##x] = &&L_##k##_##x;
#define FILL_CSEL_C(x, n) A64_CSEL_KINDS(FILL_CSEL, x, n)
#define FILL_MODE(t, m, x, v) fill[OP_##t##_##m] = &&L_##t##_##m;
#define FILL_TYPE(t, x, v) A64_MODES(FILL_MODE, t, x, v)
#define FILL_PAIR(n, m, t) fill[OP_##n] = &&L_##n;
#define FILL_FUSE(a, b) fill[FUSE_PAIR(a, b)] = &&L_##a##__##b;
#define FILL_FUSE_A(a) A64_TAILS(FILL_FUSE, a)
#define FILL_FLAG(a, b) fill[FUSE_FLAG(a, b)] = &&L_##a##__B##b;
#define FILL_FLAG_A(a) A64_FLAG_TAILS(FILL_FLAG, a)
#endif

/* Exempt from the length rule: the dispatch function. With fill it only hands out
 * its labels. */
static enum a64_stop interpret(struct a64_cpu *c, struct a64_mem *fill_mem)
{
    const struct a64_slot *s = NULL;
    const void **fast, **step, **tab;
    struct a64_code *code;
    uintptr_t icnt = 0;
    uint64_t pcd = 0, pc;
    int64_t left;
    enum a64_x x;

#if USE_GOTO
    if (fill_mem != NULL) {
        const void **fill = fill_mem->fast_tab;
        for (uint32_t i = 0; i < OP_N; i++)
            fill_mem->step_tab[i] = &&L_step;
        A64_CTL_OPS(FILL)
        A64_CONDS(FILL_COND)
        A64_ALU_OPS(FILL)
        A64_CONDS(FILL_CSEL_C)
        A64_LOAD_TYPES(FILL_TYPE)
        A64_STORE_TYPES(FILL_TYPE)
        A64_PAIR_OPS(FILL_PAIR)
        A64_STPAIR_OPS(FILL_PAIR)
        A64_HALVES(FILL_FUSE_A)
        A64_FLAG_HALVES(FILL_FLAG_A)
        return A64_STOP_BUDGET;
    }
#else
    uint32_t op_now;
    if (fill_mem != NULL)
        return A64_STOP_BUDGET;
#endif
    fast = c->mem->fast_tab;
    step = c->mem->step_tab;
    left = (int64_t)(c->deadline_cyc - c->a.now_cyc);

reload:  /* a.pc and left are exact, nothing is charged */
    tab = c->n_bp != 0 ? step : fast;
    if (A64_UNLIKELY(c->a.irq | c->a.fiq | c->a.serror) && a64_take_interrupt(c))
        left -= c->mem->cost[A64_COST_EXCEPTION];
    if (left <= 0)
        goto out_of_budget;
    if (A64_UNLIKELY(c->a.il)) {
        a64_exception(c, EC_ILLEGAL, 0);
        left -= c->mem->cost[A64_COST_EXCEPTION];
        goto reload;
    }
    pc = c->a.pc;

jump: {  /* to pc, in any page */
    const struct a64_fetch *f = &c->fetch[(pc >> 12) % FETCH_SIZE];
    code = f->code;
    if (A64_UNLIKELY(f->tag != (pc & ~0xffcull)))
        goto jump_slow;
}
enter_page:
    c->cur_code = code;
    pcd = (pc & ~0xfffull) - ((uint64_t)(uintptr_t)code->slot >> 2);
    ENTER(&code->slot[(pc >> 2) % SLOTS_PER_PAGE]);

jump_slow:
    c->a.pc = pc;
    if (left <= 0)
        goto out_of_budget;
    x = a64_fetch_page(c, &code);
    if (x == X_NEXT) {
        pc = c->a.pc;
        goto enter_page;
    }
    if (x == X_EXC) {
        left -= c->mem->cost[A64_COST_EXCEPTION];
        goto reload;
    }
    goto out;

#if USE_GOTO
L_step:
#else
dispatch:
    op_now = s->op;
    if (tab == fast)
        goto execute;
#endif
    if (left + s->rem <= 0) {
        c->a.pc = PC();
        left += s->rem;
        icnt += (uintptr_t)s;
        goto out_of_budget;
    }
    if (c->n_bp != 0 && s->op != OP_DECODE && s->op != OP_PAGE_END && bp_hit(c, PC())) {
        c->a.pc = PC();
        c->a.exit = (struct a64_exit){ .pc = c->a.pc };
        c->a.skip_bp = c->a.pc + 1;
        c->stop = A64_STOP_BREAKPOINT;
        left += s->rem;
        icnt += (uintptr_t)s;
        goto out;
    }
    DISPATCH_BASE(a64_base_op(s->op));

mem_slow:  /* s has not executed; any load or store */
    c->a.pc = PC();
    c->a.now_cyc = SLOT_NOW();
    x = a64_ldst(c, raw_word(c, s));
    if (A64_LIKELY(x == X_NEXT))
        NEXT;
    if (x == X_RELOAD) {
        left += s[1].rem;
        icnt += (uintptr_t)(s + 1);
        goto reload;
    }
    goto not_retired;

slow_end:  /* s has not executed and ends its block */
    c->a.pc = PC();
    c->a.now_cyc = SLOT_NOW();
    x = a64_slow(c, raw_word(c, s));
    if (x == X_NEXT) {
        RETIRED();
        ENTER(s + 1);
    }
    if (x == X_RELOAD || x == X_STOP_DONE) {
        RETIRED();
        if (x == X_RELOAD)
            goto reload;
        goto out;
    }
    goto not_retired;

not_retired:  /* X_EXC or X_STOP */
    icnt += (uintptr_t)s;
    left += s->rem;
    if (x == X_STOP)
        goto out;
    left -= c->mem->cost[A64_COST_EXCEPTION];
    goto reload;

out_of_budget:
    c->stop = A64_STOP_BUDGET;
out:
    c->a.now_cyc = c->deadline_cyc - (uint64_t)left;
    c->a.n_insns += icnt / sizeof(struct a64_slot);
    return (enum a64_stop)c->stop;

#if !USE_GOTO
execute:
    switch (op_now) {
#endif

    OP(DECODE):
        a64_decode_block(c, c->cur_code, (uint32_t)(s - c->cur_code->slot));
        left -= s->rem;
        if (left < 0)
            tab = step;
        DISPATCH();
    OP(PAGE_END):
        pc = PC();
        icnt += (uintptr_t)s;
        goto jump;
    OP(UNDEF):
        c->a.pc = PC();
        a64_exception_undef(c);
        x = X_EXC;
        goto not_retired;
    OP(SLOW_END):
        goto slow_end;
    OP(MEM_SLOW):
        goto mem_slow;
    OP(ADR):
        RD = PC() + s->imm;
        NEXT;
    OP(ADRP):
        RD = (PC() & ~0xfffull) + s->imm;
        NEXT;
    OP(LDRL):
        if (!ld_L64(c, PC() + s->imm, s->rd))
            goto mem_slow;
        NEXT;

    OP(MRS_EL1):  /* imm = offset of the value in struct a64_arch; EL1h only */
        if ((c->a.el & c->a.spsel) == 0)
            goto slow_end;
        goto mrs_value;
    OP(MRS_ANY):
    mrs_value:
        memcpy(&RD, (const char *)&c->a + s->imm, sizeof(uint64_t));
        RETIRED();
        ENTER(s + 1);
    OP(MSR_EL1):
        if ((c->a.el & c->a.spsel) == 0)
            goto slow_end;
        memcpy((char *)&c->a + s->imm, &RN, sizeof(uint64_t));
        RETIRED();
        ENTER(s + 1);
    OP(MRS_CNTVCT):
        if (c->a.el == 0)
            goto slow_end;
        RD = a64_cntvct(c, SLOT_NOW());
        RETIRED();
        ENTER(s + 1);
    OP(YIELD):
        if (c->a.stop_on & A64_ON_YIELD)
            goto slow_end;
        goto next_block;
    OP(ISB):
    next_block:
        RETIRED();
        ENTER(s + 1);

    OP(B_N):
        RETIRED();
        ENTER(NEAR());
    OP(B_F):
        RETIRED();
        pc = PC() + s->imm;
        goto jump;
    OP(BL_N):
        RETIRED();
        c->a.x[30] = PC() + 4;
        ENTER(NEAR());
    OP(BL_F):
        RETIRED();
        pc = PC() + s->imm;
        c->a.x[30] = PC() + 4;
        goto jump;
    OP(BR):
    OP(RET):
        RETIRED();
        pc = RN;
        goto jump;
    OP(BLR):
        RETIRED();
        pc = RN;
        c->a.x[30] = PC() + 4;
        goto jump;

#define BRANCH_N(name, cond) \
    OP(name): \
        RETIRED(); \
        if (cond) \
            ENTER(NEAR()); \
        ENTER(s + 1);
#define BRANCH_F(name, cond) \
    OP(name): \
        RETIRED(); \
        pc = PC() + s->imm; \
        if (cond) \
            goto jump; \
        ENTER(s + 1);
#define BRANCH_COND(name, n) BRANCH_N(B##name##_N, COND_##name(&c->a))
    A64_CONDS(BRANCH_COND)
    BRANCH_F(BCOND_F, a64_cond(&c->a, s->ra))
    BRANCH_N(CBZ64_N, RN == 0)
    BRANCH_N(CBNZ64_N, RN != 0)
    BRANCH_N(CBZ32_N, WN == 0)
    BRANCH_N(CBNZ32_N, WN != 0)
    BRANCH_F(CBZ64_F, RN == 0)
    BRANCH_F(CBNZ64_F, RN != 0)
    BRANCH_F(CBZ32_F, WN == 0)
    BRANCH_F(CBNZ32_F, WN != 0)
    BRANCH_N(TBZ_N, ((RN >> s->rm) & 1) == 0)
    BRANCH_N(TBNZ_N, ((RN >> s->rm) & 1) != 0)
    BRANCH_F(TBZ_F, ((RN >> s->rm) & 1) == 0)
    BRANCH_F(TBNZ_F, ((RN >> s->rm) & 1) != 0)

#define EXEC_ALU(n) \
    OP(n): \
        op_##n(c, s); \
        NEXT;
    A64_ALU_OPS(EXEC_ALU)

#define CSEL64(m) (m)
#define CSEL32(m) W(m)
#define CSINC64(m) ((m) + 1)
#define CSINC32(m) W((m) + 1)
#define CSINV64(m) (~(m))
#define CSINV32(m) W(~(m))
#define CSNEG64(m) (0 - (m))
#define CSNEG32(m) W(0 - (m))
#define CSEL64_N(n) (n)
#define CSEL32_N(n) W(n)
#define CSINC64_N(n) (n)
#define CSINC32_N(n) W(n)
#define CSINV64_N(n) (n)
#define CSINV32_N(n) W(n)
#define CSNEG64_N(n) (n)
#define CSNEG32_N(n) W(n)
#define EXEC_CSEL(k, cond, n) \
    OP(k##_##cond): { \
        uint64_t yes = k##_N(RN), no = k(RM); \
        RD = COND_##cond(&c->a) ? yes : no; \
        NEXT; \
    }
#define EXEC_CSEL_C(cond, n) A64_CSEL_KINDS(EXEC_CSEL, cond, n)
    A64_CONDS(EXEC_CSEL_C)

#define EXEC_MEM(n) \
    OP(n): \
        if (!op_##n(c, s)) \
            goto mem_slow; \
        NEXT;
#define EXEC_MODE(t, m, ct, v) EXEC_MEM(t##_##m)
#define EXEC_TYPE(t, ct, v) A64_MODES(EXEC_MODE, t, ct, v)
#define EXEC_PAIR(n, m, t) EXEC_MEM(n)
    A64_LOAD_TYPES(EXEC_TYPE)
    A64_STORE_TYPES(EXEC_TYPE)
    A64_PAIR_OPS(EXEC_PAIR)
    A64_STPAIR_OPS(EXEC_PAIR)

#define EXEC_FUSE(a, b) \
    OP_PAIR(a, b): \
        if (!op_##a(c, s)) \
            goto mem_slow; \
        s++; \
        if (!op_##b(c, s)) \
            goto mem_slow; \
        NEXT;
#define EXEC_FUSE_A(a) A64_TAILS(EXEC_FUSE, a)
    A64_HALVES(EXEC_FUSE_A)

#define EXEC_FLAG(half, cond) \
    OP_FLAG(half, cond): \
        op_##half(c, s); \
        s++; \
        RETIRED(); \
        if (COND_##cond(&c->a)) \
            ENTER(NEAR()); \
        ENTER(s + 1);
#define EXEC_FLAG_A(a) A64_FLAG_TAILS(EXEC_FLAG, a)
    A64_FLAG_HALVES(EXEC_FLAG_A)

#if !USE_GOTO
    default:
        c->a.pc = PC();
        a64_exception_undef(c);
        x = X_EXC;
        goto not_retired;
    }
#endif
}

void a64_exec_init(struct a64_mem *mem)
{
    (void)interpret(NULL, mem);
}

enum a64_stop a64_exec(struct a64_cpu *cpu)
{
    return interpret(cpu, NULL);
}
