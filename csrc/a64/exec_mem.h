/* Bodies of the fast memory operations: one soft TLB probe, one host access. False =
 * anything else (miss, misaligned, page crossing, no write tag): a64_ldst() does it
 * from the word. */
#ifndef A64_EXEC_MEM_H
#define A64_EXEC_MEM_H

#include <string.h>

#include "exec_alu.h"
#include "ops.h"

static inline const struct a64_ftlb *probe(const struct a64_cpu *c, uint64_t va)
{
    return &c->tlb[(va >> 12) % FTLB_SIZE];
}

/* The bits of va a tag is compared with: the page, and those that must be zero for
 * alignment. */
#define TAGGED(va, size) ((va) & (~0xfffull | ((size) - 1)))
#define HOST(e, va) ((void *)(uintptr_t)((va) + (e)->add))

#define DEF_LOAD(t, ctype, vtype) \
    static inline bool ld_##t(struct a64_cpu *c, uint64_t va, uint32_t rd) \
    { \
        const struct a64_ftlb *e = probe(c, va); \
        ctype v; \
        if (A64_UNLIKELY(TAGGED(va, sizeof v) != e->rtag)) \
            return false; \
        memcpy(&v, HOST(e, va), sizeof v); \
        c->a.x[rd] = (uint64_t)(vtype)v; \
        return true; \
    }
#define DEF_STORE(t, ctype, vtype) \
    static inline bool ld_##t(struct a64_cpu *c, uint64_t va, uint32_t rd) \
    { \
        const struct a64_ftlb *e = probe(c, va); \
        ctype v = (ctype)c->a.x[rd]; \
        if (A64_UNLIKELY(TAGGED(va, sizeof v) != e->wtag)) \
            return false; \
        memcpy(HOST(e, va), &v, sizeof v); \
        return true; \
    }
A64_LOAD_TYPES(DEF_LOAD)
A64_STORE_TYPES(DEF_STORE)

static inline bool sp_bad(const struct a64_cpu *c)
{
    return A64_UNLIKELY((c->a.x[R_SP] & c->sp_mask) != 0);
}

#define DEF_MODES(t, ctype, vtype) \
    ALU(t##_I) { return ld_##t(c, RN + s->imm, s->rd); } \
    ALU(t##_R) { return ld_##t(c, RN + (RM << s->ra), s->rd); } \
    ALU(t##_RS) { return ld_##t(c, RN + (sext32(RM) << s->ra), s->rd); } \
    ALU(t##_RU) { return ld_##t(c, RN + ((uint64_t)WM << s->ra), s->rd); } \
    ALU(t##_PRE) \
    { \
        uint64_t va = RN + s->imm; \
        bool ok = ld_##t(c, va, s->rd); \
        if (A64_LIKELY(ok)) \
            RN = va; \
        return ok; \
    } \
    ALU(t##_POST) \
    { \
        uint64_t va = RN; \
        bool ok = ld_##t(c, va, s->rd); \
        if (A64_LIKELY(ok)) \
            RN = va + s->imm; \
        return ok; \
    } \
    ALU(t##_SP) { return !sp_bad(c) && ld_##t(c, c->a.x[R_SP] + s->imm, s->rd); }
A64_LOAD_TYPES(DEF_MODES)
A64_STORE_TYPES(DEF_MODES)

/* Pairs: both halves in one page. how: 0 offset, 1 pre, 2 post, 3 SP offset, 4 SP
 * pre/post. */
#define PAIR_ADDRESS(how, post) \
    uint64_t base = RN; \
    uint64_t va = (how) == 2 || ((how) == 4 && (post)) ? base : base + s->imm; \
    if ((how) >= 3 && sp_bad(c)) \
        return false

#define DEF_LDP(name, how, ctype) \
    ALU(name) \
    { \
        PAIR_ADDRESS(how, true); \
        const struct a64_ftlb *e = probe(c, va); \
        ctype v[2]; \
        if (A64_UNLIKELY(TAGGED(va, sizeof v[0]) != e->rtag || \
                         ((va + sizeof v[0]) & ~0xfffull) != e->rtag)) \
            return false; \
        memcpy(v, HOST(e, va), sizeof v); \
        RD = v[0]; \
        RA = v[1]; \
        if ((how) == 1 || (how) == 2 || (how) == 4) \
            RN = base + s->imm; \
        return true; \
    }
#define DEF_STP(name, how, ctype) \
    ALU(name) \
    { \
        PAIR_ADDRESS(how, false); \
        const struct a64_ftlb *e = probe(c, va); \
        ctype v[2] = { (ctype)RD, (ctype)RA }; \
        if (A64_UNLIKELY(TAGGED(va, sizeof v[0]) != e->wtag || \
                         ((va + sizeof v[0]) & ~0xfffull) != e->wtag)) \
            return false; \
        memcpy(HOST(e, va), v, sizeof v); \
        if ((how) == 1 || (how) == 2 || (how) == 4) \
            RN = base + s->imm; \
        return true; \
    }
A64_PAIR_OPS(DEF_LDP)
A64_STPAIR_OPS(DEF_STP)

#endif
