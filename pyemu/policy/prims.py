"""Primitives: what one step of a policy does, in one table.

Each line below is one primitive: name, component, hooks it may stand in, what it does,
and the ``ops`` counter it counts for. The order is that of ``enum pyemu_prim``. A
module-level name such as ``cntv_ctl_w0`` is the unguarded step of that primitive;
``cntv_ctl_w0.when(loaded)`` is a guarded one.
"""
# ruff: noqa: PLC0414

from __future__ import annotations

from . import hooks as at
from .steps import COMPONENTS as COMPONENTS
from .steps import OPS as OPS
from .steps import PRIMS as PRIMS
from .steps import Prim as Prim
from .steps import Step as Step
from .steps import counted as _prim
from .steps import primitive as _step

nop = _step("nop", "run_loop", at.ANY, "nothing")

# World switch: state pyemu does not look into, cost only.
trap = _step("trap", "trap", at.EXIT, "exception from the guest to EL2")
eret = _step("eret", "trap", at.ENTER, "into the guest; ends every entry")
hyp_call = _step(
    "hyp_call", "hyp_call", at.THREAD, "host HVC to EL2 (nVHE)", "hyp_call"
)
hyp_ret = _step("hyp_ret", "hyp_call", at.THREAD, "return from EL2 to the nVHE host")
gp_save = _step("gp_save", "gp", at.SWITCH, "general registers")
gp_restore = _step("gp_restore", "gp", at.SWITCH, "general registers")
fp_save = _step("fp_save", "fp", at.SWITCH, "FP/SIMD registers")
fp_restore = _step("fp_restore", "fp", at.SWITCH, "FP/SIMD registers")
el1_save = _step("el1_save", "el1", at.SWITCH, "EL1 system registers")
el1_restore = _step("el1_restore", "el1", at.SWITCH, "EL1 system registers")
el2cfg_save = _step("el2cfg_save", "el2cfg", at.SWITCH, "EL2 traps back to the host's")
el2cfg_restore = _step("el2cfg_restore", "el2cfg", at.SWITCH, "EL2 traps of the guest")
stage2_save = _step("stage2_save", "stage2", at.SWITCH, "VTTBR := 0")
stage2_restore = _step("stage2_restore", "stage2", at.SWITCH, "VTTBR := the VM's")
mitigation = _step("mitigation", "trap", at.SWITCH, "speculation work-around call")
run_loop = _step(
    "run_loop", "run_loop", at.ENTER, "the run loop's own code, once per turn"
)

# Virtual timer registers; "mem" is the memory copy.
cntv_ctl_r = _step("cntv_ctl_r", "timer", at.REGS, "mem.ctl := CNTV_CTL", "cntv_ctl_r")
cntv_cval_r = _step(
    "cntv_cval_r", "timer", at.REGS, "mem.cval := CNTV_CVAL", "cntv_cval_r"
)
cntv_ctl_w0 = _step("cntv_ctl_w0", "timer", at.REGS, "CNTV_CTL := 0", "cntv_ctl_w")
cntv_cval_w = _step(
    "cntv_cval_w", "timer", at.REGS, "CNTV_CVAL := mem.cval", "cntv_cval_w"
)
cntv_ctl_w = _step("cntv_ctl_w", "timer", at.REGS, "CNTV_CTL := mem.ctl", "cntv_ctl_w")
cntvoff_w = _step(
    "cntvoff_w", "timer", at.THREAD, "CNTVOFF := the VM's offset", "cntvoff_w"
)
cntvoff_w0 = _step("cntvoff_w0", "timer", at.THREAD, "CNTVOFF := 0", "cntvoff_w")
cnthctl_r = _step(
    "cnthctl_r", "timer", at.THREAD, "CNTHCTL, read of a read-modify-write", "cnthctl_r"
)
cnthctl_w_guest = _step(
    "cnthctl_w_guest", "timer", at.THREAD, "CNTHCTL: CNTP traps (1.2)", "cnthctl_w"
)
cnthctl_w_host = _step(
    "cnthctl_w_host", "timer", at.THREAD, "CNTHCTL: nothing traps", "cnthctl_w"
)

