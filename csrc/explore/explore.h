/*
 * explore.h - exhaustive search over a small machine (sections 7 and 8). A state
 * is the machine between two steps, packed by space.c; moves.c says what can
 * happen next and does it; checks.c holds the invariants; search.c visits every
 * state once, breadth first; cycles.c looks for fair cycles.
 *
 * Time is a rank: all pCPUs stand at one instant, a deadline has passed or is
 * the n-th to come. Primitives cost nothing, so that time moves by choice only.
 */
#ifndef PYEMU_EXPLORE_H
#define PYEMU_EXPLORE_H

#include "pyemu_explore_api.h"
#include "state/state.h"

enum {
    EX_MAX_VCPUS = 2,
    EX_MAX_PCPUS = 2,
    EX_MAX_LRS = 3,
    EX_MAX_WORDS = 12,
    EX_MAX_MOVES = 96,
    EX_NOW = 1 << 12,    /* cycle at which every decoded state stands */
    EX_GAP = 2,          /* cycles from one deadline's rank to the next */
    EX_MAX_RANK = 14,
    EX_LAST = 63,        /* cycles to a deadline that floats: after every other */
    EX_NEVER_RANK = 15,
    EX_N_IRQS = 3,       /* virtual interrupts there are */
    EX_OTHER_SGI = 0,    /* INTID that INJECT raises */
    EX_DEVICE_SGI = 2,   /* host INTID of the unrelated interrupt */
    EX_CNTVOFF = 64,
    EX_CHAIN = 512,      /* forced steps without a stored state */
    EX_HOST_GROUP = HOST_IRQ_PRIORITY >> 3, /* priority groups that may run */
    EX_OTHER_GROUP = 0x80 >> 3,
    EX_NO_TRAP = 63,     /* trap_op of an exit by interrupt */
    EX_TRAP = 62,        /* of a trap whose operation handle_exit will choose */
    EX_TRAP_BUSY = 61,   /* the same, but a WFI would have completed at once (3.6) */
    EX_ARG_LR = 128,     /* argument of a step: + the list register that is taken */
    EX_LR_SHIFT = 6      /* of a guest's ACK: list register beside the operation */
};

/* INTIDs of the virtual interrupts, in the order in which they are kept. */
static const uint16_t EX_IRQS[EX_N_IRQS] = {EX_OTHER_SGI, 27, 30};

/* A line change that waits for its move: never due by itself. */
#define EX_LINE_WAITS (UINT64_C(1) << 40)

/* What the guest wrote, kept beside the machine: the truth of I1, I2, I6. */
struct ghost {
    struct timer_regs t[N_TIMERS];
    uint8_t high[N_TIMERS];  /* line was up since the last deactivation (I1) */
    uint8_t entry_cnthctl;   /* at the last entry (I9) */
    uint8_t stopped;         /* its VM is being saved: the vgic has been */
    uint8_t kept[EX_N_IRQS]; /* then: line, latch, active, enabled of each */
    uint8_t owed;            /* the other interrupt was raised, not acknowledged */
    uint8_t ended;           /* timer + 1 whose EOI KVM has not folded yet (I13) */
    uint8_t orphan;          /* 27 was in service when the vCPU was reset (B11) */
    uint8_t pad[6];
};

/* What a step or a place can notice of the world outside (sight.c). */
enum {
    EX_SEES_TIME = 1,
    EX_SEES_LINE = 2,
    EX_SEES_SIGNAL = 4,
    EX_SEES_REQUEST = 8,
    EX_SEES_VGIC = 16,
    EX_SEES_ALL = 31
};

/* How far a step commutes with interrupts (sight.c). */
enum ex_quiet {
    EXQ_NO = 0,
    EXQ_IF_NOT_TAKEN, /* with its guard false, by flags nobody else changes */
    EXQ_IRQ,          /* with interrupts, not with preemption */
    EXQ_ALWAYS
};

/* What happened in a move, for the cycle search. */
enum {
    EX_EV_ENTRY = 1,   /* guest entered */
    EX_EV_GUEST = 2,   /* a guest operation */
    EX_EV_ACK = 4,
    EX_EV_ISR = 8,     /* host vtimer interrupt acknowledged */
    EX_EV_BLOCK = 16,  /* block hook begun */
    EX_EV_OUTSIDE = 32, /* outside event other than line, tick and scheduling */
    EX_EV_PREEMPT = 64,
    EX_EV_SLEEP = 128,
    EX_EV_EOI = 256,
    EX_EV_WFI = 512,
    EX_EV_TRAP = 1024, /* a guest operation that is not chosen yet */
    EX_EV_FREE = 2048, /* << 2 pCPU + timer: its PPI was not active, or held (I10) */
    EX_FREE_SHIFT = 11
};

