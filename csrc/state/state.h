/*
 * state.h - the flat machine. Everything a run can change lives in one block
 * (struct machine_state and the arrays behind it), indices instead of pointers: a
 * snapshot is a copy. struct pyemu_machine: the block, views into it, borrowed inputs.
 */
#ifndef PYEMU_STATE_H
#define PYEMU_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/heap.h"
#include "pyemu_soak_api.h"

/* Flag bits that no guard can name: they stand above PYEMU_F_COUNT. */
enum {
    FI_IRQ_OFF = 48,     /* pcpu: PSTATE.I of the host */
    FI_PREEMPT_OFF = 49, /* vcpu thread: preempt_disable() */
    FI_MODE = 50,        /* vcpu: IN_GUEST_MODE */
    FI_OFFSET = 51,      /* CNTVOFF is that of the VM */
    FI_PACT_V = 46,      /* pcpu: 27 is physically active (2.1) */
    FI_PACT_P = 47,      /* pcpu: 30 is */
    FI_VGIC = 52,        /* 4 bits, enum vgic_steady: what a round trip finds */
    FI_REASON = 56       /* 4 bits: reason + 1 of an exit that can be fused */
};

/* What a walk may know about list registers before it starts. */
enum vgic_steady {
    VGIC_UNSTEADY = 0,
    VGIC_STEADY = 1,  /* + n in use: save, fold, flush and restore change nothing */
    VGIC_IDLE = 10,   /* the same but for the fold: entries that nobody wants */
    VGIC_ALONE = 11,  /* 27 is all there is: no list register in use */
    VGIC_ALONE_LR = 12 /* the same, + state of its list register */
};

#define FLAG(name) bit64(PYEMU_F_##name)

/* Host and guest interrupt numbers (1.1; host INTIDs as usual in DT). */
enum {
    INTID_SGI_KICK = 1, /* reschedule and kick IPI */
    INTID_MAINT = 25,
    INTID_HTIMER_VHE = 26,
    INTID_VTIMER = 27,
    INTID_PTIMER = 30,
    INTID_SPURIOUS = 1023,
    HOST_IRQ_PRIORITY = 0xa0, /* Linux gives all interrupts one priority, 2.1 */
    PRIORITY_IDLE = 0xff
};

enum { TIMER_V = 0, TIMER_P = 1, N_TIMERS = 2 };

enum { CTL_ENABLE = 1, CTL_IMASK = 2, CTL_ISTATUS = 4 };

/* A timer's registers; expiry_cyc follows from cval and the offset (clock.c). */
struct timer_regs {
    uint64_t cval_ticks;
    uint64_t expiry_cyc; /* derived: first cycle with count >= cval */
    uint32_t ctl;        /* ENABLE and IMASK only */
    uint32_t pad;
};

/* One list register; its two architectural formats are in hw/lr.h. */
struct list_register {
    uint16_t vintid;
    uint16_t pintid;
    uint8_t state;  /* LR_PENDING | LR_ACTIVE */
    uint8_t hw;
    uint8_t prio;
    uint8_t source; /* v2 SGI CPUID; LR_EOI: its EOI asks for maintenance */
};

/* Underflow and no-pending maintenance interrupts (2.3). */
enum { HCR_UIE = 1, HCR_NPIE = 2, HCR_LRENPIE = 4 };

enum { LR_INVALID = 0, LR_PENDING = 1, LR_ACTIVE = 2, LR_BOTH = 3, LR_EOI = 0x80 };

/* The stored facts of one virtual interrupt; pending is derived (2.4). */
struct vgic_irq {
    uint8_t line;
    uint8_t latch;
    uint8_t active;
    uint8_t enabled;
    uint8_t edge;
    uint8_t hw;            /* mapped to a physical interrupt; HW_FORWARDS */
    uint8_t prio;
    uint8_t queued;        /* on an ap_list */
    uint8_t source;        /* v2 SGI: bitmap of pending sources */
    uint8_t active_source;
    uint16_t next;         /* ap_list link: INTID, 0xffff ends */
    uint32_t target;       /* SPI: vCPU it goes to, counted in its VM */
    uint32_t on;           /* vCPU whose ap_list holds it */
};

/* Mapped, and the guest's distributor writes reach the physical one (B33). */
enum { HW_FORWARDS = 2 };

