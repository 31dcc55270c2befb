"""Verdicts as text and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..summary import align
from .cases import Case
from .judge import Verdict
from .order import MOST_EDITS, Alignment, why
from .runs import Run
from .sets import RecordedSet

__all__ = ["listing", "order_text", "plain", "plain_order", "text"]


def text(verdict: Verdict, *, every: bool) -> str:
    """Return a case as a table: its misses, or every row."""
    case = verdict.case
    head = f"{case.label} ({case.kernel.policy})"
    if not verdict.rows:
        return f"{head}: not recorded\n{_counts(verdict.runs[0])}\n"
    good = f"shown, not judged: {case.shown}" if case.shown else "ok"
    lines = [f"{head}: {'miss' if verdict.misses else good}"]
    rows = verdict.rows if every else verdict.misses
    if rows:
        table = [["count", "recorded", "emulated", "room", "", "why so far"]]
        for row in rows:
            span = str(row.low) if row.low == row.high else f"{row.low}..{row.high}"
            numbers = (str(row.recorded), span, str(row.room))
            table.append([row.name, *numbers, row.state, row.reason])
        lines.append(align(table))
    return "\n".join(lines)


def _counts(run: Run) -> str:
    table = [["count", "emulated"]]
    for source in (run.counters, run.ops, run.results):
        table += [[name, str(value)] for name, value in source.items() if value]
    return align(table)


def listing(data: RecordedSet) -> str:
    """Return what a set holds."""
    kernels = ", ".join(f"{k.name} ({k.policy})" for k in data.kernels.values())
    lines = [f"{data.name}: {data.title}", f"  {data.source}"]
    lines += [f"  kernels:  {kernels}", "  machines: " + ", ".join(data.configs)]
    lines += [f"  {one.name:<24} {one.what}" for one in data.scenarios.values()]
    return "\n".join(lines)


def plain(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return ``runs`` in order, and ``cases`` that refer to them by index."""
    runs: list[dict[str, Any]] = []
    cases = []
    for verdict in verdicts:
        case, first = verdict.case, len(runs)
        runs += [_run(run) for run in verdict.runs]
        cases.append(
            {
                "set": case.set.name,
                "kernel": case.kernel.name,
                "policy": case.kernel.policy,
                "config": case.config.name,
                "scenario": case.scenario.name,
                "recorded": case.recorded is not None,
                "shown": case.shown or None,
                "ok": not verdict.misses,
                "runs": list(range(first, len(runs))),
                "rows": [vars(row) for row in verdict.rows],
            }
        )
    ok = not any(verdict.misses for verdict in verdicts)
    return {"schema": 1, "ok": ok, "runs": runs, "cases": cases}


def _run(run: Run) -> dict[str, Any]:
    case, result = run.case, run.result
    return {
        "scenario": case.scenario.name,
        "policy": case.kernel.policy,
        "config": case.config.name,
        "gic": case.config.gic,
        "vhe": case.config.vhe,
        "phase_ns": run.phase.tick_ns,
        "ops": dict(result.ops),
        "counters": dict(run.counters),
        "exits": dict(result.exits),
        "guest_insns": run.guest_insns,
        "results": dict(run.results),
        "elapsed_cyc": run.elapsed_cyc,
    }


def order_text(found: Sequence[tuple[Case, Alignment]]) -> str:
    """Return a table of alignments, then each first difference and its reasons."""
    table = [["run", "recorded", "emulated", "common prefix", "edits per 1,000"]]
    notes = []
    same = sum(not one.edits for _, one in found)
    for case, one in found:
        name = f"{case.config.name} {case.scenario.name}"
        more = "over " if one.edits >= MOST_EDITS else ""
        numbers = (str(one.recorded), str(one.emulated), str(one.prefix))
        table.append([name, *numbers, f"{more}{one.per_1000:.1f}"])
        if one.first:
            notes += ["", f"{name}: {one.first}", *_differences(one)]
            notes += [
                f"  likely: {reason}" for reason in why(case) or ["not explained"]
            ]
    return "\n".join([align(table), f"{same} of {len(found)} identical", *notes])


def _differences(one: Alignment) -> list[str]:
    """Return the words that differ most, in lines."""
    lines = []
    for what, words in (("only recorded", one.missing), ("only emulated", one.extra)):
        if words:
            counts = (f"{n} x {word}" for word, n in words.most_common(4))
            lines.append(f"  {what}: {', '.join(counts)}")
    return lines


def plain_order(case: Case, one: Alignment) -> dict[str, Any]:
    """Return an alignment as plain values."""
    return {
        "config": case.config.name,
        "scenario": case.scenario.name,
        "recorded": one.recorded,
        "emulated": one.emulated,
        "prefix": one.prefix,
        "edits": one.edits,
        "edits_per_1000": one.per_1000,
        "first_difference": one.first or None,
        "why": why(case) if one.edits else [],
        "missing": dict(one.missing),
        "extra": dict(one.extra),
    }
