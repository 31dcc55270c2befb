"""What a recording is made of: records, issues, guest runs, timer evidence.

Times are integer nanoseconds of the trace clock unless a name says otherwise; CVAL
values are counter ticks. Nothing here parses or computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = [
    "Arms",
    "Block",
    "Event",
    "Expiry",
    "HostSpan",
    "HostTimer",
    "Issue",
    "KOffset",
    "Part",
    "Preemption",
    "Segment",
    "TimerSample",
]

VTIMER_INTID: Final = 27
PTIMER_INTID: Final = 30
VTIMER_HANDLER: Final = "kvm guest vtimer"
CTL_ENABLE: Final = 1
CTL_IMASK: Final = 2
CTL_ISTATUS: Final = 4


class Event(NamedTuple):
    """One trace record; `args` is its text after the event name."""

    line: int
    ts_ns: int
    cpu: int
    pid: int
    comm: str
    name: str
    args: str


@dataclass(frozen=True, slots=True)
class Issue:
    """Something the importer could not tell, or assumed.

    Attributes
    ----------
    code
        Short stable name, for filters and tests.
    text
        The finding, in words.
    line
        Line of the file it was found on, if one line shows it.
    """

    code: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line is not None else ""
        return f"{self.text}{where}"


@dataclass(slots=True)
class Part:
    """A stretch of host time: its length and the trace records inside it."""

    ns: int = 0
    records: int = 0

    def add(self, ns: int) -> None:
        """Add the gap that follows one record."""
        self.ns += ns
        self.records += 1

    def corrected_ns(self, record_ns: int) -> int:
        """Return the length without what tracing added."""
        return max(0, self.ns - record_ns * self.records)


@dataclass(slots=True)
class HostSpan:
    """Host time from the end of one guest run to the next entry, taken apart.

    `loaded`, `unloaded` and `reloaded` are work: before the first put, between put and
    the last load, after it. `put` and `load` are the recorded policy's own steps while
    the timer is still, or not yet, in hardware; `put_tail` and `load_tail` the rest of
    them. `irq` is interrupt handlers that landed in between, `away` preemption.
    """

    loaded: Part = field(default_factory=Part)
    unloaded: Part = field(default_factory=Part)
    reloaded: Part = field(default_factory=Part)
    put: Part = field(default_factory=Part)
    put_tail: Part = field(default_factory=Part)
    load: Part = field(default_factory=Part)
    load_tail: Part = field(default_factory=Part)
    irq: Part = field(default_factory=Part)
    away: Part = field(default_factory=Part)
    n_puts: int = 0
    n_loads: int = 0

    def work(self, record_ns: int) -> tuple[int, int, int]:
        """Return loaded, unloaded and reloaded work in ns, tracing cost removed."""
        parts = (self.loaded, self.unloaded, self.reloaded)
        a, b, c = (part.corrected_ns(record_ns) for part in parts)
        return a, b, c

    def with_own(self) -> tuple[int, int, int]:
        """Return the three parts as recorded, put and load left in (ns)."""
        if not self.n_loads:
            return self.loaded.ns + self.put.ns, self.unloaded.ns + self.put_tail.ns, 0
        return (
            self.loaded.ns + self.put.ns,
            self.unloaded.ns + self.put_tail.ns + self.load.ns,
            self.reloaded.ns + self.load_tail.ns,
        )


@dataclass(slots=True)
class Segment:
    """One guest run and the exit that ended it.

    Attributes
    ----------
    entry_ns, end_ns, exit_ns
        ``kvm_entry``; end of guest execution; ``kvm_exit`` (later than the end if an
        interrupt handler was traced in between).
    reason
        Kernel name: ``IRQ`` or, for TRAP, the exception class.
    kind
        ``user``, ``gic`` or ``stage2`` for aborts; ``sgi`` for a system register write
        that sends one; ``off`` for the PSCI call that ends the VM; ``wfe``; a trailing
        ``+user`` marks a user-space exit the reason does not explain.
    handlers, late
        Host interrupt handlers between entry and exit, in order, and, for IRQ exits,
        those after the exit.
    next_ns
        The next ``kvm_entry`` of this vCPU, None at the end of a stretch.
    arg
        HVC function or the value of a GICD_SGIR write, if traced.
    """

    vcpu: int
    line: int
    cpu: int
    entry_ns: int
    end_ns: int = 0
    exit_ns: int = 0
    reason: str = ""
    kind: str = ""
    handlers: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    host: HostSpan = field(default_factory=HostSpan)
    next_ns: int | None = None
    arg: int | None = None
    block: Block | None = None
    stretch: int = 0

    @property
    def guest_ns(self) -> int:
        """Length of the guest run, as recorded."""
        return self.end_ns - self.entry_ns

    @property
    def span_ns(self) -> int:
        """Host time until the next entry, 0 at the end of a stretch."""
        return 0 if self.next_ns is None else self.next_ns - self.end_ns


@dataclass(slots=True)
class Block:
    """What followed a WFx exit.

    `cause` is ``timer``, ``spi``, ``sgi``, ``psci`` or ``unknown``; `cval_ticks` the
    enabled virtual timer saved at the put, `soft_ns` when the background timer was to
    fire, `out_ns` when the thread was switched out, None if it never slept.
    """

    start_ns: int
    out_ns: int | None = None
    wake_ns: int | None = None
    cval_ticks: int | None = None
    soft_ns: int | None = None
    cause: str = "unknown"
    polled: bool = False


class TimerSample(NamedTuple):
    """One saved or restored timer context; `put` is True for a save."""

    ts_ns: int
    line: int
    vcpu: int
    put: bool
    context: int
    ctl: int
    cval_ticks: int

    @property
    def armed(self) -> bool:
        """Enabled and unmasked: it may raise its interrupt."""
        return self.ctl & (CTL_ENABLE | CTL_IMASK) == CTL_ENABLE


@dataclass(slots=True)
class Expiry:
    """One virtual timer expiry, seen as ``kvm_timer_update_irq`` 27 level 1.

    `where` is ``guest`` (it ended a guest run), ``host`` (host code while loaded),
    ``asleep`` (found at the load after a sleep) or ``unloaded`` (another load).
    `cval_ticks` is set if a save had shown the arm ("exact"); `deadline_ns` follows
    from it, or from the interrupt, good to about 1 us.
    """

    ts_ns: int
    line: int
    vcpu: int
    where: str
    segment: int
    cval_ticks: int | None = None
    deadline_ns: int = 0


class Arms(NamedTuple):
    """Guest timer arms by what is known of them; lost ones cannot be counted."""

    exact: int
    bounded: int


@dataclass(frozen=True, slots=True)
class KOffset:
    """``deadline_ns = CVAL * tick_ns + K``: K, its bounds and where it came from."""

    ns: int | None
    low_ns: int | None
    high_ns: int | None
    method: str
    n: int


@dataclass(frozen=True, slots=True)
class Preemption:
    """Another thread took the pCPU of a loaded, runnable vCPU."""

    vcpu: int
    cpu: int
    cause_ns: int
    out_ns: int
    in_ns: int
    entry_ns: int
    records: int
    comm: str


@dataclass(frozen=True, slots=True)
class HostTimer:
    """The host's periodic tick: rate, phase (ns, modulo the period) and counts."""

    hz: int | None
    phase_ns: int
    on_grid: int
    total: int
