"""The text of a recording: figures first, then what could not be told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["report"]


def _hz(hz: int | None) -> str:
    return "unknown" if hz is None else f"{hz / 1e6:g} MHz"


def report(rec: Recording) -> str:
    """Return the report of a recording as text."""
    lines = [f"Recording {rec.name or rec.path}: {len(rec.events)} records"]
    mode = {True: "VHE", False: "nVHE", None: "VHE unknown"}[rec.vhe]
    lines.append(
        f"  host      {mode}, GIC{rec.gic or ' unknown'}, CNTFRQ {_hz(rec.cntfrq_hz)}, "
        f"tick {rec.tick.hz or 'unknown'} Hz ({rec.tick.on_grid} of {rec.tick.total} "
        "host timer interrupts on its grid)"
    )
    for vcpu, one in rec.vcpus.items():
        lines.append(
            f"  vCPU {vcpu}    thread {one.comm}-{one.pid}, {len(one.segments)} guest "
            f"runs, {one.n_loads}/{one.n_puts} load/put"
        )
    lines += _exit_lines(rec) + _guest_lines(rec) + _timer_lines(rec)
    lines.append(f"  not told by the trace ({len(rec.issues)}):")
    lines += [f"    {issue}" for issue in rec.issues]
    return "\n".join(lines)


def _exit_lines(rec: Recording) -> list[str]:
    kinds = ", ".join(f"{name} {count}" for name, count in rec.exits_by_kind.items())
    where = Counter(expiry.where for expiry in rec.expiries)
    places = ", ".join(f"{count} {name}" for name, count in where.most_common())
    return [
        f"  exits     {rec.n_exits}: {kinds}",
        (
            f"  expiries  {len(rec.expiries)} ({places or 'none'}), host vtimer "
            f"interrupts {rec.n_host_vtimer_irqs}"
        ),
        (
            f"  load/put  {rec.n_loads}/{rec.n_puts}: {rec.n_user} user exits, "
            f"{rec.n_sleeps} sleeps, {len(rec.preemptions)} preemptions"
        ),
        f"  wall      {rec.wall_ns / 1e6:.1f} ms, first entry to last exit",
    ]


def _guest_lines(rec: Recording) -> list[str]:
    guest, cost = rec.guest, rec.overhead
    lines = [
        (
            f"  tracing   {cost.record_ns} ns a record ({cost.origin}, {cost.pairs} "
            f"pairs), {cost.run_ns} ns a guest run"
        ),
        (
            f"  guest     {guest.raw_ns / 1e6:.2f} ms raw, "
            f"{guest.corrected_ns / 1e6:.2f} ms corrected +- {guest.bound_ns / 1e6:.2f}"
        ),
    ]
    raw, span = rec.epmc_raw, rec.epmc_range
    used = f"at cpu_hz {_hz(rec.cpu_hz)}{'' if rec.cpu_hz_given else ' (assumed)'}"
    if rec.epmc is None or span is None or raw is None:
        lines.append("  EPMC      not measurable from this recording (see below)")
    else:
        lines.append(
            f"  EPMC      {raw:.2f} raw, {rec.epmc:.2f} corrected "
            f"({span[0]:.2f}-{span[1]:.2f}) {used}"
        )
    return lines


def _timer_lines(rec: Recording) -> list[str]:
    arms, k = rec.arms, rec.k
    if arms is None or k is None:
        return ["  timer     CNTFRQ unknown: no deadlines"]
    known = "unknown" if k.ns is None else f"{k.ns} ns"
    return [
        f"  arms      {arms.exact} exact, {arms.bounded} bounded, lost unknown (>= 0)",
        (
            f"  K         {known} ({k.method}, {k.n} values; bounds {k.low_ns} to "
            f"{k.high_ns})"
        ),
    ]
