"""The recorders' counters by their names, from a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..result import Result

__all__ = ["named_counters"]

IRQ: Final = ("vtimer", "ptimer", "kick", "tick", "device", "maint")
TIMER: Final = ("cntv_", "cntp_", "cntvoff_", "cntpoff_", "cntkctl_", "cnthctl_")


def named_counters(result: Result) -> dict[str, int]:
    """Return what the 6.1 recordings count, as they define it.

    Exits are kvm_exit's, `user_exits` kvm_userspace_exit's, `wakeups` are
    kvm_vcpu_wakeup's (polling included), `sched_out` a vCPU thread's switches away,
    of which `preempted` were runnable; `cnt_w` and `cnt_r` are all accesses of the
    host to timer registers for the guest.
    """
    exits, counters, reasons = result.exits, result.counters, result.reasons
    signals = counters["signal_exits"]
    return {
        "exits_irq": sum(exits[f"IRQ/{name}"] for name in IRQ),
        "exits_wfx": exits["WFx"],
        "exits_hvc": exits["HVC64"],
        "exits_dabt": exits["DABT_LOW"],
        "exits_sys": exits["SYS64"],
        "user_exits": reasons["DABT_LOW/user"]["count"] + signals,
        "vtimer_irq": counters["host_vtimer_irq"],
        "ptimer_irq": counters["host_ptimer_irq"],
        "wakeups": counters["vcpu_block"],
        "sched_out": counters["vcpu_sleep"] + counters["preempted"],
        "cnt_w": _accesses(result.ops, "_w"),
        "cnt_r": _accesses(result.ops, "_r"),
    }


def _accesses(ops: Mapping[str, int], kind: str) -> int:
    return sum(n for k, n in ops.items() if k.startswith(TIMER) and k.endswith(kind))
