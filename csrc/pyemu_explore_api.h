/*
 * pyemu_explore_api.h - the boundary of the explorer; follows pyemu_api.h, of which it
 * is a part: same rules, same version number, also fed to cffi. A counterexample's row
 * holds what a reader needs, whatever the packed state looks like.
 */
#ifndef PYEMU_EXPLORE_API_H
#define PYEMU_EXPLORE_API_H

#include "pyemu_api.h"

/* ---- exhaustive exploration of small machines (sections 7 and 8) ---- */

/* What can happen next; each is one bit of an alphabet. */
enum pyemu_action {
    PYEMU_A_STEP = 0,    /* the pCPU goes on: a step, an exit, an interrupt */
    PYEMU_A_GUEST,       /* a guest operation: enum pyemu_guest_choice */
    PYEMU_A_TICK,        /* time passes the next deadline */
    PYEMU_A_LINE_ASSERT, /* a raised output line reaches the GIC */
    PYEMU_A_LINE_RETIRE, /* a dropped one does */
    PYEMU_A_PREEMPT,
    PYEMU_A_SCHED_IN,    /* a runnable thread gets a pCPU, any of them */
    PYEMU_A_DEVICE_IRQ,  /* an unrelated host interrupt */
    PYEMU_A_SIGNAL,
    PYEMU_A_KICK,        /* a request made by another CPU */
    PYEMU_A_INJECT,      /* another virtual interrupt, edge */
    PYEMU_A_RESET,       /* KVM_ARM_VCPU_INIT again */
    PYEMU_A_SET_REG,     /* SET_ONE_REG of the virtual timer: disarmed, CVAL past */
    PYEMU_A_OFFLINE,     /* pCPU hotplug */
    PYEMU_A_ONLINE,
    PYEMU_A_UACCESS,     /* user space writes the enable bit of 27 (migration) */
    PYEMU_A_WORK_RUN,    /* the work that an hrtimer queued runs */
    PYEMU_A_SAVE_VGIC,   /* user space stops the VM and saves its vgic ... */
    PYEMU_A_RESTORE,     /* ... then its timers, and loads both on a fresh host */
    PYEMU_A_COUNT
};

/* Guest operations of the alphabet. */
enum pyemu_guest_choice {
    PYEMU_GC_CTL_OFF = 0,  /* CNTV_CTL := 0 */
    PYEMU_GC_CTL_ON,
    PYEMU_GC_CTL_MASKED,   /* ENABLE and IMASK */
    PYEMU_GC_CVAL_PAST,
    PYEMU_GC_CVAL_SOON,    /* before every other deadline */
    PYEMU_GC_CVAL_LATE,    /* after every other deadline */
    PYEMU_GC_MASK,         /* PSTATE.I := 1 */
    PYEMU_GC_UNMASK,
    PYEMU_GC_ACK,
    PYEMU_GC_EOI,
    PYEMU_GC_WFI,
    PYEMU_GC_HVC,
    PYEMU_GC_USER,         /* MMIO to user space */
    PYEMU_GC_GIC_ON,       /* ISENABLER of 27 */
    PYEMU_GC_GIC_OFF,
    PYEMU_GC_PMR_OPEN,
    PYEMU_GC_PMR_SHUT,
    PYEMU_GC_PCTL_OFF,     /* CNTP_CTL := 0 */
    PYEMU_GC_PCTL_ON,
    PYEMU_GC_PCVAL_PAST,
    PYEMU_GC_PCVAL_SOON,
    PYEMU_GC_PCVAL_LATE,
    PYEMU_GC_SPEND,        /* ISPENDR of 27 */
    PYEMU_GC_CPEND,
    PYEMU_GC_SACTIVE,
    PYEMU_GC_CACTIVE,
    PYEMU_GC_PTVAL_PAST,    /* CNTP_TVAL := -1 */
    PYEMU_GC_OTHER_ACTIVE,  /* ISACTIVER of the other interrupt */
    PYEMU_GC_DROP,         /* EOImode 1: EOIR drops the priority only */
    PYEMU_GC_DIR,          /* and DIR deactivates, in any order */
    PYEMU_GC_COUNT
};

enum pyemu_explore_end {
    PYEMU_XE_DONE = 0,    /* every reachable state has been seen */
    PYEMU_XE_VIOLATED,
    PYEMU_XE_DEPTH,       /* max_depth */
    PYEMU_XE_STATES,      /* max_states */
    PYEMU_XE_MEMORY,
    PYEMU_XE_INTERRUPTED
};