/* Invariants that the graph decides, not a state. */
#define EX_LIVENESS                                                                    \
    (bit64(2) | bit64(4) | bit64(10) | bit64(11) | bit64(12) | bit64(15))

/* Clauses of the invariants, for the report. */
enum ex_detail {
    EXD_NONE = 0,
    EXD_SPURIOUS,        /* I1: acked, line low throughout */
    EXD_LOST,            /* I2: fair cycle or dead end, deliverable and not acked */
    EXD_LR_INACTIVE,     /* I3: HW list register, physical inactive at entry */
    EXD_BAD_DEACTIVATE,  /* I3: deactivated an inactive interrupt */
    EXD_MASKED,          /* I3 converse: physical active for nothing at entry */
    EXD_STORM,           /* I4: vtimer ISR for ever, one expiry */
    EXD_NO_WAKE,         /* I5: asleep, timer can fire, no host timer for it */
    EXD_HW_DIFFERS,      /* I6: at entry hardware is not what the guest wrote */
    EXD_MEM_DIFFERS,     /* I6: memory is not, in user space or asleep */
    EXD_STALE_COPY,      /* I7: decided by memory although loaded, and wrongly */
    EXD_OOPS,            /* I7: no running vCPU, dereferenced */
    EXD_IDLE_TIMER,      /* I8: timer runs on a pCPU without a vCPU */
    EXD_NOT_RUNNING,     /* I8: entered while another is the running vCPU */
    EXD_LOADED_OFF,      /* I8: loaded, but off the pCPU */
    EXD_PPI_LEAK,        /* I8: entered with the timer's PPI disabled by another */
    EXD_CNTVOFF,         /* I9: guest sees another offset */
    EXD_CNTVOFF_HOST,    /* I9: nVHE user space sees an offset */
    EXD_CNTHCTL,         /* I9: traps of the physical timer */
    EXD_NO_PROGRESS,     /* I11: entries for ever, no guest instruction */
    EXD_NO_SLEEP,        /* I12: blocks for ever, nothing deliverable */
    EXD_LR_TWICE,        /* I13 */
    EXD_LR_BOTH,         /* I13: HW list register active and pending */
    EXD_LOCK,            /* I14: vgic lock taken with interrupts on */
    EXD_DROPPED,         /* I2: raised, and neither latched nor in a list register */
    EXD_EOI_HIDDEN,      /* I2: EOI of a level interrupt that KVM never hears of */
    EXD_STILL_ACTIVE,    /* I13: active although the guest has ended it */
    EXD_TVAL,            /* I9: CNTP_TVAL := -1 is not in the past */
    EXD_NO_OWNER,        /* I10: active, and no way leads to a deactivation */
    EXD_NOT_REFERENCE    /* I15: offered for ever what hardware would not, or not */
};

struct violation {
    uint32_t invariant;
    uint32_t detail;
};

/* A move: kind << 11 | pcpu << 10 | vcpu << 9 | argument. */
typedef uint16_t ex_move;

static inline ex_move ex_move_of(uint32_t kind, uint32_t pcpu, uint32_t vcpu,
                                 uint32_t arg)
{
    return (ex_move)(kind << 11 | pcpu << 10 | vcpu << 9 | arg);
}

static inline uint32_t ex_kind(ex_move mv) { return (uint32_t)mv >> 11; }
static inline uint32_t ex_pcpu(ex_move mv) { return ((uint32_t)mv >> 10) & 1U; }
static inline uint32_t ex_vcpu(ex_move mv) { return ((uint32_t)mv >> 9) & 1U; }
static inline uint32_t ex_arg(ex_move mv) { return (uint32_t)mv & 511U; }

/* The hook in which an interrupt's path stands. */
static inline uint32_t ex_isr_hook(const struct pcpu *p)
{
    if (p->irq_stage == ISR_ENTRY)
        return PYEMU_H_IRQ_ENTRY;
    if (p->irq_stage == ISR_EXIT)
        return PYEMU_H_IRQ_EXIT;
    return p->acked == INTID_VTIMER ? PYEMU_H_VTIMER_ISR : PYEMU_H_PTIMER_ISR;
}

/* The guest operation in the argument of a move. */
static inline uint32_t ex_choice(uint32_t arg)
{
    return arg & ((1U << EX_LR_SHIFT) - 1U);
}

/* 1: the two vCPUs, or pCPUs, have changed their names (or: may do so). */
struct ex_names {
    uint32_t vcpu;
    uint32_t pcpu;
};

/* What a decoded state consists of; moves change it in place. */
struct ex_copy {
    struct pcpu pcpus[EX_MAX_PCPUS];
    struct vcpu vcpus[EX_MAX_VCPUS];
    struct thread threads[EX_MAX_VCPUS];
    struct heap_node timer_nodes[2 * EX_MAX_VCPUS];
    struct ghost ghost[EX_MAX_VCPUS];
};