enum { AP_END = 0xffff, N_PRIVATE = 32 };

enum thread_state { T_OFF = 0, T_RUNNABLE, T_RUNNING, T_SLEEPING, T_PAUSED };

/* What a vCPU thread does when its current hook ends. */
enum cont {
    CONT_NONE = 0,
    CONT_LOAD_IOCTL,
    CONT_FIRST_RUN,
    CONT_ABORT,
    CONT_EXIT,
    CONT_PT_TRAP,
    CONT_BLOCK,
    CONT_CHECK_POLL,
    CONT_CHECK_BLOCK,
    CONT_UNBLOCK,
    CONT_USER_EXIT,
    CONT_PUT_USER,
    CONT_PUT_SCHED,
    CONT_LOAD_SCHED
};

/* What handle_exit decided. */
enum after_exit { AFTER_ENTER = 0, AFTER_BLOCK, AFTER_USER, AFTER_OFF, AFTER_PT_TRAP };

/* Where a thread stands when it is not executing a hook. */
enum stage {
    STAGE_HOOK = 0,  /* at pc, in a hook */
    STAGE_GUEST,
    STAGE_START,     /* KVM_RUN not called yet */
    STAGE_USER,      /* in user space until spin_cyc runs out */
    STAGE_POLL_NEXT, /* next turn of halt polling */
    STAGE_SLEEP,     /* about to schedule() in kvm_vcpu_block */
    STAGE_WOKEN,     /* after the sleep, before check_block */
    STAGE_STOPPED    /* asks Python: MMIO or callback */
};

/* Scheduling entity: vCPU threads first, then host tasks. */
struct thread {
    uint64_t vruntime;
    uint64_t since_cyc;    /* last accounting of vruntime */
    uint64_t slice_cyc;    /* when it was picked */
    uint64_t left_cyc;     /* task: of its burst */
    uint64_t on_cyc;
    uint64_t off_cyc;
    uint64_t slack_cyc;
    uint32_t pcpu;
    uint32_t weight;
    uint32_t inv_weight;   /* 2^20 * 1024 / weight */
    uint32_t state;        /* enum thread_state */
    uint32_t move_to;      /* pending migration, PYEMU_NONE */
    uint32_t spi;          /* task: INTID raised at the end of a burst, 0 = none */
    uint32_t spi_vcpu;
    uint32_t pad;
};

