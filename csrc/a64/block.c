/* Blocks. A block is straight-line code up to the first slot that a64_op_ends_block(),
 * or the end of the 4 KiB page. rem of a slot is what the block costs from there: the
 * executor charges it once on entry and gives it back if it leaves early, so the budget
 * is exact at no cost per instruction. */
#include "block.h"

#include <string.h>

#include "decode.h"

static const uint16_t half_op[] = {
#define HALF_OP(n) OP_##n,
    A64_HALVES(HALF_OP)
};
static const uint16_t flag_half_op[] = { A64_FLAG_HALVES(HALF_OP) };

static int half_index(uint32_t op)
{
#define HALF_CASE(n) \
    case OP_##n: return HALF_##n;
    switch (op) {
        A64_HALVES(HALF_CASE)
    default: return -1;
    }
}

static int flag_half_index(uint32_t op)
{
#define FLAG_HALF_CASE(n) \
    case OP_##n: return FLAGHALF_##n;
    switch (op) {
        A64_FLAG_HALVES(FLAG_HALF_CASE)
    default: return -1;
    }
}

uint32_t a64_base_op(uint32_t op)
{
    if (op < OP_N_BASE)
        return op;
    if (op < OP_FUSE_FLAG)
        return half_op[(op - OP_FUSE_PAIR) / N_HALVES];
    return flag_half_op[(op - OP_FUSE_FLAG) / N_CONDS];
}

static uint32_t fuse(uint32_t first, uint32_t second)
{
    int a = half_index(first), b = half_index(second);
    if (a >= 0 && b >= 0)
        return (uint32_t)(OP_FUSE_PAIR + a * N_HALVES + b);
    a = flag_half_index(first);
    if (a >= 0 && second >= OP_BEQ_N && second <= OP_BLE_N)
        return OP_FUSE_FLAG + (uint32_t)a * N_CONDS + (second - OP_BEQ_N);
    return first;
}

void a64_decode_block(struct a64_cpu *cpu, struct a64_code *code, uint32_t idx)
{
    const struct a64_mem *mem = cpu->mem;
    uint32_t end = idx;
    for (; end < SLOTS_PER_PAGE && code->slot[end].rem == 0; end++) {
        struct a64_slot *s = &code->slot[end];
        uint32_t w;
        memcpy(&w, code->host + end * 4, 4);
        enum a64_cost_class class = a64_decode(mem, w, end * 4, s);
        s->rem = mem->cost[class];
        code->lines |= 1ull << (end / 16);
        if (a64_op_ends_block(s->op)) {
            end++;
            break;
        }
    }
    for (uint32_t i = end; i-- > idx;) {
        struct a64_slot *s = &code->slot[i];
        if (a64_op_ends_block(s->op))
            continue;
        s->rem = (uint16_t)(s->rem + s[1].rem);
        if (i + 1 < SLOTS_PER_PAGE)
            s->op = (uint16_t)fuse(s->op, a64_base_op(s[1].op));
    }
    cpu->stats.blocks_decoded++;
    cpu->stats.insns_decoded += end - idx;
}
