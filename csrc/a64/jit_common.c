/* The generator's memory, and the routines that every translation uses: entry and
 * exit, calls of C helpers. */
#define _GNU_SOURCE /* memfd_create */
#include "jit_x86.h"

#if defined(__x86_64__) && defined(__linux__)
#define HAVE_HOST 1
#include <sys/mman.h>
#include <unistd.h>
#else
#define HAVE_HOST 0
#endif
#include <stdlib.h>

typedef uint32_t (*helper)(struct a64_cpu *, uint32_t);

static void pins(struct a64_emit *e, uint32_t op)
{
    for (uint32_t g = 0; g < R_COUNT; g++)
        if (pin_of(g) != 0)
            x_rc(e, W_OP(REX_W, op), pin_of(g), ARCH(x[0]) + (int32_t)g * 8);
}

/* Those that a C function does not keep, and X0. */
static void volatile_pins(struct a64_emit *e, uint32_t op)
{
    for (uint32_t g = 0; g < 18; g++)
        if (pin_of(g) != 0)
            x_rc(e, W_OP(REX_W, op), pin_of(g), ARCH(x[0]) + (int32_t)g * 8);
}

static const uint8_t saved[6] = { RBX, RBP, R12, R13, R14, R15 };

static void push_pop(struct a64_emit *e, uint32_t op, uint32_t reg)
{
    x_op(e, reg >> 3, op | (reg & 7));
}

/* uint32_t enter(cpu, code): the stack is 16-byte aligned in translated code. */
static void enter(struct a64_emit *e)
{
    for (int i = 0; i < 6; i++)
        push_pop(e, 0x50, saved[i]);
    x_ri(e, REX_W, G_SUB, RSP, 8);
    x_rm(e, W_OP(REX_W, X_LEA), H_CPU, RDI, CPU_BIAS);
    x_rr(e, REX_W, X_MOV, RAX, RSI);
    x_rc(e, W_OP(REX_W, X_MOV), H_TLB, CPU(tlb));
    x_rc(e, W_OP(REX_W, X_MOV), H_LEFT, CPU(jit_left));
    pins(e, X_MOV);
    put8(e, 0xff); /* jmp rax */
    put8(e, 0xe0);
}

/* Return EAX with the pins stored already. */
static uint32_t leave(struct a64_emit *e)
{
    uint32_t at = here(e);
    x_rc(e, W_OP(REX_W, X_STORE), H_LEFT, CPU(jit_left));
    x_ri(e, REX_W, G_ADD, RSP, 8);
    for (int i = 6; i-- > 0;)
        push_pop(e, 0x58, saved[i]);
    put8(e, 0xc3);
    return at;
}

/* A routine that calls fn(cpu, EAX) and comes back unless that says to leave. */
static uint32_t call_routine(struct a64_emit *e, helper fn, uint32_t leave_at)
{
    uint32_t at = here(e);
    uint64_t address = 0;
    memcpy(&address, &fn, sizeof fn);
    pins(e, X_STORE);
    x_rc(e, W_OP(REX_W, X_STORE), H_LEFT, CPU(jit_left));
    x_ri(e, REX_W, G_SUB, RSP, 8);
    x_rm(e, W_OP(REX_W, X_LEA), RDI, H_CPU, -CPU_BIAS);
    x_rr(e, 0, X_MOV, RSI, RAX);
    x_movi(e, RAX, address);
    put8(e, 0xff); /* call rax */
    put8(e, 0xd0);
    x_ri(e, REX_W, G_ADD, RSP, 8);
    x_rr(e, 0, X_TEST, RAX, RAX);
    uint8_t *stay = x_short(e, CC_E);
    x_ri(e, REX_W, G_ADD, RSP, 8);
    x_jmp_to(e, leave_at);
    x_land(e, stay);
    x_rc(e, W_OP(REX_W, X_MOV), H_TLB, CPU(tlb));
    pins(e, X_MOV);
    put8(e, 0xc3);
    return at;
}

/* The one for HVC: cpu->on_call() in line, then the time that is left; everything in
 * registers, since a chain of stores and loads would cost more than the call. */