/* A move between stored states, with the forced steps behind it. */
struct ex_edge {
    uint32_t to;
    ex_move by;
    uint16_t events;
};

/* The graph that liveness looks at, written down while the states are visited. */
struct ex_graph {
    uint32_t *first;      /* of each state, in edges; one more at the end */
    struct ex_edge *edges;
    uint16_t *rules;      /* of each state: rules_of */
    uint8_t *due;         /* of each state: due_of */
    uint64_t n_edges;
    uint64_t cap_edges;
    uint64_t cap_states;
};

struct pyemu_explorer {
    struct pyemu_machine *m;
    struct pyemu_explore_config cfg;
    struct ghost ghost[EX_MAX_VCPUS];
    struct ex_copy saved;
    struct program program;
    struct pyemu_op ops[PYEMU_GC_COUNT];
    uint32_t orig[PYEMU_MAX_STEPS]; /* step of the reduced table -> its own */
    uint8_t sees[PYEMU_MAX_STEPS];  /* what each step can notice: EX_SEES_* */
    uint8_t quiet[PYEMU_MAX_STEPS]; /* commutes with interrupts: enum ex_quiet */
    uint16_t *live[2];              /* live.c; without and with a load's return */
    uint16_t *live_any;             /* in any layer */
    uint8_t light[PYEMU_MAX_STEPS]; /* nothing outside can tell when it runs */
    uint32_t n_words;
    uint32_t hw_live;               /* of any vCPU, while ex_tidy is at work */
    uint32_t kick_covers;           /* an entry looks at its requests twice */
    uint32_t isr_injects;           /* the vtimer ISR takes vgic locks (I14) */
    struct ex_names swaps;          /* vCPUs, pCPUs of which none differs */
    struct ex_names renamed;        /* along a path, since its beginning */
    struct violation found;         /* by the move under way */
    uint32_t events;                /* EX_EV_* of the moves since it was cleared */
    uint32_t ticked;                /* the move was a tick: no chain goes on */
    uint64_t base_counters[3];
    /* visited states, in breadth-first order */
    uint64_t *states;
    uint32_t *parent;
    ex_move *by;
    uint64_t *table;
    uint64_t n_states;
    uint64_t cap_states;
    uint64_t table_size;
    struct ex_graph graph;
    uint64_t set_bytes;             /* of the visited set */
    uint64_t transitions;           /* made by this explorer's machine */
    uint64_t stepped;               /* of the states that have been checked */
    uint64_t given;                 /* states handed out to be expanded */
    uint64_t checked;               /* states whose moves have been tried */
    uint64_t level_end;             /* of the depth under way */
    struct pyemu_explorer **helpers; /* borrowed: each has a machine of its own */
    uint32_t n_helpers;
    uint32_t depth;
    uint32_t end;
    /* counterexample */
    struct pyemu_explore_row *rows;
    uint32_t n_rows;
    uint32_t cap_rows;
    uint32_t loop_row;
};

/*
 * With a list register for every interrupt there is, the order of the ap_list
 * decides only ties, and those are free (guest.c): one order stands for all.
 */
static inline bool ex_any_order(const struct pyemu_explorer *x)
{
    return x->cfg.reduce != 0 && x->m->s->cfg.n_lrs >= EX_MAX_LRS;
}

/* Nothing can be delivered whatever PSTATE.I is: then it is 1, UNMASK comes later. */
static inline bool ex_deaf(const struct pyemu_explorer *x, const struct vcpu *v)
{
    const bool nests = v->irq[EX_OTHER_SGI].prio != HOST_IRQ_PRIORITY;

    return x->cfg.reduce != 0 && (v->pmr == 0 || (v->vapr != 0 && !nests));
}

/* space.c */
void ex_tidy(struct pyemu_explorer *x);
void ex_float(struct pyemu_explorer *x);
void ex_rearm(struct pyemu_machine *m);
struct ex_names ex_encode(struct pyemu_explorer *x, uint64_t *w);
void ex_decode(struct pyemu_explorer *x, const uint64_t *w);
void ex_keep(struct pyemu_explorer *x);    /* decoded state -> x->saved */
void ex_restore(struct pyemu_explorer *x); /* and back */
uint32_t ex_words(const struct pyemu_explorer *x);

/* ranks.c: offset from now of a deadline's rank, and of those not yet ranked */
uint64_t ex_deadlines(const struct pyemu_explorer *x);
uint32_t ex_rank(uint64_t bitmap, uint64_t expiry_cyc, uint64_t now_cyc);

/* moves.c */
uint32_t ex_moves(struct pyemu_explorer *x, ex_move *out);
void ex_apply(struct pyemu_explorer *x, ex_move mv);
bool ex_forced(struct pyemu_explorer *x, ex_move *mv); /* one move only: a step */
uint32_t ex_light(struct pyemu_explorer *x); /* steps that nothing can tell from one */

