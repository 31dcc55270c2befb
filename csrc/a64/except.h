/* Exception entry and return. Arm ARM D1 "The AArch64 System Level Programmers' Model".
 */
#ifndef A64_EXCEPT_H
#define A64_EXCEPT_H

#include "state.h"

#define ESR_IL (1u << 25) /* 32-bit instruction, and wherever IL is defined as 1 */

/* Exception classes, ESR_ELx.EC. */
enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_ILLEGAL = 0x0e,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYS64 = 0x18,
    EC_IABT_LOW = 0x20,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOW = 0x24,
    EC_SP_ALIGN = 0x26,
    EC_SERROR = 0x2f,
    EC_BREAK_LOW = 0x30,
    EC_STEP_LOW = 0x32,
    EC_WATCH_LOW = 0x34,
    EC_BRK64 = 0x3c
};

/* All of these enter EL1 with ELR_EL1 = a.pc and leave a.pc at the vector. */
void a64_exception(struct a64_cpu *cpu, uint32_t ec, uint32_t iss);
void a64_exception_undef(struct a64_cpu *cpu);
void a64_exception_iabt(struct a64_cpu *cpu, uint64_t far, uint32_t fsc);
void a64_exception_dabt(struct a64_cpu *cpu, uint64_t far, uint32_t fsc, bool write,
                        bool cm);
void a64_exception_pc_alignment(struct a64_cpu *cpu);
/* Takes a pending, unmasked SError, IRQ or FIQ. Returns: true if one was taken. */
bool a64_take_interrupt(struct a64_cpu *cpu);

void a64_eret(struct a64_cpu *cpu);

/* PSTATE in SPSR layout. set: the caller has checked that it is legal. */
uint64_t a64_pstate(const struct a64_cpu *cpu);
void a64_pstate_set(struct a64_cpu *cpu, uint64_t spsr);
/* Moves the live SP between its banks. */
void a64_set_el_sp(struct a64_cpu *cpu, uint32_t el, uint32_t spsel);

#endif
