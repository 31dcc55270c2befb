"""Published costs, as the package ships them: groups of rows with source and tag."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from .. import costs
from ..errors import InternalError, unknown_name
from .operations import MICROBENCH

__all__ = ["Group", "PublishedRow", "get", "groups", "word"]

UNITS: Final = ("cycles", "ns", "us", "s", "%", "count", "requests/s")


@dataclass(frozen=True)
class PublishedRow:
    """One figure.

    Attributes
    ----------
    name, value, tag
        As published; the tag is a key of `costs.TAGS`.
    operation
        What the emulator runs for it, or empty.
    note
        Why it runs nothing, else "fitted" if a profile was taken from this row.
    """

    name: str
    value: float
    tag: str
    operation: str = ""
    note: str = ""

    @property
    def fitted(self) -> bool:
        """Whether a number of the profile comes from this very row."""
        return self.note == "fitted"


@dataclass(frozen=True)
class Group:
    """One table of one machine.

    Attributes
    ----------
    id, title, source, unit
        What it is and where it stands.
    board
        Names the machine; groups of one machine share it.
    rows
        In the order of the publication.
    why, why_not
        What the model leaves out; why nothing of the group can be run.
    profile, calibrate
        What to run it on: a shipped profile, or one fitted to its own rows.
    policy, gic, vhe, harness
        The kernel, the machine, the turn of micro-bench's loop.
    hz, cntfrq_hz
        Of the cycles it counts; of its counter, if known.
    stand_in
        Whether the policy is only the nearest one to its kernel.
    """

    id: str
    title: str
    source: str
    unit: str
    rows: tuple[PublishedRow, ...]
    board: str = ""
    why: str = ""
    why_not: str = ""
    profile: str = ""
    calibrate: bool = False
    policy: str = ""
    gic: str | None = None
    vhe: bool | None = None
    harness: str = "lean"
    hz: int = 0
    cntfrq_hz: int = 0
    stand_in: bool = False

    @property
    def rows_ns(self) -> dict[str, float]:
        """Return the figures that stand for rows of micro-bench, in ns.

        Of two rows for one operation the first is the operation's own.
        """
        scale = 1e9 / self.hz if self.unit == "cycles" and self.hz else 1.0
        out: dict[str, float] = {}
        for row in self.rows:
            if row.operation in MICROBENCH:
                out.setdefault(row.operation, row.value * scale)
        return out

    @property
    def machine(self) -> tuple[str, bool]:
        """Return the GIC version and whether the host is VHE."""
        if self.gic is not None and self.vhe is not None:
            return self.gic, self.vhe
        model = costs.get(self.profile)
        return self.gic or model.gic, model.vhe if self.vhe is None else self.vhe


def _row(group: str, raw: list[Any]) -> PublishedRow:
    row = PublishedRow(*raw)
    if row.tag not in costs.TAGS:
        raise InternalError(f"published group {group}, row {row.name}: tag {row.tag}")
    return row


@cache
def _file() -> dict[str, Any]:
    where = resources.files("pyemu") / "data" / "published" / "costs.toml"
    return tomllib.loads(where.read_text(encoding="utf-8"))


def word(why: str) -> str:
    """Return the one word for the reason why a row is not run."""
    words: dict[str, str] = _file()["word"]
    if why not in words:
        raise InternalError(f"published costs: no word for {why!r}")
    return words[why]


@cache
def _data() -> Mapping[str, Group]:
    data = _file()
    out = {}
    for raw in data["group"]:
        rows = tuple(_row(raw["id"], row) for row in raw["rows"])
        source = data["source"][raw["source"]]
        out[raw["id"]] = Group(**{**raw, "rows": rows, "source": source})
    return out


def groups() -> tuple[Group, ...]:
    """Return every group, in the order of the file."""
    return tuple(_data().values())


def get(name: str) -> Group:
    """Return one group.

    Raises
    ------
    ConfigError
        For an unknown name, with a suggestion.

    Examples
    --------
    >>> get("altra-6.12").rows_ns["hvc"]
    306.0
    """
    if name not in _data():
        raise unknown_name("published", name, _data())
    return _data()[name]
