"""Fits the groups of a profile to measured rows: bounded, regularised, with errors.

The unknowns are logarithms: one speed of the whole machine and, for each group of
primitives, how far it departs from that speed. Rows are logarithms too, so a relative
error is what counts. What a row costs under given factors is asked of the emulator;
its derivatives are differences of such runs. A prior pulls the departures towards what
is known from other boards; what no row sees stays at the prior, with the prior's width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .microbench import rows_ns
from .operations import Setting
from .parameters import PARAMETERS, scaled
from .spans import Span, Spans, emulated_ns
from .traced import traced_cyc

__all__ = ["BOUND", "FLIGHT", "NOISE", "Fit", "Prior", "fit"]

Vector = NDArray[np.float64]
N: Final = {"hvc": 16, "mmio_read_user": 16, "mmio_read_vgic": 16, "eoi": 16, "ipi": 8}
STEP: Final = 0.1
MOST_STEPS: Final = 8
NEAR, DONE = 0.3, 0.02
BOUND: Final = 4.0  # of a logarithm: a factor of 55
Z90: Final = 1.6449
FLIGHT: Final = PARAMETERS.index("ipi_flight")
_SPEED_SD: Final = 2.0
# Of one row, relative. eoi: a few ns, told by a counter of tens; ipi: two runs of one
# Altra differ by 8 %.
NOISE: Final = {
    "hvc": 0.02,
    "mmio_read_user": 0.02,
    "mmio_read_vgic": 0.02,
    "eoi": 0.3,
    "ipi": 0.05,
    "timer_10ms": 0.03,
}


@dataclass(frozen=True)
class Prior:
    """What is known of a machine's departures before its log is read.

    Attributes
    ----------
    mean, sd
        Of each parameter's departure from the machine's speed, logarithms. The flight
        of an IPI is wire, not code: it does not go with the speed.
    words
        Where the two come from.
    """

    mean: Vector
    sd: Vector
    words: str = ""


@dataclass(frozen=True)
class Fit:
    """A fitted machine.

    Attributes
    ----------
    setting
        What was scaled, and under which policy it was run.
    measured_ns
        The rows it was fitted to.
    spans
        Rows of recordings that it was fitted to as well.
    prior
        The prior.
    unknowns, covariance
        Speed and departures, and their covariance.
    record_ns
        What a record cost in each recording, with the ends of its 90 % interval.
    jacobian
        d log(row) / d unknown of the measured rows, then of the spans.
    """

    setting: Setting
    measured_ns: Mapping[str, float]
    spans: tuple[Span, ...]
    prior: Prior
    unknowns: Vector
    covariance: NDArray[np.float64]
    record_ns: Mapping[str, tuple[float, float, float]]
    jacobian: NDArray[np.float64]

    @property
    def noise(self) -> dict[str, float]:
        """Relative noise of each row it was fitted to, in the jacobian's order."""
        return _noise(self.measured_ns, self.spans)

    def span_ns(self) -> dict[str, float]:
        """Return each span of the fitted machine, the records' cost in it."""
        rows = _span_rows(self.setting, self.log_factors, self.spans)
        records = {name: row[0] for name, row in self.record_ns.items()}
        return {
            span.name: ns + span.records * records[span.tracer]
            for span, ns in zip(self.spans, rows, strict=True)
        }

    @property
    def log_factors(self) -> Vector:
        """Logarithm of each parameter's factor on the base profile."""
        return _mix() @ self.unknowns

    @property
    def log_sd(self) -> Vector:
        """Standard deviation of each of `log_factors`."""
        mix = _mix()
        return np.asarray(np.sqrt(np.diag(mix @ self.covariance @ mix.T)))

    @property
    def shrink(self) -> Vector:
        """How much of the prior's width is left of each departure, 0 to 1."""
        return np.asarray(np.sqrt(np.diag(self.covariance))[1:] / self.prior.sd)

    def predict(self, names: Sequence[str]) -> dict[str, tuple[float, float, float]]:
        """Return each row in ns with the two ends of its 90 % interval.

        The value is a run of the operation; the width follows from more of them.
        """
        logs = _log_rows(self.setting, self.log_factors, names)
        rows = _jacobian(self.setting, self.log_factors, names, logs)
        out = {}
        for name, log, row in zip(names, logs, rows, strict=True):
            variance = row @ self.covariance @ row
            wide = Z90 * float(np.sqrt(variance + (NOISE[name] / 2) ** 2))
            low, high = (float(np.exp(log + side * wide)) for side in (-1, 1))
            out[name] = (float(np.exp(log)), low, high)
        return out


def _mix() -> NDArray[np.float64]:
    """Return the matrix from speed and departures to logarithms of factors."""
    speed = np.ones((len(PARAMETERS), 1))
    speed[FLIGHT] = 0.0
    return np.hstack([speed, np.eye(len(PARAMETERS))])


def _noise(rows: Mapping[str, float], spans: Sequence[Span]) -> dict[str, float]:
    return {name: NOISE[name] for name in rows} | {one.name: one.noise for one in spans}


def _at(setting: Setting, logs: Vector) -> Setting:
    model = setting.model
    gic = setting.gic or model.gic
    vhe = model.vhe if setting.vhe is None else setting.vhe
    return replace(setting, cycles=scaled(model, gic, vhe, logs))


def _span_rows(setting: Setting, logs: Vector, spans: Sequence[Span]) -> list[float]:
    """Return ns of spans, without the tracer's records."""
    here = _at(setting, logs)
    cyc = {kind: traced_cyc(kind, here) for kind in {one.kind for one in spans}}
    return [emulated_ns(span, cyc, setting.model.cpu_hz) for span in spans]


