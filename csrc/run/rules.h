/* rules.h - exit reason and kind of every trapping op. */
#ifndef PYEMU_RUN_RULES_H
#define PYEMU_RUN_RULES_H

#include "state/state.h"

/* Flag of an SGI of machine code: b is a cluster of 16, c the list inside it. */
enum { SGI_LIST = 2 };

/* Flag of a WFI that is the PSCI call CPU_SUSPEND. */
enum { WFI_SUSPEND = 1 };

struct trap_rule {
    uint8_t reason;
    uint8_t traps;
    uint8_t simple;     /* pure time and counts: may go round in one path variant */
    uint8_t b_is_extra; /* b of the op is host time, not a target */
    uint8_t flow;       /* done by the guest's inner loop (guest.c) */
};

static const struct trap_rule RULES[256] = {
    [PYEMU_OP_COMPUTE] = {0, 0, 0, 0, 1},
    [PYEMU_OP_JUMP] = {0, 0, 0, 0, 1},
    [PYEMU_OP_LOOP] = {0, 0, 0, 0, 1},
    [PYEMU_OP_COUNT] = {0, 0, 0, 0, 1},
    [PYEMU_OP_UNTIL] = {0, 0, 0, 0, 1},
    [PYEMU_OP_IF_INTID] = {0, 0, 0, 0, 1},
    [PYEMU_OP_WFI] = {PYEMU_X_WFX, 1, 0, 0, 0},
    [PYEMU_OP_WFE] = {PYEMU_X_WFX, 1, 0, 0, 0},
    [PYEMU_OP_HVC] = {PYEMU_X_HVC64, 1, 1, 1, 1},
    [PYEMU_OP_SMC] = {PYEMU_X_SMC64, 1, 1, 1, 1},
    [PYEMU_OP_SYSREG] = {PYEMU_X_SYS64, 1, 1, 1, 1},
    [PYEMU_OP_MMIO_KERNEL] = {PYEMU_X_DABT_KERNEL, 1, 1, 1, 1},
    [PYEMU_OP_MMIO_USER] = {PYEMU_X_DABT_USER, 1, 0, 1, 0},
    [PYEMU_OP_FAULT] = {PYEMU_X_DABT_FAULT, 1, 1, 1, 1},
    [PYEMU_OP_SGI] = {PYEMU_X_SYS64, 1, 0, 0, 0}, /* ICC_SGI1R; GICv2: trap.c */
    [PYEMU_OP_CPU_ON] = {PYEMU_X_HVC64, 1, 0, 0, 0},
    [PYEMU_OP_CPU_OFF] = {PYEMU_X_HVC64, 1, 0, 0, 0},
    [PYEMU_OP_SYSTEM_OFF] = {PYEMU_X_HVC64, 1, 0, 0, 0},
    [PYEMU_OP_TIMER_SET] = {PYEMU_X_SYS64, 0, 0, 0, 0}, /* CNTP_* may trap (1.2) */
    [PYEMU_OP_TIMER_CVAL] = {PYEMU_X_SYS64, 0, 0, 0, 0},
    [PYEMU_OP_TIMER_TVAL] = {PYEMU_X_SYS64, 0, 0, 0, 0},
    [PYEMU_OP_TIMER_CTL] = {PYEMU_X_SYS64, 0, 0, 0, 0},
    [PYEMU_OP_TIMER_NEXT] = {PYEMU_X_SYS64, 0, 0, 0, 0},
    [PYEMU_OP_TIMER_LIST] = {PYEMU_X_SYS64, 0, 0, 0, 0},
    [PYEMU_OP_GIC_ENABLE] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_GIC_DISABLE] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_SPENDR] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_CPENDR] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_SACTIVER] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_CACTIVER] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_GIC_MMIO] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
    [PYEMU_OP_GIC_PRIO] = {PYEMU_X_DABT_KERNEL, 1, 0, 0, 0},
};

#endif
