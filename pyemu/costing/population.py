"""What other boards say about a machine before its own log is read, and how well.

The base is a shipped profile, the nearest one by the log's own rows. From boards whose
ipi and timer_10ms are published come two things no log of the other rows holds: the
flight of an IPI, as a time, and what the interrupt path costs beside the machine's
speed. Leaving a board out leaves out all of its groups, and the profiles made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from .. import costs
from . import published
from .fit import FLIGHT, Fit, Prior, fit
from .microbench import rows_ns
from .operations import Setting
from .parameters import PARAMETERS

__all__ = ["nearest", "prior_for"]

INPUTS: Final = ("hvc", "mmio_read_vgic", "mmio_read_user", "eoi")
INTERRUPT: Final = PARAMETERS.index("interrupt")
# How far a group departs from its machine's speed, logarithms. Assumed, wide enough
# for the boards at hand: emulate and user reach 0.5 on Juno, the EOI 1.8.
SD: Final = {
    "exit": 0.15,
    "emulate": 0.3,
    "user": 0.3,
    "guest_gic": 0.7,
    "guest_cpu": 0.3,
    "interrupt": 0.25,
    "ipi_flight": 0.3,
    "sched": 0.3,
}
LOOSE_SD: Final = 1.0
LEAST_SD: Final = 0.25


def _spread(logs: list[float], floor: float) -> float:
    """Return the width for one more board, from boards at hand."""
    if len(logs) < 2:
        return float(np.hypot(floor, floor))
    sd = float(np.std(logs, ddof=1)) * np.sqrt(1 + 1 / len(logs))
    return max(floor, float(sd))


def _candidates(gic: str, without: str) -> list[str]:
    """Return the shipped profiles of one GIC version that are not of one board."""
    banned = {
        group.profile
        for group in published.groups()
        if group.board == without and any(row.fitted for row in group.rows)
    }
    names = [name for name in costs.names() if name not in banned and name != "unit"]
    same = [name for name in names if costs.get(name).gic == gic]
    return same or names


def nearest(setting: Setting, rows: Mapping[str, float], without: str = "") -> str:
    """Return the shipped profile whose rows have most nearly the log's ratios."""
    names = [name for name in INPUTS if name in rows and name != "eoi"] or list(rows)
    scores = []
    for name in _candidates(setting.gic or "v3", without):
        here = Setting(
            name, setting.policy, setting.gic, setting.vhe, None, setting.harness
        )
        got = rows_ns(here, names, 8)
        logs = [np.log(rows[one] / max(got[one], 1e-3)) for one in names]
        scores.append((float(np.std(logs)) if len(logs) > 1 else 0.0, name))
    return min(scores)[1]


def _setting(group: published.Group, profile: costs.CostModel | str) -> Setting:
    gic, vhe = group.machine
    return Setting(profile, group.policy, gic, vhe, None, group.harness)


def _flight_ns(one: Fit) -> float:
    model = one.setting.model
    gic, vhe = one.setting.gic or model.gic, bool(one.setting.vhe)
    cyc = model.costs["ipi_latency"].cost_cyc(gic, vhe)
    factor = float(np.exp(one.log_factors[FLIGHT]))
    return float(cyc * factor * 1e9 / model.cpu_hz)


_FITS: dict[tuple[str, str], Fit] = {}


def _whole_fit(group: published.Group, model: costs.CostModel) -> Fit:
    """Return a published group fitted with all its rows, the interrupt path loose."""
    key = (group.id, model.sha)
    if key in _FITS:
        return _FITS[key]
    sd = np.array([SD[name] for name in PARAMETERS])
    sd[FLIGHT] = LOOSE_SD
    if "timer_10ms" in group.rows_ns:
        sd[INTERRUPT] = LOOSE_SD
    prior = Prior(np.zeros(len(PARAMETERS)), sd)
    _FITS[key] = fit(_setting(group, model), group.rows_ns, prior)
    return _FITS[key]


def _known(gic: str, without: str) -> list[published.Group]:
    """Return the groups with an ipi beside other rows, its kernel modelled.

    Of the same GIC version if there are any: a GICv3 SGI is a register write, a GICv2
    one an access to the distributor.
    """
    found = [
        group
        for group in published.groups()
        if group.policy
        and not group.stand_in
        and group.board != without
        and "ipi" in group.rows_ns
    ]
    return [group for group in found if group.machine[0] == gic] or found


def prior_for(model: costs.CostModel, gic: str, without: str = "") -> Prior:
    """Return what the boards but one say about a machine on a base profile."""
    flights: dict[str, list[float]] = {}
    departures: dict[str, list[float]] = {}
    for group in _known(gic, without):
        one = _whole_fit(group, model)
        flights.setdefault(group.board, []).append(float(np.log(_flight_ns(one))))
        if "timer_10ms" in group.rows_ns:
            departure = float(one.unknowns[1 + INTERRUPT])
            departures.setdefault(group.board, []).append(departure)
    mean = np.zeros(len(PARAMETERS))
    sd = np.array([SD[name] for name in PARAMETERS])
    logs = [float(np.mean(one)) for one in flights.values()]
    base_cyc = model.costs["ipi_latency"].cost_cyc(gic, model.vhe)
    base_log = float(np.log(base_cyc * 1e9 / model.cpu_hz))
    mean[FLIGHT] = float(np.mean(logs)) - base_log
    sd[FLIGHT] = _spread(logs, SD["ipi_flight"])
    words = f"IPI flight {np.exp(np.mean(logs)):.0f} ns from {', '.join(flights)}"
    if departures:
        own = [float(np.mean(one)) for one in departures.values()]
        mean[INTERRUPT] = float(np.mean(own))
        sd[INTERRUPT] = _spread(own, LEAST_SD)
        words += f"; interrupt path from {', '.join(departures)}"
    return Prior(mean, sd, words)