# Direct physical timer (5.2+ on VHE).
cntp_ctl_r = _step("cntp_ctl_r", "timer", at.REGS, "mem.ctl := CNTP_CTL", "cntp_ctl_r")
cntp_cval_r = _step(
    "cntp_cval_r", "timer", at.REGS, "mem.cval := CNTP_CVAL", "cntp_cval_r"
)
cntp_ctl_w0 = _step("cntp_ctl_w0", "timer", at.REGS, "CNTP_CTL := 0", "cntp_ctl_w")
cntp_cval_w = _step(
    "cntp_cval_w", "timer", at.REGS, "CNTP_CVAL := mem.cval", "cntp_cval_w"
)
cntp_ctl_w = _step("cntp_ctl_w", "timer", at.REGS, "CNTP_CTL := mem.ctl", "cntp_ctl_w")
cntpoff_w = _step("cntpoff_w", "timer", at.THREAD, "CNTPOFF written")
cntkctl_r = _step(
    "cntkctl_r", "el1", at.THREAD, "CNTKCTL saved, with the EL1 context", "cntkctl_r"
)
cntkctl_w = _step(
    "cntkctl_w", "el1", at.THREAD, "CNTKCTL restored, with the EL1 context", "cntkctl_w"
)
cntpct_r = _step(
    "cntpct_r", "timer", at.ANY, "counter read of should_fire or of a delta"
)
isb = _step("isb", "isb", at.ANY, "context synchronisation", "isb")
dsb = _step("dsb", "isb", at.ANY, "data synchronisation")

# should_fire and levels: results in fire and changed (3.2b, 4.3, 4.4).
eval_v = _step(
    "eval_v", "timer", at.LEVEL, "fire := mem fires; changed := fire != level_v"
)
eval_v_hw = _step(
    "eval_v_hw", "timer", at.REGS, "fire := CNTV_CTL fires; changed", "cntv_ctl_r"
)
eval_v_ctl = _step(
    "eval_v_ctl",
    "timer",
    at.REGS,
    "fire := CNTV_CTL could fire (4.9); changed",
    "cntv_ctl_r",
)
eval_p = _step(
    "eval_p", "timer", at.LEVEL, "fire := mem fires; changed := fire != level_p"
)
eval_p_hw = _step(
    "eval_p_hw", "timer", at.REGS, "fire := CNTP_CTL fires; changed", "cntp_ctl_r"
)
level_v = _step("level_v", "timer", at.LEVEL, "level_v := fire")
level_v_set = _step("level_v_set", "timer", at.LEVEL, "level_v := 1")
level_v_clear = _step("level_v_clear", "timer", at.LEVEL, "level_v := 0")
level_p = _step("level_p", "timer", at.LEVEL, "level_p := fire")
level_p_set = _step("level_p_set", "timer", at.LEVEL, "level_p := 1")
level_p_clear = _step("level_p_clear", "timer", at.LEVEL, "level_p := 0")
inject_v = _step("inject_v", "vgic", at.LEVEL, "kvm_vgic_inject_irq(27, level_v)")
inject_p = _step("inject_p", "vgic", at.LEVEL, "kvm_vgic_inject_irq(30, level_p)")
inject_v_fire = _step(
    "inject_v_fire", "vgic", at.LEVEL, "kvm_vgic_inject_irq(27, fire), level untouched"
)
save_ctl_isr = _step(
    "save_ctl_isr",
    "timer",
    at.ISR,
    "mem.ctl := the CTL just evaluated, loaded or not (B01)",
)

# Physical active state of the forwarded PPIs (3.2d, 4.3, 4.6).
act_either = _step("act_either", "timer", at.REGS, "act := level_v || vact_v")
act_vact = _step("act_vact", "timer", at.REGS, "act := vact_v")
act_level = _step("act_level", "timer", at.REGS, "act := level_v")
act_either_p = _step("act_either_p", "timer", at.REGS, "act := level_p || vact_p")
active_set_v = _step(
    "active_set_v", "active_write", at.REGS, "ISACTIVER for 27", "isactiver_w"
)
active_clear_v = _step(
    "active_clear_v", "active_write", at.REGS, "ICACTIVER for 27", "icactiver_w"
)
active_set_p = _step(
    "active_set_p", "active_write", at.REGS, "ISACTIVER for 30", "isactiver_w"
)
active_clear_p = _step(
    "active_clear_p", "active_write", at.REGS, "ICACTIVER for 30", "icactiver_w"
)
cache_set = _step("cache_set", "timer", at.REGS, "active_cleared_last := 1")
cache_clear = _step("cache_clear", "timer", at.LEVEL, "active_cleared_last := 0")
ppi_enable = _step(
    "ppi_enable", "active_write", at.REGS, "enable_percpu_irq(host vtimer)"
)
ppi_disable = _step(
    "ppi_disable",
    "active_write",
    at.REGS,
    "mask a forwarded irq: ICENABLER and ICACTIVER (2.2)",
    "icactiver_w",
)
loaded_set = _step("loaded_set", "timer", at.THREAD, "loaded := 1")
loaded_clear = _step("loaded_clear", "timer", at.THREAD, "loaded := 0")
enabled_set = _step("enabled_set", "timer", at.SETUP, "enabled := 1")
running_set = _step(
    "running_set", "run_loop", at.SWITCH, "per-cpu running vCPU := this one"
)
running_clear = _step(
    "running_clear", "run_loop", at.SWITCH, "per-cpu running vCPU := NULL"
)

