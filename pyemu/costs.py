"""Cost models: one number of cycles for each primitive, with its source.

A profile says what a machine's primitives cost and holds no policy: which primitives
run, and how often, is the policy's table. Profiles are TOML files in
``data/profiles``; a user's own file has the same form::

    name = "mine"
    title = "one line"
    cpu_hz = 2_400_000_000
    cntfrq_hz = 50_000_000
    gic = "v2"      # what the numbers were taken on: the default of a machine
    vhe = false
    clock = "where the two frequencies come from"

    [[costs]]
    tag = "S"
    source = "who measured this, on what"
    [costs.cyc]
    trap = 72
    active_set_v = { v2 = 300, v3 = 400 }   # or nvhe, vhe, v2_nvhe, ...

Every primitive stands exactly once. A variant is the more specific of what fits:
``v2_nvhe``, then ``nvhe``, then ``v2``. Two numbers are bound: ``g_insn`` is at least 1
(a guest loop would never end) and ``extra`` is 1 (its count is cycles already).
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from .errors import ConfigError, did_you_mean, unknown_name

__all__ = ["MAX_CYC", "TAGS", "CostModel", "Row", "get", "names", "primitives"]

MAX_CYC: Final = 2**30
MAX_HZ: Final = 10**12

TAGS: Final[dict[str, str]] = {
    "P": "a primary text or raw data file holds the figure",
    "S": "a third-party note transcribes the figure and names paper and table",
    "U": "unverified: no text that was opened shows it",
    "D": "derived: arithmetic on published figures, or a split of one",
    "F": "fitted: instruction counts of recorded kernels, or a micro-bench log",
    "A": "assumed, or borrowed from another CPU",
    "A(U)": "borrowed from an unverified figure",
}
_GICS: Final = ("v2", "v3")
_MODES: Final = ("nvhe", "vhe")
_VARIANTS: Final = (*_GICS, *_MODES, *(f"{g}_{m}" for g in _GICS for m in _MODES))
_BOUNDS: Final = {"g_insn": (1, MAX_CYC), "extra": (1, 1)}
_HEAD: Final = ("name", "title", "cpu_hz", "cntfrq_hz", "gic", "vhe", "clock", "costs")


@dataclass(frozen=True)
class Row:
    """What one primitive costs.

    Attributes
    ----------
    name
        Primitive, as in ``enum pyemu_prim``.
    cyc
        Cycles by variant; the only key of an invariant cost is ``""``.
    tag
        Evidence, a key of `TAGS`.
    source
        Who measured it, on what; the arithmetic, if it is a split.
    """

    name: str
    cyc: Mapping[str, int]
    tag: str
    source: str

    @property
    def unit(self) -> str:
        """Unit of `cyc`: cycles of the profile's `cpu_hz`, whatever was published."""
        return "cycles"

    def cost_cyc(self, gic: str, vhe: bool) -> int:
        """Return the cycles on one kind of machine."""
        mode = "vhe" if vhe else "nvhe"
        for key in (f"{gic}_{mode}", mode, gic, ""):
            if key in self.cyc:
                return self.cyc[key]
        raise ConfigError(
            f"cost.{self.name}", sorted(self.cyc), f"a number for {gic} {mode}"
        )


