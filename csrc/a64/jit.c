/* The generator's driver: what exec.c does between pages and at stops, around
 * generated code instead of handlers; and the helpers generated code calls. */
#include "jit.h"

#include <string.h>

#include "bits.h"
#include "block.h"
#include "clock.h"
#include "decode.h"
#include "except.h"
#include "exec.h"
#include "exec_alu.h"
#include "flags.h"
#include "ldst.h"
#include "mmu.h"
#include "slow.h"

/* --- helpers --------------------------------------------------------------------- */
static void flags_out(struct a64_cpu *c)
{
    uint32_t f = c->jit_flags;
    a64_set_nzcv(&c->a, (f >> 15 & 1) << 3 | (f >> 14 & 1) << 2 |
                            (~f >> 8 & 1) << 1 | (f & 1));
}

static void flags_in(struct a64_cpu *c)
{ c->jit_flags = (uint16_t)a64_jit_flags_word(a64_nzcv(&c->a)); }

static const struct a64_slot *stand_at(struct a64_cpu *c, uint32_t idx, uint32_t *word)
{
    const struct a64_slot *s = &c->cur_code->slot[idx];
    memcpy(word, c->cur_code->host + idx * 4, sizeof *word);
    c->jit_slot = idx;
    c->a.pc = c->jit_page + idx * 4;
    c->a.now_cyc = c->deadline_cyc - (uint64_t)(c->jit_left + s->rem);
    return s;
}

uint32_t a64_jit_do_mem(struct a64_cpu *cpu, uint32_t idx)
{
    uint32_t word;
    stand_at(cpu, idx, &word);
    flags_out(cpu);
    enum a64_x x = a64_ldst(cpu, word);
    return A64_LIKELY(x == X_NEXT) ? 0 : JX_AT + (uint32_t)x;
}

uint32_t a64_jit_do_slow(struct a64_cpu *cpu, uint32_t idx)
{
    uint32_t word;
    enum a64_x x = X_EXC;
    const struct a64_slot *s = stand_at(cpu, idx, &word);
    flags_out(cpu);
    if (s->op == OP_UNDEF)
        a64_exception_undef(cpu);
    else
        x = a64_slow(cpu, word);
    flags_in(cpu);
    return x == X_NEXT ? 0 : JX_AT + (uint32_t)x;
}

uint32_t a64_jit_do_counter(struct a64_cpu *cpu, uint32_t idx)
{
    const struct a64_slot *s = &cpu->cur_code->slot[idx];
    if (cpu->a.el == 0)
        return a64_jit_do_slow(cpu, idx);
    cpu->a.x[s->rd] =
        a64_cntvct(cpu, cpu->deadline_cyc - (uint64_t)(cpu->jit_left + s->rem));
    return 0;
}

/* What has no template; none of it touches the flags. */
uint32_t a64_jit_do_alu(struct a64_cpu *cpu, uint32_t idx)
{
    const struct a64_slot *s = &cpu->cur_code->slot[idx];
    switch (a64_base_op(s->op)) {
    case OP_RBIT64: op_RBIT64(cpu, s); break;
    case OP_RBIT32: op_RBIT32(cpu, s); break;
    case OP_REV16_64: op_REV16_64(cpu, s); break;
    case OP_CLS64: op_CLS64(cpu, s); break;
    case OP_CLS32: op_CLS32(cpu, s); break;
    default: op_CRC32(cpu, s); break;
    }
    return 0;
}

/* --- driver ---------------------------------------------------------------------- */
/* Instructions from slot idx to its block's end, which are charged but did not run. */
static uint32_t charged_from(const struct a64_code *code, uint32_t idx)
{
    uint32_t n = 0;
    while (idx + n < SLOTS_PER_PAGE) {
        uint32_t op = a64_base_op(code->slot[idx + n].op);
        n++;
        if (a64_op_ends_block(op))
            break;
    }
    return n;
}

static void give_back(struct a64_cpu *c, uint32_t from)
{
    const struct a64_code *code = c->cur_code;
    c->jit_left += code->slot[from].rem;
    if (!c->mem->jit->unit_costs)
        c->jit_insns -= charged_from(code, from);
}

