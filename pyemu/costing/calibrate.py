"""A profile of a user's own machine, from what micro-bench printed there.

The nearest shipped profile is scaled, group by group (`parameters`), so that the
operations cost in the emulator what the log says (`fit`), under a prior from other
boards (`population`). What no row of the log sees is named, with the row that would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from .. import costs
from ..costs import CostModel, Row
from ..errors import ConfigError, TraceError
from .fit import BOUND, Fit, fit
from .operations import MICROBENCH, Setting
from .parameters import PARAMETERS, about, members
from .population import nearest, prior_for
from .spans import Spans
from .traced import traced_cyc

__all__ = ["NEEDS", "Calibration", "Parameter", "calibrate"]

KNOWN: Final = 0.7  # of the prior's width, and a group counts as identified
# The row that would tell a group; None where micro-bench has none.
NEEDS: Final[dict[str, str | None]] = {
    "exit": "hvc",
    "emulate": "mmio_read_vgic",
    "user": "mmio_read_user",
    "guest_gic": "eoi",
    "guest_cpu": None,
    "interrupt": "timer_10ms",
    "ipi_flight": "ipi",
    "sched": None,
}


@dataclass(frozen=True)
class Parameter:
    """One group of primitives after the fit.

    Attributes
    ----------
    name, about
        The group.
    factor, low, high
        On the base profile, with the ends of its 90 % interval.
    identified
        Whether the log narrowed it; otherwise it stands at the prior.
    by
        The row that says most about it, or what would.
    """

    name: str
    about: str
    factor: float
    low: float
    high: float
    identified: bool
    by: str


@dataclass(frozen=True)
class Calibration:
    """A fitted machine, as a profile.

    Attributes
    ----------
    model
        The profile; every number has a source and a tag.
    base
        The shipped profile it was scaled from.
    fit
        The fit itself.
    rows_ns
        All six rows of the fitted machine: ns, and the ends of the 90 % interval.
    parameters
        The groups.
    unused
        Rows of the recordings that nothing was fitted to, and why.
    """

    model: CostModel
    base: str
    fit: Fit
    rows_ns: Mapping[str, tuple[float, float, float]]
    parameters: tuple[Parameter, ...]
    unused: Mapping[str, str]

    @property
    def unidentified(self) -> tuple[Parameter, ...]:
        """Groups the log says nothing about."""
        return tuple(one for one in self.parameters if not one.identified)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        measured = self.fit.measured_ns
        keys = ("ns", "low", "high")
        return {
            "base": self.base,
            "prior": self.fit.prior.words,
            "rows": {name: row[0] for name, row in self.rows_ns.items()},
            "measured": dict(measured),
            "predicted": {
                name: dict(zip(keys, row, strict=True))
                for name, row in self.rows_ns.items()
                if name not in measured
            },
            "parameters": {
                one.name: {
                    "factor": one.factor,
                    "low": one.low,
                    "high": one.high,
                    "identified": one.identified,
                    "by": one.by,
                }
                for one in self.parameters
            },
            "unidentified": [one.name for one in self.unidentified],
            "spans": self._spans(),
            "record_ns": {
                name: dict(zip(keys, row, strict=True))
                for name, row in self.fit.record_ns.items()
            },
            "unused": dict(self.unused),
        }

    def _spans(self) -> dict[str, Any]:
        """Return the recordings' rows, measured beside emulated (ns)."""
        emulated = self.fit.span_ns()
        return {
            one.name: {
                "measured": one.ns,
                "emulated": emulated[one.name],
                "records": one.records,
                "samples": one.count,
                "noise": one.noise,
            }
            for one in self.fit.spans
        }


def _parameter(k: int, one: Fit) -> Parameter:
    name = PARAMETERS[k]
    log, sd = float(one.log_factors[k]), float(one.log_sd[k])
    noise = one.noise
    rows = list(noise)
    weights = [
        abs(float(one.jacobian[i, k + 1])) / noise[row] for i, row in enumerate(rows)
    ]
    identified = sd <= KNOWN * float(one.prior.sd[k]) and max(weights) > 0
    need = NEEDS[name]
    by = rows[int(np.argmax(weights))] if identified else need or "no row"
    if not identified and by in rows:
        by = f"{by} does not narrow it; nothing else"
    low, high = np.exp(log - 1.6449 * sd), np.exp(log + 1.6449 * sd)
    factor = float(np.exp(log))
    return Parameter(name, about(name), factor, float(low), float(high), identified, by)


def _check_bounds(what: str, one: Fit) -> None:
    """Refuse a fit that stands at its bounds: the log is of no such machine."""
    if float(np.abs(one.unknowns).max()) < BOUND - 1e-6:
        return
    row, ns = max(one.measured_ns.items(), key=lambda item: item[1])
    base = one.setting.model.name
    words = (
        f"{row} = {ns:g} ns would need factors beyond {np.exp(BOUND):.0f} on profile "
        f"{base}: another --base, or is the unit what it seems?"
    )
    raise TraceError(what, words)


