"""The host's own interrupts in a trace: tick rate and phase, what is off its grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from . import fields
from .model import Event, HostTimer

__all__ = ["HostIrq", "host_irqs", "host_timer"]

RATES: Final = (100, 250, 300, 1000)
NS: Final = 1_000_000_000
BIN_NS: Final = 1000
KVM_TIMERS: Final = ("kvm_bg_timer_expire", "kvm_hrtimer_expire", "kvm_phys_timer")


class HostIrq(NamedTuple):
    """One host interrupt: when, where, its handler, and whether a KVM timer ran."""

    ts_ns: int
    cpu: int
    pid: int
    name: str
    kvm: bool
    end_ns: int


def host_irqs(events: Sequence[Event]) -> list[HostIrq]:
    """Return every traced host interrupt handler call, in time order."""
    out: list[HostIrq] = []
    open_at: dict[int, int] = {}
    for event in events:
        if event.name == "irq_handler_entry":
            open_at[event.cpu] = len(out)
            name = fields.handler_name(event.args)
            out.append(
                HostIrq(event.ts_ns, event.cpu, event.pid, name, False, event.ts_ns)
            )
        elif event.name == "hrtimer_expire_entry" and event.cpu in open_at:
            if any(name in event.args for name in KVM_TIMERS):
                at = open_at[event.cpu]
                out[at] = out[at]._replace(kvm=True)
        elif event.name == "irq_handler_exit" and event.cpu in open_at:
            at = open_at.pop(event.cpu)
            out[at] = out[at]._replace(end_ns=event.ts_ns)
    return out


def is_host_timer(name: str) -> bool:
    """Tell the host's own timer interrupt by its handler name."""
    return "arch_timer" in name or "arch_sys_timer" in name


def host_timer(irqs: Sequence[HostIrq]) -> HostTimer:
    """Find the tick: the longest period whose commonest phase holds most interrupts."""
    times = [irq.ts_ns for irq in irqs if is_host_timer(irq.name) and not irq.kvm]
    if len(times) < 4:
        return HostTimer(None, 0, 0, len(times))
    found: list[tuple[int, int, int]] = []
    for hz in RATES:
        period = NS // hz
        phases = Counter((ts % period) // BIN_NS for ts in times)
        phase, count = phases.most_common(1)[0]
        found.append((hz, phase * BIN_NS, count))
    most = max(count for _, _, count in found)
    if most < max(4, len(times) // 10):
        return HostTimer(None, 0, 0, len(times))
    hz, phase, count = next(row for row in found if row[2] >= 0.8 * most)
    return HostTimer(hz, phase, count, len(times))


def on_grid(ts_ns: int, timer: HostTimer) -> bool:
    """Tell whether a host timer interrupt is the periodic tick (within 50 us late)."""
    if timer.hz is None:
        return False
    late = (ts_ns - timer.phase_ns) % (NS // timer.hz)
    return late < 50_000
