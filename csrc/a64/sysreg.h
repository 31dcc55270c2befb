/* System registers and system instructions: the allow-list, access checks, effects. */
#ifndef A64_SYSREG_H
#define A64_SYSREG_H

#include "decode.h"
#include "state.h"

#define ENC(op0, op1, crn, crm, op2) \
    (((op0) << 14) | ((op1) << 11) | ((crn) << 7) | ((crm) << 3) | (op2))

enum sysreg_flags {
    SYS_R = 1,
    SYS_W = 2, /* at EL1 */
    SYS_R0 = 4,
    SYS_W0 = 8,      /* at EL0, further checks by kind */
    SYS_FAST_R = 16, /* reading is just the stored value */
    SYS_FAST_W = 32, /* writing is just storing, all bits */
    SYS_CTX = 64,    /* a write changes translation: soft caches go */
    SYS_DEBUG = 128  /* a write may enable debug exceptions */
};

enum sysreg_kind {
    K_STORED,
    K_RAZ_WI,
    K_SCTLR,
    K_SP_EL0,
    K_SPSEL,
    K_CURRENTEL,
    K_PAN,
    K_NZCV,
    K_DAIF,
    K_ISR,
    K_CTR,
    K_DCZID,
    K_CCSIDR,
    K_OSLAR,
    K_OSLSR,
    K_CLAIMSET,
    K_CLAIMCLR,
    K_DBGREG,
    K_CNTFRQ,
    K_CNTPCT,
    K_CNTVCT,
    K_CNTP_TVAL,
    K_CNTP_CTL,
    K_CNTP_CVAL,
    K_CNTV_TVAL,
    K_CNTV_CTL,
    K_CNTV_CVAL
};

struct a64_sysreg {
    uint16_t enc;
    uint8_t flags, kind;
    uint16_t sr; /* K_STORED: index of the value */
    uint16_t pad;
    uint64_t wmask; /* bits a write may change */
};

/* Looks enc up; false if the core does not implement it (UNDEFINED). */
bool a64_sysreg_find(const struct a64_mem *mem, uint32_t enc, struct a64_sysreg *out);

/* The register's value and effect, without checks. Write returns what the executor must
 * do. */
uint64_t a64_sysreg_read(struct a64_cpu *cpu, const struct a64_sysreg *reg,
                         uint32_t enc);
enum a64_x a64_sysreg_write(struct a64_cpu *cpu, const struct a64_sysreg *reg,
                            uint32_t enc, uint64_t value);

/* MRS, MSR (register), SYS, SYSL, MSR (immediate) at a.pc. */
enum a64_x a64_sysreg_insn(struct a64_cpu *cpu, uint32_t w);
enum a64_x a64_sys_insn(struct a64_cpu *cpu, uint32_t w);
enum a64_x a64_msr_imm(struct a64_cpu *cpu, uint32_t w);

/* Access trap from EL0 (EC 0x18) for word w. */
enum a64_x a64_trap_to_el1(struct a64_cpu *cpu, uint32_t w);

/* Decode of op0 != 0. */
enum a64_cost_class a64_decode_sysreg(const struct a64_mem *mem, uint32_t w,
                                      struct a64_slot *s);
bool a64_pstate_field_exists(const struct a64_mem *mem, uint32_t op1, uint32_t op2);
bool a64_sys_op_exists(uint32_t enc);

#endif
