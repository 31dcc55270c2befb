/*
 * pyemu_soak_api.h - the boundary's chapter on fault plans: what long runs suffer
 * and what is checked meanwhile. Everything is decided here from the seed; with no
 * plan set a run does not look at it. Sections are those of docs/semantics.md.
 */
#ifndef PYEMU_SOAK_API_H
#define PYEMU_SOAK_API_H

#include "pyemu_api.h"

/* What may happen at a point of the plan, between two steps of the machine. */
enum pyemu_fault {
    PYEMU_FAULT_PREEMPT = 0, /* a vCPU thread loses its pCPU, rival or not */
    PYEMU_FAULT_MIGRATE,     /* to another pCPU */
    PYEMU_FAULT_SPURIOUS,    /* host interrupt that may be gone when IAR is read */
    PYEMU_FAULT_LATE,        /* the timer's line reaches the GIC late (1.4) */
    PYEMU_FAULT_KICK,        /* a reschedule IPI nobody asked for */
    PYEMU_FAULT_DROP,        /* a kick is lost after its vCPU has left the guest */
    PYEMU_FAULT_WAKE,        /* a sleeper is woken for nothing */
    PYEMU_FAULT_SIGNAL,      /* KVM_RUN ends with EINTR */
    PYEMU_FAULT_HOTPLUG,     /* a pCPU goes offline or comes back */
    PYEMU_FAULT_RESET,       /* user space resets a vCPU and its part of the GIC */
    PYEMU_FAULT_SNAPSHOT,    /* Python is asked: to disk and back */
    PYEMU_FAULT_MOVE_VM,     /* Python is asked: to another machine */
    PYEMU_FAULT_COUNT
};

struct pyemu_fault_config {
    uint64_t seed;
    uint64_t mean_cyc;    /* from point to point; 0 takes the plan away */
    uint64_t overdue_cyc; /* an expired deadline open for longer is lost (I2) */
    uint32_t kinds;       /* bit per enum pyemu_fault; 0 checks only */
    uint32_t ask_every;   /* points between two faults that Python performs */
};

struct pyemu_fault_report {
    uint64_t points;
    uint64_t faults[12];   /* by enum pyemu_fault */
    uint64_t checked[16];  /* clauses evaluated, by invariant */
    uint64_t late_cyc;     /* longest time a deadline was seen open */
    uint64_t violation_cyc;
    uint32_t invariant;    /* the first one broken, 0 none */
    uint32_t clause;       /* enum pyemu_clause */
    uint32_t vcpu;
    uint32_t pcpu;
    uint32_t n_boundaries; /* steps of the table at which a fault has struck */
    uint32_t n_open;       /* deadlines armed and not settled */
};

/* Clauses of the invariants of section 7 that a running machine is held to. */
enum pyemu_clause {
    PYEMU_CL_NONE = 0,
    PYEMU_CL_OVERDUE,        /* I2: expired, enabled, and nobody acknowledges */
    PYEMU_CL_LOST,           /* I2: expired, replaced, and hardware did not show it */
    PYEMU_CL_LR_INACTIVE,    /* I3: HW list register, physical interrupt inactive */
    PYEMU_CL_BAD_DEACTIVATE, /* I3: an inactive interrupt was deactivated */
    PYEMU_CL_MASKED,         /* I3: physically active for nothing in the guest */
    PYEMU_CL_STORM,          /* I4: more vtimer interrupts than causes */
    PYEMU_CL_NO_WAKE,        /* I5: asleep, no host timer for its deadline */
    PYEMU_CL_HW_DIFFERS,     /* I6: hardware in the guest is not what it wrote */
    PYEMU_CL_MEM_DIFFERS,    /* I6: memory is not, asleep or in user space */
    PYEMU_CL_OOPS,           /* I7: no running vCPU, dereferenced */
    PYEMU_CL_NOT_RUNNING,    /* I8: in the guest while another is the running vCPU */
    PYEMU_CL_LOADED_OFF,     /* I8: loaded, but off the pCPU */
    PYEMU_CL_IDLE_TIMER,     /* I8: timer runs on a pCPU without a vCPU */
    PYEMU_CL_PPI_LEAK,       /* I8: in the guest with the timer's PPI disabled */
    PYEMU_CL_STRAY_TIMER,    /* I8: soft timer on another pCPU than its thread */
    PYEMU_CL_CNTVOFF,        /* I9: guest sees another offset */
    PYEMU_CL_CNTVOFF_HOST,   /* I9: nVHE user space sees one */
    PYEMU_CL_LR_TWICE,       /* I13: two list registers of one interrupt */
    PYEMU_CL_LR_BOTH         /* I13: HW list register active and pending */
};

int pyemu_set_faults(struct pyemu_machine *m, const struct pyemu_fault_config *cfg);
int pyemu_fault_report(struct pyemu_machine *m, struct pyemu_fault_report *out);

#endif
