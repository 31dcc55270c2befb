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
    prior
        The prior.
    unknowns, covariance
        Speed and departures, and their covariance.
    jacobian
        d log(row) / d unknown of the measured rows at the solution.
    """

    setting: Setting
    measured_ns: Mapping[str, float]
    prior: Prior
    unknowns: Vector
    covariance: NDArray[np.float64]
    jacobian: NDArray[np.float64]

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


def _log_rows(setting: Setting, logs: Vector, names: Sequence[str]) -> Vector:
    model = setting.model
    gic = setting.gic or model.gic
    vhe = model.vhe if setting.vhe is None else setting.vhe
    here = replace(setting, cycles=scaled(model, gic, vhe, logs))
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


def fit(setting: Setting, measured_ns: Mapping[str, float], prior: Prior) -> Fit:
    """Return the most probable machine for some rows (Gauss-Newton, bounded)."""
    names = list(measured_ns)
    target = np.log([measured_ns[name] for name in names])
    weight = np.diag([1 / NOISE[name] ** 2 for name in names])
    mean = np.concatenate(([0.0], prior.mean))
    precision = np.diag(1 / np.concatenate(([_SPEED_SD], prior.sd)) ** 2)
    x = mean.copy()
    base = _log_rows(setting, _mix() @ x, names)
    x[0] = float(np.clip(np.mean(target - base), -BOUND, BOUND))
    moved = BOUND
    for _ in range(MOST_STEPS):
        at = _log_rows(setting, _mix() @ x, names)
        if moved > NEAR:  # derivatives of where it stood serve for a small step
            rows = _jacobian(setting, _mix() @ x, names, at)
        hessian = rows.T @ weight @ rows + precision
        slope = rows.T @ weight @ (target - at) + precision @ (mean - x)
        step = np.linalg.solve(hessian, slope)
        x = np.clip(x + np.clip(step, -1.5, 1.5), -BOUND, BOUND)
        moved = float(np.abs(step).max())
        if moved < DONE:
            break
    covariance: NDArray[np.float64] = np.linalg.inv(hessian).astype(np.float64)
    return Fit(setting, dict(measured_ns), prior, x, covariance, rows)
