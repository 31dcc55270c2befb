/*
 * steps.h - the plain step interpreter: executes one guarded primitive of a
 * policy table. The oracle for the path cache (paths.h).
 */
#ifndef PYEMU_POLICY_STEPS_H
#define PYEMU_POLICY_STEPS_H

#include "state/state.h"

/* What the caller has to do after a step. */
enum step_result {
    STEP_NEXT = 0,
    STEP_ENTER,      /* eret: the guest runs */
    STEP_ABORT,      /* entry refused */
    STEP_HANDLE,     /* handle_exit */
    STEP_SLEEP,      /* a SLEEP request: powered off or paused */
    STEP_CALLBACK
};

/* Flag word that guards test: the vCPU's bits and the pCPU's. */
static inline uint64_t flags_of(const struct pcpu *p, const struct vcpu *v)
{
    return p->flags | (v != NULL ? v->flags : 0);
}

static inline bool guard_holds(const struct pyemu_guard *g, uint64_t flags)
{
    return ((flags & g->mask) == g->want) != (g->inverted != 0);
}

/*
 * Executes the step at *pc and moves *pc on. v is NULL in an interrupt taken
 * with no running vcpu: a primitive that needs one is then a host oops (B01).
 */
enum step_result step_execute(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                              uint32_t *pc);

/* The same for a step whose guard is known to hold. */
enum step_result step_effect(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             uint32_t pc);

/* Works out each step's family once, when a table is set. */
void steps_prepare(struct policy_table *t);

/* Runs a whole hook to its end; for hooks that run with interrupts off. */
void hook_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, uint32_t hook);

static inline bool hook_is_empty(const struct pyemu_machine *m, uint32_t hook)
{
    return m->policy.hook_start[hook] == m->policy.hook_start[hook + 1];
}

#endif
