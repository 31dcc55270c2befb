"""Scenarios: a whole run as TOML, in and out.

`parse` and `from_dict` make a validated `Scenario`; every unknown key is an error with
its line and a suggestion. What a result echoes back, resolved, reads in again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from .config import VM, Host, Move, Outside, Task, VCpu, whole
from .errors import ConfigError, TraceError, did_you_mean
from .guest import loads
from .units import parse_hz, parse_int

__all__ = ["Scenario", "apply_set", "from_dict", "parse", "read", "to_toml"]

_TOP: Final = (
    *("name", "policy", "policies", "seed", "guest_cyc", "until_cyc", "until_exits"),
    *("load", "host", "vm", "move"),
)
_VM: Final = ("name", "vcpus", "vcpu", "load", "cntvoff_ticks", "user_irqchip")
_HOST: Final = tuple(field.name for field in fields(Host) if field.name != "tasks")
_HZ: Final = ("cpu_hz", "cntfrq_hz")


@dataclass(frozen=True)
class Scenario:
    """What to run: host, VMs, policies, limits.

    Attributes
    ----------
    policies
        Names or files, in order; empty if the caller decides.
    until_cyc, guest_cyc, until_exits
        Limits as in `Machine.run`; None and 0 are no limit.
    """

    host: Host
    vms: tuple[VM, ...]
    policies: tuple[str, ...] = ()
    load: Any = None
    moves: tuple[Move, ...] = ()
    seed: int = 0
    guest_cyc: int = 0
    until_cyc: int | None = None
    until_exits: int = 0
    name: str = "scenario"


class _Source:
    """The text behind a dictionary, to say on which line a key stands."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def line(self, path: str) -> int | None:
        """Return the line of a dotted path such as ``vm[1].vcpus``, if found."""
        at = 0
        found: int | None = None
        for part in path.split("."):
            name, _, index = part.partition("[")
            nth = int(index[:-1]) + 1 if index else 1
            hit = self._find(name, at, nth)
            if hit is None:
                return found
            found, at = hit + 1, hit
        return found

    def _find(self, name: str, at: int, nth: int) -> int | None:
        word = re.escape(name)
        pattern = re.compile(
            rf"(^|[\s{{,.\"'])[\"']?{word}[\"']?\s*(=|\.)|^\s*\[+[^\]]*\b{word}\b"
        )
        for number in range(at, len(self._lines)):
            code = self._lines[number].split("#", 1)[0]
            if pattern.search(code):
                nth -= 1
                if nth == 0:
                    return number
        return None


def _error(source: _Source | None, path: str, value: object, words: str) -> ConfigError:
    line = source.line(path) if source is not None else None
    return ConfigError(path, value, words, line)


def _known(
    source: _Source | None, path: str, table: object, keys: tuple[str, ...]
) -> dict[str, Any]:
    """Return the table if all its keys are known."""
    if not isinstance(table, Mapping):
        raise _error(source, path, table, "a table of keys")
    for key in table:
        if key not in keys:
            where = f"{path}.{key}" if path else str(key)
            words = f"a known key: {', '.join(keys)}{did_you_mean(key, keys)}"
            raise _error(source, where, table[key], words)
    return dict(table)


