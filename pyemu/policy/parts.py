"""Lists of steps that several kernels share; `kernels` and `kernels_later` use them.

A list is a tuple, or a function where versions differ in one place. Sections are those
of docs/semantics.md. ``~vhe`` is a host kernel at EL1 that reaches EL2 by HVC.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from typing import Final

from .guards import (
    ALWAYS,
    Guard,
    ack_forwarded,
    act,
    bg_armed,
    can_p,
    can_v,
    changed,
    eoimode1,
    fire,
    forwarded,
    gicv3,
    loaded,
    lrs,
    pt_armed,
    user_irqchip,
    vhe,
)
from .guards import level_v as v_high
from .guards import wake as found
from .prims import *
from .steps import Steps, flat, under

Part = tuple[Step, ...]

IN_KERNEL: Final = ~user_irqchip

# --- host interrupts (2.2): EOIR comes before the handler; DIR after it.
IRQ_ENTRY: Final = flat(iar_r, dsb.when(gicv3), eoir_w, isb)


def irq_exit(own: Guard = ALWAYS) -> Part:
    """Return irq_eoi of the EOImode-1 chip; `own`: interrupts the host deactivates."""
    return under(eoimode1 & own, dir_w, isb.when(gicv3))


# Forwarded PPIs stay active for the guest to deactivate (2.2, 4.1).
IRQ_EXIT_FORWARDED: Final = irq_exit(~ack_forwarded)


# --- nVHE: what only EL2 may touch costs an HVC (1.2).
def at_el2(*steps: Steps, by_hvc: Guard = ALWAYS) -> Part:
    """Return the steps as the host reaches EL2 for them."""
    hvc = ~vhe & by_hvc
    return flat(hyp_call.when(hvc), *steps, hyp_ret.when(hvc))


# --- world switch (3.1 steps 6-7, 4.2 steps 6-8); one save and one restore of each
# group an exit stands for both contexts, as the rows of costs.md section 1 do.
# CNTKCTL is part of the EL1 context. Recorded: nVHE 2R 2W a switch in 4.14, 4.18 and
# 6.1; VHE 1R 1W a switch in 4.14, none from 4.17 on.
EL1_IN: Final = flat(el1_restore, cntkctl_w)
EL1_OUT: Final = flat(el1_save, cntkctl_r)
EL1_IN_NVHE: Final = under(~vhe, EL1_IN)
EL1_OUT_NVHE: Final = under(~vhe, EL1_OUT)
EL1_IN_VHE: Final = under(vhe, EL1_IN)
EL1_OUT_VHE: Final = under(vhe, EL1_OUT)

HOST_EL1_IN: Final = cntkctl_r.when(~vhe)  # host's copy, saved on the way in
HOST_EL1_OUT: Final = cntkctl_w.when(~vhe)

# 4.15+: only the traps of the physical timer are switched, and only on nVHE (1.2).
TRAPS_ON: Final = under(~vhe, cnthctl_r, cnthctl_w_guest)
TRAPS_OFF: Final = under(~vhe, cnthctl_r, cnthctl_w_host)


VGIC_IN: Final = vgic_restore.when(lrs)  # nothing if no list register is used (2.4)
VGIC_OUT: Final = vgic_save.when(lrs)


def to_guest(
    timer: Steps, el1: Steps = EL1_IN, vgic: Steps = VGIC_IN, first: Steps = ()
) -> Part:
    """Return the way into the guest: __kvm_vcpu_run up to ERET."""
    return flat(
        hyp_call.when(~vhe),
        HOST_EL1_IN,
        first,
        el2cfg_restore,
        stage2_restore,
        vgic,
        timer,
        el1,
        gp_restore,
        eret,
    )


def to_host(
    timer: Steps,
    el1: Steps = EL1_OUT,
    vgic: Steps = VGIC_OUT,
    stage2: Steps = stage2_save,
) -> Part:
    """Return the way out of the guest, the rest of __kvm_vcpu_run."""
    return flat(
        trap,
        gp_save,
        el1,
        timer,
        vgic,
        el2cfg_save,
        stage2,
        HOST_EL1_OUT,
        hyp_ret.when(~vhe),
    )


# --- vgic state held from load to put (2.3): MMIO on GICv2, EL2 registers on GICv3.
def vgic_access(step: Step) -> Part:
    """Return one access to the virtual interface control from load or put."""
    return under(IN_KERNEL, at_el2(step, by_hvc=gicv3))


VGIC_LOAD: Final = vgic_access(vmcr_w)  # 4.12+
VGIC_PUT: Final = vgic_access(vmcr_r)
VGIC_LOAD_APR: Final = flat(vgic_access(vmcr_w), vgic_access(apr_w))  # 4.17+
VGIC_PUT_APR: Final = flat(vgic_access(vmcr_r), vgic_access(apr_r))

# --- should_fire from memory (3.2b): a counter read if the timer can fire.
FIRES_V: Final = flat(cntpct_r.when(can_v), eval_v)
FIRES_P: Final = flat(cntpct_r.when(can_p), eval_p)

# should_fire, 4.16+: the hardware's ISTATUS while loaded, else memory (section 5, P4).
FIRES_V_LOADED: Final = flat(
    eval_v_hw.when(loaded), cntpct_r.when(~loaded & can_v), eval_v.when(~loaded)
)

# kvm_timer_update_state (3.2b): on a change the level follows and the vgic is told.
UPDATE_V: Final = flat(FIRES_V, level_v.when(changed), inject_v.when(changed))
UPDATE_P: Final = flat(FIRES_P, level_p.when(changed), inject_p.when(changed))

# 4.16+: the vgic is told every time and filters; a user-space irqchip on a change.
TELL_V: Final = flat(
    level_v, inject_v.when(IN_KERNEL), inject_v.when(changed & user_irqchip)
)

# phys_timer_emulate (4.6 step 5): expired or cannot fire: cancel; else arm.
EMULATE: Final = flat(cntpct_r.when(can_p), pt_emulate)


# --- physical active state of the vtimer PPI.
def write_active(set_step: Step, clear_step: Step, where: Guard) -> Part:
    """Return the write of the active bit, either way (1 A)."""
    return flat(set_step.when(act & where), clear_step.when(~act & where))


ACTIVE_V: Final = write_active(active_set_v, active_clear_v, IN_KERNEL)

# User-space irqchip (3.2e, 4.11): nobody will deactivate the PPI, so it is masked.
MASK_V: Final = under(user_irqchip, ppi_disable.when(v_high), ppi_enable.when(~v_high))

# 4.16+ (4.11): a host GIC with an active state serves a user-space irqchip, too.
ACTIVE_V_BOTH: Final = flat(
    ACTIVE_V,
    write_active(active_set_v, active_clear_v, user_irqchip & forwarded),
    under(user_irqchip & ~forwarded, MASK_V),
)

# --- save and restore of a loaded timer; both are no-ops by the loaded flag.
# CVAL before CTL with an ISB between, so that it never runs with the old CVAL (3.3).
RESTORE: Final = flat(
    irq_save,
    under(~loaded, cntv_cval_w, isb, cntv_ctl_w, loaded_set),
    irq_restore,
)
# After CTL:=0 an ISB, or the GIC may present the PPI later than need be (1.4, B01).
SAVE: Final = flat(
    irq_save,
    under(loaded, cntv_ctl_r, cntv_cval_r, cntv_ctl_w0, isb, loaded_clear),
    irq_restore,
)

# --- blocking.
# kvm_timer_schedule (3.6, 4.8), memory being the truth: if neither timer fires and one
# can, a background hrtimer for the earliest. The second eval runs only if the first
# found nothing, so fire ends as "either".
ARM_BG: Final = flat(
    FIRES_V,
    under(~fire, FIRES_P),
    under(~fire, cntpct_r.when(can_v), cntpct_r.when(can_p)),
    bg_arm.when(~fire & can_v),
    bg_arm.when(~fire & ~can_v & can_p),
)
DISARM_BG: Final = bg_cancel.when(bg_armed)
CANCEL_P: Final = pt_cancel.when(pt_armed)

# Up to 4.20 the hrtimer queues work, which wakes the vCPU (3.6); it changes no state.
BG_EXPIRE: Final = flat(bg_recheck, work.when(fire))
BG_EXPIRE_50: Final = flat(bg_recheck, wake.when(fire))  # 5.0: directly (P5)

# Emulated physical timer, 4.15+ (4.12): raised from the hrtimer, the guest running.
PT_EXPIRE: Final = flat(pt_recheck, level_p_set.when(fire), inject_p.when(fire))


def asks(fires: Steps) -> Part:
    """Return should_fire and what check_block makes of it."""
    return flat(fires, wake_if.when(fire))


def check_block(*sources: Steps) -> Part:
    """Return kvm_vcpu_check_block (3.6): pending interrupt, then each source in turn.

    The first that is true ends it. A pending signal is the core's business.
    """
    return flat(pending, *(under(~found, source) for source in sources))


USER_EXIT: Final = flat(user_levels.when(user_irqchip))  # 3.8

# Timer sync of 4.16+ (4.11): only for a user-space irqchip, to notice that the guest
# silenced its timer. The level goes last: its old value guards the steps before.
SYNC_USER: Final = under(
    user_irqchip & v_high,
    eval_v_hw,
    under(
        ~fire,
        inject_v_fire,
        active_clear_v.when(forwarded),
        ppi_enable.when(~forwarded),
        level_v_clear,
    ),
)
