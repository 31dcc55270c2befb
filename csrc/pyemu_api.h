/*
 * pyemu_api.h - the boundary: every type, enum and function Python may see.
 *
 * Compiled by the core and fed to cffi (lines that start with '#' dropped), so
 * it uses only what cffi parses. Units stand in names: _cyc are pCPU cycles,
 * _ticks are system-counter ticks at CNTFRQ. Section numbers are those of the
 * specification, docs/semantics.md.
 */
#ifndef PYEMU_API_H
#define PYEMU_API_H

#include <stdint.h>

/* Raised by one whenever anything below changes; the Python side compares it. */
enum pyemu_version { PYEMU_API_VERSION = 9 };

enum pyemu_status {
    PYEMU_OK = 0,
    PYEMU_EINVAL = -1,    /* an argument is out of range: see pyemu_error */
    PYEMU_ENOMEM = -2,    /* the flat state could not be allocated */
    PYEMU_ECAPACITY = -3, /* a bounded queue is full: see pyemu_error */
    PYEMU_EGUEST = -4,    /* a guest program did the impossible */
    PYEMU_EBUG = -5,      /* an internal check failed: the machine is poisoned */
    PYEMU_ESTATE = -6     /* snapshot of another machine, policy or version */
};

/* Why pyemu_run came back, as KVM_RUN's exit_reason does. */
enum pyemu_stop {
    PYEMU_STOP_LIMIT = 0,   /* the requested cycle was reached on every pCPU */
    PYEMU_STOP_DONE,        /* every vCPU is off and nothing can wake one */
    PYEMU_STOP_GUEST_LIMIT, /* the requested guest cycles have been executed */
    PYEMU_STOP_TRACE_FULL,  /* the trace buffer must be drained */
    PYEMU_STOP_MMIO,        /* a distributor or device access: Python answers */
    PYEMU_STOP_CALLBACK,    /* a policy step asks Python (slow path) */
    PYEMU_STOP_EXIT_LIMIT,  /* the requested number of guest exits was taken */
    PYEMU_STOP_INTERRUPTED, /* pyemu_interrupt() was called (Ctrl-C) */
    PYEMU_STOP_MARK,        /* machine code executed HINT 81: its region ends */
    PYEMU_STOP_BREAK,       /* machine code is about to execute at a breakpoint */
    PYEMU_STOP_STEP,        /* the vCPU that steps has executed its instructions */
    PYEMU_STOP_FAULT,       /* the fault plan asks Python (step: enum pyemu_fault) */
    PYEMU_STOP_BROKEN,      /* an invariant does not hold: see pyemu_fault_report */
    PYEMU_STOP_CONSOLE,     /* a UART's text waits: pyemu_console_read */
    PYEMU_STOP_WATCH,       /* machine code is about to access a watched address */
    PYEMU_STOP_PAUSE        /* pause_cyc was reached: nothing has ended */
};

/* Hooks of a policy: each is an ordered list of guarded primitives. */
enum pyemu_hook {
    PYEMU_H_ENTER = 0,   /* run-loop top to ERET (3.1 steps 1-6, 4.2 1-7) */
    PYEMU_H_ABORT,       /* entry refused: signal, request (3.1 step 5) */
    PYEMU_H_EXIT,        /* trap to handle_exit (3.1 7-10, 4.2 8-11) */
    PYEMU_H_LOAD,        /* kvm_arch_vcpu_load (3.7, 4.6) */
    PYEMU_H_PUT,         /* kvm_arch_vcpu_put (3.7, 4.7) */
    PYEMU_H_BLOCK,       /* kvm_arch_vcpu_blocking (3.6, 4.8) */
    PYEMU_H_UNBLOCK,     /* kvm_arch_vcpu_unblocking */
    PYEMU_H_CHECK,       /* kvm_vcpu_check_block: is anything pending? */
    PYEMU_H_IRQ_ENTRY,   /* host IRQ: acknowledge, priority drop (2.2) */
    PYEMU_H_VTIMER_ISR,  /* kvm_arch_timer_handler for the virtual timer */
    PYEMU_H_PTIMER_ISR,  /* the same for a direct physical timer (5.2+) */
    PYEMU_H_IRQ_EXIT,    /* chip eoi: deactivate unless forwarded (2.2) */
    PYEMU_H_BG_EXPIRE,   /* background hrtimer callback (3.6) */
    PYEMU_H_PT_EXPIRE,   /* emulated physical timer callback (3.9, 4.12) */
    PYEMU_H_PT_TRAP,     /* after a trapped CNTP access changed memory */
    PYEMU_H_FIRST_RUN,   /* kvm_timer_enable (4.1) */
    PYEMU_H_RESET,       /* kvm_timer_vcpu_reset */
    PYEMU_H_USER_EXIT,   /* leaving KVM_RUN for user space (3.8) */
    PYEMU_H_COUNT
};

/*
 * Primitives: what one step of a policy does. Each is counted and charged.
 * "mem" is the vCPU's memory copy of a timer, "hw" the registers of the pCPU.
 */
