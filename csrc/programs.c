/* programs.c - op programs are checked once, here; the guest loop trusts them. */
#include "account/account.h"
#include "state/state.h"

struct op_rule {
    uint8_t is_timer;   /* a: timer 0 or 1 */
    uint8_t is_reg;     /* a: register */
    uint8_t is_intid;   /* a: private INTID */
    uint8_t is_jump;    /* b: op index */
    uint8_t is_table;   /* a: value table */
};

static struct op_rule rule_of(uint32_t opcode)
{
    switch (opcode) {
    case PYEMU_OP_TIMER_SET:
    case PYEMU_OP_TIMER_CVAL:
    case PYEMU_OP_TIMER_TVAL:
    case PYEMU_OP_TIMER_CTL:
    case PYEMU_OP_TIMER_NEXT:
    case PYEMU_OP_TIMER_LIST: return (struct op_rule){.is_timer = 1};
    case PYEMU_OP_LOOP:
    case PYEMU_OP_UNTIL:
    case PYEMU_OP_WAIT_REG: return (struct op_rule){.is_reg = 1, .is_jump = 1};
    case PYEMU_OP_GIC_MMIO:
    case PYEMU_OP_COUNT: return (struct op_rule){.is_reg = 1};
    case PYEMU_OP_JUMP:
    case PYEMU_OP_IF_INTID:
    case PYEMU_OP_RAND: return (struct op_rule){.is_jump = 1};
    case PYEMU_OP_COMPUTE_DIST:
    case PYEMU_OP_LIST_SEEK: return (struct op_rule){.is_table = 1};
    case PYEMU_OP_GIC_ENABLE:
    case PYEMU_OP_GIC_DISABLE:
    case PYEMU_OP_SPENDR:
    case PYEMU_OP_CPENDR:
    case PYEMU_OP_SACTIVER:
    case PYEMU_OP_CACTIVER:
    case PYEMU_OP_GIC_PRIO: return (struct op_rule){.is_intid = 1};
    default: return (struct op_rule){0};
    }
}

static int check_op(struct pyemu_machine *m, const struct pyemu_op *op, uint32_t i,
                    uint32_t n)
{
    REQUIRE(m, op->op < PYEMU_OP_N, "op %u: opcode %u does not exist (0 to %u)", i,
            op->op, PYEMU_OP_N - 1U);
    const struct op_rule r = rule_of(op->op);

    REQUIRE(m, r.is_timer == 0 || op->a < N_TIMERS,
            "op %u: timer %u does not exist (0 virtual, 1 physical)", i, op->a);
    REQUIRE(m, r.is_reg == 0 || op->a < PYEMU_N_REGS,
            "op %u: register %u does not exist (0 to %u)", i, op->a, PYEMU_N_REGS - 1U);
    REQUIRE(m, r.is_intid == 0 || op->a < N_PRIVATE,
            "op %u: INTID %u is out of range (0 to 31)", i, op->a);
    REQUIRE(m, r.is_jump == 0 || op->b < n, "op %u: jump to op %u, the program has %u",
            i, op->b, n);
    REQUIRE(m, r.is_table == 0 || op->a < m->s->cfg.n_tables,
            "op %u: table %u does not exist", i, op->a);
    if (r.is_table != 0) {
        const struct value_table *t = &m->tables[op->a];

        REQUIRE(m, t->n != 0, "op %u: table %u has not been set", i, op->a);
        REQUIRE(m, op->op != PYEMU_OP_LIST_SEEK || (op->b <= t->n && op->c <= op->b),
                "op %u: list range %llu to %u is outside table %u (%llu values)", i,
                (unsigned long long)op->c, op->b, op->a, (unsigned long long)t->n);
    }
    REQUIRE(m, op->op != PYEMU_OP_SGI || op->a < 16,
            "op %u: SGI INTID %u is out of range (0 to 15)", i, op->a);
    REQUIRE(m, op->op != PYEMU_OP_COMPUTE || op->c < UINT64_MAX / 4,
            "op %u: COMPUTE of %llu cycles is out of range (0 to 2^62 - 1)", i,
            (unsigned long long)op->c);
    return PYEMU_OK;
}

/* The last op must not fall off the end. */
static bool ends(const struct pyemu_op *op)
{
    switch (op->op) {
    case PYEMU_OP_END:
    case PYEMU_OP_JUMP:
    case PYEMU_OP_ERET:
    case PYEMU_OP_SYSTEM_OFF:
    case PYEMU_OP_CPU_OFF: return true;
    default: return false;
    }
}

int pyemu_set_program(struct pyemu_machine *m, uint32_t idx, const struct pyemu_op *ops,
                      uint32_t n_ops)
{
    REQUIRE(m, idx < m->s->cfg.n_programs, "program %u does not exist (0 to %u)", idx,
            m->s->cfg.n_programs);
    REQUIRE(m, n_ops >= 1, "program %u is empty", idx);
    for (uint32_t i = 0; i < n_ops; i++) {
        const int status = check_op(m, &ops[i], i, n_ops);

        if (status != PYEMU_OK)
            return status;
    }
    REQUIRE(m, ends(&ops[n_ops - 1U]),
            "program %u: the last op must end, jump or return, not fall off", idx);
    m->programs[idx].ops = ops;
    m->programs[idx].n = n_ops;
    return PYEMU_OK;
}
