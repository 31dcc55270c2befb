/* Self-hosted debug: breakpoints, watchpoints and software step of the guest itself,
 * and watchpoints of whoever debugs the guest. Arm ARM D2 "Self-hosted Debug". */
#ifndef A64_DEBUG_H
#define A64_DEBUG_H

#include "ldst.h"
#include "state.h"

enum {
    MDSCR_SS = 1 << 0,
    MDSCR_KDE = 1 << 13,
    MDSCR_MDE = 1 << 15,
    N_HW_BREAK = 6, /* as ID_AA64DFR0_EL1 says: BRPs + 1, WRPs + 1 */
    N_HW_WATCH = 4,
    N_HW_CONTEXT = 2 /* CTX_CMPs + 1: the last ones compare CONTEXTIDR_EL1 */
};

/* A stop that a64_run() keeps to itself: go on in another mode of execution. */
enum { STOP_MODE = 0x100 };

/* Sets what the executors look at after a write of MDSCR_EL1, the OS lock, a debug
 * register, or of the host's watchpoints. Returns: true if it has changed. */
bool a64_debug_changed(struct a64_cpu *cpu);

/* Runs instruction by instruction until a stop, or until nothing needs it any more
 * (STOP_MODE). Requires: cpu->debug. */
enum a64_stop a64_debug_exec(struct a64_cpu *cpu);

/* An access to [va, va + len) that translates and is allowed. X_NEXT: not watched;
 * X_EXC: the guest has its exception; X_STOP: the host watches. Requires: cpu->watch.
 */
enum a64_x a64_watch(struct a64_cpu *cpu, const struct a64_data *d, uint64_t va,
                     uint32_t len);

/* Software step on the way of an instruction that calls an exception: its return
 * address is the next instruction, so the step is done. */
void a64_step_advance(struct a64_cpu *cpu);

/* PSTATE.SS after an exception return to spsr; illegal: the EL stays. */
uint8_t a64_step_returns(const struct a64_cpu *cpu, uint64_t spsr, bool illegal);

#endif