enum pyemu_prim {
    PYEMU_P_NOP = 0,
    /* world switch, state pyemu does not look into: cost only */
    PYEMU_P_TRAP,           /* exception from the guest to EL2 */
    PYEMU_P_ERET,           /* into the guest; the end of every entry */
    PYEMU_P_HYP_CALL,       /* host HVC to EL2 (nVHE) */
    PYEMU_P_HYP_RET,        /* return from EL2 to the nVHE host */
    PYEMU_P_GP_SAVE,
    PYEMU_P_GP_RESTORE,
    PYEMU_P_FP_SAVE,
    PYEMU_P_FP_RESTORE,
    PYEMU_P_EL1_SAVE,
    PYEMU_P_EL1_RESTORE,
    PYEMU_P_EL2CFG_SAVE,
    PYEMU_P_EL2CFG_RESTORE,
    PYEMU_P_STAGE2_SAVE,
    PYEMU_P_STAGE2_RESTORE,
    PYEMU_P_MITIGATION,
    PYEMU_P_RUN_LOOP,       /* the run loop's own code, once per turn */
    /* virtual timer registers */
    PYEMU_P_CNTV_CTL_R,     /* mem.ctl := hw.ctl */
    PYEMU_P_CNTV_CVAL_R,    /* mem.cval := hw.cval */
    PYEMU_P_CNTV_CTL_W0,    /* hw.ctl := 0 */
    PYEMU_P_CNTV_CVAL_W,    /* hw.cval := mem.cval */
    PYEMU_P_CNTV_CTL_W,     /* hw.ctl := mem.ctl */
    PYEMU_P_CNTVOFF_W,      /* CNTVOFF_EL2 := the VM's offset */
    PYEMU_P_CNTVOFF_W0,     /* CNTVOFF_EL2 := 0 */
    PYEMU_P_CNTHCTL_R,
    PYEMU_P_CNTHCTL_W_GUEST,/* EL1PCTEN=1 EL1PCEN=0: CNTP traps (1.2) */
    PYEMU_P_CNTHCTL_W_HOST, /* both 1 */
    /* direct physical timer registers (5.2+ on VHE) */
    PYEMU_P_CNTP_CTL_R,
    PYEMU_P_CNTP_CVAL_R,
    PYEMU_P_CNTP_CTL_W0,
    PYEMU_P_CNTP_CVAL_W,
    PYEMU_P_CNTP_CTL_W,
    PYEMU_P_CNTPOFF_W,
    PYEMU_P_CNTKCTL_R,
    PYEMU_P_CNTKCTL_W,
    PYEMU_P_CNTPCT_R,       /* a counter read of should_fire */
    PYEMU_P_ISB,
    PYEMU_P_DSB,
    /* should_fire and levels: flags FIRE and CHANGED (3.2b, 4.3, 4.4) */
    PYEMU_P_EVAL_V,         /* from mem */
    PYEMU_P_EVAL_V_HW,      /* from hw: reads CNTV_CTL */
    PYEMU_P_EVAL_V_CTL,     /* from hw, ISTATUS ignored: the commit's ISR, 4.9 */
    PYEMU_P_EVAL_P,
    PYEMU_P_EVAL_P_HW,
    PYEMU_P_LEVEL_V,        /* level := FIRE */
    PYEMU_P_LEVEL_V_SET,
    PYEMU_P_LEVEL_V_CLEAR,
    PYEMU_P_LEVEL_P,
    PYEMU_P_LEVEL_P_SET,
    PYEMU_P_LEVEL_P_CLEAR,
    PYEMU_P_INJECT_V,       /* kvm_vgic_inject_irq(27, level) */
    PYEMU_P_INJECT_P,       /* kvm_vgic_inject_irq(30, level) */
    PYEMU_P_INJECT_V_FIRE,  /* kvm_vgic_inject_irq(27, FIRE), level untouched */
    PYEMU_P_SAVE_CTL_ISR,   /* mem.ctl := hw.ctl without loaded check (B01) */
    /* physical active state of the forwarded PPIs (3.2d, 4.3, 4.6) */
    PYEMU_P_ACT_EITHER,     /* ACT := level || virtually active */
    PYEMU_P_ACT_VACT,       /* ACT := virtually active */
    PYEMU_P_ACT_LEVEL,      /* ACT := level */
    PYEMU_P_ACT_EITHER_P,
    PYEMU_P_ACTIVE_SET_V,
    PYEMU_P_ACTIVE_CLEAR_V,
    PYEMU_P_ACTIVE_SET_P,
    PYEMU_P_ACTIVE_CLEAR_P,
    PYEMU_P_CACHE_SET,      /* active_cleared_last := 1 */
    PYEMU_P_CACHE_CLEAR,
    PYEMU_P_PPI_ENABLE,     /* enable_percpu_irq(host vtimer) */
    PYEMU_P_PPI_DISABLE,
    PYEMU_P_LOADED_SET,
    PYEMU_P_LOADED_CLEAR,
    PYEMU_P_ENABLED_SET,
    PYEMU_P_RUNNING_SET,    /* per-cpu running vcpu := this one */
    PYEMU_P_RUNNING_CLEAR,
    /* soft timers */
    PYEMU_P_BG_ARM,         /* background hrtimer for the earliest deadline */
    PYEMU_P_BG_CANCEL,
    PYEMU_P_PT_EMULATE,     /* expired or cannot fire: cancel, else arm */
    PYEMU_P_PT_ARM,         /* arm if it can fire: expires at once if it is due */
    PYEMU_P_PT_CANCEL,
    PYEMU_P_BG_RECHECK,     /* FIRE := due, else the hrtimer is restarted */
    PYEMU_P_PT_RECHECK,
    PYEMU_P_WORK,           /* queue the expired work: wakes the vcpu later */
    PYEMU_P_WAKE,           /* wake the vcpu */
    /* vgic (2.4) */
    PYEMU_P_VGIC_FLUSH,
    PYEMU_P_VGIC_RESTORE,
    PYEMU_P_VGIC_SAVE,
    PYEMU_P_VGIC_SYNC,      /* fold and prune */
    PYEMU_P_VMCR_W,
    PYEMU_P_VMCR_R,
    PYEMU_P_APR_W,
    PYEMU_P_APR_R,
    PYEMU_P_VGIC_RESET_V,   /* clear line, latch, active of 27 (B11) */
    PYEMU_P_SAMPLE_V,       /* resample the mapped level irq (4.16) */
    /* control */
    PYEMU_P_REQUESTS,       /* handle requests: SLEEP blocks, clears IRQ_PENDING */
    PYEMU_P_PREEMPT_OFF,
    PYEMU_P_PREEMPT_ON,
    PYEMU_P_IRQ_OFF,
    PYEMU_P_IRQ_ON,
    PYEMU_P_IRQ_SAVE,       /* local_irq_save: nests */
    PYEMU_P_IRQ_RESTORE,
    PYEMU_P_MODE_IN,        /* mode := IN_GUEST_MODE, then barrier */
    PYEMU_P_MODE_OUT,
    PYEMU_P_CHECK_SIGNAL,   /* signal or user level mismatch: abort, EINTR */
    PYEMU_P_CHECK_REQUESTS, /* any request: abort */
    PYEMU_P_HANDLE,         /* handle_exit by reason */
    PYEMU_P_PENDING,        /* kvm_vgic_vcpu_pending_irq: sets WAKE */
    PYEMU_P_WAKE_IF,        /* sets WAKE (guarded) */
    PYEMU_P_USER_LEVELS,    /* copy levels into kvm_run */
    PYEMU_P_CALLBACK,       /* ask Python: documented as slow */
    /* host interrupt controller interface (2.2) */
    PYEMU_P_IAR_R,
    PYEMU_P_EOIR_W,
    PYEMU_P_DIR_W,
    PYEMU_P_ISR_VTIMER,     /* the handler's own code */
    PYEMU_P_STEP_COUNT,     /* above: may stand in a table; below: counted only */
    PYEMU_P_LR_R = PYEMU_P_STEP_COUNT,
    PYEMU_P_LR_W,
    PYEMU_P_VGIC_IF_R,      /* other reads of the virtual interface control */
    PYEMU_P_VGIC_IF_W,
    PYEMU_P_POPULATE,       /* one irq: model to LR */
    PYEMU_P_FOLD,           /* one LR: to model */
    PYEMU_P_VGIC_INJECT,    /* one kvm_vgic_inject_irq */
    PYEMU_P_GIC_POLL_R,     /* RWP poll after a GICv3 distributor write */
    PYEMU_P_HANDLE_HVC,
    PYEMU_P_HANDLE_SYS,
    PYEMU_P_HANDLE_MMIO,    /* in-kernel vgic MMIO */
    PYEMU_P_HANDLE_FAULT,   /* stage-2 fault */
    PYEMU_P_HANDLE_WFX,
    PYEMU_P_HANDLE_IRQ,
    PYEMU_P_HANDLE_USER,    /* kernel part of a user-space exit */
    PYEMU_P_USER,           /* user space until it calls KVM_RUN again */
    PYEMU_P_HANDLE_SGI,
    PYEMU_P_HANDLE_PSCI,
    PYEMU_P_HANDLE_PTIMER,
    PYEMU_P_EXTRA,          /* host time given by the guest program, cycles */
    PYEMU_P_BLOCK_PATH,     /* kvm_vcpu_block's own code */
    PYEMU_P_POLL_ITER,      /* one turn of halt polling */
    PYEMU_P_SCHED_SWITCH,   /* context switch */
    PYEMU_P_WAKEUP,         /* try_to_wake_up */
    PYEMU_P_IDLE_EXIT,
    PYEMU_P_IDLE_ENTER,     /* nothing left to run */
    PYEMU_P_HRTIMER_ARM,
    PYEMU_P_HRTIMER_CANCEL,
    PYEMU_P_ISR_TIMER,      /* host timer handler, per interrupt */
    PYEMU_P_ISR_TICK,       /* its periodic part */
    PYEMU_P_ISR_HRTIMER,    /* per expired hrtimer */
    PYEMU_P_ISR_IPI,
    PYEMU_P_ISR_DEVICE,
    PYEMU_P_IPI_SEND,
    PYEMU_P_IPI_LATENCY,    /* flight time: the least cross-pCPU latency */
    PYEMU_P_WORK_DELAY,     /* queue_work to the worker's wake-up */
    PYEMU_P_SYSCALL,        /* KVM_RUN ioctl entry and exit */
    PYEMU_P_G_ACK,          /* guest reads IAR */
    PYEMU_P_G_EOI,
    PYEMU_P_G_SYSREG,       /* guest access that does not trap */
    PYEMU_P_G_VECTOR,       /* guest exception entry and return */
    PYEMU_P_G_INSN,         /* any other guest operation */
    PYEMU_P_COUNT
};