@dataclass(frozen=True)
class CostModel:
    """A profile: frequencies, and the cost of every primitive.

    Attributes
    ----------
    name, title
        Short name and one line.
    cpu_hz, cntfrq_hz
        Cycles and counter ticks a second.
    gic, vhe
        The machine the numbers come from: ``"v2"`` or ``"v3"``, and the host's mode.
    clock
        Where the frequencies come from.

    Examples
    --------
    >>> model = get("unit")
    >>> set(model.resolve(gic="v3", vhe=True))
    {1}
    >>> model.with_costs({"trap": 70}).resolve(["trap", "eret"], gic="v3", vhe=True)
    [70, 1]
    """

    name: str
    title: str
    cpu_hz: int
    cntfrq_hz: int
    gic: str
    vhe: bool
    clock: str
    costs: Mapping[str, Row]

    @classmethod
    def from_toml(cls, path: str | Path | Traversable) -> CostModel:
        """Read a profile file.

        Raises
        ------
        ConfigError
            Names the field, and its line where it has one: a number that is no whole
            number of cycles from 0 to 2^30, an unknown or missing primitive, a
            missing source or tag.
        """
        where = path if isinstance(path, Traversable) else Path(path)
        try:
            text = where.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except (OSError, ValueError, RecursionError) as exc:
            words = f"a profile in TOML ({exc})"
            raise ConfigError("profile", str(path), words, _toml_line(exc)) from exc
        try:
            return cls.from_dict(data)
        except ConfigError as exc:
            line = _line_of(text, exc)
            raise ConfigError(exc.field, exc.value, exc.allowed, line) from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CostModel:
        """Check what a profile file holds and build the model.

        Raises
        ------
        ConfigError
            As `from_toml`.
        """
        for key in data:
            if key not in _HEAD:
                raise unknown_name("profile", key, _HEAD)
        head = {key: _text("profile", data, key) for key in ("name", "title", "clock")}
        field = f"profile {head['name']}"
        rows = _rows(field, data.get("costs"))
        _check_complete(field, rows)
        if data.get("gic") not in _GICS:
            raise ConfigError(f"{field}.gic", data.get("gic"), "'v2' or 'v3'")
        if not isinstance(data.get("vhe"), bool):
            raise ConfigError(f"{field}.vhe", data.get("vhe"), "true or false")
        return cls(
            head["name"],
            head["title"],
            _whole(f"{field}.cpu_hz", data.get("cpu_hz"), 1, MAX_HZ, "Hz"),
            _whole(f"{field}.cntfrq_hz", data.get("cntfrq_hz"), 1, MAX_HZ, "Hz"),
            data["gic"],
            data["vhe"],
            head["clock"],
            rows,
        )

    def resolve(
        self,
        prim_names: Iterable[str] | None = None,
        *,
        gic: str | int,
        vhe: bool,
    ) -> list[int]:
        """Return cycles in the order of `prim_names`, else of ``enum pyemu_prim``.

        Raises
        ------
        ConfigError
            For an unknown primitive or GIC version.
        """
        version = f"v{gic}" if isinstance(gic, int) else gic
        if version not in _GICS:
            raise ConfigError("gic", gic, "2, 3, 'v2' or 'v3'")
        out = []
        for name in primitives() if prim_names is None else prim_names:
            if name not in self.costs:
                raise unknown_name("primitive", name, self.costs)
            out.append(self.costs[name].cost_cyc(version, vhe))
        return out

    def rows(self) -> list[Row]:
        """Return every cost with its tag and source, in the order of the enum."""
        return [self.costs[name] for name in primitives()]

    def with_costs(self, changes: Mapping[str, Any]) -> CostModel:
        """Return it with some primitives' cycles replaced: the ``--set`` of the CLI.

        Raises
        ------
        ConfigError
            As `from_toml`.
        """
        rows = dict(self.costs)
        for name, value in changes.items():
            if name not in rows:
                raise unknown_name("cost", name, rows)
            cyc = _cyc(f"cost.{name}", name, value)
            rows[name] = Row(name, cyc, "A", "set by the user")
        return replace(self, costs=rows)

    @property
    def sha(self) -> str:
        """First 16 hex digits of the SHA-256 over frequencies and numbers."""
        numbers = {name: dict(row.cyc) for name, row in self.costs.items()}
        body = [self.name, self.cpu_hz, self.cntfrq_hz, self.gic, self.vhe, numbers]
        text = json.dumps(body, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(field: str, data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{field}.{key}", value, "a text that is not empty")
    return " ".join(value.split())


def _whole(field: str, value: object, low: int, high: int, unit: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(field, value, f"a whole number of {unit}")
    if not low <= value <= high:
        raise ConfigError(field, value, f"{low} to {high} {unit}")
    return value


def _cyc(field: str, name: str, value: object) -> dict[str, int]:
    """Return cycles by variant from a number or a table of numbers."""
    low, high = _BOUNDS.get(name, (0, MAX_CYC))
    if not isinstance(value, Mapping):
        return {"": _whole(field, value, low, high, "cycles")}
    out = {}
    for key, one in value.items():
        if key not in _VARIANTS:
            raise unknown_name(f"{field} variant", key, _VARIANTS)
        out[str(key)] = _whole(f"{field}.{key}", one, low, high, "cycles")
    for gic in _GICS:
        for vhe in (False, True):
            Row(name, out, "A", "").cost_cyc(gic, vhe)
    return out


def _rows(field: str, groups: object) -> dict[str, Row]:
    """Return one row a primitive from the ``[[costs]]`` groups."""
    if not isinstance(groups, list) or not groups:
        raise ConfigError(f"{field}.costs", groups, "one or more [[costs]] tables")
    rows: dict[str, Row] = {}
    for number, group in enumerate(groups):
        at = f"{field}.costs[{number}]"
        if not isinstance(group, Mapping):
            raise ConfigError(at, group, "a table with tag, source and cyc")
        for key in group:
            if key not in ("tag", "source", "cyc"):
                raise unknown_name(at, key, ("tag", "source", "cyc"))
        tag, source = _text(at, group, "tag"), _text(at, group, "source")
        if tag not in TAGS:
            raise unknown_name(f"{at}.tag", tag, TAGS)
        table = group.get("cyc")
        if not isinstance(table, Mapping) or not table:
            raise ConfigError(f"{at}.cyc", table, "a table of primitives")
        for name, value in table.items():
            if name in rows:
                raise ConfigError(f"{at}.cyc.{name}", value, "each primitive once")
            cyc = _cyc(f"{field}.cost.{name}", name, value)
            rows[name] = Row(name, cyc, tag, source)
    return rows


def _check_complete(field: str, rows: Mapping[str, Row]) -> None:
    known = primitives()
    for name in rows:
        if name not in known:
            raise unknown_name(f"{field}.cost", name, known)
    missing = [name for name in known if name not in rows]
    if missing:
        words = "every primitive; missing: " + ", ".join(missing[:8])
        raise ConfigError(f"{field}.costs", f"{len(rows)} of {len(known)}", words)


def _toml_line(exc: Exception) -> int | None:
    """Return the line a TOML syntax error names, if it does."""
    found = re.search(r"at line (\d+)", str(exc))
    return int(found[1]) if found else None


def _line_of(text: str, exc: ConfigError) -> int | None:
    """Return the line (from 1) of the key an error is about, None if it has none.

    An error names its key in the field (``profile x.cost.trap``), or as the value if
    the key itself is unknown; ``costs[2]`` says in which group it stands.
    """
    bare = re.sub(r'"""[\s\S]*?"""', lambda m: "\n" * m[0].count("\n"), text)
    lines = bare.splitlines()
    group = re.search(r"\.costs\[(\d+)\]", exc.field)
    first, last = 0, len(lines)
    if group:
        heads = [n for n, one in enumerate(lines) if one.startswith("[[costs]]")]
        number = int(group[1])
        first = heads[number] if number < len(heads) else 0
        last = heads[number + 1] if number + 1 < len(heads) else last
    cost = re.search(r"\.cost\.(\w+)", exc.field)
    keys = [cost[1]] if cost else [str(exc.value), exc.field.rpartition(".")[2]]
    for key in keys:
        for number in range(first, last):
            if re.match(rf"\s*{re.escape(key)}\s*=", lines[number]):
                return number + 1
    return first + 1 if group else None


# --- shipped profiles


def _folder() -> Traversable:
    return resources.files(__package__) / "data" / "profiles"


@cache
def _shipped(name: str) -> CostModel:
    return CostModel.from_toml(_folder() / f"{name}.toml")


@cache
def primitives() -> tuple[str, ...]:
    """Return the names of all primitives, in the order of ``enum pyemu_prim``.

    The profile ``unit`` lists them in that order; a test holds it against the core.
    """
    text = (_folder() / "unit.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["costs"][0]["cyc"])


def names() -> list[str]:
    """Return the names of the shipped profiles.

    Examples
    --------
    >>> "unit" in names()
    True
    """
    files = (one.name for one in _folder().iterdir())
    return sorted(name[:-5] for name in files if name.endswith(".toml"))


def get(name: str | Path) -> CostModel:
    """Return a shipped profile by name, or read one by the path of a TOML file.

    Raises
    ------
    ConfigError
        For an unknown name (with the nearest known one) or an impossible file.
    """
    if isinstance(name, Path) or str(name).endswith(".toml"):
        return CostModel.from_toml(Path(name))
    known = names()
    if name not in known:
        hint = did_you_mean(name, known)
        words = f"one of {', '.join(known)}, or the path of a .toml file{hint}"
        raise ConfigError("profile", name, words)
    return _shipped(name)
