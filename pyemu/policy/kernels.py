"""Linux up to 4.15 as tables: v4.4, eager (4.14) and lazy (4.15).

Each hook reads in the order of docs/semantics.md sections 3 and 4; the numbers beside
the steps are sections. ``x.when(y)`` is an ``if (y)`` of the kernel.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from typing import Final

from .guards import (
    act,
    ap,
    can_p,
    changed,
    cleared,
    enabled,
    fire,
    loaded,
    running,
    user_irqchip,
)
from .guards import level_p as p_high
from .guards import level_v as v_high
from .parts import (
    ACTIVE_V,
    ARM_BG,
    BG_EXPIRE,
    CANCEL_P,
    DISARM_BG,
    EL1_IN,
    EL1_OUT,
    EMULATE,
    FIRES_P,
    FIRES_V,
    IN_KERNEL,
    IRQ_ENTRY,
    IRQ_EXIT_FORWARDED,
    MASK_V,
    PT_EXPIRE,
    RESTORE,
    SAVE,
    TRAPS_OFF,
    TRAPS_ON,
    UPDATE_P,
    UPDATE_V,
    USER_EXIT,
    VGIC_LOAD,
    VGIC_PUT,
    Part,
    asks,
    at_el2,
    check_block,
    irq_exit,
    to_guest,
    to_host,
)
from .prims import *
from .steps import Steps, flat, under
from .table import Policy

__all__ = ["eager", "lazy", "v4_4"]

# --- eager (section 3): outside the guest CNTV_CTL is 0 and memory is the truth.

# 3.2b; a change of level forgets that the active bit was cleared.
UPDATE_V_CACHED: Final = flat(
    FIRES_V,
    level_v.when(changed),
    cache_clear.when(changed),
    inject_v.when(changed),
)

# 3.2c: not expired and can fire: the hrtimer, two counter reads for its deadline.
EMULATE_AT_ENTRY: Final = flat(
    cntpct_r.when(can_p),
    under(can_p & ~fire, cntpct_r, cntpct_r, pt_arm),
)

# level || virtual active: a high level asks the vgic nothing (recorded, 4.14: no
# kvm_vgic_map_is_active on a tick).
ACT_SHORT: Final = flat(act_level.when(v_high), act_either.when(~v_high))

# 3.2d: set on every entry with level or virtual active; clear once, then cached.
ACTIVE_CACHED: Final = under(
    IN_KERNEL,
    ACT_SHORT,
    under(act, active_set_v, cache_clear),
    under(~act & ~cleared, active_clear_v, cache_set),
)

TIMER_FLUSH: Final = under(  # 3.2, each entry
    enabled, UPDATE_V_CACHED, UPDATE_P, EMULATE_AT_ENTRY, ACTIVE_CACHED, MASK_V
)
TIMER_SYNC: Final = flat(  # 3.4, each exit
    CANCEL_P, under(enabled, UPDATE_V_CACHED, UPDATE_P)
)

HYP_RESTORE: Final = flat(  # 3.3; nVHE 1R 4W 1 ISB, VHE 3W 1 ISB
    TRAPS_ON,
    under(enabled, cntvoff_w, cntv_cval_w, isb, cntv_ctl_w),
)
HYP_SAVE: Final = flat(  # 3.3; nVHE 3R 3W, VHE 2R 2W; no ISB after CTL:=0
    under(enabled, cntv_ctl_r, cntv_cval_r),
    cntv_ctl_w0,
    TRAPS_OFF,
    cntvoff_w0,
)

# 3.6: hardware plays no part, so polling and sleeping ask memory alike.
CHECK_MEMORY: Final = check_block(asks(FIRES_V), asks(FIRES_P))


def eager_enter(timer_flush: Steps, switch: Steps) -> Part:
    """Return 3.1 steps 1-6: both flushes with interrupts on."""
    return flat(
        run_loop,  # step 1
        requests,
        preempt_off,  # step 2
        timer_flush,  # step 3
        vgic_flush.when(ap),
        irq_off,  # step 4
        check_signal,
        mode_in,  # step 5
        check_requests,
        switch,  # step 6
    )


def eager_exit(switch: Steps, timer_sync: Steps) -> Part:
    """Return 3.1 steps 7-10: the vgic samples the level that the timer sync sets."""
    return flat(
        switch,  # step 7
        mode_out,  # step 8
        irq_on,
        timer_sync,  # step 9
        vgic_sync.when(ap),
        preempt_on,  # step 10
        handle,
    )


def eager_abort(timer_sync: Steps) -> Part:
    """Return 3.1 step 5 when the entry is refused."""
    return flat(mode_out, irq_on, timer_sync, vgic_sync.when(ap), preempt_on)


EAGER_HOOKS: Final = {
    "enter": eager_enter(TIMER_FLUSH, to_guest(HYP_RESTORE)),
    "abort": eager_abort(TIMER_SYNC),
    "exit": eager_exit(to_host(HYP_SAVE), TIMER_SYNC),
    "load": (running_set, VGIC_LOAD),  # 3.7
    "put": (VGIC_PUT, running_clear, cache_clear),
    "block": ARM_BG,  # 3.6
    "unblock": DISARM_BG,
    "check": CHECK_MEMORY,
    "irq_entry": IRQ_ENTRY,  # 2.2
    "vtimer_isr": isr_vtimer,  # 3.5: a warning, nothing injected
    "irq_exit": irq_exit(),  # not forwarded before 4.15: DIR for every interrupt
    "bg_expire": BG_EXPIRE,
    "pt_expire": (pt_recheck, work.when(fire)),  # 3.9: only makes the guest exit
    "first_run": enabled_set,
    "reset": under(enabled, UPDATE_V_CACHED, UPDATE_P),
    "user_exit": USER_EXIT,
}

EAGER_SECTIONS: Final = {
    "enter": "3.1 3.2 3.3",
    "abort": "3.1",
    "exit": "3.1 3.3 3.4",
    "load": "3.7",
    "put": "3.7",
    "block": "3.6",
    "unblock": "3.6",
    "check": "3.6",
    "irq_entry": "2.2",
    "vtimer_isr": "3.5",
    "irq_exit": "2.2 3.5",
    "bg_expire": "3.6",
    "pt_expire": "3.9",
    "first_run": "4.1",
    "reset": "6 (B11)",
    "user_exit": "3.8",
}

eager: Final = Policy(
    "eager",
    "save and restore the timer on every world switch",
    "4.13 to 4.14 (the 'cleared' cache: from 4.10 or before)",
    EAGER_SECTIONS,
    EAGER_HOOKS,
    frozenset({"hw_bit", "ioctl_loads", "inject_request"}),
)

# --- v4.4 (section 5, P1): eager without the cache; the vgic state moves on every
# switch, list registers in use or not, VMCR and FP registers with it (costs.md 1:
# 4.0-rc4; VMCR is held from load to put only since 4.12, B14).
TIMER_FLUSH_44: Final = under(
    enabled,
    UPDATE_V,
    UPDATE_P,
    EMULATE_AT_ENTRY,
    under(IN_KERNEL, ACT_SHORT),
    ACTIVE_V,
    MASK_V,
)
TIMER_SYNC_44: Final = flat(CANCEL_P, under(enabled, UPDATE_V, UPDATE_P))

V4_4_HOOKS: Final = {
    **EAGER_HOOKS,
    "enter": eager_enter(
        TIMER_FLUSH_44,
        to_guest(HYP_RESTORE, (EL1_IN, fp_restore), (vmcr_w, vgic_restore)),
    ),
    "abort": eager_abort(TIMER_SYNC_44),
    "exit": eager_exit(
        to_host(HYP_SAVE, (EL1_OUT, fp_save), (vgic_save, vmcr_r)), TIMER_SYNC_44
    ),
    "load": running_set,
    "put": running_clear,
    "reset": under(enabled, UPDATE_V, UPDATE_P),
}

v4_4: Final = Policy(
    "v4.4",
    "eager; active state written on every entry (P1)",
    "4.4 up to the commit that caches the cleared state",
    {**EAGER_SECTIONS, "enter": "3.1 3.2 3.3 5 (P1)"},
    V4_4_HOOKS,
    frozenset({"hw_bit", "ioctl_loads"}),
)

# --- lazy (section 4): loaded == 1: this pCPU's CNTV_CTL and CVAL are live.


def lazy_sync(*again: Steps, asks: Steps = FIRES_V) -> Part:
    """Return 4.3: only with the level up; 2R, and a silenced timer's level drops.

    The level goes last: its old value guards the steps before.
    """
    drop = (
        inject_v_fire,
        under(IN_KERNEL, act_vact, active_clear_v.when(~act)),
        ppi_enable.when(user_irqchip),
        level_v_clear,
    )
    return under(v_high, cntv_ctl_r, cntv_cval_r, asks, again, under(~fire, drop))


SYNC_LAZY: Final = lazy_sync()


# 4.6 steps 2-5. Active before restore, CNTVOFF before restore: both are required.
def timer_load(active: Step, *emulate: Steps) -> Part:
    """Return kvm_timer_vcpu_load; `active` decides the physical active state."""
    return under(
        enabled,
        under(IN_KERNEL, active),  # A always, both directions
        ACTIVE_V,
        MASK_V,
        at_el2(cntvoff_w),
        RESTORE,  # an expired timer interrupts here, unless active was set
        *emulate,
    )


TIMER_LOAD: Final = timer_load(act_either, EMULATE)
TIMER_PUT: Final = under(enabled, SAVE, CANCEL_P, at_el2(cntvoff_w0))  # 4.7

# 4.12: CNTP traps. From memory although loaded: that is bug B13.
PT_TRAP: Final = under(enabled, UPDATE_V, UPDATE_P, EMULATE)

# 4.4: reads CNTV_CTL only with the level down. The level goes last, as in the sync.
RAISE_IF_LOW: Final = under(~v_high & fire, inject_v_fire, level_v_set)
ISR_MASK_USER: Final = under(user_irqchip & running, MASK_V)


def lazy_enter(switch: Steps, before_flush: Steps = ()) -> Part:
    """Return 4.2 steps 1-7: interrupts off first, for the ISR may inject."""
    return flat(
        run_loop,  # steps 1-2
        requests,
        preempt_off,
        irq_off,  # step 3
        before_flush,
        vgic_flush.when(ap),
        check_signal,  # step 4
        mode_in,  # step 5
        check_requests,
        switch,  # steps 6-7
    )


def lazy_exit(switch: Steps, timer_sync: Steps) -> Part:
    """Return 4.2 steps 8-11: the timer sync needs the vgic's virtual active state."""
    return flat(
        switch,  # step 8
        mode_out,
        vgic_sync.when(ap),  # step 9, interrupts off
        timer_sync,
        irq_on,  # step 10: the ISR may run here
        preempt_on,  # step 11
        handle,
    )