/* Bits of the flag word that guards test. */
enum pyemu_flag {
    PYEMU_F_ENABLED = 0,  /* timer enabled at first run */
    PYEMU_F_LOADED,       /* hw holds this vCPU's virtual timer */
    PYEMU_F_LEVEL_V,
    PYEMU_F_LEVEL_P,
    PYEMU_F_VACT_V,       /* 27 virtually active */
    PYEMU_F_VACT_P,
    PYEMU_F_CLEARED,      /* active_cleared_last */
    PYEMU_F_FIRE,         /* result of the last EVAL or RECHECK */
    PYEMU_F_CHANGED,      /* FIRE differs from the level */
    PYEMU_F_ACT,          /* result of the last ACT_* */
    PYEMU_F_AP,           /* ap_list not empty */
    PYEMU_F_LRS,          /* list registers in use */
    PYEMU_F_REQ,          /* a request is pending */
    PYEMU_F_SIGNAL,       /* signal, or user-space irqchip level mismatch */
    PYEMU_F_BG_ARMED,
    PYEMU_F_PT_ARMED,
    PYEMU_F_WAKE,         /* check_block found something */
    PYEMU_F_WAITING,      /* the thread is on its wait queue (5.1+ put) */
    PYEMU_F_CAN_V,        /* mem: ENABLE && !IMASK */
    PYEMU_F_DUE_V,        /* mem: count >= CVAL */
    PYEMU_F_CAN_P,
    PYEMU_F_DUE_P,
    PYEMU_F_HCAN_V,       /* hw: the same */
    PYEMU_F_HDUE_V,
    PYEMU_F_HCAN_P,
    PYEMU_F_HDUE_P,
    PYEMU_F_PIRQ,         /* a physical interrupt is deliverable */
    PYEMU_F_RUNNING,      /* running vcpu pointer is set on this pCPU */
    PYEMU_F_PREEMPTED,    /* put/load caused by the scheduler */
    PYEMU_F_VHE,
    PYEMU_F_GICV3,
    PYEMU_F_USER_IRQCHIP,
    PYEMU_F_FORWARDED,    /* irq_set_vcpu_affinity done for the timer PPIs */
    PYEMU_F_ACK_FORWARDED,/* the acknowledged irq is a forwarded one */
    PYEMU_F_DIRECT_P,     /* guest owns the physical timer (VHE, 5.2+) */
    PYEMU_F_EOIMODE1,     /* host CPU interface splits drop and deactivate */
    PYEMU_F_RESCHED,
    PYEMU_F_LINE_V,       /* vgic line_level of 27 */
    PYEMU_F_POWERED_OFF,
    PYEMU_F_SPURIOUS,     /* the last IAR read was 1023 */
    PYEMU_F_SYNC,         /* hw registers read back current (after an ISB) */
    PYEMU_F_COUNT
};

