"""Options the verbs share, and how they become a scenario.

Flags and scenario files take one path: flags are written into the file's plain values
before they are validated, so a bad flag is reported like a bad key.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .. import policy as policies
from ..errors import ConfigError, TraceError
from ..guest import loads
from ..progress import meter
from ..run import unique_policies
from ..scenario import Scenario, apply_set, from_dict
from ..units import parse_int

__all__ = [
    "DEFAULT_POLICIES",
    "add_input",
    "add_output",
    "add_run",
    "chosen_policies",
    "kind_of",
    "print_json",
    "scenario_of",
    "settings_of",
]

DEFAULT_POLICIES: Final = "eager,lazy"


def add_input(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """Add the positional input: scenario, trace or run file."""
    words = "scenario (.toml), recorded trace, or run file (.npz)"
    parser.add_argument("input", nargs="*" if many else "?", help=words)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a machine and a load."""
    add = parser.add_argument
    add("--load", metavar="NAME", help="a load of the library (pyemu loads)")
    add("--n", metavar="N", help="repetitions of the load, at least 1")
    add("--gic", choices=("v2", "v3"), help="interrupt controller version")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    add("--profile", metavar="P", help="cost profile (pyemu profiles)")
    add("--seed", metavar="S", help="seed of everything drawn at random")
    add("--guest-cyc", metavar="N", help="stop after so many guest cycles")
    add("--until-cyc", metavar="N", help="stop at this host cycle")
    add(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="sets",
        help="any key of a scenario, such as host.cpu_hz=2.4e9",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to print."""
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object")
    add("--explain", metavar="METRIC", help="show where a metric comes from")


@dataclass(frozen=True)
class Input:
    """What a positional argument is: ``scenario``, ``run`` or ``trace``."""

    kind: str
    path: str


def kind_of(path: str) -> Input:
    """Tell scenario, run file and trace apart by name, then by content.

    Raises
    ------
    TraceError
        If there is no such file.
    """
    suffix = Path(path).suffix.lower()
    if path != "-" and not Path(path).is_file():
        is_dir = Path(path).is_dir()
        raise TraceError(path, "a directory, not a file" if is_dir else "no such file")
    if suffix == ".toml":
        return Input("scenario", path)
    if suffix == ".npz":
        return Input("run", path)
    return Input("trace", path)


def _int(field: str, text: str | None) -> int | None:
    return None if text is None else parse_int(field, text)


def scenario_of(args: argparse.Namespace, path: str | None = None) -> Scenario:
    """Make the scenario of a file and flags, flags winning.

    Raises
    ------
    ConfigError, TraceError
        For anything impossible.
    """
    data: dict[str, Any] = {}
    text = None
    if path is not None:
        data, text = _read_toml(path)
    if args.load:
        data["load"] = {"kind": args.load}
        for vm in data.get("vm", []):
            vm.pop("load", None)
    flags: dict[str, Any] = {
        "host.gic": args.gic,
        "host.vhe": args.vhe,
        "host.profile": args.profile,
        "seed": _int("--seed", args.seed),
        "guest_cyc": _int("--guest-cyc", args.guest_cyc),
        "until_cyc": _int("--until-cyc", args.until_cyc),
    }
    for key, value in flags.items():
        if value is not None:
            table = data.setdefault("host", {}) if key.startswith("host.") else data
            table[key.removeprefix("host.")] = value
    if "load" not in data and not any("load" in vm for vm in data.get("vm", [])):
        words = "a load: --load NAME, or a scenario or trace file"
        raise ConfigError("--load", None, words)
    if args.n is not None:
        _set_n(data, parse_int("--n", args.n))
    for one in args.sets:
        apply_set(data, one)
    return from_dict(data, text)


def _read_toml(path: str) -> tuple[dict[str, Any], str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise TraceError(path, f"no readable TOML: {exc}") from exc
    data.setdefault("name", Path(path).stem)
    return data, text


def _set_n(data: dict[str, Any], n: int) -> None:
    load = data.get("load")
    if load is None:
        raise ConfigError("--n", n, "used with one load for all VMs")
    table = {"kind": load} if isinstance(load, str) else dict(load)
    loads.get(str(table["kind"]), n=n)
    data["load"] = {**table, "n": n}


def chosen_policies(names: str | None, scenario: Scenario | None = None) -> list[Any]:
    """Return the policies of a flag, else of the scenario, else eager and lazy.

    Raises
    ------
    ConfigError
        For an unknown policy, a broken policy file, or one named twice.
    """
    if names is not None:
        words = [name.strip() for name in names.split(",")]
    elif scenario is not None and scenario.policies:
        words = list(scenario.policies)
    else:
        words = DEFAULT_POLICIES.split(",")
    unique_policies(words)
    return unique_policies([policies.load_policy(name) for name in words])


def settings_of(scenario: Scenario, label: str) -> dict[str, Any]:
    """Return the keyword arguments of `pyemu.run` for a scenario."""
    return {
        "host": scenario.host,
        "vms": scenario.vms,
        "guest_cyc": scenario.guest_cyc,
        "until_cyc": scenario.until_cyc,
        "until_exits": scenario.until_exits,
        "seed": scenario.seed,
        "moves": scenario.moves,
        "source": scenario.name,
        "progress": meter(label, scenario.guest_cyc),
    }


def print_json(value: Any) -> None:
    """Print one object; NaN cannot be in it."""
    json.dump(value, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")
