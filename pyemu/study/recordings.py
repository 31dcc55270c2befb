"""The recorded kernels on the study's axes: their own figures, and the emulator's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from ..config import Host
from ..guest import loads
from ..policy.prims import PRIMS
from ..run import run

__all__ = ["Point", "points", "recorded_instructions"]

POLICIES: Final = {"c414": "eager", "c414L": "lazy-hybrid"}
CONFIGS: Final = {
    "cortex-a57-gic3": ("v3", False),
    "cortex-a57-gic2": ("v2", False),
    "cortex-a76-gic3": ("v3", True),
}
# g: the migrating thread's own instructions are in the counts; H and J: the recorder
# runs one CPU at a time, and a polling one burns its slice.
LEFT_OUT: Final = ("g", "H", "J")
# Not the host's: the guest, the VMM's user space, and what is no instruction.
NOT_HOST: Final = {
    *(name for name, one in PRIMS.items() if one.component == "guest"),
    *("user", "extra", "ipi_latency"),
}
# What one unit of a scenario is, and how many of them an iteration has.
UNITS: Final = {"h": ("SGI", 2), "Hn": ("SGI", 2), "Jn": ("SGI", 2)}
UNITS_2: Final = {"f": ("tick", 2), "F": ("tick", 2)}


@dataclass(frozen=True)
class Point:
    """One scenario on one machine under both kernels.

    Attributes
    ----------
    scenario, config, unit
        What was recorded, and what is counted.
    exits, loads
        Guest exits and vcpu_loads a unit, 4.14 with the lazy timer.
    recorded, emulated
        Host instructions a unit: eager, lazy.
    """

    scenario: str
    config: str
    unit: str
    exits: float
    loads: float
    recorded: tuple[float, float]
    emulated: tuple[float, float]

    @property
    def exits_per_load(self) -> float:
        """Exits between two pairs of vcpu_put and vcpu_load; infinite without one."""
        return self.exits / self.loads if self.loads > 0.002 else float("inf")

    @property
    def gains(self) -> tuple[float, float]:
        """Recorded and emulated gain of lazy, percent of eager's host instructions."""
        pairs = (self.recorded, self.emulated)
        first, second = (100 * (1 - lazy / eager) for eager, lazy in pairs)
        return first, second


def _table(name: str) -> list[dict[str, str]]:
    where = resources.files("pyemu") / "data" / "recorded" / name
    return list(csv.DictReader(where.read_text(encoding="utf-8").splitlines()))


@cache
def recorded_instructions() -> Mapping[tuple[str, str, str], int]:
    """Return host instructions by kernel, config and scenario."""
    out = {}
    for row in _table("host-instructions.csv"):
        kernel, config, scenario = row["kernel"], row["config"], row["scenario"]
        out[kernel, config, scenario] = int(row["i_kern"]) + int(row["i_hyp"])
    return out


def _units(scenario: str, params: Mapping[str, Any]) -> tuple[str, int]:
    unit, each = {**UNITS, **UNITS_2}.get(scenario, ("exit", 1))
    if scenario in ("d", "dn", "e", "ep"):
        unit = "tick"
    return unit, int(params["n"]) * each


def _emulated(kernel: str, config: str, scenario: str) -> int:
    load, host = loads.recorded(scenario)
    gic, vhe = CONFIGS[config]
    pcpus = 1 if scenario in UNITS_2 else host["pcpus"]
    changes = {**host, "gic": gic, "vhe": vhe, "pcpus": pcpus}
    result = run(POLICIES[kernel], load, host=Host(**changes))
    if result.meta["stop"] == "interrupted":
        raise KeyboardInterrupt
    arrays = result.arrays
    rows = zip(PRIMS, arrays["prim_count"], arrays["cost_cyc"], strict=True)
    return sum(int(n) * int(cyc) for name, n, cyc in rows if name not in NOT_HOST)


def points() -> list[Point]:
    """Return every recorded scenario that has both kernels."""
    out = []
    counts = {
        (row["kernel"], row["config"], row["scenario"]): row
        for row in _table("eager-vs-lazy.csv")
    }
    instructions = recorded_instructions()
    for kernel, config, scenario in instructions:
        if kernel != "c414" or scenario in LEFT_OUT:
            continue
        both = [(name, config, scenario) for name in POLICIES]
        unit, n = _units(scenario, loads.recorded(scenario)[0].params)
        row = counts[both[1]]
        eager, lazy = (instructions[key] / n for key in both)
        emulated = [_emulated(*key) / n for key in both]
        out.append(
            Point(
                *(scenario, config, unit),
                *(int(row["guest_entries"]) / n, int(row["vcpu_load"]) / n),
                *((eager, lazy), (emulated[0], emulated[1])),
            )
        )
    return out