struct vcpu {
    /* hot: read and written by every world switch */
    uint64_t flags;
    uint64_t entry_cyc;    /* when the guest was entered */
    uint64_t exit_cyc;     /* when it last left */
    uint64_t guest_cyc;
    uint64_t switch_cyc;
    uint64_t spin_cyc;     /* host time still to spend, interruptible */
    uint64_t compute_cyc;  /* left of the current COMPUTE */
    uint32_t pc;           /* step index, while in a hook */
    uint32_t gpc;          /* op index */
    uint16_t vm;
    uint8_t cont;
    uint8_t after;
    uint8_t stage;
    uint8_t reason;        /* of the last exit */
    uint8_t pstate_i;
    uint8_t in_irq;
    uint64_t exits[PYEMU_X_COUNT];
    struct timer_regs mem[N_TIMERS];
    uint64_t regs[PYEMU_N_REGS];
    uint64_t extra_cyc;    /* host time the guest program adds to this exit */
    uint64_t extra_user;   /* MMIO_USER: unloaded | reloaded << 32, cycles */
    uint64_t rng_n;        /* draws so far */
    uint64_t list_pos;
    uint64_t list_end;
    uint32_t list_table;
    uint32_t pmr;          /* VMCR */
    uint32_t vmcr_pmr;     /* memory copy: as of the last VMCR read */
    uint32_t iar;
    uint32_t gpc_return;
    uint32_t prog;
    uint32_t irq_entry;
    uint32_t id;
    uint32_t ap_head;
    uint16_t ap_len;
    uint16_t used_lrs;
    uint8_t eoimode;
    uint8_t event;         /* WFE event register */
    uint8_t uie;           /* UIE | NPIE: maintenance interrupts asked for */
    uint8_t resident;      /* between vcpu load and put of the ioctl */
    uint32_t vapr;         /* one bit per priority group of 8 */
    uint32_t saved_pc;     /* under a scheduler put/load */
    uint8_t saved_cont;
    uint8_t saved_stage;
    uint8_t poll;          /* this block is polling */
    uint8_t hook;          /* enum pyemu_hook of pc */
    uint8_t ended;         /* its program is over */
    uint8_t paused;        /* stays in user space */
    uint8_t off;           /* its VM has been powered off */
    uint8_t sleep_off;     /* sleeping because powered off */
    uint16_t hcr_eoicount;
    uint16_t elrsr;        /* empty list registers as of the last save */
    uint32_t signalled;    /* P0: bit per INTID, not yet deactivated (signal_once) */
    uint64_t block_cyc;    /* start of kvm_vcpu_block */
    uint64_t poll_until_cyc;
    uint64_t halt_poll_cyc;
    uint64_t load_cyc;
    uint64_t guest_at_pick;  /* a pCPU is credited by difference, when it ends */
    uint64_t switch_at_pick;
    uint64_t compute_saved;  /* under the interrupt handler */
    uint64_t oncpu_cyc;
    uint64_t loads;
    uint64_t written_cval; /* virtual timer as the guest last wrote it */
    uint32_t written_ctl;
    uint32_t deadline;     /* number of that write: state/deadline.h */
    uint32_t counted;      /* deadline whose expiry has been noticed */
    uint32_t settled;      /* deadline acknowledged, withdrawn, or none */
    uint32_t entry;        /* op where it starts after a reset */
    uint32_t late;         /* deadline seen expired and open, since late_cyc */
    uint64_t late_cyc;
    uint64_t injected_cyc; /* when 27 last became pending */
    uint64_t user_levels;
    uint64_t answer;       /* of the last policy callback, +1 */
    uint32_t trap_op;      /* op that trapped: what handle_exit looks at */
    uint8_t saved_hook;
    uint8_t saved_scratch; /* FIRE, CHANGED, ACT, WAKE under a scheduler put/load */
    uint8_t vif_enabled;   /* machine code: group enable of the CPU interface */
    uint8_t vif_bpr;
    uint8_t on_pending;    /* CPU_ON is under way */
    uint8_t woken;         /* a wake-up since the last check of its block began */
    uint8_t waits_user;    /* the MMIO access is a user-space device's */
    uint8_t work;          /* work is queued that will wake it (explorer) */
    struct pyemu_op trap;  /* machine code: its trap as an op */
    struct pyemu_mmio mmio; /* and its access */
    uint64_t boot_pc;      /* of CPU_ON */
    uint64_t boot_x0;
    struct list_register lr[PYEMU_MAX_LRS];
    struct vgic_irq irq[N_PRIVATE];
};

/* Physical CPU: registers, its part of the GIC, its run queue. */
struct pcpu {
    uint64_t now_cyc;
    uint64_t horizon_cyc;  /* nothing happens to this pCPU before it */
    uint64_t flags;
    uint32_t cur;          /* thread, PYEMU_NONE = idle */
    uint32_t running;      /* KVM's per-cpu running vcpu pointer */
    /* GIC: one bit per private INTID (2.1) */
    uint32_t irq_enabled;
    uint32_t irq_line;
    uint32_t irq_latch;
    uint32_t irq_active;
    uint32_t irq_edge;
    uint32_t pmr;
    uint32_t running_prio; /* PRIORITY_IDLE when none */
    uint32_t acked;        /* INTID in the ISR */
    struct timer_regs hw[N_TIMERS];
    uint64_t line_due_cyc[N_TIMERS];
    uint64_t offset_ticks; /* CNTVOFF_EL2 */
    uint32_t cnthctl;      /* CNTHCTL_GUEST or CNTHCTL_HOST */
    uint8_t line_target[N_TIMERS];
    uint8_t irq_stage;     /* enum isr_stage */
    uint8_t irq_saved;     /* PSTATE.I under IRQ_SAVE */
    uint8_t online;
    uint8_t idle_exit;     /* charge IDLE_EXIT at the next pick */
    uint8_t n_lrs;         /* list registers in use */
    uint8_t uie;
    uint8_t eisr;          /* an LR with LR_EOI has been deactivated */
    uint8_t stale;         /* bit per timer: CTL reads back old ISTATUS */
    uint8_t device_pending;
    uint8_t tick_off;      /* idle: the tick came once and was stopped */
    uint32_t irq_pc;
    uint32_t irq_first;    /* this IAR read is the first of the exception */
    uint64_t irq_scratch;  /* FIRE, CHANGED, ACT of the interrupted thread */
    struct list_register lr[PYEMU_MAX_LRS];
    uint32_t timers;       /* heap root: soft timers */
    uint32_t rq;           /* heap root: runnable threads by vruntime */
    uint32_t msgs;         /* heap root: messages from other pCPUs */
    uint32_t n_running;
    uint64_t min_vruntime;
    uint64_t next_tick_cyc;
    uint64_t next_slice_cyc;
    uint64_t window_cyc;   /* end of the current window */
    uint64_t guest_cyc;
    uint64_t idle_cyc;
    uint64_t task_cyc;
    uint64_t switch_cyc;
    uint64_t busy_cyc;     /* time with a vCPU thread current */
    uint64_t next_outside;
    uint8_t prio[N_PRIVATE];
};

