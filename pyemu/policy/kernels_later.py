"""Linux after 4.15 as tables: v4.16, v4.18, v5.2, v6.1 and v6.12 (section 5).

Each is written as a difference from the one before; `kernels` explains the notation.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from typing import Final

from .guards import (
    can_p,
    can_v,
    changed,
    direct_p,
    enabled,
    fire,
    forwarded,
    loaded,
    running,
    user_irqchip,
    vhe,
    waiting,
)
from .kernels import LAZY_HOOKS, LAZY_SECTIONS, lazy_abort, lazy_enter, lazy_exit
from .parts import (
    ACTIVE_V_BOTH,
    ARM_BG,
    BG_EXPIRE_50,
    CANCEL_P,
    DISARM_BG,
    EL1_IN_NVHE,
    EL1_IN_VHE,
    EL1_OUT_NVHE,
    EL1_OUT_VHE,
    EMULATE,
    FIRES_P,
    FIRES_V,
    FIRES_V_LOADED,
    IN_KERNEL,
    RESTORE,
    SAVE,
    SYNC_USER,
    TELL_V,
    TRAPS_OFF,
    TRAPS_ON,
    UPDATE_P,
    VGIC_LOAD,
    VGIC_LOAD_APR,
    VGIC_PUT,
    VGIC_PUT_APR,
    Part,
    asks,
    at_el2,
    check_block,
    to_guest,
    to_host,
    vgic_access,
    write_active,
)
from .prims import *
from .steps import Steps, flat, under
from .table import Policy

__all__ = ["v4_16", "v4_18", "v5_2", "v6_1", "v6_12"]

# --- v4.16 (P4): the vgic lowers the line of a mapped level irq when it fills the list
# register and samples the timer if that is still pending at exit (switches below), so
# the timer sync is gone for an in-kernel irqchip, and nothing reads the level any more.

# 4.16: active := virtually active only (B09, B49); user-space irqchip: the level.
ACT_416: Final = flat(act_vact.when(IN_KERNEL), act_level.when(user_irqchip))


def load_416(active: Steps) -> Part:
    """Return kvm_timer_vcpu_load of 4.16 to 4.18."""
    return flat(active, ACTIVE_V_BOTH, at_el2(cntvoff_w), RESTORE, EMULATE)


LOAD_416: Final = under(enabled, load_416(ACT_416))

# The ISR reads CTL every time and injects; the vgic filters.
VTIMER_ISR_416: Final = flat(
    isr_vtimer,
    under(
        running,
        FIRES_V_LOADED,
        under(
            fire,
            level_v_set,
            inject_v.when(IN_KERNEL),
            inject_v.when(changed & user_irqchip),
        ),
        ppi_disable.when(user_irqchip & ~forwarded),
    ),
)

V4_16_HOOKS: Final = {
    **LAZY_HOOKS,
    "abort": lazy_abort(SYNC_USER),
    "exit": lazy_exit(to_host(TRAPS_OFF), SYNC_USER),
    "load": (running_set, VGIC_LOAD, LOAD_416),
    "put": (SAVE, CANCEL_P, at_el2(cntvoff_w0), VGIC_PUT, running_clear),
    # should_fire reads hardware while loaded: a CTL read in every turn of polling.
    "check": check_block(asks(FIRES_V_LOADED), asks(FIRES_P)),
    "vtimer_isr": VTIMER_ISR_416,
    "pt_trap": under(enabled, FIRES_V_LOADED, TELL_V, UPDATE_P, EMULATE),
    "first_run": (enabled_set, preempt_off, LOAD_416, preempt_on),
    "reset": under(
        enabled, FIRES_V, TELL_V, UPDATE_P, vgic_reset_v.when(IN_KERNEL)
    ),  # B11
}

P4: Final = frozenset(
    {
        *("hw_bit", "inject_request", "lower_on_populate", "resample_pending"),
        "mapped_writes",  # B33
    }
)

v4_16: Final = Policy(
    "v4.16",
    "lazy; the vgic samples the timer's level (P4)",
    "4.16",
    {hook: f"{cite} 5 (P4)" for hook, cite in LAZY_SECTIONS.items()},
    V4_16_HOOKS,
    P4,
)

# --- v4.18 (P4b): VHE moves the EL1 context and active priorities in load/put and
# leaves CNTVOFF at put; FP is trapped lazily. vcpu_load comes after first-run init,
# so load need not ask whether the timer is enabled. Recorded as k418: HVCs per
# user-space exit on nVHE GICv3 7, GICv2 3.
STAGE2_OUT_417: Final = stage2_save.when(~vhe)

V4_18_HOOKS: Final = {
    **V4_16_HOOKS,
    "enter": lazy_enter(to_guest(TRAPS_ON, EL1_IN_NVHE)),
    "exit": lazy_exit(
        to_host(TRAPS_OFF, EL1_OUT_NVHE, stage2=STAGE2_OUT_417), SYNC_USER
    ),
    "load": (running_set, VGIC_LOAD_APR, load_416(ACT_416), EL1_IN_VHE),
    "put": (
        EL1_OUT_VHE,
        SAVE,
        CANCEL_P,
        under(~vhe, at_el2(cntvoff_w0)),
        VGIC_PUT_APR,
        running_clear,
    ),
    "block": (SAVE, ARM_BG),
    "unblock": (RESTORE, DISARM_BG),
    "first_run": enabled_set,
}

P4B: Final = P4 | {"no_ap_level"}

v4_18: Final = Policy(
    "v4.18",
    "lazy with the 4.17 VHE split, as recorded (P4b)",
    "4.17 to 4.18",
    {hook: f"{cite} 5 (P4, P4b)" for hook, cite in LAZY_SECTIONS.items()},
    V4_18_HOOKS,
    P4B,
)

# --- v5.2 (P5, P6): timer_map. On VHE the guest owns the physical timer, too
# (direct_p); on nVHE it is emulated. The background timer starts in put, if the thread
# waits.
TELL_P: Final = flat(
    level_p, inject_p.when(IN_KERNEL), inject_p.when(changed & user_irqchip)
)
ACTIVE_P: Final = flat(
    write_active(active_set_p, active_clear_p, IN_KERNEL),
    write_active(active_set_p, active_clear_p, user_irqchip & forwarded),
)
# kvm_timer_vcpu_load_gic: the level is brought up to date before the hardware is, and
# active := virtually active or level (bae561c0cff7): no storm, and no interrupt at
# load for what expired meanwhile (recorded on 6.1).
LOAD_GIC_V: Final = flat(FIRES_V, TELL_V, act_either, ACTIVE_V_BOTH)
LOAD_GIC_P: Final = under(direct_p, FIRES_P, TELL_P, act_either_p, ACTIVE_P)

RESTORE_P: Final = under(direct_p, irq_save, cntp_cval_w, isb, cntp_ctl_w, irq_restore)
SAVE_P: Final = under(
    direct_p, irq_save, cntp_ctl_r, cntp_cval_r, cntp_ctl_w0, isb, irq_restore
)


def emulate_52(arm: Steps) -> Part:
    """Return timer_emulate: the level follows, then the soft timer."""
    follow = (level_p.when(changed), inject_p.when(changed))
    return under(~direct_p, FIRES_P, follow, arm)


# B17: after a change of level it returns without arming (6.1: recorded, fact 9).
EMULATE_52: Final = emulate_52(pt_emulate.when(~changed))


def timer_load_52(emulate: Part) -> Part:
    """Return kvm_timer_vcpu_load around a kernel's own timer_emulate."""
    return flat(
        *(LOAD_GIC_V, LOAD_GIC_P, at_el2(cntvoff_w), DISARM_BG, RESTORE, RESTORE_P),
        emulate,
    )


