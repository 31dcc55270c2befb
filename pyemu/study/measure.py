"""What the study measures: costs of units, gain over rates, the break-even line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from .recordings import Point, points
from .unit import MACHINES, Kind, Unit, given_back, host_cyc

__all__ = ["EXITS", "Study", "break_even", "study"]

KINDS: Final = {
    "hypercall": Unit(exits=1),
    "exit to user space": Unit(put="user"),
    "busy tick": Unit(ticks=1),
    "WFI tick": Unit(put="wfi"),
}
EXITS: Final = (0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 126, 200)
TICKS: Final = (0, 1, 2, 3, 4, 6, 8)
LIST_REGISTERS: Final = (1, 2, 4, 8, 16)
EXIT_HZ: Final = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5)
TICK_HZ: Final = (100, 300, 1000, 3000, 10_000, 30_000)
MAPPED: Final = (0, 3, 6)  # machines of the rate map
WALL_NS: Final = 20_000_000


@dataclass(frozen=True)
class Study:
    """Everything the document and the plots show.

    Attributes
    ----------
    costs
        Machine, kind of unit: host cycles under eager and under lazy.
    curves
        Machine: gain in percent at each of `EXITS` hypercalls beside one user exit.
    lines
        Machine, put: break-even exits at each of `TICKS` ticks; None is never.
    rates
        Machine: percent of CPU time given back, a row a tick rate.
    list_registers
        Machine, number: gain of a busy tick, cycles.
    points
        The recorded kernels.
    """

    costs: dict[str, dict[str, tuple[float, float]]]
    curves: dict[str, list[float]]
    lines: dict[str, dict[str, list[float | None]]]
    rates: dict[str, list[list[float]]]
    list_registers: dict[str, list[float]]
    points: list[Point]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, with its axes."""
        return {
            "exits": list(EXITS),
            "ticks": list(TICKS),
            "exit_hz": list(EXIT_HZ),
            "tick_hz": list(TICK_HZ),
            "list_registers": list(LIST_REGISTERS),
            "costs_cyc": self.costs,
            "gain_percent": self.curves,
            "break_even_exits": self.lines,
            "given_back_percent": self.rates,
            "tick_gain_cyc": self.list_registers,
            "recorded": [
                {
                    "scenario": one.scenario,
                    "config": one.config,
                    "unit": one.unit,
                    "exits": one.exits,
                    "loads": one.loads,
                    "recorded": one.recorded,
                    "emulated": one.emulated,
                }
                for one in self.points
            ],
        }


@cache
def _both(unit: Unit, on: Kind, list_registers: int = 4) -> tuple[float, float]:
    eager, lazy = (
        host_cyc(unit, policy, on, list_registers=list_registers)
        for policy in ("eager", "lazy")
    )
    return eager, lazy


def _gain(unit: Unit, on: Kind) -> float:
    eager, lazy = _both(unit, on)
    return 100 * (1 - lazy / eager)


def break_even(on: Kind, ticks: int, put: str) -> float | None:
    """Return how many in-kernel exits a pair of put and load make lazy even.

    Two runs bracket it, a straight line between them says where; None if 10,000 exits
    do not do.
    """

    def lead(exits: int) -> float:
        eager, lazy = _both(Unit(exits, ticks, put), on)
        return eager - lazy

    low, high = 0, 1
    if lead(0) >= 0:
        return 0.0
    while lead(high) < 0:
        low, high = high, high * 2
        if high > 10_000:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lead(middle) < 0 else (low, middle)
    below, above = lead(low), lead(high)
    return low + below / (below - above)


def study(progress: Callable[[str], None] | None = None) -> Study:
    """Run everything; the same numbers every time."""
    costs: dict[str, dict[str, tuple[float, float]]] = {}
    curves, lines, lrs = {}, {}, {}
    for on in MACHINES:
        if progress is not None:
            progress(on.label)
        costs[on.label] = {name: _both(unit, on) for name, unit in KINDS.items()}
        curves[on.label] = [_gain(Unit(n, 0, "user"), on) for n in EXITS]
        lines[on.label] = {
            put: [break_even(on, ticks, put) for ticks in TICKS]
            for put in ("user", "wfi")
        }
        pairs = [_both(Unit(0, 1), on, n) for n in LIST_REGISTERS]
        lrs[on.label] = [eager - lazy for eager, lazy in pairs]
    rates = {}
    for on in (MACHINES[k] for k in MAPPED):
        if progress is not None:
            progress(f"rates, {on.label}")
        rates[on.label] = [
            [given_back(on, exit_hz, tick_hz, WALL_NS) for exit_hz in EXIT_HZ]
            for tick_hz in TICK_HZ
        ]
    if progress is not None:
        progress("recorded scenarios")
    return Study(costs, curves, lines, rates, lrs, points())