def _rows(source: _Source | None, path: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _error(source, path, value, "a list of tables")
    return value


def _build(source: _Source | None, path: str, make: Any, values: Any) -> Any:
    """Construct a description; a bad value gets its line."""
    try:
        return make(**values)
    except ConfigError as exc:
        if source is None or exc.line is not None:
            raise
        leaf = exc.field.split(".")[-1]
        raise ConfigError(
            exc.field, exc.value, exc.allowed, source.line(f"{path}.{leaf}")
        ) from None


def _host(source: _Source | None, table: object) -> Host:
    values = _known(source, "host", table, (*_HOST, "task", "outside"))
    for key in _HZ:
        if key in values:
            values[key] = parse_hz(f"host.{key}", values[key])
    task_keys = tuple(field.name for field in fields(Task))
    irq_keys = tuple(field.name for field in fields(Outside))
    tasks = _rows(source, "host.task", values.pop("task", []))
    irqs = _rows(source, "host.outside", values.pop("outside", []))
    values["tasks"] = tuple(
        _build(source, "host.task", Task, _known(source, "host.task", one, task_keys))
        for one in tasks
    )
    values["outside"] = tuple(
        _build(source, "host.outside", Outside, _known(source, "host", one, irq_keys))
        for one in irqs
    )
    host: Host = _build(source, "host", Host, values)
    return host


def _load(source: _Source | None, path: str, value: object) -> Any:
    """Return a load from its name or from ``{kind = ..., parameter = ...}``."""
    if isinstance(value, list):
        if len(value) != 1:
            raise _error(source, path, value, "one load a VM")
        return _load(source, path, value[0])
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise _error(source, path, value, "a load's name or {kind = NAME, ...}")
    params = {key: one for key, one in value.items() if key != "kind"}
    args = {"name": value["kind"], **params}
    return _build(source, path, loads.get, args)


def _vm(source: _Source | None, index: int, table: object, n_default: int) -> VM:
    path = f"vm[{index}]"
    values = _known(source, path, table, _VM)
    values.setdefault("name", f"vm{index}")
    keys = tuple(field.name for field in fields(VCpu))
    if "vcpu" in values:
        if "vcpus" in values:
            raise _error(source, f"{path}.vcpus", values["vcpus"], "not beside vcpu")
        values["vcpus"] = tuple(
            _build(source, path, VCpu, _known(source, f"{path}.vcpu", one, keys))
            for one in _rows(source, f"{path}.vcpu", values.pop("vcpu"))
        )
    if "load" in values:
        values["load"] = _load(source, f"{path}.load", values["load"])
        n_default = values["load"].vcpus
    values.setdefault("vcpus", n_default)
    vm: VM = _build(source, path, VM, values)
    return vm


def _policies(source: _Source | None, top: dict[str, Any]) -> tuple[str, ...]:
    names = top.get("policies", [top["policy"]] if "policy" in top else [])
    if isinstance(names, str):
        names = [name for name in names.split(",") if name]
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise _error(source, "policies", names, "a list of policy names")
    return tuple(names)


def from_dict(data: Mapping[str, Any], text: str | None = None) -> Scenario:
    """Validate a scenario given as plain values; `text` is where it was read from.

    Raises
    ------
    ConfigError
        With path, value, what is allowed and the line.

    Examples
    --------
    >>> from_dict({"load": "hvc-loop", "sed": 3})
    Traceback (most recent call last):
    ...
    pyemu.errors.ConfigError: sed = 3: a known key: name, policy, policies, seed, \
guest_cyc, until_cyc, until_exits, load, host, vm, move (did you mean 'seed'?)
    """
    source = _Source(text) if text is not None else None
    top = _known(source, "", data, _TOP)
    load = _load(source, "load", top["load"]) if "load" in top else None
    host_table = dict(top.get("host", {})) if "host" in top else {}
    n_vcpus = load.vcpus if load is not None else 1
    tables = _rows(source, "vm", top.get("vm", [{}]))
    vms = tuple(_vm(source, i, one, n_vcpus) for i, one in enumerate(tables))
    if "pcpus" not in host_table:
        wanted = [load if vm.load is None else vm.load for vm in vms]
        sizes = [one.pcpus for one in wanted if one is not None]
        host_table["pcpus"] = max(sizes, default=1)
    move_keys = tuple(field.name for field in fields(Move))
    moves = tuple(
        _build(source, "move", Move, _known(source, "move", one, move_keys))
        for one in _rows(source, "move", top.get("move", []))
    )
    limits = {}
    for key in ("seed", "guest_cyc", "until_cyc", "until_exits"):
        if key in top:
            try:
                limits[key] = whole(key, top[key], 0, 2**64 - 1)
            except ConfigError as exc:
                raise _error(source, key, exc.value, exc.allowed) from None
    return Scenario(
        host=_host(source, host_table),
        vms=vms,
        policies=_policies(source, top),
        load=load,
        moves=moves,
        name=str(top.get("name", load.describe() if load else "scenario")),
        **limits,
    )


def parse(text: str, path: object = "scenario", sets: tuple[str, ...] = ()) -> Scenario:
    """Read a scenario from TOML text, with ``key=value`` overrides applied.

    Raises
    ------
    TraceError
        If the text is no TOML.
    ConfigError
        If a value cannot be.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise TraceError(path, f"not TOML: {exc}") from exc
    for one in sets:
        apply_set(data, one)
    data.setdefault("name", Path(str(path)).stem)
    return from_dict(data, text)


def read(path: str | Path, sets: tuple[str, ...] = ()) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    TraceError, ConfigError
        As `parse`; also if the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise TraceError(path, f"cannot be read: {exc}") from exc
    return parse(text, path, sets)


def apply_set(data: dict[str, Any], assignment: str) -> None:
    """Apply ``host.pcpus=8`` to a scenario's plain values.

    Raises
    ------
    ConfigError
        If it is no assignment.

    Examples
    --------
    >>> data = {}
    >>> apply_set(data, "host.cpu_hz=2.4e9")
    >>> data
    {'host': {'cpu_hz': 2400000000}}
    """
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise ConfigError("--set", assignment, "key=value, such as host.pcpus=8")
    *parents, leaf = path.strip().split(".")
    table: Any = data
    for name in parents:
        if isinstance(table.get(name), str) and name == "load":
            table[name] = {"kind": table[name]}
        table = table.setdefault(name, {})
        if isinstance(table, list):
            table = table[0]
        if not isinstance(table, dict):
            raise ConfigError("--set", assignment, f"{name} is no table")
    table[leaf] = _value(path, text.strip())


def _value(path: str, text: str) -> Any:
    """Read a command-line value: bool, number, frequency, list or word."""
    if text in ("true", "false"):
        return text == "true"
    if path.endswith("_hz") and not path.endswith("tick_hz"):
        return parse_hz(path, text)
    try:
        return parse_int(path, text)
    except ConfigError:
        pass
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def to_toml(data: Mapping[str, Any], prefix: str = "") -> str:
    """Write plain values as TOML: scalars first, then tables.

    Examples
    --------
    >>> print(to_toml({"seed": 7, "host": {"pcpus": 2}}), end="")
    seed = 7
    <BLANKLINE>
    [host]
    pcpus = 2
    """
    scalars, tables = [], []
    for key, value in data.items():
        if value is None:
            continue
        path = f"{prefix}{key}"
        rows = isinstance(value, (list, tuple)) and value
        if isinstance(value, Mapping):
            tables.append(f"\n[{path}]\n" + to_toml(value, f"{path}."))
        elif rows and all(isinstance(one, Mapping) for one in value):
            tables += [f"\n[[{path}]]\n" + to_toml(one, f"{path}.") for one in value]
        else:
            scalars.append(f"{key} = {_scalar(value)}\n")
    return "".join(scalars + tables)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar(one) for one in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
