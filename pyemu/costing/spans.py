"""Rows of a fit that come from a recording: mean times between kvm_exit and kvm_entry.

A tracer's own work is in them, a record's cost for each record of the stretch; it is an
unknown of the fit, one for each recording. ``perf kvm stat`` of mainline (5.11 and
later) times from kvm_entry to kvm_exit: the guest's run and the world switch around it.
Such a time is a cost only if all runs are alike, as in a loop of one operation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ..config import one_of
from .perfstat import PerfRow
from .traced import TRACED

if TYPE_CHECKING:
    from ..trace.model import Segment
    from ..trace.recording import Recording

__all__ = ["PERF_TIMES", "Span", "Spans", "from_perf", "from_trace"]

PERF_TIMES: Final = ("guest", "host")
LEAST: Final = 20  # samples; fewer do not average the stamps' resolution out
ALIKE: Final = 1.5
RECORD_NS: Final = 650.0
# Of the cost of a record, logarithms: measured on adjacent records, or assumed.
MEASURED_SD, ASSUMED_SD = 0.15, 0.7
# Of a span against the guest that stands for it, relative. What user space does, and
# which register is read, differ; a handler's record comes some way after the
# acknowledge.
NOISE: Final = {
    "HVC64": 0.05,
    "DABT_LOW/gic": 0.1,
    "DABT_LOW/user": 0.1,
    "IRQ/vtimer": 0.15,
}
WHY_NOT: Final = {
    "WFx": "holds the guest's sleep",
    "IABT_LOW": "holds the work of a page fault",
    "DABT_LOW": "mixes user space, the vgic and page faults",
    "DABT_LOW/stage2": "holds the work of a page fault",
    "IABT_LOW/stage2": "holds the work of a page fault",
    "SYS64": "mixes system registers of different cost",
    "SYS64/sgi": "the wake-up of another vCPU is in it",
    "IRQ": "mixes the host's handlers",
    "IRQ/tick": "the host's own tick",
}


@dataclass(frozen=True)
class Span:
    """One row of a recording.

    Attributes
    ----------
    kind
        A key of `TRACED`.
    run
        Whether it is the guest's run (kvm_entry to kvm_exit), or the host's work.
    ns, noise
        The mean, and how far off it may be, relative.
    records
        Trace records written in it.
    count
        Samples.
    tracer
        Which recording: whose record's cost.
    """

    kind: str
    run: bool
    ns: float
    noise: float
    records: float
    count: int
    tracer: str

    @property
    def name(self) -> str:
        """Name as a row of the fit."""
        where = "run" if self.run else "exit to entry"
        return f"{self.kind} {where} ({self.tracer})"


@dataclass
class Spans:
    """What one or more recordings give.

    Attributes
    ----------
    rows
        Spans to fit to.
    record_ns
        Of each recording: cost of a record, and its width (a logarithm).
    unused
        Rows not used, and why.
    """

    rows: list[Span] = field(default_factory=list)
    record_ns: dict[str, tuple[float, float]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)

    def add(self, other: Spans) -> None:
        """Take another recording's rows."""
        self.rows += other.rows
        self.record_ns |= other.record_ns
        self.unused |= other.unused


def from_perf(rows: Sequence[PerfRow], times: str = "guest") -> Spans:
    """Return what a table of ``perf kvm stat`` tells.

    Parameters
    ----------
    rows
        Of the table.
    times
        ``"guest"``: from kvm_entry to kvm_exit, as mainline perf counts on arm64.
        ``"host"``: from kvm_exit to the next kvm_entry, as tables of other builds do.
    """
    one_of("--perf-times", times, PERF_TIMES)
    out = Spans(record_ns={"perf": (RECORD_NS, ASSUMED_SD)})
    for row in rows:
        span, why = _perf_row(row, times == "guest")
        if span is not None:
            out.rows.append(span)
        else:
            out.unused[f"{row.reason} (perf)"] = why
    return out


