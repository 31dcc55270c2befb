/*
 * uart.h - the console that boards give their guests, an Arm PL011 (DDI 0183) that
 * transmits at once and receives nothing. User space emulates it: every access is a
 * user exit; it stands here because one byte is one access.
 */
#ifndef PYEMU_RUN_UART_H
#define PYEMU_RUN_UART_H

#include "state/state.h"

/* Answers v->mmio if it is the VM's UART's, at the end of the exit; false otherwise. */
bool uart_answer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v);

#endif
