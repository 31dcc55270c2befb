/* reason.h - what is fixed per exit reason: primitive charged, stat counted. */
#ifndef PYEMU_POLICY_REASON_H
#define PYEMU_POLICY_REASON_H

#include "state/state.h"

/* Primitive that prices handle_exit for a reason. */
static inline uint32_t reason_prim(uint32_t reason)
{
    switch (reason) {
    case PYEMU_X_WFX: return PYEMU_P_HANDLE_WFX;
    case PYEMU_X_HVC64:
    case PYEMU_X_SMC64: return PYEMU_P_HANDLE_HVC;
    case PYEMU_X_SYS64: return PYEMU_P_HANDLE_SYS;
    case PYEMU_X_DABT_KERNEL: return PYEMU_P_HANDLE_MMIO;
    case PYEMU_X_DABT_USER: return PYEMU_P_HANDLE_USER;
    case PYEMU_X_DABT_FAULT:
    case PYEMU_X_IABT_LOW: return PYEMU_P_HANDLE_FAULT;
    default: return PYEMU_P_HANDLE_IRQ;
    }
}

/* KVM's own statistic for a reason; 0 where there is none. */
static inline uint32_t reason_stat(uint32_t reason)
{
    if (reason == PYEMU_X_HVC64)
        return PYEMU_C_HVC_STAT;
    return reason == PYEMU_X_DABT_KERNEL ? PYEMU_C_MMIO_KERNEL_STAT : 0U;
}

#endif