/* Switches of a policy: rules inside the vgic that are not steps. */
enum pyemu_switch {
    PYEMU_S_LOWER_ON_POPULATE = 0, /* 4.16: line_level := 0 when LR is filled */
    PYEMU_S_RESAMPLE_PENDING,      /* 4.16: sample while LR still pending */
    PYEMU_S_RESAMPLE_DEACT,        /* 5.15: sample after deactivation too */
    PYEMU_S_SAMPLE_ON_ENABLE,      /* 5.3: resample when 27 gets enabled (B29) */
    PYEMU_S_PENDING_PMR,           /* later: pending test wants !active, PMR (B43) */
    PYEMU_S_NO_AP_LEVEL,           /* 4.17: non-HW level irqs never A+P (B27) */
    PYEMU_S_IOCTL_LOADS,           /* <= 4.15: every vcpu ioctl loads it (B12) */
    PYEMU_S_INJECT_REQUEST,        /* 4.13: injection makes a request (B25) */
    PYEMU_S_TVAL_SIGNED,           /* emulated TVAL is signed (B18) */
    PYEMU_S_HW_BIT,                /* LRs of the timer carry HW=1 */
    PYEMU_S_EOICOUNT,              /* 6.19: replay EOIcount (B39) */
    PYEMU_S_WFE_ALONE,             /* WFE traps only beside another thread (5, P7) */
    PYEMU_S_BG_SKIPS_ACTIVE,       /* no host timer for an irq in service (I5, I12) */
    PYEMU_S_DIST_FORWARD,          /* the same, the PPI active while pending is left */
    PYEMU_S_MAPPED_WRITES,         /* 4.16: pending/active writes reach the PPI (B33) */
    PYEMU_S_EOI_FROM_HEAD,         /* bug B38: EOIcount is replayed from the head */
    PYEMU_S_STALE_ELRSR,           /* bug B24: ELRSR of the last run is believed */
    PYEMU_S_MULTI_LR,              /* bug B26: an SGI fills an LR per source */
    PYEMU_S_UACCESS_HW,            /* bug B32: user space's enable bits reach the PPI */
    PYEMU_S_SIGNAL_ONCE,           /* <= 4.3 (P0): no signal until deactivated */
    PYEMU_S_SIGNAL_STICKY,         /* bug B22: guest's clear does not forget it */
    PYEMU_S_COUNT
};

enum pyemu_limits_e {
    PYEMU_MAX_LRS = 16,
    PYEMU_MAX_PCPUS = 4096,
    PYEMU_MAX_VCPUS = 65536,
    PYEMU_MAX_STEPS = 2048,
    PYEMU_MAX_GUARDS = 256,
    PYEMU_MAX_PROGRAMS = 4096,
    PYEMU_MAX_TABLES = 256,
    PYEMU_N_REGS = 8,
    PYEMU_HIST_BUCKETS = 960,
    PYEMU_N_SPIS = 96,
    PYEMU_CONSOLE_BYTES = 1024, /* of a guest's output that wait at most */
    PYEMU_MAX_REGIONS = 8,
    PYEMU_N_CODE_COSTS = 14
};

/* guard: ((flags & mask) == want) != inverted */
struct pyemu_guard {
    uint64_t mask;
    uint64_t want;
    uint32_t inverted;
    uint32_t pad;
};

struct pyemu_step {
    uint8_t prim;  /* enum pyemu_prim, below PYEMU_P_STEP_COUNT */
    uint8_t guard; /* index into the guard table; 0 = always */
    uint8_t is_switch; /* 1: world-switch cycles, 0: handling */
    uint8_t hook;  /* enum pyemu_hook this step belongs to */
};

/* What vCPUs may do in op programs. Costs are the G_* primitives' */
enum pyemu_opcode {
    PYEMU_OP_END = 0,    /* vCPU powers itself off */
    PYEMU_OP_COMPUTE,    /* c cycles */
    PYEMU_OP_COMPUTE_DIST, /* cycles drawn from table a */
    PYEMU_OP_TIMER_SET,  /* timer a: CVAL := count + c ticks, ENABLE, unmasked */
    PYEMU_OP_TIMER_CVAL, /* timer a: CVAL := c ticks */
    PYEMU_OP_TIMER_TVAL, /* timer a: TVAL := low 32 bits of c (signed, 1.1) */
    PYEMU_OP_TIMER_CTL,  /* timer a: CTL := c (bit 0 ENABLE, bit 1 IMASK) */
    PYEMU_OP_TIMER_NEXT, /* timer a: CVAL += c; flag 1: if past, count + c */
    PYEMU_OP_TIMER_LIST, /* timer a: CVAL += next entry of the vCPU's list */
    PYEMU_OP_LIST_SEEK,  /* list := table a, position c, stop before b */
    PYEMU_OP_WFI,
    PYEMU_OP_WFE,
    PYEMU_OP_HVC,        /* b extra host cycles */
    PYEMU_OP_SMC,
    PYEMU_OP_SYSREG,     /* trapped system register; b extra host cycles */
    PYEMU_OP_MMIO_KERNEL,/* in-kernel distributor access; b extra cycles */
    PYEMU_OP_MMIO_USER,  /* b loaded, c low 32 unloaded, c high 32 loaded again */
    PYEMU_OP_FAULT,      /* stage-2 fault, DABT; flag 1: IABT; b extra cycles */
    PYEMU_OP_SGI,        /* INTID a to vCPU b of the same VM; c=1: all others */
    PYEMU_OP_ACK,        /* IAR into the vCPU's iar */
    PYEMU_OP_EOI,        /* EOIR of the iar */
    PYEMU_OP_DIR,        /* DIR of the iar */
    PYEMU_OP_IRQ_ON,     /* PSTATE.I := 0 */
    PYEMU_OP_IRQ_OFF,
    PYEMU_OP_ERET,       /* back from the handler */
    PYEMU_OP_PMR,        /* priority mask := c */
    PYEMU_OP_GIC_ENABLE, /* INTID a, by a distributor exit */
    PYEMU_OP_GIC_DISABLE,
    PYEMU_OP_SPENDR,
    PYEMU_OP_CPENDR,
    PYEMU_OP_SACTIVER,
    PYEMU_OP_CACTIVER,
    PYEMU_OP_GIC_PRIO,   /* priority of INTID a := c */
    PYEMU_OP_EOIMODE,    /* guest VEOIM := c */
    PYEMU_OP_JUMP,       /* to op b */
    PYEMU_OP_LOOP,       /* ++reg a; if reg a < c jump to b, else reg a := 0 */
    PYEMU_OP_COUNT,      /* reg a += c */
    PYEMU_OP_UNTIL,      /* if reg a < c jump to b */
    PYEMU_OP_IF_INTID,   /* if iar != a jump to b */
    PYEMU_OP_RAND,       /* with probability c / 2^32 jump to b */
    PYEMU_OP_WAIT_REG,   /* reg a of this vCPU >= c + reg 7? continue, else jump b */
    PYEMU_OP_CPU_ON,     /* PSCI: vCPU a starts at op b */
    PYEMU_OP_CPU_OFF,
    PYEMU_OP_SYSTEM_OFF,
    PYEMU_OP_MARK,       /* trace record with c */
    PYEMU_OP_RESET_STATS,/* start of the measured region */
    PYEMU_OP_SEV,
    PYEMU_OP_GIC_MMIO,   /* word at address b, answered by Python; flag 1: write c,
                            else read into reg a */
    PYEMU_OP_N
};