def lazy_abort(timer_sync: Steps) -> Part:
    """Return 4.2 step 5 when the entry is refused."""
    return flat(mode_out, timer_sync, vgic_sync.when(ap), irq_on, preempt_on)


LAZY_HOOKS: Final = {
    "enter": lazy_enter(to_guest(TRAPS_ON)),
    "abort": lazy_abort(SYNC_LAZY),
    "exit": lazy_exit(to_host(TRAPS_OFF), SYNC_LAZY),
    "load": (running_set, VGIC_LOAD, TIMER_LOAD),  # 4.6
    "put": (TIMER_PUT, VGIC_PUT, running_clear),  # 4.7
    "block": (SAVE, ARM_BG),  # 4.8
    "unblock": (under(enabled, RESTORE), DISARM_BG),
    "check": check_block(  # 4.8: loaded, only the ISR makes the timer pending
        wake_if.when(v_high),
        wake_if.when(p_high),
        under(~loaded, asks(FIRES_V)),
        asks(FIRES_P),
    ),
    "irq_entry": IRQ_ENTRY,
    "vtimer_isr": (  # 4.4; no vCPU: return
        isr_vtimer,
        under(running, eval_v_hw.when(~v_high), RAISE_IF_LOW),
        ISR_MASK_USER,
    ),
    "irq_exit": IRQ_EXIT_FORWARDED,  # the PPI stays active
    "bg_expire": BG_EXPIRE,
    "pt_expire": PT_EXPIRE,  # 4.12
    "pt_trap": PT_TRAP,
    "first_run": (enabled_set, preempt_off, TIMER_LOAD, preempt_on),  # 4.1
    "reset": under(enabled, UPDATE_V, UPDATE_P),
    "user_exit": USER_EXIT,
}

LAZY_SECTIONS: Final = {
    "enter": "4.2",
    "abort": "4.2",
    "exit": "4.2 4.3",
    "load": "4.6",
    "put": "4.7",
    "block": "4.8",
    "unblock": "4.8",
    "check": "4.8",
    "irq_entry": "2.2",
    "vtimer_isr": "4.4",
    "irq_exit": "2.2 4.4",
    "bg_expire": "4.8",
    "pt_expire": "4.12",
    "pt_trap": "4.12",
    "first_run": "4.1",
    "reset": "6 (B11)",
    "user_exit": "3.8",
}

lazy: Final = Policy(
    "lazy",
    "move the timer in load/put and around blocking only",
    "4.15.0",
    LAZY_SECTIONS,
    LAZY_HOOKS,
    frozenset({"hw_bit", "ioctl_loads", "inject_request"}),
)
