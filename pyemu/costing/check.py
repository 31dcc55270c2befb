"""Every published figure beside what the emulator makes of it.

A figure is fitted if a number of the profile was taken from that very row; then it
tests nothing. All others are checks, and what no run can give says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..summary import align
from . import published
from .calibrate import Calibration, calibrate
from .leave_one_out import INPUTS
from .operations import OPERATIONS, Setting, measure_cyc
from .traced import traced_cyc

__all__ = ["Checked", "check", "table"]


@dataclass(frozen=True)
class Checked:
    """One published row.

    Attributes
    ----------
    group, row
        What was published.
    emulated
        In the row's unit; None where nothing is run.
    profile
        On which it was run.
    """

    group: published.Group
    row: published.PublishedRow
    emulated: float | None
    profile: str

    @property
    def kind(self) -> str:
        """``fitted``, ``check``, or the word that says why it is not run."""
        if self.emulated is None:
            return published.word(self.why)
        return "fitted" if self.row.fitted else "check"

    @property
    def off(self) -> float | None:
        """Relative difference of emulated and published."""
        if self.emulated is None:
            return None
        return self.emulated / self.row.value - 1

    @property
    def why(self) -> str:
        """Why nothing is run, or what the model leaves out."""
        if self.emulated is None:
            return self.row.note or self.group.why_not
        return self.group.why

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "group": self.group.id,
            "title": self.group.title,
            "source": self.group.source,
            "row": self.row.name,
            "published": self.row.value,
            "unit": self.group.unit,
            "tag": self.row.tag,
            "operation": self.row.operation or None,
            "profile": self.profile or None,
            "policy": self.group.policy or None,
            "emulated": self.emulated,
            "off": self.off,
            "kind": self.kind,
            "why": self.why or None,
        }


def _calibrated(group: published.Group) -> Calibration:
    gic, vhe = group.machine
    return calibrate(
        {name: ns for name, ns in group.rows_ns.items() if name in INPUTS},
        policy=group.policy,
        gic=gic,
        vhe=vhe,
        harness=group.harness,
        what=group.title,
        cntfrq_hz=group.cntfrq_hz,
    )


def _cyc(operation: str, setting: Setting) -> float:
    """Return the cycles of an operation; ``world_switch`` is a hypercall's, alone."""
    if operation in OPERATIONS:
        return measure_cyc(operation, setting)
    return traced_cyc("HVC64", setting)[1]


def _group(group: published.Group) -> list[Checked]:
    setting = None
    name = group.profile
    if group.profile or group.calibrate:
        gic, vhe = group.machine
        model: Any = group.profile
        if group.calibrate:
            one = _calibrated(group)
            model, name = one.model, f"{one.base}, scaled"
        setting = Setting(model, group.policy, gic, vhe, None, group.harness)
    out = []
    for row in group.rows:
        emulated = None
        if setting is not None and row.operation:
            hz = group.hz if group.unit == "cycles" else 1e9
            cyc = _cyc(row.operation, setting)
            emulated = cyc * hz / setting.model.cpu_hz
        out.append(Checked(group, row, emulated, name))
    return out


def check(
    profile: str | None = None, progress: Callable[[str], None] | None = None
) -> list[Checked]:
    """Return every published row, or those of one profile."""
    out = []
    for group in published.groups():
        if profile is not None and group.profile != profile:
            continue
        if progress is not None:
            progress(group.id)
        out += _group(group)
    return out


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _line(one: Checked) -> list[str]:
    head = [one.row.name, f"{one.row.value:,g}", one.row.tag]
    if one.emulated is None or one.off is None:
        return [*head, "-", "-", one.kind, one.why]
    return [*head, _figure(one.emulated), f"{100 * one.off:+.1f} %", one.kind, ""]


def _why_not(rows: list[Checked]) -> str:
    words = Counter(one.kind for one in rows if one.emulated is None)
    return ", ".join(f"{n} {word}" for word, n in words.most_common())


def table(rows: list[Checked]) -> str:
    """Return the rows as text, a table a group."""
    parts = []
    for group in dict.fromkeys(one.group.id for one in rows):
        own = [one for one in rows if one.group.id == group]
        first = own[0].group
        on = f" [{own[0].profile}, {first.policy}]" if first.policy else ""
        head = [f"published, {first.unit}", "", "tag", "emulated", "off", "kind", ""]
        lines = [f"{first.id}: {first.title}{on}", align([head, *map(_line, own)])]
        if first.why:
            lines.append(f"  left out: {first.why}")
        parts.append("\n".join([*lines, f"  source: {first.source}"]))
    checks = [one.off for one in rows if one.kind == "check" and one.off is not None]
    if checks:
        near = sum(abs(off) <= 0.15 for off in checks)
        fitted = sum(one.kind == "fitted" for one in rows)
        rest = len(rows) - len(checks) - fitted
        parts.append(
            f"{len(rows)} rows: {fitted} fitted, {len(checks)} checks of which {near} "
            f"within 15 %, {rest} not run: {_why_not(rows)}"
        )
    return "\n\n".join(parts)
