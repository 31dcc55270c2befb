"""From a recording to a workload: programs, tables, outside causes and costs.

Two modes. ``corrected``: tracing cost is taken out, world switches, interrupts and
blocking cost what the profile says, exits keep their recorded handling (so the
profile's ``handle_*`` and ``user`` are overridden with 0). ``as-recorded``: recorded
spans carry everything, so every primitive costs 0 but the few in `cost_override` that
stand for whole recorded spans: the tick, the vtimer interrupt, the wake-up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import _ffi
from ..config import Move, Outside, Task
from ..errors import ConfigError, TraceError
from ..guest.workload import Start, Workload
from .encode import CPU_ON, Encoded, Encoder, Rules
from .hosttime import on_grid
from .model import Expiry, Issue, Segment
from .plan import TimerPlan
from .spans import as_recorded_costs, own_ns

if TYPE_CHECKING:
    from .recording import Recording, VcpuRecord

__all__ = ["MODES", "ReplayWorkload", "to_workload"]

MODES: Final = ("corrected", "as-recorded")
NS: Final = 1_000_000_000
_BOUNDS: Final = ("count", "step_count")  # of the enum, no primitives
EDGE_INTID: Final = 1
# Guest-side costs are inside the recorded guest runs; handling is the recording's.
_RECORDED_ALREADY: Final = (
    *("g_ack", "g_eoi", "g_sysreg", "g_vector"),
    *("handle_hvc", "handle_sys", "handle_mmio", "handle_fault", "handle_user", "user"),
)
_LEAST: Final = {"g_insn": 1}  # the core refuses 0: a guest loop would never end


@dataclass(slots=True)
class ReplayWorkload:
    """A recording as op programs.

    Attributes
    ----------
    name, mode
        Recording and mode it came from.
    programs, tables
        One op array and one interval table (ticks) a vCPU.
    entry, irq_entry
        First op and vector of each vCPU.
    powered_on, start_ns, pcpus
        Whether it starts on, when its thread first runs, and on which pCPU.
    cpu_hz, cntfrq_hz, gic, vhe, tick_hz, tick_cyc, tick_phase_cyc, n_pcpus
        The machine it needs; gic and vhe are None if the recording does not tell.
    preempt
        Kernel preemption model assumed for the recorded host.
    tasks, outside, moves
        Other threads that took the CPU, outside interrupts, migrations.
    cost_override
        Primitive name to cycles; the rest comes from the profile (in ``as-recorded``
        every primitive is named).
    expected_exits
        Exits by kernel name that the replay must reproduce: the recording's, with the
        exits that had to be written as another one moved.
    guest_cyc, wall_cyc
        Guest cycles of all programs and the recorded wall time, cycles.
    """

    name: str
    mode: str
    programs: list[NDArray[Any]] = field(default_factory=list)
    tables: list[NDArray[np.uint64]] = field(default_factory=list)
    entry: list[int] = field(default_factory=list)
    irq_entry: list[int] = field(default_factory=list)
    powered_on: list[bool] = field(default_factory=list)
    start_ns: list[int] = field(default_factory=list)
    pcpus: list[int] = field(default_factory=list)
    cpu_hz: int = NS
    cntfrq_hz: int = 0
    gic: str | None = None
    vhe: bool | None = None
    tick_hz: int = 0
    tick_cyc: int = 0
    tick_phase_cyc: int = 0
    n_pcpus: int = 1
    preempt: str = "voluntary"
    tasks: list[Task] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    cost_override: dict[str, int] = field(default_factory=dict)
    expected_exits: dict[str, int] = field(default_factory=dict)
    guest_cyc: int = 0
    wall_cyc: int = 0
    issues: list[Issue] = field(default_factory=list)

    @property
    def n_vcpus(self) -> int:
        """Number of vCPUs."""
        return len(self.programs)

    def workload(self) -> Workload:
        """Return the part a VM runs; tasks and host interrupts belong to the host."""
        starts = [
            Start(i, self.entry[i], self.irq_entry[i], self.powered_on[i])
            for i in range(self.n_vcpus)
        ]
        meta = {"input": self.name, "mode": self.mode}
        return Workload(
            tuple(self.programs), tuple(self.tables), tuple(starts), meta=meta
        )


def to_workload(rec: Recording, mode: str = "corrected") -> ReplayWorkload:
    """Turn a recording into a workload.

    A vCPU's longest stretch without a gap is replayed; gaps are never bridged.

    Raises
    ------
    ConfigError
        For an unknown mode.
    TraceError
        If the counter rate is unknown or times do not fit.
    """
    if mode not in MODES:
        raise ConfigError("mode", mode, " or ".join(repr(name) for name in MODES))
    if rec.cntfrq_hz is None or rec.timers is None:
        words = "cannot be replayed without CNTFRQ: give cntfrq_hz"
        raise TraceError(rec.path, words)
    stretches = {vcpu: _stretch(one) for vcpu, one in rec.vcpus.items()}
    start = min(runs[0].entry_ns for runs in stretches.values())
    end = max(runs[-1].exit_ns for runs in stretches.values())
    if (end - start) * rec.cpu_hz // NS >= 2**62:
        raise TraceError(rec.path, f"a span of {end - start} ns does not fit")
    out = ReplayWorkload(rec.name or rec.path, mode)
    out.cpu_hz, out.cntfrq_hz = rec.cpu_hz, rec.cntfrq_hz
    out.gic, out.vhe = rec.gic, rec.vhe
    out.wall_cyc = (end - start) * rec.cpu_hz // NS
    _Builder(rec, out, stretches, start).build()
    return out


def _stretch(record: VcpuRecord) -> list[Segment]:
    """Return the longest stretch of a vCPU's guest runs."""
    sizes = Counter(seg.stretch for seg in record.segments)
    best = max(sizes, key=lambda key: (sizes[key], -key))
    return [seg for seg in record.segments if seg.stretch == best]