TIMER_LOAD_52: Final = timer_load_52(EMULATE_52)
BG_IF_WAITING: Final = under(
    waiting,
    cntpct_r.when(can_v),
    cntpct_r.when(can_p),
    bg_arm.when(can_v),
    bg_arm.when(~can_v & can_p),
)
TIMER_PUT_52: Final = flat(
    SAVE, SAVE_P, under(~direct_p, CANCEL_P), BG_IF_WAITING, at_el2(cntvoff_w0)
)

FIRES_P_LOADED: Final = flat(
    eval_p_hw.when(direct_p & loaded),
    under(direct_p & ~loaded, FIRES_P),
    under(~direct_p, FIRES_P),
)

V5_2_HOOKS: Final = {
    **V4_18_HOOKS,
    "load": (running_set, VGIC_LOAD_APR, TIMER_LOAD_52, EL1_IN_VHE),
    "put": (EL1_OUT_VHE, TIMER_PUT_52, VGIC_PUT_APR, running_clear),
    # 5.4, stable: VMCR synced, or the pending test sees an old PMR (B14). The kernel
    # does so before halt polling, too, where no hook stands.
    "block": vgic_access(vmcr_r),
    "unblock": (),
    "check": check_block(asks(FIRES_V_LOADED), asks(FIRES_P_LOADED)),
    "ptimer_isr": (
        isr_vtimer,
        under(
            running & direct_p,
            eval_p_hw.when(loaded),
            under(~loaded, FIRES_P),
            under(
                fire,
                level_p_set,
                inject_p.when(IN_KERNEL),
                inject_p.when(changed & user_irqchip),
            ),
        ),
    ),
    "bg_expire": BG_EXPIRE_50,
    # Recorded on 6.1 nVHE: a trapped access puts and loads the whole timer (2R 5W).
    "pt_trap": under(enabled, TIMER_PUT_52, TIMER_LOAD_52),
    "reset": flat(
        under(
            enabled & IN_KERNEL,
            level_v_clear,
            inject_v,
            level_p_clear,
            inject_p,
            vgic_reset_v,
        ),
        CANCEL_P,
    ),
}