enum isr_stage { ISR_NONE = 0, ISR_ENTRY, ISR_HANDLER, ISR_EXIT };

enum { CNTHCTL_GUEST = 1, CNTHCTL_HOST = 3 };

struct vm {
    uint64_t cntvoff_ticks;
    uint32_t user_irqchip;
    uint32_t first_vcpu;
    uint32_t n_vcpus;
    uint32_t pad;
};

enum msg_kind { MSG_INJECT = 1, MSG_WAKE, MSG_KICK, MSG_POWER, MSG_OFF };

struct message {
    uint32_t kind;
    uint32_t vcpu;
    uint32_t intid;
    uint32_t arg;
    uint64_t at_cyc;
    uint32_t next_free;
    uint32_t pad;
};

/* Sums per exit reason that histograms cannot give exactly. */
struct reason_sum {
    uint64_t count;
    uint64_t guest_cyc;
    uint64_t handling_cyc;
    uint64_t min_cyc;
    uint64_t max_cyc;
};

enum { N_HISTS = 2 + 2 * PYEMU_X_COUNT };
enum { HIST_TIMER = 0, HIST_INJECT = 1, HIST_HANDLING = 2,
       HIST_GUEST = 2 + PYEMU_X_COUNT };

/* The fault plan and what it has done so far; part of a snapshot. */
struct soak_state {
    struct pyemu_fault_config cfg;
    struct pyemu_fault_report done;
    uint64_t next_cyc;
    uint64_t n_draws;
    uint64_t next_ask;     /* point at which Python is asked next */
    uint64_t base[2];      /* counters that must not move: checks.c */
    uint64_t assert_cyc;   /* line_assert_cyc of the host's description */
    uint32_t hurry;        /* points that follow closely: a pulse, a drop */
    uint32_t pulse_pcpu;   /* its device interrupt is taken back, PYEMU_NONE */
    uint32_t reset_vcpu;   /* on its way to user space, PYEMU_NONE */
    uint32_t pad;
    uint8_t struck[PYEMU_MAX_STEPS]; /* step boundaries met */
};

struct machine_state {
    struct pyemu_config cfg;
    struct clock clock;
    uint64_t step_count[PYEMU_MAX_STEPS];
    uint64_t dyn_count[PYEMU_P_COUNT];
    uint64_t counters[PYEMU_C_COUNT];
    uint64_t hist[N_HISTS][PYEMU_HIST_BUCKETS];
    struct reason_sum reasons[PYEMU_X_COUNT];
    uint64_t exits;
    uint64_t n_settled;    /* expired deadlines acknowledged or withdrawn */
    uint64_t n_open_before;/* expired and open when the region began */
    uint64_t tail_guest_cyc; /* guest runs that ended with the program, no exit */
    uint64_t window_start_cyc;
    uint64_t window_end_cyc; /* of the window begun; a message may bring it nearer */
    uint64_t next_move, next_outside;
    uint64_t msg_seq;
    uint32_t free_msg;
    uint32_t n_live_msgs;
    uint32_t n_moving;     /* threads with a migration pending */
    uint32_t started;
    uint64_t last_off_cyc; /* when the latest of them ended */
    uint32_t n_off;        /* vCPU threads that ended */
    uint32_t poisoned;
    uint32_t resume_pcpu;  /* where a stop inside a window continues */
    uint32_t resume_valid;
    uint32_t first_pcpu, pad_window; /* runs before the others */
    struct soak_state soak;
};

