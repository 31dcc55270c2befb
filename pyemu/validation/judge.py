"""Verdicts: each recorded count beside what the emulation gives at all its phases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .cases import Case
from .runs import Change, Run, emulate_phases

__all__ = ["Row", "Verdict", "judge", "validate"]


@dataclass(frozen=True)
class Row:
    """One count.

    Attributes
    ----------
    low, high
        Least and most over the phases.
    room
        How far the recording may lie outside, counts.
    reason
        Why so far.
    state
        ``ok``, ``miss``, or ``shown``: not judged.
    """

    name: str
    recorded: int
    low: int
    high: int
    room: int
    reason: str
    state: str


@dataclass(frozen=True)
class Verdict:
    """A case with all its rows."""

    case: Case
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]

    @property
    def misses(self) -> list[Row]:
        """Rows outside their room."""
        return [row for row in self.rows if row.state == "miss"]


def validate(
    case: Case,
    change: Change,
    progress: Callable[[Any], None] | None = None,
    *,
    every_phase: bool = False,
) -> Verdict:
    """Run a case at one phase after another until every row passes, or at all.

    A changed scenario has no recording to be compared with.
    """
    if change.departs:
        case = replace(case, recorded=None)
    runs: list[Run] = []
    for run in emulate_phases(case, change, progress):
        runs.append(run)
        if not every_phase and case.recorded and not judge(case, runs).misses:
            break
    return judge(case, runs)


def judge(case: Case, runs: Sequence[Run]) -> Verdict:
    """Compare the runs of a case with its recording, row by row."""
    rows = []
    for name, recorded in (case.recorded or {}).items():
        values = [v for v in (run.count(name) for run in runs) if v is not None]
        if not values:
            continue
        room, reason = _room(case, name, recorded)
        low, high = min(values), max(values)
        inside = low - room <= recorded <= high + room
        why = case.shown or _not_judged(case, name)
        state = "shown" if why else "ok" if inside else "miss"
        rows.append(Row(name, recorded, low, high, room, why or reason, state))
    return Verdict(case, tuple(runs), tuple(rows))


def _not_judged(case: Case, name: str) -> str:
    return str(case.set.room.get("shown", {}).get(name, ""))


def _room(case: Case, name: str, recorded: int) -> tuple[int, str]:
    """Return how far a count may be off and why: the widest that applies."""
    data = case.set
    room = max(int(data.room["counts"]), recorded * int(data.room["percent"]) // 100)
    reason = str(data.room["reason"])
    spread: Mapping[str, Any] = data.spread.get(case.scenario.name, {})
    if name in spread and int(spread[name]) > room:
        room, reason = int(spread[name]), "the recorders' own run-to-run spread"
    for one in data.explained:
        if not case.meant_by(one) or name not in one.get("rows", [name]):
            continue
        if int(one["counts"]) > room:
            room, reason = int(one["counts"]), str(one["why"])
    return room, reason
