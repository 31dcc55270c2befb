/* Code generator for x86-64 hosts: a second executor of decoded blocks. It runs what
 * the interpreter runs and stops where the interpreter stops, cycle by cycle; a block
 * that does not fit the budget, and everything else it does not do itself, is the
 * interpreter's. Code lives in one file mapped twice, writable and executable, so no
 * mapping is both. */
#ifndef A64_JIT_H
#define A64_JIT_H

#include <stddef.h>

#include "ops.h"
#include "state.h"

enum {
    JIT_BYTES = 16 << 20,
    JIT_ROOM = 512 << 10, /* the most one translation may take */
    JIT_PLACES = 4096     /* jumps out of one translation */
};

/* Why generated code returned. The rest carry an enum a64_x. */
enum a64_jit_exit {
    JX_JUMP,    /* a.pc is set, its page or block is not at hand */
    JX_NEAR,    /* slot jit_slot of the page is not translated; jit_patch jumps to it */
    JX_PARTIAL, /* block jit_slot does not fit the budget; it is charged already */
    JX_AT = 8   /* + enum a64_x: the instruction at jit_slot */
};

enum a64_place_kind { PLACE_EDGE, PLACE_MEM, PLACE_PARTIAL, PLACE_SLOW };

/* A jump out of the straight path, to be bound when the translation ends. */
struct a64_place {
    uint32_t at;     /* its distance */
    uint32_t resume; /* where it comes back, PLACE_MEM and PLACE_SLOW */
    uint16_t slot;
    uint8_t kind;
};

struct a64_jit {
    uint8_t *rw;
    const uint8_t *rx;
    uint32_t used, first; /* bytes; first: end of the common routines */
    uint32_t gen;         /* moves when all translations are dropped */
    uint32_t enter, jump, near, partial; /* common routines */
    uint32_t mem, slow, alu, counter, call;
    uint32_t n_places;
    bool unit_costs; /* all costs 1: instructions are cycles */
    struct a64_place place[JIT_PLACES];
};

/* A translation under way. */
struct a64_emit {
    uint8_t *at;
    struct a64_jit *jit;
    const struct a64_code *code;
    uint32_t idx;      /* slot being translated */
    bool host_flags;   /* the host's flags are the guest's (C inverted) */
    bool keep_flags;   /* the flags this instruction sets must be in cpu->jit_flags */
};

/* NULL if this host cannot or may not run generated code. */
struct a64_jit *a64_jit_create(const struct a64_mem *mem);
void a64_jit_destroy(struct a64_jit *jit);

/* As a64_exec(), for a CPU on a memory that has a generator and no breakpoints. */
enum a64_stop a64_jit_exec(struct a64_cpu *cpu);

/* --- between the generator's files ------------------------------------------------ */
/* Translates the block at idx of code, which is decoded; its offset is in code->jit. */
void a64_jit_translate(struct a64_jit *jit, struct a64_mem *mem, struct a64_code *code,
                       uint32_t idx);
/* The routines every translation uses. */
void a64_jit_common(struct a64_jit *jit);
/* Makes the jump at patch lead to target. */
void a64_jit_chain(struct a64_jit *jit, uint32_t patch, uint32_t target);

/* cpu->jit_flags for NZCV: bits 15, 14 = N, Z; 8 = not C; 0 = V. */
static inline uint32_t a64_jit_flags_word(uint32_t nzcv)
{
    return (nzcv >> 3 & 1) << 15 | (nzcv >> 2 & 1) << 14 | (~nzcv >> 1 & 1) << 8 |
           (nzcv & 1);
}

/* Templates: false = not theirs. */
bool a64_jit_alu(struct a64_emit *e, uint32_t op, const struct a64_slot *s);
bool a64_jit_move(struct a64_emit *e, uint32_t op, const struct a64_slot *s);
bool a64_jit_mem(struct a64_emit *e, uint32_t op, const struct a64_slot *s);
/* Host condition code for an A64 condition once the guest's flags are the host's. */
uint32_t a64_jit_cond(struct a64_emit *e, uint32_t cond);
void a64_jit_place(struct a64_emit *e, uint32_t at, uint32_t kind, uint32_t slot);

/* Called by generated code; 0 = go on. */
uint32_t a64_jit_do_mem(struct a64_cpu *cpu, uint32_t idx);
uint32_t a64_jit_do_slow(struct a64_cpu *cpu, uint32_t idx);
uint32_t a64_jit_do_alu(struct a64_cpu *cpu, uint32_t idx);
uint32_t a64_jit_do_counter(struct a64_cpu *cpu, uint32_t idx);

#endif