struct pyemu_op {
    uint8_t op;    /* enum pyemu_opcode */
    uint8_t flags;
    uint16_t a;
    uint32_t b;
    uint64_t c;
};

/* Exit reasons, kernel names; IRQ split by what ended the guest run. */
enum pyemu_reason {
    PYEMU_X_IRQ_VTIMER = 0,
    PYEMU_X_IRQ_PTIMER,
    PYEMU_X_IRQ_KICK,
    PYEMU_X_IRQ_TICK,    /* host timer interrupt: tick or hrtimer */
    PYEMU_X_IRQ_DEVICE,
    PYEMU_X_IRQ_MAINT,   /* GIC maintenance interrupt */
    PYEMU_X_WFX,
    PYEMU_X_HVC64,
    PYEMU_X_SMC64,
    PYEMU_X_SYS64,
    PYEMU_X_DABT_KERNEL, /* DABT_LOW: in-kernel MMIO */
    PYEMU_X_DABT_USER,   /* DABT_LOW: MMIO to user space */
    PYEMU_X_DABT_FAULT,  /* DABT_LOW: stage-2 fault */
    PYEMU_X_IABT_LOW,
    PYEMU_X_COUNT
};

/* Counters beside KVM's own stat names; one writer each. */
enum pyemu_counter {
    PYEMU_C_GUEST_ENTRIES = 0, /* ERETs */
    PYEMU_C_VCPU_LOAD,
    PYEMU_C_VCPU_PUT,
    PYEMU_C_TIMER_BLOCK,       /* kvm_timer_schedule: BLOCK hooks run */
    PYEMU_C_VCPU_BLOCK,        /* kvm_vcpu_block */
    PYEMU_C_VCPU_SLEEP,        /* blocks that slept */
    PYEMU_C_VGIC_INJECT,       /* timer line updates, no SGIs */
    PYEMU_C_HOST_VTIMER_IRQ,
    PYEMU_C_HOST_PTIMER_IRQ,
    PYEMU_C_HOST_TIMER_IRQ,
    PYEMU_C_HOST_TICK_IRQ,
    PYEMU_C_HOST_IPI_IRQ,
    PYEMU_C_HOST_DEVICE_IRQ,
    PYEMU_C_SPURIOUS_IRQ,      /* IAR = 1023 as first answer */
    PYEMU_C_ABORTS,            /* entries refused */
    PYEMU_C_HVC_STAT,
    PYEMU_C_WFE_STAT,
    PYEMU_C_WFI_STAT,
    PYEMU_C_MMIO_USER_STAT,
    PYEMU_C_MMIO_KERNEL_STAT,
    PYEMU_C_SIGNAL_STAT,
    PYEMU_C_POLL_ATTEMPTED,
    PYEMU_C_POLL_SUCCESSFUL,
    PYEMU_C_POLL_INVALID,
    PYEMU_C_HALT_WAKEUP,
    PYEMU_C_POLL_ITERATIONS,
    PYEMU_C_BG_START,
    PYEMU_C_BG_EXPIRE,
    PYEMU_C_PT_START,
    PYEMU_C_PT_EXPIRE,
    PYEMU_C_PREEMPTED,
    PYEMU_C_MIGRATIONS,
    PYEMU_C_SCHED_SWITCHES,
    PYEMU_C_WAKEUPS,
    PYEMU_C_IPIS_SENT,
    PYEMU_C_EXPIRIES,          /* guest virtual timer expiries noticed */
    PYEMU_C_TICKS_ACKED,       /* 27 acknowledged by the guest */
    PYEMU_C_GUEST_SPURIOUS,    /* 27 acked with its line low throughout (I1) */
    PYEMU_C_LOST,              /* must be 0: checked at the end of a run */
    PYEMU_C_HOST_OOPS,         /* ISR dereferenced a NULL running vcpu (B01) */
    PYEMU_C_BAD_DEACTIVATE,    /* HW LR deactivated an inactive irq (I3) */
    PYEMU_C_SGIS_SENT,
    PYEMU_C_DEADLINES_ARMED,     /* guest writes that left its timer able to fire */
    PYEMU_C_DEADLINES_ACKED,     /* of them: acknowledged */
    PYEMU_C_DEADLINES_WITHDRAWN, /* of them: replaced or masked before that */
    PYEMU_C_COUNT
};