# Soft timers.
bg_arm = _step(
    "bg_arm", "soft_timer", at.THREAD, "background hrtimer for the earliest deadline"
)
bg_cancel = _step("bg_cancel", "soft_timer", at.THREAD, "background hrtimer cancelled")
pt_emulate = _step(
    "pt_emulate", "soft_timer", at.LEVEL, "expired or cannot fire: cancel, else arm"
)
pt_arm = _step(
    "pt_arm",
    "soft_timer",
    at.LEVEL,
    "arm if it can fire; one that is due by now expires at once",
)
pt_cancel = _step(
    "pt_cancel", "soft_timer", at.LEVEL, "emulated physical timer cancelled"
)
bg_recheck = _step(
    "bg_recheck", "soft_timer", at.BG, "fire := due, else the hrtimer restarts"
)
pt_recheck = _step(
    "pt_recheck", "soft_timer", at.PT, "fire := due, else the hrtimer restarts"
)
work = _step(
    "work", "soft_timer", at.EXPIRE, "queue the expired work: wakes the vCPU later"
)
wake = _step("wake", "soft_timer", at.EXPIRE, "wake the vCPU")

# vgic (2.4).
vgic_flush = _step("vgic_flush", "vgic", at.FLUSH, "model to list register images")
vgic_restore = _step("vgic_restore", "vgic", at.FLUSH, "images to list registers")
vgic_save = _step("vgic_save", "vgic", at.SAVE, "list registers to images")
vgic_sync = _step("vgic_sync", "vgic", at.SYNC, "fold images into the model, prune")
vmcr_w = _step("vmcr_w", "vgic", at.SWITCH, "VMCR restored")
vmcr_r = _step("vmcr_r", "vgic", at.SWITCH, "VMCR saved")
apr_w = _step("apr_w", "vgic", at.SWITCH, "active priorities restored")
apr_r = _step("apr_r", "vgic", at.SWITCH, "active priorities saved")
vgic_reset_v = _step(
    "vgic_reset_v", "vgic", at.RESET, "line, latch, active of 27 cleared (B11)"
)
sample_v = _step("sample_v", "vgic", at.THREAD, "resample the mapped level irq (4.16)")

# Control.
requests = _step(
    "requests", "run_loop", at.ENTER, "handle requests; a SLEEP request blocks"
)
preempt_off = _step("preempt_off", "run_loop", at.THREAD, "preempt_disable()")
preempt_on = _step("preempt_on", "run_loop", at.THREAD, "preempt_enable()")
irq_off = _step("irq_off", "run_loop", at.THREAD, "local_irq_disable()")
irq_on = _step("irq_on", "run_loop", at.THREAD, "local_irq_enable()")
irq_save = _step("irq_save", "run_loop", at.THREAD, "local_irq_save()")
irq_restore = _step("irq_restore", "run_loop", at.THREAD, "local_irq_restore()")
mode_in = _step("mode_in", "run_loop", at.ENTER, "mode := IN_GUEST_MODE, barrier")
mode_out = _step("mode_out", "run_loop", at.SYNC, "mode := OUTSIDE_GUEST_MODE")
check_signal = _step(
    "check_signal", "run_loop", at.ENTER, "signal or user level mismatch: abort"
)
check_requests = _step("check_requests", "run_loop", at.ENTER, "any request: abort")
handle = _step("handle", "handle", at.EXIT, "handle_exit by reason")
pending = _step("pending", "sched", at.CHECK, "kvm_vgic_vcpu_pending_irq: sets wake")
wake_if = _step("wake_if", "sched", at.CHECK, "sets wake, where its guard holds")
user_levels = _step("user_levels", "user", at.USER, "copy levels into kvm_run")
callback = _step(
    "callback", "handle", at.CALLBACK, "ask Python: slow; fire := the answer"
)