def _log_rows(setting: Setting, logs: Vector, names: Sequence[str]) -> Vector:
    here = _at(setting, logs)
    rows = [rows_ns(here, (name,), N.get(name, 1))[name] for name in names]
    return np.log(np.maximum(rows, 1e-3))


def _jacobian(
    setting: Setting, logs: Vector, names: Sequence[str], at: Vector
) -> NDArray[np.float64]:
    """Return d log(row) / d unknown."""
    columns = []
    for k in range(len(PARAMETERS)):
        moved = logs.copy()
        moved[k] += STEP
        columns.append((_log_rows(setting, moved, names) - at) / STEP)
    return np.array(columns).T @ _mix()


@dataclass(frozen=True)
class _Rows:
    """All rows of a fit, as a function of its unknowns.

    The unknowns are speed, departures and, for each recording, the logarithm of what
    a record cost there over the first guess of it.
    """

    setting: Setting
    names: tuple[str, ...]
    spans: Spans

    def log_factors(self, x: Vector) -> Vector:
        return _mix() @ x[: 1 + len(PARAMETERS)]

    def _records_ns(self, x: Vector) -> dict[str, float]:
        logs = x[1 + len(PARAMETERS) :]
        given = self.spans.record_ns.items()
        return {
            name: ns * float(np.exp(log))
            for (name, (ns, _)), log in zip(given, logs, strict=True)
        }

    def at(self, x: Vector) -> Vector:
        """Return the logarithm of each row."""
        logs = _log_rows(self.setting, self.log_factors(x), self.names)
        spans = _span_rows(self.setting, self.log_factors(x), self.spans.rows)
        record = self._records_ns(x)
        whole = [
            ns + span.records * record[span.tracer]
            for span, ns in zip(self.spans.rows, spans, strict=True)
        ]
        return np.concatenate((logs, np.log(np.maximum(whole, 1e-3))))

    def slopes(self, x: Vector, at: Vector) -> NDArray[np.float64]:
        """Return d log(row) / d unknown; a record's cost needs no run."""
        n, first = len(self.names), 1 + len(PARAMETERS)
        factors = self.log_factors(x)
        rows = np.zeros((len(at), len(x)))
        rows[:n, :first] = _jacobian(self.setting, factors, self.names, at[:n])
        record = self._records_ns(x)
        spans = self.spans.rows
        costs = np.array([one.records * record[one.tracer] for one in spans])
        bare = np.array(_span_rows(self.setting, factors, spans))
        for k in range(len(PARAMETERS) if spans else 0):
            moved = factors.copy()
            moved[k] += STEP
            there = np.array(_span_rows(self.setting, moved, spans))
            change = (np.log(there + costs) - np.log(bare + costs)) / STEP
            rows[n:, :first] += np.outer(change, _mix()[k])
        for k, tracer in enumerate(self.spans.record_ns):
            own = np.array([one.tracer == tracer for one in spans])
            rows[n:, first + k] = np.where(own, costs / np.maximum(bare + costs, 1), 0)
        return rows


def fit(
    setting: Setting,
    measured_ns: Mapping[str, float],
    prior: Prior,
    spans: Spans | None = None,
) -> Fit:
    """Return the most probable machine for some rows (Gauss-Newton, bounded)."""
    spans = spans or Spans()
    names = list(measured_ns)
    every = _Rows(setting, tuple(names), spans)
    values = [measured_ns[name] for name in names] + [one.ns for one in spans.rows]
    target = np.log(values)
    noise = _noise(measured_ns, spans.rows)
    weight = np.diag([1 / sd**2 for sd in noise.values()])
    tracers = [sd for _, sd in spans.record_ns.values()]
    mean = np.concatenate(([0.0], prior.mean, np.zeros(len(tracers))))
    sds = np.concatenate(([_SPEED_SD], prior.sd, tracers))
    precision = np.diag(1 / sds**2)
    x = mean.copy()
    off = target[: len(names)] - _log_rows(setting, every.log_factors(x), names)
    x[0] = float(np.clip(np.mean(off), -BOUND, BOUND))
    moved = BOUND
    for _ in range(MOST_STEPS):
        at = every.at(x)
        if moved > NEAR:  # derivatives of where it stood serve for a small step
            rows = every.slopes(x, at)
        hessian = rows.T @ weight @ rows + precision
        slope = rows.T @ weight @ (target - at) + precision @ (mean - x)
        step = np.linalg.solve(hessian, slope)
        x = np.clip(x + np.clip(step, -1.5, 1.5), -BOUND, BOUND)
        moved = float(np.abs(step).max())
        if moved < DONE:
            break
    covariance: NDArray[np.float64] = np.linalg.inv(hessian).astype(np.float64)
    first = 1 + len(PARAMETERS)
    return Fit(
        *(setting, dict(measured_ns), tuple(spans.rows), prior),
        *(x[:first], covariance[:first, :first]),
        _costs_of_records(spans, x[first:], np.sqrt(np.diag(covariance)[first:])),
        rows[:, :first],
    )


def _costs_of_records(
    spans: Spans, logs: Vector, sds: Vector
) -> dict[str, tuple[float, float, float]]:
    given = spans.record_ns.items()
    out = {}
    for (name, (ns, _)), log, sd in zip(given, logs, sds, strict=True):
        wide = Z90 * float(sd)
        value, low, high = (float(ns * np.exp(log + d)) for d in (0, -wide, wide))
        out[name] = (value, low, high)
    return out