V5_2_SECTIONS: Final = {
    **{hook: f"{cite} 5 (P4-P6)" for hook, cite in LAZY_SECTIONS.items()},
    "ptimer_isr": "5 (P6)",
    "block": "5 (P6) 6 (B14)",
}
del V5_2_SECTIONS["unblock"]

# The PMR-aware pending test is older than 5.4, whose B14 fix needs it; its first
# version is UNVERIFIED.
P6: Final = P4B | {"pending_pmr"}

v5_2: Final = Policy(
    "v5.2",
    "both timers direct on VHE; background timer armed in put (P5, P6)",
    "5.0 to 5.2",
    V5_2_SECTIONS,
    V5_2_HOOKS,
    P6,
)

# --- v6.1 (P7 and bug B17), recorded: a put/load pair is 9W 5R on VHE, 5W 2R on nVHE;
# a world switch 0 on VHE, 4W 4R on nVHE; the EL1 context comes first on the way in.
# Recorded on nVHE (ptick_busy_1ms): level unchanged, a timer that is due is armed, too:
# its hrtimer expires at once, in the guest's first instructions, and injects again.
EMULATE_61: Final = emulate_52(
    flat(pt_arm.when(~changed & can_p), pt_emulate.when(~changed & ~can_p))
)
TIMER_LOAD_61: Final = timer_load_52(EMULATE_61)

V6_1_HOOKS: Final = {
    **V5_2_HOOKS,
    "load": (running_set, VGIC_LOAD_APR, TIMER_LOAD_61, EL1_IN_VHE),
    "pt_trap": under(enabled, TIMER_PUT_52, TIMER_LOAD_61),
    "enter": lazy_enter(to_guest(TRAPS_ON, el1=(), first=EL1_IN_NVHE)),
    # Recorded: polling asks the vgic only; a timer that expires raises an interrupt.
    "check": check_block(),
}

P7: Final = P6 | {
    "resample_deact",
    "sample_on_enable",
    "tval_signed",
    "wfe_alone",
}

v6_1: Final = Policy(
    "v6.1",
    "as recorded on 6.1.192: resampling on deactivation, bug B17 (P7)",
    "5.15 to 6.3",
    {
        hook: cite.replace("P6)", "P7, recorded)")
        for hook, cite in V5_2_SECTIONS.items()
    },
    V6_1_HOOKS,
    P7,
)

# --- v6.12 (P8-P10): the offset goes with each timer's save and restore, CNTHCTL is set
# at load on VHE, the soft timer is always armed (B17 fixed), and a trapped access
# touches the one timer only.
RESTORE_612: Final = flat(
    irq_save,
    under(~loaded, at_el2(cntvoff_w), cntv_cval_w, isb, cntv_ctl_w, loaded_set),
    irq_restore,
)
SAVE_612: Final = flat(
    irq_save,
    under(
        loaded,
        cntv_ctl_r,
        cntv_cval_r,
        cntv_ctl_w0,
        isb,
        at_el2(cntvoff_w0),
        loaded_clear,
    ),
    irq_restore,
)
RESTORE_P_612: Final = under(
    direct_p, irq_save, cntpoff_w, cntp_cval_w, isb, cntp_ctl_w, irq_restore
)
SAVE_P_612: Final = under(
    direct_p,
    irq_save,
    cntp_ctl_r,
    cntp_cval_r,
    cntp_ctl_w0,
    isb,
    cntpoff_w,
    irq_restore,
)
# It decides by the answer it has: a deadline that passes meanwhile expires at once.
EMULATE_612: Final = emulate_52(pt_arm.when(~fire & can_p))
TIMER_LOAD_612: Final = flat(
    LOAD_GIC_V,
    LOAD_GIC_P,
    DISARM_BG,
    RESTORE_612,
    RESTORE_P_612,
    EMULATE_612,
    under(vhe, cnthctl_r, cnthctl_w_guest),
)
TIMER_PUT_612: Final = flat(
    SAVE_612, SAVE_P_612, under(~direct_p, CANCEL_P), BG_IF_WAITING
)

V6_12_HOOKS: Final = {
    **V6_1_HOOKS,
    "load": (running_set, VGIC_LOAD_APR, TIMER_LOAD_612, EL1_IN_VHE),
    "put": (EL1_OUT_VHE, TIMER_PUT_612, VGIC_PUT_APR, running_clear),
    "pt_trap": under(enabled, CANCEL_P, EMULATE_612),
}

v6_12: Final = Policy(
    "v6.12",
    "VM-wide offsets with each timer, soft timer always armed (P8-P10, no NV)",
    "6.12 stable, 6.14",
    {hook: one.replace("P6)", "P10)") for hook, one in V5_2_SECTIONS.items()},
    V6_12_HOOKS,
    P7,
)
