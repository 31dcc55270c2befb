/* live.h - values that a step may read before they are written again. */
#ifndef PYEMU_EXPLORE_LIVE_H
#define PYEMU_EXPLORE_LIVE_H

#include "explore/explore.h"

/* Those of the physical timer stand EXL_P bits higher. */
enum {
    EXL_MEM_CTL = 1,  /* the vCPU's memory copy, its CAN and DUE flags with it */
    EXL_MEM_CVAL = 2,
    EXL_HW_CVAL = 4,  /* of a timer that is off */
    EXL_P = 3,
    EXL_REQ = 64,
    EXL_FIRE = 128,
    EXL_CHANGED = 256,
    EXL_ACT = 512,
    EXL_VMCR = 1024,  /* the priority mask as last read */
    EXL_SCRATCH = EXL_FIRE | EXL_CHANGED | EXL_ACT,
    EXL_ALL = 2047
};

bool ex_live_prepare(struct pyemu_explorer *x);

/* What is live of a vCPU as it stands. */
uint16_t ex_live(const struct pyemu_explorer *x, uint32_t vcpu);

/* EXL_SCRATCH: of the flags kept under put and load, of an interrupt handler. */
uint16_t ex_live_saved(const struct pyemu_explorer *x, const struct vcpu *v);
uint16_t ex_live_isr(const struct pyemu_explorer *x, const struct pcpu *p,
                     const struct vcpu *v);

#endif