def _model(
    setting: Setting, parameters: tuple[Parameter, ...], head: Mapping[str, Any]
) -> CostModel:
    """Return the base's rows, each scaled by its group's factor."""
    base = setting.model
    hz = int(head["cpu_hz"] or base.cpu_hz)
    rows = dict(base.costs)
    for one in parameters:
        if one.identified:
            tag, words = "F", f"identified by {one.by}"
        else:
            tag, words = "A", f"not identified; {one.by} would tell"
        source = (
            f"{head['what']}: {one.about}, {one.factor:.3f} ({one.low:.3f} to "
            f"{one.high:.3f}, 90 %) of profile {base.name}; {words}"
        )
        for name in members(one.name):
            factor = one.factor * hz / base.cpu_hz
            cyc = {
                key: min(costs.MAX_CYC, round(value * factor))
                for key, value in base.costs[name].cyc.items()
            }
            rows[name] = Row(name, cyc, tag, source)
    model: CostModel = replace(
        base,
        name=head["name"],
        title=head["title"],
        cpu_hz=hz,
        cntfrq_hz=head["cntfrq_hz"] or base.cntfrq_hz,
        gic=setting.gic or base.gic,
        vhe=base.vhe if setting.vhe is None else setting.vhe,
        clock=head["clock"],
        costs=rows,
    )
    return model


def calibrate(
    rows_ns: Mapping[str, float],
    *,
    policy: Any,
    gic: str = "v3",
    vhe: bool = True,
    harness: str = "lean",
    base: str | None = None,
    name: str = "calibrated",
    what: str = "a micro-bench log",
    without: str = "",
    cpu_hz: int = 0,
    cntfrq_hz: int = 0,
    spans: Spans | None = None,
) -> Calibration:
    """Fit a profile to rows of micro-bench, and to those of recordings beside it.

    Parameters
    ----------
    rows_ns
        Average ns by row.
    policy, gic, vhe, harness
        The kernel and the machine the log comes from.
    base
        A profile to scale; by default the nearest shipped one.
    name, what
        Of the new profile; what the rows come from, for its sources.
    without
        A board whose published rows must not be used.
    cpu_hz, cntfrq_hz
        Of the machine, if known; otherwise the base profile's.
    spans
        Rows of recordings of the same machine and kernel.

    Raises
    ------
    TraceError
        If no group can be identified, with the row that is missing.
    ConfigError
        For an unknown row.
    """
    for row in rows_ns:
        if row not in MICROBENCH:
            raise ConfigError("row", row, f"one of {', '.join(MICROBENCH)}")
    asked = Setting(base or "unit", policy, gic, vhe, None, harness)
    asked.turn_cyc()
    if not {"hvc", "mmio_read_vgic", "mmio_read_user"} & set(rows_ns):
        there = ", ".join(rows_ns) or "nothing"
        words = (
            f"no parameter can be identified from {there}: needed is hvc; "
            "mmio_read_vgic, mmio_read_user and eoi help"
        )
        raise TraceError(what, words)
    chosen = base or nearest(asked, rows_ns, without)
    shipped = replace(asked, profile=chosen).model
    prior = prior_for(shipped, gic, without)
    timed = replace(shipped, cntfrq_hz=cntfrq_hz or shipped.cntfrq_hz)
    setting = replace(asked, profile=timed)
    used = _seen(setting, spans or Spans())
    one = fit(setting, rows_ns, prior, used)
    _check_bounds(what, one)
    parameters = tuple(_parameter(k, one) for k in range(len(PARAMETERS)))
    head = {
        "name": name,
        "title": f"calibrated from {what} on profile {setting.model.name}",
        "what": what,
        "cpu_hz": cpu_hz,
        "cntfrq_hz": cntfrq_hz,
        "clock": _clock_words(setting.model, cpu_hz, cntfrq_hz),
    }
    model = _model(setting, parameters, head)
    rows = one.predict(MICROBENCH)
    return Calibration(model, chosen, one, rows, parameters, used.unused)


def _seen(setting: Setting, spans: Spans) -> Spans:
    """Leave out the rows that the policy never comes by."""
    out = Spans([], dict(spans.record_ns), dict(spans.unused))
    for row in spans.rows:
        if traced_cyc(row.kind, setting)[0] > 0:
            out.rows.append(row)
        else:
            words = "under this policy the host takes no such interrupt"
            out.unused[row.name] = words
    used = {row.tracer for row in out.rows}
    out.record_ns = {name: ns for name, ns in out.record_ns.items() if name in used}
    return out


def _clock_words(base: CostModel, cpu_hz: int, cntfrq_hz: int) -> str:
    cpu = "given" if cpu_hz else f"as profile {base.name} (A)"
    counter = "given or in the log" if cntfrq_hz else f"as profile {base.name} (A)"
    return f"CPU: {cpu}; counter: {counter}"
