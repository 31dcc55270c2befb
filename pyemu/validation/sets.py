"""A recorded set: kernels, machines, scenarios and counts, as its data files say.

Each set is ``data/recorded/NAME.toml`` (what was run, on what, how far a count may be
off and why) and ``NAME.csv`` (a line a recorded run). Everything that belongs to one
kernel, machine or scenario stands there and nowhere else.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from ..errors import unknown_name

__all__ = ["Config", "Guest", "Kernel", "RecordedSet", "Scenario", "load_set"]

KEY: Final = ("kernel", "config", "scenario")
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Kernel:
    """A recorded kernel: the policy that describes it, and its own path lengths.

    `trap_ids`: it traps reads of ID registers.
    """

    name: str
    policy: str
    trap_ids: bool = False
    costs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """A recorded machine: what differs from the set's host, and whether it is judged.

    Attributes
    ----------
    host
        Keys of `pyemu.Host` that differ.
    costs
        Cycles of primitives that differ from the profile's.
    shown
        Why its counts are not judged; empty if they are.
    """

    name: str
    gic: str
    vhe: bool
    host: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""


@dataclass(frozen=True)
class Guest:
    """A guest image and the registers its parameters are handed over in.

    Attributes
    ----------
    image
        Shipped image; ``{gic}`` stands for 2 or 3.
    iters, period
        Registers; empty if it has no such parameter.
    vcpus
        Register whose low byte is the number of vCPUs; empty if none.
    """

    name: str
    image: str
    iters: str = ""
    period: str = ""
    vcpus: str = ""


@dataclass(frozen=True)
class Scenario:
    """One scenario: a guest with parameters, and what its host does meanwhile."""

    name: str
    what: str
    guest: str
    regs: Mapping[str, int]
    vcpus: int = 1
    pins: tuple[int, ...] = ()
    halt_poll_ns: int | None = None
    migrate_us: int = 0
    spi_us: int = 0
    hog: Mapping[str, Any] = field(default_factory=dict)
    phased: bool = False


@dataclass(frozen=True)
class RecordedSet:
    """A set as its files describe it; `rows` are counts by kernel, config, scenario."""

    name: str
    title: str
    source: str
    board: str
    results: tuple[str, ...]
    host: Mapping[str, Any]
    room: Mapping[str, Any]
    habits: Mapping[str, Any]
    background: tuple[Mapping[str, Any], ...]
    kernels: Mapping[str, Kernel]
    configs: Mapping[str, Config]
    guests: Mapping[str, Guest]
    scenarios: Mapping[str, Scenario]
    spread: Mapping[str, Mapping[str, Any]]
    explained: tuple[Mapping[str, Any], ...]
    shown: tuple[Mapping[str, Any], ...]
    order: tuple[Mapping[str, Any], ...]
    rows: Mapping[tuple[str, str, str], Counts]

    def scenario(self, name: str) -> Scenario:
        """Return a scenario, or raise ConfigError with a suggestion."""
        if name not in self.scenarios:
            raise unknown_name("--scenario", name, self.scenarios)
        return self.scenarios[name]


def set_names() -> list[str]:
    """Return the names of the recorded sets."""
    folder = resources.files("pyemu") / "data" / "recorded"
    return sorted(
        f.name.removesuffix(".toml")
        for f in folder.iterdir()
        if f.name.endswith(".toml")
    )


@cache
def load_set(name: str) -> RecordedSet:
    """Return a recorded set.

    Raises
    ------
    ConfigError
        For an unknown name.

    Examples
    --------
    >>> load_set("eager-vs-lazy").kernels["c414"].policy
    'eager'
    """
    if name not in set_names():
        raise unknown_name("--set", name, set_names())
    folder = resources.files("pyemu") / "data" / "recorded"
    data = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    text = (folder / f"{name}.csv").read_text(encoding="utf-8")
    return RecordedSet(
        name=data["name"],
        title=data["title"],
        source=" ".join(data["source"].split()),
        board=data["board"],
        results=tuple(data.get("results", ())),
        host=data["host"],
        room=data["room"],
        habits=data.get("habits", {}),
        background=tuple(data.get("background", ())),
        kernels={k: Kernel(k, **v) for k, v in data["kernel"].items()},
        configs={k: Config(k, **v) for k, v in data["config"].items()},
        guests={k: Guest(k, **v) for k, v in data["guest"].items()},
        scenarios=_scenarios(data),
        spread=data.get("spread", {}),
        explained=tuple(data.get("explained", ())),
        shown=tuple(data.get("shown", ())),
        order=tuple(data.get("order", ())),
        rows=_rows(text),
    )


def _scenarios(data: Mapping[str, Any]) -> dict[str, Scenario]:
    only = next(iter(data["guest"])) if len(data["guest"]) == 1 else ""
    out = {}
    for name, given in data["scenario"].items():
        fields = {k: v for k, v in given.items() if k != "ops"}
        pins = tuple(fields.pop("pins", ()))
        fields.setdefault("guest", only)
        fields.setdefault("vcpus", max(1, len(pins)))
        out[name] = Scenario(name, pins=pins, **fields)
    return out


def _rows(text: str) -> dict[tuple[str, str, str], Counts]:
    """Return the counts of each run; an empty cell was not recorded."""
    rows: dict[tuple[str, str, str], Counts] = {}
    for line in csv.DictReader(text.splitlines()):
        key = (line["kernel"], line["config"], line["scenario"])
        rows[key] = {k: int(v) for k, v in line.items() if k not in KEY and v != ""}
    return rows