class _Builder:
    """Fills a `ReplayWorkload`."""

    def __init__(
        self,
        rec: Recording,
        out: ReplayWorkload,
        stretches: dict[int, list[Segment]],
        start_ns: int,
    ) -> None:
        self.rec = rec
        self.out = out
        self.stretches = stretches
        self.order = sorted(stretches)
        self.start_ns = start_ns
        self.recorded = out.mode == "as-recorded"
        self.started: dict[int, int] = {}
        self.repeated = 0
        cost = rec.overhead
        self.rules = Rules(True, rec.cpu_hz)
        if not self.recorded:
            own = own_ns(rec.all_segments(), cost.record_ns)
            self.rules = Rules(
                False,
                rec.cpu_hz,
                cost.run_ns,
                cost.record_ns,
                own if cost.run_ns else 0,
            )

    def build(self) -> None:
        """Do everything."""
        out = self.out
        self._power()
        cpus = sorted({seg.cpu for runs in self.stretches.values() for seg in runs})
        self.cpu_index = {cpu: i for i, cpu in enumerate(cpus)}
        out.n_pcpus = len(cpus)
        exits: Counter[str] = Counter()
        done: list[Encoded] = []
        for index, vcpu in enumerate(self.order):
            done.append(self._vcpu(index, vcpu))
            exits.update(seg.reason for seg in self.stretches[vcpu])
            for reason in done[-1].substitutes:
                exits[reason] -= 1
                off = reason in ("DABT_LOW", "IABT_LOW")
                exits["HVC64" if off else "SYS64"] += 1
        out.expected_exits = {name: n for name, n in exits.items() if n}
        out.guest_cyc = sum(one.guest_cyc for one in done)
        self._host()
        self._costs()
        self._issues(done)

    def _since(self, ts_ns: int) -> int:
        return max(0, ts_ns - self.start_ns)

    def _power(self) -> None:
        """Match PSCI CPU_ON calls, in order, with the vCPUs that start later."""
        calls = sorted(
            (seg.end_ns, vcpu, i)
            for vcpu, runs in self.stretches.items()
            for i, seg in enumerate(runs)
            if seg.reason in ("HVC64", "SMC64") and seg.arg in CPU_ON
        )
        first = {vcpu: runs[0].entry_ns for vcpu, runs in self.stretches.items()}
        waiting = sorted(self.order, key=lambda vcpu: first[vcpu])
        for ts, caller, i in calls:
            later = [v for v in waiting if first[v] >= ts and v != caller]
            if later:
                waiting.remove(later[0])
                self.started[id(self.stretches[caller][i])] = self.order.index(later[0])

    def _vcpu(self, index: int, vcpu: int) -> Encoded:
        rec, out, runs = self.rec, self.out, self.stretches[vcpu]
        timers = rec.timers
        if timers is None:
            raise TraceError(rec.path, "no timer state")
        low, high = runs[0].entry_ns, runs[-1].next_ns or runs[-1].exit_ns
        expiries = [e for e in rec.vcpus[vcpu].expiries if low <= e.ts_ns <= high]
        last = timers.last_sample(vcpu, expiries[-1].ts_ns + 1) if expiries else None
        plan = TimerPlan(timers, expiries, last)
        encoder = Encoder(
            self.rules,
            plan,
            index,
            lambda seg: self._sgi(index, seg),
            lambda seg: self.started.get(id(seg)),
        )
        encoded = encoder.build(runs, self._first_arm(vcpu, runs, plan, expiries))
        self.repeated += plan.repeated
        woken = index in self.started.values()
        out.programs.append(encoded.ops)
        out.tables.append(plan.table)
        out.entry.append(0)
        out.irq_entry.append(encoded.irq_entry)
        out.powered_on.append(not woken)
        out.start_ns.append(0 if woken else self._since(low))
        out.pcpus.append(self.cpu_index[runs[0].cpu])
        self._migrations(index, runs)
        return encoded

    def _migrations(self, index: int, runs: Sequence[Segment]) -> None:
        cpu, before = runs[0].cpu, runs[0]
        for seg in runs:
            block, before = before.block, seg
            if seg.cpu != cpu:
                cpu, when = seg.cpu, seg.entry_ns
                if block is not None and block.out_ns and block.wake_ns:
                    when = (block.out_ns + block.wake_ns) // 2  # moved asleep
                at = self.rules.cyc(self._since(when))
                self.out.moves.append(Move(at, index, self.cpu_index[cpu]))

    def _first_arm(
        self,
        vcpu: int,
        runs: Sequence[Segment],
        plan: TimerPlan,
        expiries: Sequence[Expiry],
    ) -> tuple[int, int] | None:
        """Return where the timer is first armed and how far, or None if never."""
        timers = self.rec.timers
        shown = timers.first_armed(vcpu) if timers is not None else None
        if timers is None or (shown is None and not expiries):
            return None
        if expiries and (shown is None or shown.ts_ns >= expiries[0].ts_ns):
            due = expiries[0].deadline_ns
            at = max(i for i in range(len(runs)) if i == 0 or runs[i].entry_ns <= due)
        elif shown is not None:
            target = timers.deadline_ns(shown.cval_ticks)
            due = expiries[0].deadline_ns if expiries else target or 0
            if target is None and not expiries:
                return None
            at = 0
            for i, seg in enumerate(runs):
                if seg.entry_ns <= shown.ts_ns:
                    at = i
        return at, max(1, plan.ticks(due - runs[at].entry_ns))

    def _sgi(self, sender: int, seg: Segment) -> tuple[int, int, int] | None:
        """Return SGI operands: INTID and targets, as far as the trace tells."""
        n = len(self.order)
        if seg.kind == "gic" and self.rec.gic == "v2" and seg.arg is not None:
            targets = seg.arg >> 16 & 0xFF
            if seg.arg >> 24 & 3 == 1:
                return seg.arg & 15, 0, 1
            if targets and targets.bit_length() <= n:
                return seg.arg & 15, targets.bit_length() - 1, 0
            return None
        if seg.kind != "sgi" or n < 2:
            return None
        if n == 2:
            return 0, 1 - sender, 0
        return 0, 0, 1

    def _host(self) -> None:
        """Take over tick, other threads and outside interrupts, at wall time."""
        rec, out, tick = self.rec, self.out, self.rec.tick
        if tick.hz is not None:
            period = NS // tick.hz
            phase = (tick.phase_ns - self.start_ns) % period
            out.tick_hz, out.tick_cyc = tick.hz, rec.cpu_hz // tick.hz
            out.tick_phase_cyc = self.rules.cyc(phase)
        for one in rec.preemptions:
            if one.cpu not in self.cpu_index or one.out_ns < self.start_ns:
                continue
            ran = one.entry_ns - one.out_ns
            if not self.recorded:
                away = one.in_ns - one.out_ns
                ran = away - rec.overhead.record_ns * max(0, one.records - 8)
            cause = self._since(one.cause_ns)
            if on_grid(one.cause_ns, tick) and tick.hz is not None:
                late = (one.cause_ns - tick.phase_ns) % (NS // tick.hz)
                cause = max(0, cause - late)
            out.tasks.append(
                Task(self.cpu_index[one.cpu], max(1, ran), 2**62, start_ns=cause)
            )
        self._spis()
        self._devices()

    def _spis(self) -> None:
        """Replay each rise of an SPI as an edge: the guest's lowering is an exit."""
        rises = [spi for spi in self.rec.spis if spi.level]
        for spi in rises:
            at = self.rules.cyc(self._since(spi.ts_ns))
            self.out.outside.append(Outside(at, 0, "vm0", EDGE_INTID))
        if rises:
            words = f"{len(rises)} SPIs replayed as edges to vCPU 0 at wall time"
            self.out.issues.append(Issue("spi", words))

    def _devices(self) -> None:
        """Host interrupts off the tick grid that ended guest runs: device causes."""
        alone = len(self.order) == 1
        for runs in self.stretches.values():
            for seg in runs:
                kind = self.rec.irq_kind(seg) if seg.reason == "IRQ" else ""
                tick = kind == "tick" and on_grid(seg.end_ns, self.rec.tick)
                if kind in ("", "vtimer", "ptimer", "unknown") or tick:
                    continue
                if kind == "ipi" and not alone:
                    continue  # a kick: the effect of another vCPU's exit
                at = self.rules.cyc(self._since(seg.end_ns))
                self.out.outside.append(Outside(at, self.cpu_index[seg.cpu], None))
        self.out.outside.sort(key=lambda one: one.at_cyc)

    def _costs(self) -> None:
        """Set what primitives cost in this mode."""
        names = _ffi.enum("prim", "PYEMU_P_")
        if not self.recorded:
            self.out.cost_override = dict.fromkeys(_RECORDED_ALREADY, 0) | _LEAST
            return
        table = {name: 0 for name in names if name not in _BOUNDS}
        spans = as_recorded_costs(self.rec)
        table.update({name: self.rules.cyc(ns) for name, ns in spans.items()})
        self.out.cost_override = table | _LEAST | {"extra": 1}  # counts cycles

    def _issues(self, done: Sequence[Encoded]) -> None:
        def add(code: str, count: int, words: str) -> None:
            if count:
                self.out.issues.append(Issue(code, f"{count} {words}"))

        lost = sum(len(one.segments) for one in self.rec.vcpus.values())
        lost -= sum(len(runs) for runs in self.stretches.values())
        add("gap", lost, "guest runs outside the longest stretch are not replayed")
        add("clamped", sum(e.clamped for e in done), "host spans cut to 2^32 cycles")
        timed = sum(e.timed_wakes for e in done)
        add(
            "wake-unknown",
            timed,
            "wake-ups without a cause replayed as one-shot timers",
        )
        bent = sum(e.unmodelled for e in done)
        add("user-exit", bent, "user-space exits (signals) have no operation: left out")
        moved = sum(len(e.substitutes) for e in done)
        add(
            "substituted",
            moved,
            "exits are written as another kind (see expected_exits)",
        )
        words = "expiries of an unchanged deadline (no re-arm in between) replayed once"
        add("repeated", self.repeated, words)
        if self.out.tick_hz == 0:
            self.out.issues.append(Issue("tick", "no host tick"))
