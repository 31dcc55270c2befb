"""A recording of a real kernel: what it shows, and what it cannot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .causes import Injection
from .hosttime import HostIrq
from .model import (
    VTIMER_HANDLER,
    Arms,
    Event,
    Expiry,
    HostTimer,
    Issue,
    KOffset,
    Preemption,
    Segment,
)
from .overhead import GuestTime, Overhead
from .replay import ReplayWorkload, to_workload
from .report import report
from .timer_state import TimerState

__all__ = ["Recording", "VcpuRecord"]


@dataclass(slots=True)
class VcpuRecord:
    """What one vCPU thread showed; counts cover the whole file, gaps included."""

    vcpu: int
    pid: int
    comm: str
    segments: list[Segment]
    expiries: list[Expiry]
    preemptions: list[Preemption]
    n_entries: int
    n_puts: int
    n_loads: int
    n_user: int
    n_stretches: int

    @property
    def cpu(self) -> int:
        """The pCPU most of its guest runs were on."""
        if not self.segments:
            return 0
        return Counter(seg.cpu for seg in self.segments).most_common(1)[0][0]


@dataclass(slots=True)
class Recording:
    """One VM in one trace file. Times are ns of the trace clock.

    Attributes
    ----------
    path, events, issues
        The file, its records, and everything unknown or assumed.
    vcpus
        One record a vCPU, by vCPU number.
    overhead, guest
        Tracing cost and guest time, raw and corrected.
    cpu_hz, cpu_hz_given
        Used for EPMC; not in the trace.
    cntfrq_hz, gic, vhe
        Counter rate, GIC version (``v2``, ``v3``) and host mode; None if unknown.
    tick
        The host's periodic tick.
    timers
        CVAL to time, K, arms; None while the counter rate is unknown.
    irqs, spis
        Host interrupts and SPI line changes.
    handler_rule
        Where IRQ exits show their handler: ``inside``, ``after`` or ``none``.
    """

    path: str
    events: list[Event]
    issues: list[Issue]
    vcpus: dict[int, VcpuRecord]
    overhead: Overhead
    guest: GuestTime
    cpu_hz: int
    cpu_hz_given: bool
    cntfrq_hz: int | None
    gic: str | None
    vhe: bool | None
    tick: HostTimer
    timers: TimerState | None
    irqs: list[HostIrq]
    spis: list[Injection]
    handler_rule: str
    name: str = ""
    meta: dict[str, object] = field(default_factory=dict)

    # counts

    @property
    def segments(self) -> dict[int, list[Segment]]:
        """Guest runs by vCPU number."""
        return {vcpu: record.segments for vcpu, record in self.vcpus.items()}

    def all_segments(self) -> list[Segment]:
        """Guest runs of every vCPU, one vCPU after the other."""
        return [seg for record in self.vcpus.values() for seg in record.segments]

    @property
    def exits(self) -> dict[str, int]:
        """Exits by the kernel's names, all vCPUs."""
        return dict(Counter(seg.reason for seg in self.all_segments()).most_common())

    @property
    def exits_by_kind(self) -> dict[str, int]:
        """Exits split further: aborts by what handled them, IRQ by its handler."""
        names: Counter[str] = Counter()
        for seg in self.all_segments():
            kind = seg.kind
            if seg.reason == "IRQ":
                kind = self.irq_kind(seg)
            names[f"{seg.reason}/{kind}" if kind else seg.reason] += 1
        return dict(names.most_common())

    def irq_kind(self, seg: Segment) -> str:
        """Name an IRQ exit: vtimer, ptimer, tick, hrtimer, ipi, device or unknown."""
        if not seg.handlers:
            return "unknown"
        name = seg.handlers[0]
        if name == VTIMER_HANDLER:
            return "vtimer"
        if name == "kvm guest ptimer":
            return "ptimer"
        if "arch_timer" in name or "arch_sys_timer" in name:
            return "tick"
        return "ipi" if name.startswith("IPI") else "device"

    @property
    def n_exits(self) -> int:
        """All exits."""
        return sum(len(record.segments) for record in self.vcpus.values())

    @property
    def n_entries(self) -> int:
        """``kvm_entry`` records; real guest entries differ by about 0.2 %."""
        return sum(record.n_entries for record in self.vcpus.values())

    @property
    def n_puts(self) -> int:
        """Saves of the virtual timer: vCPU puts while it was loaded."""
        return sum(record.n_puts for record in self.vcpus.values())

    @property
    def n_loads(self) -> int:
        """Restores of the virtual timer: vCPU loads."""
        return sum(record.n_loads for record in self.vcpus.values())

    @property
    def n_user(self) -> int:
        """Exits to user space."""
        return sum(record.n_user for record in self.vcpus.values())

    @property
    def n_blocks(self) -> int:
        """WFx exits that blocked, polling included."""
        return sum(seg.block is not None for seg in self.all_segments())

    @property
    def n_sleeps(self) -> int:
        """Blocks that switched the thread out."""
        return sum(
            seg.block is not None and seg.block.out_ns is not None
            for seg in self.all_segments()
        )

    @property
    def expiries(self) -> list[Expiry]:
        """Virtual timer expiries of every vCPU; the list is complete."""
        found = [exp for record in self.vcpus.values() for exp in record.expiries]
        return sorted(found, key=lambda expiry: expiry.ts_ns)

    @property
    def n_host_vtimer_irqs(self) -> int:
        """Virtual timer interrupts the host took."""
        return sum(irq.name == VTIMER_HANDLER for irq in self.irqs)

    @property
    def preemptions(self) -> list[Preemption]:
        """Preemptions of loaded, runnable vCPUs."""
        return [one for record in self.vcpus.values() for one in record.preemptions]

    @property
    def arms(self) -> Arms | None:
        """Guest timer arms known exactly or by bounds; lost ones cannot be counted."""
        return None if self.timers is None else self.timers.arms()

    @property
    def k(self) -> KOffset | None:
        """K of ``deadline = CVAL * tick + K``, if the counter rate is known."""
        return None if self.timers is None else self.timers.k

    # times

    @property
    def start_ns(self) -> int:
        """First guest entry of any vCPU."""
        return min(seg.entry_ns for seg in self.all_segments())

    @property
    def end_ns(self) -> int:
        """Last guest exit of any vCPU."""
        return max(seg.exit_ns for seg in self.all_segments())

    @property
    def wall_ns(self) -> int:
        """From the first entry to the last exit."""
        return self.end_ns - self.start_ns

    @property
    def contended_ns(self) -> int:
        """Time vCPUs were kept off their pCPU by other threads."""
        return sum(one.entry_ns - one.out_ns for one in self.preemptions)

    # EPMC

    def _epmc(self, guest_ns: int) -> float | None:
        if guest_ns <= 0:
            return None
        return self.n_exits * 1e6 / (guest_ns * self.cpu_hz / 1e9)

    @property
    def epmc_raw(self) -> float | None:
        """Exits per million guest cycles, tracing cost left in."""
        return self._epmc(self.guest.raw_ns)

    @property
    def epmc(self) -> float | None:
        """Exits per million guest cycles, corrected; None if not measurable."""
        return self._epmc(self.guest.corrected_ns) if self.guest.resolved else None

    @property
    def epmc_range(self) -> tuple[float, float] | None:
        """EPMC with no, and with twice, the assumed world-switch share removed."""
        low, high = self._epmc(self.guest.high_ns), self._epmc(self.guest.low_ns)
        if low is None or high is None or not self.guest.resolved:
            return None
        return low, high

    def report(self) -> str:
        """Return what the recording shows and what it could not tell, as text."""
        return report(self)

    def to_workload(self, mode: str = "corrected") -> ReplayWorkload:
        """Turn the recording into a workload (see `pyemu.trace.replay`).

        Parameters
        ----------
        mode
            ``"corrected"``: tracing cost removed, costs come from the profile.
            ``"as-recorded"``: recorded spans carry everything, for the self-check.

        Raises
        ------
        ConfigError
            For another mode.
        TraceError
            If the recording cannot be replayed (no CNTFRQ, no complete guest run).
        """
        return to_workload(self, mode)

    def __repr__(self) -> str:
        """One short line."""
        return (
            f"<Recording {self.name or self.path}: {len(self.vcpus)} vCPU, "
            f"{self.n_exits} exits, {self.wall_ns / 1e6:.1f} ms>"
        )