struct policy_table {
    struct pyemu_step steps[PYEMU_MAX_STEPS];
    struct pyemu_guard guards[PYEMU_MAX_GUARDS];
    uint32_t cost[PYEMU_MAX_STEPS]; /* of each step: cost[prim] */
    uint8_t family[PYEMU_MAX_STEPS]; /* module of each step: steps.c */
    uint32_t hook_start[PYEMU_H_COUNT + 1];
    uint32_t n_steps;
    uint32_t n_guards;
    uint64_t switches;
};

struct program {
    const struct pyemu_op *ops;
    uint32_t n;
};

struct value_table {
    const uint64_t *values;
    uint64_t n;
};

struct path_cache;
struct a64_cpu;
struct a64_mem;
struct code_watch;

/* One VM's memory and the frames of its interrupt controller. */
/* The console's UART (run/uart.h); text waits for Python. */
struct code_uart {
    uint16_t stored[6];  /* IBRD to IMSC */
    uint16_t raised;
    uint16_t level;
    uint32_t stop_at;    /* byte at which a run comes back; above 255 none */
    uint32_t n;
    uint8_t text[PYEMU_CONSOLE_BYTES];
};

struct code_vm {
    struct a64_mem *mem;
    struct pyemu_code_config cfg;
    struct code_uart uart;
};

struct pyemu_machine {
    struct machine_state *s;
    struct pcpu *pcpus;
    struct vcpu *vcpus;
    struct vm *vms;
    struct thread *threads;
    struct heap_node *timer_nodes; /* 2 per vCPU, 1 per task */
    struct heap_node *rq_nodes;
    struct heap_node *msg_nodes;
    struct message *msgs;
    struct vgic_irq *spis;         /* PYEMU_N_SPIS per VM */
    uint64_t bytes;
    uint32_t n_msgs;
    /* inputs: fixed while a run is under way */
    uint32_t cost[PYEMU_P_COUNT];
    struct policy_table policy;
    struct program *programs;
    struct value_table *tables;
    const struct pyemu_move *moves;
    uint64_t n_moves;
    const struct pyemu_outside *outside;
    uint64_t n_outside;
    struct path_cache *paths;
    struct a64_cpu **code;         /* per vCPU, NULL: op programs; NULL: none at all */
    struct code_vm *code_vms;      /* per VM */
    struct code_watch *watch;      /* debugger and profiler; NULL: never asked for */
    struct pyemu_event *trace;
    uint64_t trace_cap;
    uint64_t trace_n;
    uint64_t trace_stop;           /* records at which a run must come back */
    uint64_t pause_cyc;            /* come back between windows from here on; 0: no */
    uint64_t until_cyc;
    uint64_t until_guest_cyc;
    uint64_t until_exits;
    uint64_t latency_cyc;          /* least cross-pCPU latency */
    bool has_offsets;              /* some VM has a CNTVOFF */
    bool talks;                    /* a guest op can reach another pCPU */
    bool work_waits;               /* queued work runs when the explorer says so */
    uint32_t stop;                 /* enum pyemu_stop + 1, 0 = go on */
    uint32_t stop_vcpu, stop_step;
    uint64_t stop_address;         /* of the watchpoint that stopped */
    volatile uint32_t interrupted; /* set by another thread */
    char error[256];
};

static inline bool machine_switch(const struct pyemu_machine *m, uint32_t s)
{
    return has_bit64(m->policy.switches, s);
}

/* Runs machine code, not an op program? */
static inline bool vcpu_is_code(const struct vcpu *v)
{
    return v->prog == PYEMU_NONE;
}

static inline uint32_t n_threads(const struct pyemu_machine *m)
{
    return m->s->cfg.n_vcpus + m->s->cfg.n_tasks;
}

static inline uint32_t vcpu_idx(const struct pyemu_machine *m, const struct vcpu *v)
{
    return (uint32_t)(v - m->vcpus);
}

static inline uint32_t pcpu_idx(const struct pyemu_machine *m, const struct pcpu *p)
{
    return (uint32_t)(p - m->pcpus);
}

static inline void count(struct pyemu_machine *m, uint32_t counter)
{
    m->s->counters[counter]++;
}

#endif
