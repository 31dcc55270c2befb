/*
 * code.h - machine code guests: an A64 processor (a64/) per vCPU behind the same
 * traps, exits and virtual CPU interface as op programs.
 */
#ifndef PYEMU_GUEST_CODE_H
#define PYEMU_GUEST_CODE_H

#include "a64/a64.h"
#include "state/state.h"

/* guest_run for a vCPU that executes machine code. */
void code_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
              uint64_t limit_cyc);

/* What became of an access to an interrupt controller register. */
enum code_access { CODE_DONE = 0, CODE_UNKNOWN, CODE_SGI };

/*
 * ICC_* of the virtual CPU interface, no exit: completes the access. CODE_SGI: it
 * traps and v->trap says what it asks for.
 */
enum code_access code_icc(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                          const struct a64_exit *e);

/* The same for GICV, the memory-mapped one of GICv2, at a byte offset. */
void code_gicv(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct a64_exit *e, uint64_t offset);

/* Encodings that code_icc answers, for the trap list; returns their number. */
uint32_t code_icc_encodings(uint32_t *out, uint32_t n);

/* Frees processors and memories (machine_code.c). */
void code_free(struct pyemu_machine *m);

static inline struct a64_cpu *code_cpu(const struct pyemu_machine *m,
                                       const struct vcpu *v)
{
    return m->code[vcpu_idx(m, v)];
}

/* May an interrupt be signalled to the guest now? */
bool code_irq_line(const struct pcpu *p, const struct vcpu *v);

#endif