/* One trace record. */
enum pyemu_event_kind {
    PYEMU_E_ENTRY = 1,   /* guest entered */
    PYEMU_E_EXIT,        /* sub: enum pyemu_reason */
    PYEMU_E_LOAD,        /* sub: 1 by the scheduler, 0 by ioctl */
    PYEMU_E_PUT,
    PYEMU_E_SAVE,        /* virtual timer saved; arg: CVAL */
    PYEMU_E_RESTORE,
    PYEMU_E_LEVEL,       /* sub: intid; arg: level (kvm_timer_update_irq) */
    PYEMU_E_INJECT,      /* sub: intid; arg: level (vgic_update_irq_pending) */
    PYEMU_E_IRQ,         /* host acknowledged; sub: intid */
    PYEMU_E_ACK,         /* guest acknowledged; sub: intid */
    PYEMU_E_EOI,         /* guest EOI; sub: intid */
    PYEMU_E_BLOCK,
    PYEMU_E_UNBLOCK,     /* sub: 1 slept */
    PYEMU_E_SLEEP,
    PYEMU_E_WAKE,
    PYEMU_E_SWITCH,      /* sched_switch; arg: next thread */
    PYEMU_E_MIGRATE,     /* arg: new pCPU */
    PYEMU_E_HRTIMER,     /* sub: 0 background, 1 emulated physical timer */
    PYEMU_E_EXPIRY,      /* virtual timer output rose; arg: CVAL */
    PYEMU_E_TIMER_WRITE, /* guest; sub: timer; arg: CVAL */
    PYEMU_E_ABORT,
    PYEMU_E_STEP,        /* step trace; sub: prim; arg: step index */
    PYEMU_E_MARK,
    PYEMU_E_DEACTIVATE,  /* physical; sub: intid */
    PYEMU_E_OFF
};

struct pyemu_event {
    uint64_t cyc;
    uint64_t arg;
    uint32_t vcpu; /* 0xffffffff: none */
    uint16_t pcpu;
    uint8_t kind;
    uint8_t sub;
};

struct pyemu_config {
    uint64_t cpu_hz;
    uint64_t cntfrq_hz;
    uint64_t seed;
    uint32_t n_pcpus;
    uint32_t n_vcpus;
    uint32_t n_vms;
    uint32_t n_tasks;
    uint32_t n_programs;
    uint32_t n_tables;
    uint32_t n_lrs;
    uint32_t gic_version;    /* 2 or 3 */
    uint32_t vhe;
    uint32_t host_eoimode1;  /* 0: no split, nothing can be forwarded */
    uint32_t forwarded;      /* irq_set_vcpu_affinity succeeds */
    uint32_t direct_ptimer;  /* 5.2+: guest owns CNTP on VHE */
    uint32_t preempt_full;   /* CONFIG_PREEMPT; 0: PREEMPT_VOLUNTARY */
    uint32_t plain;          /* force the step interpreter */
    uint32_t stale_istatus;  /* CTL reads back old until an ISB (1.4) */
    uint32_t trace_steps;    /* a record for every step (implies plain) */
    uint64_t line_assert_cyc;
    uint64_t line_retire_cyc;
    uint64_t tick_cyc;       /* host tick period, 0 = no tick */
    uint64_t tick_phase_cyc;
    uint64_t halt_poll_max_cyc;  /* 0 = off */
    uint64_t halt_poll_start_cyc;
    uint64_t sched_latency_cyc;
    uint64_t sched_min_gran_cyc;
    uint64_t sched_wakeup_gran_cyc;
    uint64_t sched_sleeper_cyc;
    uint64_t timeslice_cyc;  /* extra rotation without a tick; 0 = none */
    uint32_t nohz_idle;
    uint32_t interacts;      /* 0: pCPUs cannot affect each other */
};

struct pyemu_vcpu_config {
    uint32_t vm;
    uint32_t id;         /* index inside its VM */
    uint32_t pcpu;
    uint32_t program;    /* 0xffffffff: no op program (A64 or none) */
    uint32_t entry;      /* first op */
    uint32_t irq_entry;  /* vector op; 0xffffffff: interrupts kept masked */
    uint32_t weight;     /* CFS weight, 1024 = nice 0 */
    uint32_t powered_on;
    uint64_t start_cyc;  /* when its thread first calls KVM_RUN */
    uint64_t debit_cyc;  /* vruntime its thread starts with (2.5) */
};

struct pyemu_vm_config {
    uint64_t cntvoff_ticks;
    uint32_t user_irqchip;
    uint32_t first_vcpu;
    uint32_t n_vcpus;
    uint32_t pad;
};

/*
 * A host task: runs on_cyc, sleeps off_cyc, again; off 0 = a hog. One with an INTID
 * is a VMM's device thread: every burst ends by raising that SPI of vcpu's VM.
 */
struct pyemu_task_config {
    uint64_t start_cyc;
    uint64_t on_cyc;
    uint64_t off_cyc;
    uint64_t slack_cyc; /* its timer: any host timer interrupt so much later at most */
    uint32_t pcpu;
    uint32_t weight;
    uint32_t vcpu;
    uint32_t intid;  /* 0: none */
};

/* At at_cyc, vCPU goes to pcpu; sorted by at_cyc. */
struct pyemu_move {
    uint64_t at_cyc;
    uint32_t vcpu;
    uint32_t pcpu;
};

/* An outside interrupt: SPI of a VM raised, or a host device interrupt. */
struct pyemu_outside {
    uint64_t at_cyc;
    uint32_t pcpu;   /* that handles it in the host */
    uint32_t vcpu;   /* first vCPU of the VM, 0xffffffff: host only */
    uint32_t intid;
    uint32_t level;
};

struct pyemu_vcpu_stats {
    uint64_t guest_cyc;
    uint64_t switch_cyc;
    uint64_t handling_cyc;
    uint64_t oncpu_cyc;
    uint64_t exits[14];
    uint64_t regs[8];
    uint64_t loads;
    uint32_t pcpu;
    uint32_t state;
};

struct pyemu_pcpu_stats {
    uint64_t now_cyc;
    uint64_t guest_cyc;
    uint64_t idle_cyc;
    uint64_t task_cyc;
    uint64_t handling_cyc;
    uint64_t switch_cyc;
};

struct pyemu_timer_state {
    uint64_t cval_ticks;
    uint32_t ctl;
    uint32_t level;
};

/* ONE_REG and device-attr view of a stopped vCPU (3.8, migration). */
struct pyemu_irq_state {
    uint8_t line;
    uint8_t latch;
    uint8_t active;
    uint8_t enabled;
    uint8_t edge;
    uint8_t prio;
    uint8_t source;
    uint8_t active_source;
};