static uint32_t run_from(struct a64_cpu *c, uint32_t offset)
{
    const struct a64_jit *jit = c->mem->jit;
    uint32_t (*enter)(struct a64_cpu *, const uint8_t *);
    const uint8_t *at = jit->rx + jit->enter;
    memcpy(&enter, &at, sizeof enter);
    int64_t before = c->jit_left;
    flags_in(c);
    uint32_t reason = enter(c, jit->rx + offset);
    flags_out(c);
    if (reason == JX_PARTIAL) /* charged at its head, before its count */
        c->jit_left += c->cur_code->slot[c->jit_slot].rem;
    else if (reason == JX_AT + X_EXC || reason == JX_AT + X_STOP)
        give_back(c, c->jit_slot);
    else if ((reason == JX_AT + X_RELOAD || reason == JX_AT + X_STOP_DONE) &&
             !a64_op_ends_block(a64_base_op(c->cur_code->slot[c->jit_slot].op)))
        give_back(c, c->jit_slot + 1);
    if (jit->unit_costs)
        c->jit_insns += (uint64_t)(before - c->jit_left);
    return reason;
}

static uint32_t translation(struct a64_cpu *c, uint32_t idx)
{
    struct a64_code *code = c->cur_code;
    if (code->slot[idx].rem == 0)
        a64_decode_block(c, code, idx);
    if (code->jit[idx] == 0) {
        a64_jit_translate(c->mem->jit, c->mem, code, idx);
        c->stats.blocks_translated++;
    }
    return code->jit[idx];
}

/* Runs the block at idx of the current page and what it chains to. */
static uint32_t run_block(struct a64_cpu *c, uint32_t idx)
{
    struct a64_jit *jit = c->mem->jit;
    uint32_t reason = run_from(c, translation(c, idx));
    while (reason == JX_NEAR && c->jit_left > 0) {
        uint32_t gen = jit->gen, patch = c->jit_patch;
        uint32_t target = translation(c, c->jit_slot);
        if (gen == jit->gen)
            a64_jit_chain(jit, patch, target);
        reason = run_from(c, target);
    }
    return reason;
}

static enum a64_x find_page(struct a64_cpu *c)
{
    const struct a64_fetch *f = &c->fetch[(c->a.pc >> 12) % FETCH_SIZE];
    if (A64_UNLIKELY(f->tag != (c->a.pc & ~0xffcull))) {
        enum a64_x x = a64_fetch_page(c, &c->cur_code);
        if (x != X_NEXT)
            return x;
    } else {
        c->cur_code = f->code;
    }
    c->jit_page = c->a.pc & ~0xfffull;
    return X_NEXT;
}

/* Interrupts and PSTATE.IL, where exec.c looks at them. */
static void before_fetch(struct a64_cpu *c)
{
    const uint32_t cost = c->mem->cost[A64_COST_EXCEPTION];
    if (A64_UNLIKELY(c->a.irq | c->a.fiq | c->a.serror) && a64_take_interrupt(c))
        c->jit_left -= cost;
    while (A64_UNLIKELY(c->a.il) && c->jit_left > 0) {
        a64_exception(c, EC_ILLEGAL, 0);
        c->jit_left -= cost;
        if (a64_take_interrupt(c))
            c->jit_left -= cost;
    }
}

/* Runs until something needs a64_exec() or the host: X_NEXT = the interpreter goes on
 * from a.pc, for the rest of the budget. */
static enum a64_x run(struct a64_cpu *c)
{
    bool look = true;
    for (;;) {
        if (look)
            before_fetch(c);
        if (c->jit_left <= 0)
            return X_NEXT;
        enum a64_x x = find_page(c);
        if (x == X_NEXT) {
            uint32_t reason = run_block(c, (c->a.pc >> 2) % SLOTS_PER_PAGE);
            look = reason >= JX_AT;
            if (reason == JX_JUMP)
                continue;
            if (!look) { /* the block does not fit, or no budget is left for it */
                c->a.pc = c->jit_page + c->jit_slot * 4;
                return X_NEXT;
            }
            x = (enum a64_x)(reason - JX_AT);
        }
        look = true;
        if (x == X_STOP || x == X_STOP_DONE)
            return x;
        if (x == X_EXC)
            c->jit_left -= c->mem->cost[A64_COST_EXCEPTION];
    }
}

enum a64_stop a64_jit_exec(struct a64_cpu *cpu)
{
    cpu->jit_left = (int64_t)(cpu->deadline_cyc - cpu->a.now_cyc);
    cpu->jit_insns = 0;
    enum a64_x x = run(cpu);
    cpu->a.now_cyc = cpu->deadline_cyc - (uint64_t)cpu->jit_left;
    cpu->a.n_insns += cpu->jit_insns;
    return x == X_NEXT ? a64_exec(cpu) : (enum a64_stop)cpu->stop;
}