/* outside.c */
void ex_outside(struct pyemu_explorer *x, ex_move mv);

/* other.c: the interrupt that is no timer's */
bool ex_other_ready(const struct pyemu_explorer *x, uint32_t vcpu, uint32_t source);
void ex_other_raise(struct pyemu_explorer *x, uint32_t vcpu, uint32_t source);
void ex_other_heard(struct pyemu_explorer *x, struct vcpu *v);
void ex_other_ended(struct pyemu_explorer *x, const struct pcpu *p);
void ex_check_other(struct pyemu_explorer *x, uint32_t vcpu);

/* sight.c */
uint8_t ex_step_sees(const struct pyemu_machine *m, uint32_t pc);
uint8_t ex_step_quiet(const struct pyemu_machine *m, uint32_t pc);
uint32_t ex_sees(const struct pyemu_explorer *x, uint32_t pcpu);
bool ex_quiet(const struct pyemu_explorer *x, uint32_t pcpu);
uint32_t ex_notices(const struct pyemu_explorer *x, uint32_t vcpu);
bool ex_step_light(const struct pyemu_explorer *x, uint32_t pc);

/* guest.c */
uint32_t ex_guest_moves(struct pyemu_explorer *x, uint32_t pcpu, ex_move *out);
uint32_t ex_vector_moves(const struct pyemu_explorer *x, uint32_t pcpu, ex_move *out);
uint32_t ex_handle_moves(struct pyemu_explorer *x, uint32_t pcpu, ex_move *out);
void ex_guest(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v,
              uint32_t choice);
bool ex_vector(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v, uint32_t lr);
void ex_guest_ops(struct pyemu_explorer *x);
uint64_t ex_late(const struct pyemu_explorer *x);

/* checks.c */
bool ex_fires(const struct pyemu_explorer *x, uint32_t vcpu, uint32_t t);
void ex_break(struct pyemu_explorer *x, uint32_t invariant, uint32_t detail);
void ex_check_entry(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v);
void ex_check_state(struct pyemu_explorer *x);
void ex_check_step(struct pyemu_explorer *x, const struct pcpu *p, const struct vcpu *v,
                   uint32_t prim);
void ex_check_after(struct pyemu_explorer *x, const struct pcpu *p,
                    const struct vcpu *v, uint32_t prim);
void ex_note_levels(struct pyemu_explorer *x);

/* visited.c */
uint64_t ex_hash(const uint64_t *w, uint32_t n);
uint64_t ex_visited_bytes(const struct pyemu_explorer *x);
void ex_look_ahead(const struct pyemu_explorer *x, uint64_t hash);
void ex_look_closer(const struct pyemu_explorer *x, uint64_t hash);
bool ex_reserve(struct pyemu_explorer *x);
uint32_t ex_find(const struct pyemu_explorer *x, const uint64_t *w);
uint32_t ex_visit(struct pyemu_explorer *x, const uint64_t *w, uint64_t hash,
                  uint32_t from, ex_move by);

/* chunk.c */
void ex_run(struct pyemu_explorer *x, ex_move mv);

/* search.c */
int ex_search(struct pyemu_explorer *x, struct pyemu_explore_result *out);
void ex_report(const struct pyemu_explorer *x, struct pyemu_explore_result *out);

/* path.c */
int ex_path(struct pyemu_explorer *x, uint32_t state, const ex_move *more,
            uint32_t n_more);

/* behaviour.c */
int ex_behaviour(struct pyemu_explorer *x, struct pyemu_explore_behaviour *out);

/* record.c */
bool ex_wants_cycles(const struct pyemu_explore_config *cfg);
bool ex_records(const struct pyemu_explorer *x);
bool ex_record_state(struct pyemu_explorer *x, uint32_t n, uint16_t rules, uint8_t due);
bool ex_record_edge(struct pyemu_explorer *x, ex_move by, uint32_t events, uint32_t to);
uint64_t ex_record_bytes(const struct pyemu_explorer *x);
void ex_record_free(struct pyemu_explorer *x);

/* owners.c: who will deactivate a physical interrupt (I10) */
void ex_note_owners(struct pyemu_explorer *x);
uint32_t ex_ownerless(const struct pyemu_explorer *x);
int ex_owners(const struct pyemu_explorer *x, uint32_t *state);

/* hold.c: of a mask of liveness invariants, those that hold */
uint64_t ex_hold(struct pyemu_explorer *x, uint64_t invariants);

/* cycles.c */
void ex_cycles_begin(struct pyemu_explorer *x);
bool ex_holds(const struct pyemu_explorer *x, uint32_t invariant);
int ex_cycles(struct pyemu_explorer *x, uint32_t invariant,
              struct pyemu_explore_result *out);

#endif