struct pyemu_vcpu_state {
    struct pyemu_timer_state vtimer;
    struct pyemu_timer_state ptimer;
    uint64_t regs[8];
    uint64_t list_pos;
    uint64_t list_end;
    uint64_t compute_left_cyc;
    uint64_t compute_saved_cyc; /* of the compute that an interrupt broke off */
    uint64_t n_draws;           /* random numbers its program has drawn */
    uint32_t list_table;
    uint32_t pc;
    uint32_t irq_return_pc;
    uint32_t iar;
    uint32_t pstate_i;
    uint32_t in_irq;
    uint32_t event;             /* WFE's event register */
    uint32_t powered_off;
    uint32_t vmcr_pmr;
    uint32_t vmcr_eoimode;
    uint32_t apr[8];
    struct pyemu_irq_state irq[32];
};

/* A distributor or device access that waits for Python (PYEMU_STOP_MMIO). */
struct pyemu_mmio {
    uint64_t address;
    uint64_t value;
    uint16_t size;     /* bytes */
    uint16_t is_user;  /* a device of user space: the vCPU is outside KVM_RUN */
    uint32_t is_write;
};

/* Guest memory, all of one kind. */
struct pyemu_region {
    uint64_t base;     /* bytes, multiples of 4 KiB */
    uint64_t bytes;
    uint64_t rom;
};

/* A VM that runs machine code: its memory and what its host does with traps. */
struct pyemu_code_config {
    struct pyemu_region regions[8];
    uint64_t gicd;     /* frames of the interrupt controller, guest physical */
    uint64_t gicd_bytes;
    uint64_t gicr;     /* GICv3: all redistributors */
    uint64_t gicr_bytes;
    uint64_t gicv;     /* GICv2: CPU interface, 8 KiB, no exits */
    uint64_t uart;     /* PL011, 4 KiB; 0: none */
    uint32_t uart_intid;
    uint32_t n_regions;
    uint32_t populated;/* no first-touch stage-2 faults */
    uint32_t trap_ids; /* ID registers are trapped (HCR_EL2.TID3) */
    uint32_t marks;    /* HINT 80 starts, HINT 81 ends the measured region */
    uint32_t has_crc32;
    uint32_t has_pan;
    uint32_t no_jit;   /* interpret; the same run, slower */
    uint8_t cost_cyc[16]; /* by instruction class, 0 = 1; see a64/a64.h */
};

/* Registers of pyemu_code_get and _set: X0 to X30 are their numbers. */
enum pyemu_code_reg { PYEMU_R_SP = 31, PYEMU_R_PC = 32, PYEMU_R_PSTATE = 33 };

struct pyemu_limits {
    uint64_t until_cyc;        /* host cycle to stop at */
    uint64_t until_guest_cyc;  /* guest cycles of all vCPUs; 0 = no limit */
    uint64_t until_exits;      /* 0 = no limit */
    uint64_t pause_cyc;        /* come back where it affects nothing, from here on */
};

struct pyemu_result {
    uint64_t now_cyc;      /* the least pCPU clock */
    uint64_t guest_cyc;
    uint64_t exits;
    uint64_t n_events;     /* records in the trace buffer */
    uint32_t reason;       /* enum pyemu_stop */
    uint32_t vcpu;         /* that asks, for MMIO and CALLBACK */
    uint32_t step;         /* for CALLBACK */
    uint32_t pad;
};

struct pyemu_machine;

uint32_t pyemu_api_version(void);
const char *pyemu_error(const struct pyemu_machine *m);
int pyemu_machine_new(const struct pyemu_config *cfg, struct pyemu_machine **out);
void pyemu_machine_free(struct pyemu_machine *m);
uint64_t pyemu_machine_bytes(const struct pyemu_machine *m);
uint64_t pyemu_vcpu_bytes(void);

int pyemu_set_costs(struct pyemu_machine *m, const uint32_t *cost_cyc, uint32_t n);
int pyemu_set_policy(struct pyemu_machine *m, const struct pyemu_step *steps,
                     uint32_t n_steps, const uint32_t *hook_start,
                     const struct pyemu_guard *guards, uint32_t n_guards,
                     uint64_t switches);
int pyemu_set_program(struct pyemu_machine *m, uint32_t idx,
                      const struct pyemu_op *ops, uint32_t n_ops);
int pyemu_set_table(struct pyemu_machine *m, uint32_t idx, const uint64_t *values,
                    uint64_t n);
int pyemu_set_moves(struct pyemu_machine *m, const struct pyemu_move *moves,
                    uint64_t n);
int pyemu_set_outside(struct pyemu_machine *m, const struct pyemu_outside *irqs,
                      uint64_t n);
int pyemu_set_vm(struct pyemu_machine *m, uint32_t vm, const struct pyemu_vm_config *c);
int pyemu_set_vcpu(struct pyemu_machine *m, uint32_t vcpu,
                   const struct pyemu_vcpu_config *c);
int pyemu_set_task(struct pyemu_machine *m, uint32_t task,
                   const struct pyemu_task_config *c);
int pyemu_set_trace(struct pyemu_machine *m, struct pyemu_event *buf, uint64_t cap);
int pyemu_start(struct pyemu_machine *m);
int pyemu_run(struct pyemu_machine *m, const struct pyemu_limits *limits,
              struct pyemu_result *out);
void pyemu_interrupt(struct pyemu_machine *m);
int pyemu_callback_answer(struct pyemu_machine *m, uint32_t vcpu, uint32_t yes);

int pyemu_mmio_get(struct pyemu_machine *m, uint32_t vcpu, struct pyemu_mmio *out);
int pyemu_mmio_answer(struct pyemu_machine *m, uint32_t vcpu, uint64_t value);
int pyemu_irq_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                  struct pyemu_irq_state *out);
int pyemu_irq_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                  const struct pyemu_irq_state *in);
int pyemu_irq_sgi(struct pyemu_machine *m, uint32_t source, uint32_t target,
                  uint32_t intid);
/* The level of an SPI's input changes, by the thread of vCPU `source`. */
int pyemu_irq_line(struct pyemu_machine *m, uint32_t source, uint32_t intid,
                   uint32_t level);
/* An SPI goes to vCPU `target` of its VM; one that is pending at the next exit. */
int pyemu_irq_route(struct pyemu_machine *m, uint32_t vcpu, uint32_t intid,
                    uint32_t target);