enum { PYEMU_EXPLORE_THREADS = 64 };

struct pyemu_explore_config {
    uint64_t actions;     /* bit mask over enum pyemu_action */
    uint64_t guest;       /* bit mask over enum pyemu_guest_choice */
    uint64_t invariants;  /* bit n: invariant In */
    uint64_t max_states;
    uint64_t max_bytes;
    uint32_t max_depth;
    uint32_t reduce;      /* outside events wait until something can see them */
    uint32_t symmetry;    /* states that differ by names of vCPUs or pCPUs are one */
    uint32_t pad;
};

struct pyemu_explore_result {
    uint64_t states;
    uint64_t transitions;
    uint64_t bytes;       /* of the visited set, links included */
    uint64_t graph_bytes; /* of the graph kept for liveness */
    uint32_t depth;
    uint32_t end;         /* enum pyemu_explore_end */
    uint32_t invariant;   /* broken one, 0 = none */
    uint32_t detail;      /* which of its clauses */
    uint32_t n_rows;      /* of the counterexample */
    uint32_t loop_row;    /* liveness: the row the cycle goes back to */
    uint32_t state_bytes; /* of one encoded state */
    uint32_t pad;
};

/* One line of a counterexample: what was done, and what stands afterwards. */
struct pyemu_explore_row {
    uint32_t action;
    uint32_t arg;
    uint32_t pcpu;
    uint32_t vcpu;
    uint32_t prim;        /* enum pyemu_prim, 0xffffffff = none */
    uint32_t step;        /* index in the policy's table */
    uint32_t taken;       /* the step's guard held */
    uint32_t hook;
    uint32_t stage;
    uint32_t thread;
    uint64_t vflags;
    uint64_t pflags;
    uint32_t guest_ctl[2];  /* what the guest last wrote */
    uint32_t guest_cval[2]; /* 0 = past, n = n-th deadline from now, 15 = never */
    uint32_t mem_ctl[2];
    uint32_t mem_cval[2];
    uint32_t hw_ctl[2];
    uint32_t hw_cval[2];
    uint32_t irq_enabled;
    uint32_t irq_pending;
    uint32_t irq_active;
    uint32_t irq_line;
    uint32_t line_target;   /* bit per timer: its output as the timer has it */
    uint32_t soft;          /* bit 0 background armed, 1 emulated physical */
    uint32_t lr[3];         /* INTID | state << 16 | hw << 20 */
    uint32_t n_lrs;
    uint32_t irq_stage;
    uint32_t acked;
    uint32_t iar;
    uint32_t pstate_i;
    uint32_t running;       /* 0xffffffff: none */
    uint32_t cur;
};

/* Transitions between states where no hook runs, as sums of hashes. */
struct pyemu_explore_behaviour {
    uint64_t stable;       /* such states */
    uint64_t transitions;
    uint64_t sum[2];
};

struct pyemu_explorer;

/* Explores the machine, which is not to be run afterwards. Rows are kept in it. */
int pyemu_explore_new(struct pyemu_machine *m, const struct pyemu_explore_config *cfg,
                      struct pyemu_explorer **out);
void pyemu_explore_free(struct pyemu_explorer *x);

/*
 * Threads for the search: explorers of the same machine, table and bounds, each of a
 * machine of its own; they must outlive it. Results do not depend on their number.
 */
int pyemu_explore_help(struct pyemu_explorer *x, struct pyemu_explorer **helpers,
                       uint32_t n);
int pyemu_explore_safety(struct pyemu_explorer *x, struct pyemu_explore_result *out);

/* Liveness invariants, a bit each, that hold: judged by as many threads. */
int pyemu_explore_hold(struct pyemu_explorer *x, uint64_t invariants, uint64_t *holds);
/* One of them, with a counterexample if it is broken. */
int pyemu_explore_cycles(struct pyemu_explorer *x, uint32_t invariant,
                         struct pyemu_explore_result *out);

/* After a safety search that has seen every state. */
int pyemu_explore_behaviour(struct pyemu_explorer *x,
                            struct pyemu_explore_behaviour *out);

/* Two tables with equal values are one on this machine: what runs, in its order. */
uint64_t pyemu_explore_table(const struct pyemu_explorer *x);

/* How many states there are to `by`, one that has not begun, of all that x has seen. */
int pyemu_explore_orbits(struct pyemu_explorer *x, struct pyemu_explorer *by,
                         uint64_t *out);
int pyemu_explore_rows(struct pyemu_explorer *x, struct pyemu_explore_row *out,
                       uint32_t n);

#endif