# Host interrupt controller interface (2.2).
iar_r = _step("iar_r", "irq", at.IRQ_ENTRY, "acknowledge")
eoir_w = _step(
    "eoir_w", "irq", at.IRQ_ENTRY, "priority drop (EOImode 0: deactivate too)"
)
dir_w = _step("dir_w", "irq", at.IRQ_BOTH, "deactivate")
isr_vtimer = _step("isr_vtimer", "irq", at.ISR, "the timer handler's own code")

# Primitives that may stand in a table; those below are counted only.
STEP_COUNT = len(PRIMS)

_prim("lr_r", "vgic", at.NONE, "list register read")
_prim("lr_w", "vgic", at.NONE, "list register written")
_prim("vgic_if_r", "vgic", at.NONE, "other reads of the virtual interface control")
_prim("vgic_if_w", "vgic", at.NONE, "other writes of it")
_prim("populate", "vgic", at.NONE, "one irq: model to list register image")
_prim("fold", "vgic", at.NONE, "one list register image to model")
_prim("vgic_inject", "vgic", at.NONE, "one kvm_vgic_inject_irq")
_prim("gic_poll_r", "active_write", at.NONE, "RWP poll after a GICv3 distributor write")
_prim("handle_hvc", "handle", at.NONE, "hypercall handler")
_prim("handle_sys", "handle", at.NONE, "trapped system register")
_prim("handle_mmio", "handle", at.NONE, "in-kernel vgic MMIO")
_prim("handle_fault", "handle", at.NONE, "stage-2 fault")
_prim("handle_wfx", "handle", at.NONE, "WFI or WFE")
_prim("handle_irq", "handle", at.NONE, "exit by interrupt")
_prim("handle_user", "handle", at.NONE, "kernel part of a user-space exit")
_prim("user", "user", at.NONE, "user space until it calls KVM_RUN again")
_prim("handle_sgi", "handle", at.NONE, "SGI register")
_prim("handle_psci", "handle", at.NONE, "PSCI call")
_prim("handle_ptimer", "handle", at.NONE, "trapped CNTP access")
_prim("extra", "handle", at.NONE, "host time given by the guest program")
_prim("block_path", "sched", at.NONE, "kvm_vcpu_block's own code")
_prim("poll_iter", "sched", at.NONE, "one turn of halt polling")
_prim("sched_switch", "sched", at.NONE, "context switch")
_prim("wakeup", "sched", at.NONE, "try_to_wake_up")
_prim("idle_exit", "sched", at.NONE, "leaving idle")
_prim("idle_enter", "sched", at.NONE, "going idle")
_prim("hrtimer_arm", "soft_timer", at.NONE, "hrtimer_start")
_prim("hrtimer_cancel", "soft_timer", at.NONE, "hrtimer_cancel")
_prim("isr_timer", "irq", at.NONE, "host timer handler, per interrupt")
_prim("isr_tick", "irq", at.NONE, "its periodic part")
_prim("isr_hrtimer", "irq", at.NONE, "per expired hrtimer")
_prim("isr_ipi", "irq", at.NONE, "reschedule interrupt")
_prim("isr_device", "irq", at.NONE, "device interrupt")
_prim("ipi_send", "irq", at.NONE, "IPI sent")
_prim("ipi_latency", "irq", at.NONE, "flight time: the least cross-pCPU latency")
_prim("work_delay", "soft_timer", at.NONE, "queue_work to the worker's wake-up")
_prim("syscall", "user", at.NONE, "KVM_RUN ioctl entry and exit")
_prim("g_ack", "guest", at.NONE, "guest reads IAR")
_prim("g_eoi", "guest", at.NONE, "guest writes EOIR")
_prim("g_sysreg", "guest", at.NONE, "guest access that does not trap")
_prim("g_vector", "guest", at.NONE, "guest exception entry and return")
_prim("g_insn", "guest", at.NONE, "any other guest operation")