/* The vCPU's list registers in the format of its host's GIC; unused ones 0. */
int pyemu_list_registers(struct pyemu_machine *m, uint32_t vcpu, uint64_t *out,
                         uint32_t n);

/* Machine code: after pyemu_set_vm, before the VM's vCPUs (program 0xffffffff). */
int pyemu_code_vm(struct pyemu_machine *m, uint32_t vm,
                  const struct pyemu_code_config *c);
int pyemu_code_write(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                     const uint8_t *data, uint64_t n);
int pyemu_code_read(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                    uint8_t *out, uint64_t n);
/* What a VM's UART has sent since the last call: *n of PYEMU_CONSOLE_BYTES bytes. */
int pyemu_console_read(struct pyemu_machine *m, uint32_t vm, uint8_t *out, uint64_t *n);
/* Runs come back (PYEMU_STOP_CONSOLE) at this byte, besides at the end of a line. */
int pyemu_console_stop_at(struct pyemu_machine *m, uint32_t vm, uint32_t byte);
int pyemu_code_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg, uint64_t *out);
int pyemu_code_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg,
                   uint64_t value);
uint64_t pyemu_code_insns(const struct pyemu_machine *m, uint32_t vcpu);
/* Memory as a vCPU's EL1 translates it, whatever the permissions; no side effects. */
int pyemu_code_read_virtual(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                            uint8_t *out, uint64_t n);
int pyemu_code_write_virtual(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                             const uint8_t *data, uint64_t n);
int pyemu_code_translate(struct pyemu_machine *m, uint32_t vcpu, uint64_t va,
                         uint64_t *out);
/* System registers by (op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2). */
int pyemu_code_sysreg_get(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg,
                          uint64_t *out);
int pyemu_code_sysreg_set(struct pyemu_machine *m, uint32_t vcpu, uint32_t reg,
                          uint64_t value);
/* A breakpoint at an address of every vCPU of a VM; the next run goes past one. */
int pyemu_code_break(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                     uint32_t insert);
/* Accesses of a VM's vCPUs to [address, address + n), virtual, that stop; on: 1 loads,
 * 2 stores, 3 both. The next run goes past one. */
int pyemu_code_watch(struct pyemu_machine *m, uint32_t vm, uint64_t address, uint64_t n,
                     uint32_t on);
int pyemu_code_unwatch(struct pyemu_machine *m, uint32_t vm, uint64_t address,
                       uint64_t n, uint32_t on);
/* The watched address that the last WATCH is about. */
uint64_t pyemu_code_watched(const struct pyemu_machine *m);
/* Runs stop once this vCPU has executed n instructions; 0xffffffff: none steps. */
int pyemu_code_step(struct pyemu_machine *m, uint32_t vcpu, uint64_t n);
/* The vCPU that the last BREAK, WATCH or STEP is about. */
uint32_t pyemu_code_stopped(const struct pyemu_machine *m);
/*
 * Exits, guest cycles and handling cycles by function from now on. starts: first
 * addresses, ascending; sums: 3 * (n + 1) numbers, of what precedes starts[0] first.
 * Both are lent. period_cyc: guest cycles between samples; 0 ends the profile.
 */
int pyemu_code_profile(struct pyemu_machine *m, const uint64_t *starts, uint64_t n,
                       uint64_t period_cyc, uint64_t *sums);
/* The measured region starts here, as OP_RESET_STATS. */
int pyemu_reset_stats(struct pyemu_machine *m);
/* User space, where this vCPU is, switches its VM off: the others are told by kicks. */
int pyemu_vm_off(struct pyemu_machine *m, uint32_t vcpu);

int pyemu_move(struct pyemu_machine *m, uint32_t vcpu, uint32_t pcpu);
int pyemu_pcpu_online(struct pyemu_machine *m, uint32_t pcpu, uint32_t online);
int pyemu_vcpu_reset(struct pyemu_machine *m, uint32_t vcpu);
int pyemu_vcpu_pause(struct pyemu_machine *m, uint32_t vcpu, uint32_t pause);
int pyemu_signal(struct pyemu_machine *m, uint32_t vcpu);
int pyemu_get_vcpu(struct pyemu_machine *m, uint32_t vcpu,
                   struct pyemu_vcpu_state *out);
int pyemu_set_vcpu_state(struct pyemu_machine *m, uint32_t vcpu,
                         const struct pyemu_vcpu_state *in);
int pyemu_set_cntvoff(struct pyemu_machine *m, uint32_t vm, uint64_t cntvoff_ticks);
uint64_t pyemu_count_ticks(const struct pyemu_machine *m, uint64_t cyc);
uint64_t pyemu_ticks_to_cyc(const struct pyemu_machine *m, uint64_t ticks);

int pyemu_step_counts(struct pyemu_machine *m, uint64_t *out, uint32_t n);
int pyemu_prim_counts(struct pyemu_machine *m, uint64_t *out, uint32_t n);
int pyemu_counters(struct pyemu_machine *m, uint64_t *out, uint32_t n);
int pyemu_histogram(struct pyemu_machine *m, uint32_t which, uint64_t *out, uint32_t n);
uint64_t pyemu_hist_low(uint32_t bucket);
int pyemu_vcpu_stats(struct pyemu_machine *m, uint32_t first, uint32_t n,
                     struct pyemu_vcpu_stats *out);
int pyemu_pcpu_stats(struct pyemu_machine *m, uint32_t first, uint32_t n,
                     struct pyemu_pcpu_stats *out);
int pyemu_reason_sums(struct pyemu_machine *m, uint64_t *count, uint64_t *guest_cyc,
                      uint64_t *handling_cyc, uint64_t *min_cyc, uint64_t *max_cyc,
                      uint32_t n);
/* Feeds records into one chain a pCPU; the order between pCPUs does not enter. */
int pyemu_trace_hash(const struct pyemu_event *ev, uint64_t n, uint64_t *chains,
                     uint32_t n_chains);
uint64_t pyemu_snapshot_bytes(const struct pyemu_machine *m);
int pyemu_snapshot_save(struct pyemu_machine *m, uint8_t *out, uint64_t n);
int pyemu_snapshot_load(struct pyemu_machine *m, const uint8_t *in, uint64_t n);

#endif
