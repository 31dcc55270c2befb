"""How well a calibration predicts: each published board, without its own answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..summary import align
from . import published
from .calibrate import calibrate

__all__ = ["OUTPUTS", "OutOfSample", "leave_one_out", "left_out", "table"]

INPUTS: Final = ("hvc", "mmio_read_vgic", "mmio_read_user", "eoi")
OUTPUTS: Final = ("ipi", "timer_10ms")


@dataclass(frozen=True)
class OutOfSample:
    """One published group predicted from its other rows.

    Attributes
    ----------
    group, base
        What was predicted, on which profile.
    predicted
        Row: ns and the ends of the 90 % interval.
    measured_ns
        The published rows, where there are any.
    """

    group: published.Group
    base: str
    predicted: Mapping[str, tuple[float, float, float]]
    measured_ns: Mapping[str, float]

    def error(self, row: str) -> float | None:
        """Return the relative error of a row; None where nothing is published."""
        if row not in self.measured_ns:
            return None
        return self.predicted[row][0] / self.measured_ns[row] - 1

    def holds(self, row: str) -> bool | None:
        """Return whether the 90 % interval has the published figure in it."""
        if row not in self.measured_ns:
            return None
        _, low, high = self.predicted[row]
        return low <= self.measured_ns[row] <= high

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        rows = {}
        for row, (ns, low, high) in self.predicted.items():
            rows[row] = {
                "ns": ns,
                "low": low,
                "high": high,
                "measured": self.measured_ns.get(row),
                "error": self.error(row),
                "holds": self.holds(row),
            }
        names = ("id", "board", "title", "policy", "stand_in")
        head = {name: getattr(self.group, name) for name in names}
        return {**head, "base": self.base, "rows": rows}


def leave_one_out(group_id: str) -> OutOfSample:
    """Predict ipi and timer_10ms of a published group from its other rows.

    All groups of its board stay out of the prior, and so do the shipped profiles that
    were made from them.

    Raises
    ------
    ConfigError
        For an unknown group.
    """
    group = published.get(group_id)
    rows = {name: ns for name, ns in group.rows_ns.items() if name in INPUTS}
    gic, vhe = group.machine
    one = calibrate(
        rows,
        policy=group.policy,
        gic=gic,
        vhe=vhe,
        harness=group.harness,
        what=group.title,
        without=group.board,
    )
    known: dict[str, float] = {
        name: group.rows_ns[name] for name in OUTPUTS if name in group.rows_ns
    }
    predicted = {name: one.rows_ns[name] for name in OUTPUTS}
    return OutOfSample(group, one.base, predicted, known)


def left_out(progress: Callable[[str], None] | None = None) -> list[OutOfSample]:
    """Return every published machine that has more than a hypercall, predicted."""
    out = []
    for group in published.groups():
        rows = set(group.rows_ns)
        if group.policy and "hvc" in rows and len(rows & {*INPUTS}) > 1:
            if progress is not None:
                progress(group.id)
            out.append(leave_one_out(group.id))
    return out


def _cells(one: OutOfSample, row: str) -> list[str]:
    ns, low, high = one.predicted[row]
    error = one.error(row)
    if error is None:
        return [f"{ns:,.0f}", f"{low:,.0f} - {high:,.0f}", "-", "-", "-"]
    held = "yes" if one.holds(row) else "NO"
    measured = f"{one.measured_ns[row]:,.0f}"
    return [
        *(f"{ns:,.0f}", f"{low:,.0f} - {high:,.0f}"),
        *(measured, f"{100 * error:+.0f} %", held),
    ]


def table(found: list[OutOfSample]) -> str:
    """Return predictions beside what was measured, and the count of both goals."""
    head = ["machine", "base", "row", "predicted ns", "90 %", "measured", "error", "in"]
    lines = [head]
    judged = []
    for one in found:
        for row in OUTPUTS:
            name = one.group.id + (" *" if one.group.stand_in else "")
            lines.append([name, one.base, row, *_cells(one, row)])
            error = one.error(row)
            if error is not None:
                judged.append((abs(error) <= 0.15, one.holds(row), one.group.stand_in))
    own = [(near, held) for near, held, stand_in in judged if not stand_in]
    text = (
        f"{sum(near for near, _ in own)} of {len(own)} within 15 %, "
        f"{sum(bool(held) for _, held in own)} of {len(own)} in their interval "
        f"(with the machines marked *: {sum(one[0] for one in judged)} and "
        f"{sum(bool(one[1]) for one in judged)} of {len(judged)})"
    )
    notes = [
        "* no shipped policy is that machine's kernel: up to 4.5 a switch saves all of",
        "  the GIC's state, 9 reads more than the v4.4 table; el2Linux defers state as",
        "  no mainline kernel did.",
        "-: not published, or timed out on one CPU.",
    ]
    return "\n".join([align(lines), "", text, *notes])