static uint32_t hypercall_routine(struct a64_emit *e)
{
    uint32_t at = here(e);
    x_rc(e, W_OP(0, X_STORE), RAX, CPU(jit_slot));
    volatile_pins(e, X_STORE);
    x_rc(e, W_OP(REX_W, X_MOV), RAX, CPU(on_call));
    x_rr(e, REX_W, X_TEST, RAX, RAX);
    uint32_t nobody = x_jcc(e, CC_E);
    put8(e, 0x80); /* cmp byte */
    x_disp(e, G_CMP, H_CPU, ARCH(el) - CPU_BIAS);
    put8(e, 0);
    uint32_t user = x_jcc(e, CC_E);
    x_rc(e, W_OP(REX_W, X_MOV), RDI, CPU(call_context));
    x_rc(e, W_OP(REX_W, X_MOV), RSI, CPU(deadline_cyc));
    x_rr(e, REX_W, OP_OF(G_SUB), RSI, H_LEFT);
    x_ri(e, REX_W, G_SUB, RSP, 8);
    put8(e, 0xff); /* call rax: RAX = until_cyc, RDX = now_cyc */
    put8(e, 0xd0);
    x_ri(e, REX_W, G_ADD, RSP, 8);
    x_rr(e, REX_W, X_TEST, RAX, RAX);
    uint8_t *stops = x_short(e, CC_E);
    x_rc(e, W_OP(REX_W, X_STORE), RAX, CPU(deadline_cyc));
    x_rr(e, REX_W, OP_OF(G_SUB), RAX, RDX);
    if (e->jit->unit_costs) { /* what the host took are no instructions */
        x_rr(e, REX_W, OP_OF(G_SUB), H_LEFT, RAX);
        x_rc(e, W_OP(REX_W, 0x29), H_LEFT, CPU(jit_insns)); /* sub [m], r */
    }
    x_rr(e, REX_W, X_MOV, H_LEFT, RAX);
    volatile_pins(e, X_MOV);
    put8(e, 0xc3);
    x_land(e, stops);
    volatile_pins(e, X_MOV);
    patch_to(e->jit, user, here(e));
    patch_to(e->jit, nobody, here(e));
    x_rc(e, W_OP(0, X_MOV), RAX, CPU(jit_slot));
    x_jmp_to(e, e->jit->slow);
    return at;
}

static void exit_with(struct a64_emit *e, uint32_t reason, uint32_t leave_at)
{
    pins(e, X_STORE);
    x_movi(e, RAX, reason);
    x_jmp_to(e, leave_at);
}

void a64_jit_common(struct a64_jit *jit)
{
    struct a64_emit e = { .jit = jit, .at = jit->rw };
    jit->jump = here(&e); /* 0: also what an empty table entry leads to */
    uint32_t over = x_jmp(&e);
    jit->enter = here(&e);
    enter(&e);
    uint32_t leave_at = leave(&e);
    patch_to(jit, over, here(&e));
    x_rc(&e, W_OP(REX_W, X_STORE), RAX, ARCH(pc));
    exit_with(&e, JX_JUMP, leave_at);
    jit->near = here(&e);
    x_rc(&e, W_OP(0, X_STORE), RAX, CPU(jit_slot));
    x_rc(&e, W_OP(0, X_STORE), RDX, CPU(jit_patch));
    exit_with(&e, JX_NEAR, leave_at);
    jit->partial = here(&e);
    x_rc(&e, W_OP(0, X_STORE), RAX, CPU(jit_slot));
    exit_with(&e, JX_PARTIAL, leave_at);
    jit->mem = call_routine(&e, a64_jit_do_mem, leave_at);
    jit->slow = call_routine(&e, a64_jit_do_slow, leave_at);
    jit->alu = call_routine(&e, a64_jit_do_alu, leave_at);
    jit->counter = call_routine(&e, a64_jit_do_counter, leave_at);
    jit->call = hypercall_routine(&e);
    jit->first = jit->used = here(&e);
}

/* --- memory ---------------------------------------------------------------------- */
#if HAVE_HOST
static bool map(struct a64_jit *jit)
{
    int fd = memfd_create("a64", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    void *rw = MAP_FAILED, *rx = MAP_FAILED;
    if (ftruncate(fd, JIT_BYTES) == 0) {
        rw = mmap(NULL, JIT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        rx = mmap(NULL, JIT_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    (void)close(fd);
    jit->rw = rw != MAP_FAILED ? rw : NULL;
    jit->rx = rx != MAP_FAILED ? rx : NULL;
    return jit->rw != NULL && jit->rx != NULL;
}

static void unmap(struct a64_jit *jit)
{
    union {
        const uint8_t *given;
        void *taken;
    } rx = { .given = jit->rx };
    if (jit->rw != NULL)
        (void)munmap(jit->rw, JIT_BYTES);
    if (rx.taken != NULL)
        (void)munmap(rx.taken, JIT_BYTES);
}
#else
static bool map(struct a64_jit *jit)
{
    (void)jit;
    return false;
}

static void unmap(struct a64_jit *jit)
{ (void)jit; }
#endif

struct a64_jit *a64_jit_create(const struct a64_mem *mem)
{
    struct a64_jit *jit = calloc(1, sizeof *jit);
    if (jit == NULL)
        return NULL;
    if (!map(jit)) {
        a64_jit_destroy(jit);
        return NULL;
    }
    jit->unit_costs = true;
    for (uint32_t c = 0; c < A64_N_COST_CLASSES; c++)
        if (c != A64_COST_EXCEPTION && mem->cost[c] != 1)
            jit->unit_costs = false;
    if (mem->cost[A64_COST_EXCEPTION] != 1)
        jit->unit_costs = false; /* SVC and the like are of that class too */
    a64_jit_common(jit);
    return jit;
}

void a64_jit_destroy(struct a64_jit *jit)
{
    if (jit == NULL)
        return;
    unmap(jit);
    free(jit);
}
