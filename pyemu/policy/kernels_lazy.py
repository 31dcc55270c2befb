"""Two relatives of lazy: the commit itself, and the hybrid kernel that was recorded.

Both are written as differences from `kernels.lazy`; see there for the notation.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from typing import Final

from .guards import changed, enabled, fire, loaded, running, vhe
from .guards import level_v as v_high
from .kernels import (
    ISR_MASK_USER,
    LAZY_HOOKS,
    LAZY_SECTIONS,
    RAISE_IF_LOW,
    SYNC_LAZY,
    lazy_abort,
    lazy_enter,
    lazy_exit,
    lazy_sync,
    timer_load,
)
from .parts import (
    ARM_BG,
    CANCEL_P,
    EMULATE,
    FIRES_P,
    FIRES_V_LOADED,
    SAVE,
    TRAPS_OFF,
    UPDATE_P,
    VGIC_LOAD,
    VGIC_PUT,
    asks,
    at_el2,
    check_block,
    to_guest,
    to_host,
)
from .prims import *
from .steps import flat, under
from .table import Policy

__all__ = ["lazy_commit", "lazy_hybrid"]

# --- lazy-commit (4.9): lazy as commit b103cc3f10c0 left it, reconstructed.
# The ISR writes the CTL it read over the memory copy, and raises the level without
# looking at ISTATUS, whether or not the timer is loaded or a vCPU is there (B01).
SAVE_NO_ISB: Final = flat(
    irq_save,
    under(loaded, cntv_ctl_r, cntv_cval_r, cntv_ctl_w0, loaded_clear),
    irq_restore,
)
# B04: the CNTHCTL writes are made on VHE, too.
TRAPS_ON_ALWAYS: Final = flat(cnthctl_r, cnthctl_w_guest)
TRAPS_OFF_ALWAYS: Final = flat(cnthctl_r, cnthctl_w_host)
# The physical timer is still emulated per entry (which later commit moved it is
# UNVERIFIED): flush arms, sync cancels; the expiry itself only makes the guest exit.
FLUSH_P: Final = under(enabled, UPDATE_P, EMULATE)
LOAD_COMMIT: Final = timer_load(act_either)

COMMIT_HOOKS: Final = {
    **LAZY_HOOKS,
    "enter": lazy_enter(to_guest(TRAPS_ON_ALWAYS), FLUSH_P),
    "abort": lazy_abort((CANCEL_P, SYNC_LAZY)),
    "exit": lazy_exit(to_host(TRAPS_OFF_ALWAYS), (CANCEL_P, SYNC_LAZY)),
    "load": (running_set, VGIC_LOAD, LOAD_COMMIT),
    "put": (
        under(enabled, SAVE_NO_ISB, at_el2(cntvoff_w0)),
        VGIC_PUT,
        running_clear,
    ),
    "block": (SAVE_NO_ISB, ARM_BG),
    "vtimer_isr": (
        isr_vtimer,
        under(~v_high, eval_v_ctl, save_ctl_isr),
        RAISE_IF_LOW,
        ISR_MASK_USER,
    ),
    "pt_expire": pt_recheck,
    "pt_trap": (),  # as in 3.9: memory only, the next flush sees it
    "first_run": enabled_set,  # B02: not loaded
}

lazy_commit: Final = Policy(
    "lazy-commit",
    "lazy exactly as commit b103cc3f10c0 left it, bugs included",
    "between 4.14 and 4.15-rc1",
    {hook: f"{cite} 4.9" for hook, cite in LAZY_SECTIONS.items() if hook != "pt_trap"},
    COMMIT_HOOKS,
    frozenset({"hw_bit", "ioctl_loads", "inject_request"}),
)

# --- lazy-hybrid (section 5): what c414L recorded: 4.14 with 4.18's arch_timer.c and
# 4.15's sync rule. It isolates the timer change from a year of other work.
# One more CTL read in the sync that drops the level.
# No counter read there (recorded: 0.28 a busy tick, all of the host's clock): what CTL
# said decides.
SYNC_HYBRID: Final = lazy_sync(eval_v_hw.when(~fire), asks=eval_v)
LOAD_HYBRID: Final = timer_load(act_vact, EMULATE)  # 4.18: active := virtually active

HYBRID_HOOKS: Final = {
    **LAZY_HOOKS,
    "abort": lazy_abort(SYNC_HYBRID),
    "exit": lazy_exit(to_host(TRAPS_OFF), SYNC_HYBRID),
    "load": (running_set, VGIC_LOAD, LOAD_HYBRID),
    "put": (  # VHE leaves CNTVOFF
        under(enabled, SAVE, CANCEL_P, under(~vhe, at_el2(cntvoff_w0))),
        VGIC_PUT,
        running_clear,
    ),
    # should_fire reads hardware while loaded: a CTL read in every turn of polling.
    "check": check_block(asks(FIRES_V_LOADED), asks(FIRES_P)),
    "vtimer_isr": (  # always reads CTL; injects if the level was down
        isr_vtimer,
        under(running, eval_v_hw, RAISE_IF_LOW),
        ISR_MASK_USER,
    ),
    "pt_trap": under(
        enabled,
        FIRES_V_LOADED,
        level_v.when(changed),
        inject_v.when(changed),
        UPDATE_P,
        EMULATE,
    ),
    "first_run": (enabled_set, preempt_off, LOAD_HYBRID, preempt_on),
}

lazy_hybrid: Final = Policy(
    "lazy-hybrid",
    "4.14 with only the lazy timer change, as recorded (c414L)",
    "4.14 with 4.18's arch_timer.c",
    {hook: f"{cite} 5" for hook, cite in LAZY_SECTIONS.items()},
    HYBRID_HOOKS,
    frozenset({"hw_bit", "ioctl_loads", "inject_request"}),
)
