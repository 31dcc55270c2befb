"""What a calibration may change: groups of primitives, scaled together.

A micro-bench has six rows, a profile over a hundred numbers. So the numbers move in
groups, by a factor each; which rows see a group is the emulator's answer, not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..costs import MAX_CYC, CostModel, primitives

__all__ = ["GROUPS", "PARAMETERS", "about", "members", "scaled"]

FIXED: Final = ("nop", "g_insn", "extra", "callback")
GROUPS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "emulate": (
        "handlers of trapped accesses",
        (
            *("handle_mmio", "handle_sys", "handle_sgi", "handle_fault"),
            *("handle_psci", "handle_ptimer", "handle_irq", "handle_wfx"),
        ),
    ),
    "user": (
        "user space, its system call, vcpu_load and vcpu_put",
        (
            *("user", "syscall", "handle_user", "user_levels"),
            *("loaded_set", "loaded_clear", "running_set", "running_clear"),
            *("vmcr_w", "vmcr_r", "apr_w", "apr_r", "ppi_enable", "ppi_disable"),
            *("active_set_v", "active_clear_v", "active_set_p", "active_clear_p"),
            *("pt_emulate", "pt_arm", "pt_cancel"),
        ),
    ),
    "guest_gic": ("the guest's acknowledge and EOI", ("g_ack", "g_eoi")),
    "guest_cpu": ("the guest's vector and registers", ("g_vector", "g_sysreg")),
    "interrupt": (
        "host interrupts and list registers",
        (
            *("isr_vtimer", "isr_timer", "isr_tick", "isr_hrtimer", "isr_ipi"),
            *("isr_device", "iar_r", "eoir_w", "dir_w", "ipi_send", "gic_poll_r"),
            *("vgic_flush", "vgic_sync", "vgic_restore", "vgic_save", "vgic_inject"),
            *("populate", "fold", "lr_r", "lr_w", "vgic_if_r", "vgic_if_w"),
            *("pending", "inject_v", "inject_p", "inject_v_fire", "vgic_reset_v"),
        ),
    ),
    "ipi_flight": ("an IPI between pCPUs", ("ipi_latency",)),
    "sched": (
        "sleeping and waking",
        (
            *("sched_switch", "wakeup", "idle_exit", "idle_enter"),
            *("hrtimer_arm", "hrtimer_cancel"),
            *("block_path", "poll_iter", "work_delay", "work", "wake", "wake_if"),
            *("bg_arm", "bg_cancel", "bg_recheck", "pt_recheck"),
        ),
    ),
}
_GROUPED: Final = {name for _, members in GROUPS.values() for name in members}
PARAMETERS: Final = ("exit", *GROUPS)


def members(parameter: str) -> tuple[str, ...]:
    """Return the primitives of one group."""
    if parameter == "exit":  # what is left: the world switch and the run loop
        left = (one for one in primitives() if one not in _GROUPED | {*FIXED})
        return tuple(left)
    return GROUPS[parameter][1]


def about(parameter: str) -> str:
    """Return what a group is, in words."""
    if parameter == "exit":
        return "the world switch and the run loop"
    return GROUPS[parameter][0]


def scaled(
    base: CostModel, gic: str, vhe: bool, log_factor: NDArray[np.float64]
) -> Mapping[str, int]:
    """Return the base's cycles on one kind of machine, each group by its factor."""
    out = {}
    for parameter, log in zip(PARAMETERS, log_factor, strict=True):
        factor = float(np.exp(log))
        for name in members(parameter):
            cyc = base.costs[name].cost_cyc(gic, vhe)
            out[name] = min(MAX_CYC, round(cyc * factor))
    return out