def _perf_row(row: PerfRow, guest: bool) -> tuple[Span | None, str]:
    kind = {"DABT_LOW": "DABT_LOW/gic"}.get(row.reason, row.reason)
    known = kind in TRACED if guest else row.reason == "HVC64"
    if not known:
        words = "a run ends where the guest's work does"
        usual = WHY_NOT.get(row.reason, "no guest stands for it")
        return None, words if guest and row.reason in WHY_NOT else usual
    if row.samples < LEAST:
        return None, f"{row.samples} samples: {LEAST} at least"
    low, mean = row.low_us * 1e3, row.mean_us * 1e3
    if mean <= 0:
        return None, "its mean is 0"
    if guest and mean > ALIKE * low:
        words = f"runs of {low:,.0f} ns and of {mean:,.0f} ns on average: the guest's "
        return None, words + "own work is in them, not only the switch"
    spread = math.log(mean / low) if guest else 0.0
    noise = math.hypot(NOISE[kind], spread / 2, 5.0 / mean)  # printed to 0.01 us
    return Span(kind, guest, mean, noise, 1.0, row.samples, "perf"), ""


def _work(seg: Segment) -> tuple[int, int] | None:
    """Return ns and records of the host's part; None if it was interrupted."""
    host = seg.host
    parts = [host.loaded, host.unloaded, host.reloaded]
    parts += [host.put, host.put_tail, host.load, host.load_tail]
    inside = seg.reason == "IRQ"
    if seg.next_ns is None or host.away.records or (host.irq.records and not inside):
        return None
    if inside:
        if len(seg.handlers) != 1 or host.n_puts:
            return None
        parts.append(host.irq)
    return sum(part.ns for part in parts), sum(part.records for part in parts)


def from_trace(rec: Recording) -> Spans:
    """Return what an ftrace recording tells."""
    sd = MEASURED_SD if rec.overhead.origin == "measured" else ASSUMED_SD
    out = Spans(record_ns={"ftrace": (float(rec.overhead.record_ns), sd)})
    kinds: dict[str, list[Segment]] = defaultdict(list)
    for seg in rec.all_segments():
        kind = rec.irq_kind(seg) if seg.reason == "IRQ" else seg.kind
        kinds[f"{seg.reason}/{kind}" if kind else seg.reason].append(seg)
    step_ns = _resolution(rec)
    for kind, segments in kinds.items():
        if kind not in TRACED:
            why = WHY_NOT.get(kind, "no guest stands for it")
            out.unused[f"{kind} (ftrace)"] = why
            continue
        whole = [work for work in map(_work, segments) if work is not None]
        if len(whole) < LEAST:
            words = f"{len(whole)} undisturbed samples: {LEAST} at least"
            out.unused[f"{kind} (ftrace)"] = words
            continue
        out.rows.append(_span(kind, whole, step_ns))
        runs = [seg.guest_ns for seg in segments]
        if kind != "IRQ/vtimer":
            _run(out, kind, runs, step_ns)
    return out


def _resolution(rec: Recording) -> float:
    coarse = any(issue.code == "resolution" for issue in rec.issues)
    return 1000.0 if coarse else 1.0


def _span(kind: str, whole: Sequence[tuple[int, int]], step_ns: float) -> Span:
    ns, records = np.array(whole, dtype=float).T
    mean = max(1.0, float(ns.mean()))
    error = math.hypot(float(ns.std()), step_ns) / math.sqrt(len(whole)) / mean
    noise = math.hypot(NOISE[kind], error)
    return Span(kind, False, mean, noise, float(records.mean()), len(whole), "ftrace")


def _run(out: Spans, kind: str, runs: Sequence[int], step_ns: float) -> None:
    """Add the guest's runs as a row if they are all alike."""
    low, high = (float(one) for one in np.percentile(runs, (5, 95)))
    mean = max(1.0, float(np.mean(runs)))
    if high - low > max(2 * step_ns, (ALIKE - 1) * mean) or mean > ALIKE * high:
        words = f"runs of {low:,.0f} to {high:,.0f} ns: the guest's own work is in them"
        out.unused[f"{kind} run (ftrace)"] = words
        return
    error = math.hypot(float(np.std(runs)), step_ns) / math.sqrt(len(runs)) / mean
    noise = math.hypot(NOISE[kind], error)
    out.rows.append(Span(kind, True, mean, noise, 1.0, len(runs), "ftrace"))


def emulated_ns(span: Span, cyc: Mapping[str, tuple[float, float]], hz: int) -> float:
    """Return a span's ns in the emulator, no record counted."""
    return cyc[span.kind][1 if span.run else 0] * 1e9 / hz
