/* trng.c - TRNG_VERSION, FEATURES, GET_UUID and RND (DEN 0098 2), from the seed. */
#include "run/trng.h"

#include "base/rng.h"

/* Function numbers as in code_call.c: without bits 31 and 30. */
enum {
    TRNG_VERSION = 0x04000050 - 0x04000000,
    TRNG_FEATURES,
    TRNG_GET_UUID,
    TRNG_RND
};

enum { TRNG_BASE = 0x04000000, TRNG_1_0 = 0x10000, SMCCC_WIDE = 0x40000000 };

enum { TRNG_SUCCESS = 0, TRNG_NOT_SUPPORTED = -1, TRNG_INVALID_PARAMETER = -2 };

static uint64_t draw(const struct pyemu_machine *m, struct vcpu *v)
{
    return rng_at(m->s->cfg.seed ^ rng_mix(vcpu_idx(m, v) + 1U), v->rng_n++);
}

static bool is_trng(uint32_t function)
{
    return function - TRNG_BASE >= TRNG_VERSION && function - TRNG_BASE <= TRNG_RND;
}

/* RND: up to three registers of bits, the lowest in X3; what is not asked for is 0. */
static int64_t random_bits(const struct pyemu_machine *m, struct vcpu *v,
                           struct a64_cpu *cpu, bool wide)
{
    const uint32_t width = wide ? 64 : 32;
    const uint64_t asked = a64_get_x(cpu, 1);
    uint64_t left = wide ? asked : asked & UINT32_MAX;

    if (left == 0 || left > UINT64_C(3) * width)
        return TRNG_INVALID_PARAMETER;
    for (uint32_t x = 3; x != 0; x--) {
        const uint32_t bits = left < width ? (uint32_t)left : width;
        const uint64_t word = bits == 0 ? 0 : draw(m, v) >> (64U - bits);

        a64_set_x(cpu, x, word);
        left -= bits;
    }
    return TRNG_SUCCESS;
}

/* Any value that is no error; every back end has its own. */
static int64_t uuid(struct a64_cpu *cpu)
{
    a64_set_x(cpu, 1, 0x4d7a8f31);
    a64_set_x(cpu, 2, 0x59e5b0a2);
    a64_set_x(cpu, 3, 0x756d6579);
    return 0x70e3c1d4;
}

bool trng_call(struct pyemu_machine *m, struct vcpu *v, uint32_t function,
               int64_t *result)
{
    struct a64_cpu *cpu = m->code[vcpu_idx(m, v)];
    const bool wide = (function & SMCCC_WIDE) != 0;
    const uint32_t number = function & ~(uint32_t)SMCCC_WIDE;

    if (!is_trng(number))
        return false;
    switch (number - TRNG_BASE) {
    case TRNG_VERSION: *result = TRNG_1_0; break;
    case TRNG_FEATURES:
        *result = is_trng((uint32_t)a64_get_x(cpu, 1) & 0x3fffffffU)
                      ? TRNG_SUCCESS
                      : TRNG_NOT_SUPPORTED;
        break;
    case TRNG_GET_UUID: *result = uuid(cpu); break;
    default: *result = random_bits(m, v, cpu, wide); break;
    }
    return true;
}
