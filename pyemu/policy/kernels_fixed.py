"""`lazy-fixed`: lazy with the smallest edits that the explorer asks for.

Each edit names what it repairs; `pyemu explore --policy lazy` finds the first of them.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from typing import Final

from .guards import (
    changed,
    enabled,
    fire,
    loaded,
    running,
    user_irqchip,
    vact_p,
    vact_v,
)
from .guards import level_p as p_high
from .guards import level_v as v_high
from .kernels import (
    LAZY_HOOKS,
    LAZY_SECTIONS,
    TIMER_LOAD,
    lazy,
    lazy_abort,
    lazy_enter,
    lazy_exit,
)
from .parts import (
    EMULATE,
    FIRES_P,
    FIRES_V,
    FIRES_V_LOADED,
    IN_KERNEL,
    SAVE,
    TELL_V,
    TRAPS_OFF,
    TRAPS_ON,
    UPDATE_P,
    VGIC_LOAD,
    asks,
    check_block,
    to_guest,
    to_host,
    vgic_access,
)
from .prims import *
from .steps import flat, under
from .table import Policy

__all__ = ["lazy_fixed"]

# The timer sync of 4.3, and: a level that stays up is entered as a HW list register,
# so the physical interrupt must be active by then, line latency or not (I3, B49).
SYNC_FIXED: Final = under(
    v_high,
    cntv_ctl_r,
    cntv_cval_r,
    FIRES_V,
    active_set_v.when(fire & IN_KERNEL),
    under(
        ~fire,
        inject_v_fire,
        active_clear_v.when(IN_KERNEL & ~vact_v),
        level_v_clear,
    ),
)

# The soft timer first, then the level (I2, B07). With interrupts off: an expiry
# between the question and its answer would be undone by the answer (I2).
TELL_P: Final = flat(
    level_p, inject_p.when(IN_KERNEL), inject_p.when(changed & user_irqchip)
)
FOLLOW_P: Final = flat(irq_save, EMULATE, UPDATE_P, irq_restore)

FIXED_HOOKS: Final = {
    **LAZY_HOOKS,
    "enter": lazy_enter(to_guest(TRAPS_ON)),
    "abort": lazy_abort(SYNC_FIXED),
    "exit": lazy_exit(to_host(TRAPS_OFF), SYNC_FIXED),
    # An interrupt in service ends no WFI (I12, B43). A loaded timer is asked in the
    # hardware: its line may not have reached the GIC since load restored it (I5).
    "check": (
        preempt_off,
        check_block(
            wake_if.when(v_high & ~vact_v),
            wake_if.when(p_high & ~vact_p),
            under(~vact_v, asks(FIRES_V_LOADED)),
            under(~vact_p, asks(FIRES_P)),
        ),
        preempt_on,
    ),
    # Nor does it keep block from arming a host timer for the other one: as from 5.0 on
    # the earliest is armed whether or not it is due (I5). The pending test asks for the
    # priority mask as it is now (I2, B14).
    "block": (vgic_access(vmcr_r), SAVE, bg_arm),
    # An ISR that finds nothing to raise leaves the PPI active: nobody else will
    # deactivate it (I3, B44).
    "vtimer_isr": (
        *LAZY_HOOKS["vtimer_isr"],
        active_clear_v.when(running & ~v_high & ~vact_v & IN_KERNEL),
    ),
    # A trapped CNTP access is no business of the virtual timer: its memory copy is
    # stale while loaded (I3, I7, B13).
    "pt_trap": under(enabled, FOLLOW_P),
    # What expired while out is injected at load (I2, B08).
    "load": (
        running_set,
        VGIC_LOAD,
        # Restored from user space, the vgic may hold a line that no level stands for,
        # or that the timer has no reason for any more: it is told again (I1, I3, B23).
        under(enabled, under(~loaded, FIRES_V, TELL_V)),
        TIMER_LOAD,
        under(enabled, irq_save, EMULATE, FIRES_P, TELL_P, irq_restore),
    ),
    # 4.16: the mapped interrupt's virtual state is reset with the vCPU (I2, B11).
    "reset": (*LAZY_HOOKS["reset"], vgic_reset_v.when(enabled & IN_KERNEL)),
}

lazy_fixed: Final = Policy(
    "lazy-fixed",
    "lazy, repaired: the smallest edits the explorer asks for",
    "none: 4.15.0 with B07 B08 B11 B12 B13 B43 B44 B49 closed",
    LAZY_SECTIONS,
    FIXED_HOOKS,
    # B12: no ioctl but KVM_RUN loads the vCPU, as from 4.16 on.
    (lazy.switches - {"ioctl_loads"})
    | {"pending_pmr", "bg_skips_active", "dist_forward", "tval_signed"},
)
