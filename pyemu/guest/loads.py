"""The library of loads: names, parameters with units, and how one is built.

A `Load` is a recipe; `Load.build` makes its `Workload` once the host's frequencies
are known. The programs themselves are in `library`. ``loads.tick_wfi(n=100)`` is
``loads.get("tick-wfi", n=100)``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any

from ..config import whole
from ..errors import ConfigError, unknown_name
from .entry import Entry
from .library import LIBRARY
from .workload import Clock, Workload

__all__ = ["Load", "custom", "get", "names", "recorded", "show"]


@dataclass(frozen=True)
class Load:
    """A load and its parameters.

    Attributes
    ----------
    name
        As in `names`.
    params
        Every parameter with its value, defaults included.
    vcpus, pcpus
        How many it is made for; a VM or host of another size may be given.
    """

    name: str
    params: Mapping[str, Any]
    vcpus: int = 1
    pcpus: int = 1
    builder: Callable[[Mapping[str, Any], Clock, int], Workload] | None = field(
        default=None, compare=False, repr=False
    )

    def build(self, clock: Clock, n_vcpus: int | None = None) -> Workload:
        """Make the programs for `n_vcpus` vCPUs of one VM.

        Raises
        ------
        ConfigError
            If the load cannot run on so many vCPUs.
        """
        n = self.vcpus if n_vcpus is None else n_vcpus
        if self.builder is None:
            raise ConfigError("load", self.name, "a load with programs")
        return self.builder(self.params, clock, n)

    def describe(self) -> str:
        """Return ``name(param=value, ...)`` with what differs from the defaults."""
        default = LIBRARY[self.name].defaults() if self.name in LIBRARY else {}
        said = [f"{k}={v}" for k, v in self.params.items() if default.get(k) != v]
        return f"{self.name}({', '.join(said)})" if said else self.name


def names() -> list[str]:
    """Return the names of all loads."""
    return list(LIBRARY)


def entry(name: str) -> Entry:
    """Return the description of a load.

    Raises
    ------
    ConfigError
        For an unknown name, with a suggestion.
    """
    key = str(name).replace("_", "-")
    if key not in LIBRARY:
        raise unknown_name("load", name, LIBRARY)
    return LIBRARY[key]


def get(name: str, **params: Any) -> Load:
    """Return a load with some parameters changed.

    Raises
    ------
    ConfigError
        For an unknown load or parameter, or a value out of range.

    Examples
    --------
    >>> get("hvc-loop", n=10).describe()
    'hvc-loop(n=10)'
    """
    found = entry(name)
    values = found.defaults()
    for key, value in params.items():
        if key == "vcpus":
            continue
        spec = found.params.get(key)
        if spec is None:
            raise unknown_name(f"load.{found.name}", key, [*found.params, "vcpus"])
        values[key] = spec.check(f"load.{found.name}.{key}", value)
    vcpus = whole("load.vcpus", params.get("vcpus", found.vcpus), 1, 65536)
    if vcpus % found.multiple:
        words = f"a multiple of {found.multiple}: the vCPUs work in pairs"
        raise ConfigError(f"load.{found.name}.vcpus", vcpus, words)
    pcpus = max(found.pcpus, vcpus if found.spread else 1)
    return Load(found.name, values, vcpus, pcpus, found.build)


def custom(workload: Workload, name: str = "custom") -> Load:
    """Wrap hand-made programs as a load.

    Raises
    ------
    ConfigError
        If a VM of another size asks for it.
    """

    def build(_params: Mapping[str, Any], _clock: Clock, n_vcpus: int) -> Workload:
        if n_vcpus != len(workload.vcpus):
            words = f"exactly {len(workload.vcpus)} vCPUs, as the workload was made for"
            raise ConfigError(f"load.{name}.vcpus", n_vcpus, words)
        return workload

    return Load(name, {}, len(workload.vcpus), 1, build)


def show(name: str) -> str:
    """Return a load's description and parameters as text."""
    found = entry(name)
    lines = [f"{found.name}: {found.doc}"]
    for key, spec in found.params.items():
        lines.append(f"  {key:<12} {spec.default!s:<12} {spec.doc}")
    return "\n".join(lines)


def recorded(scenario: str) -> tuple[Load, dict[str, Any]]:
    """Return the op program and the host of one recorded scenario.

    Scenarios are the letters of the eager-vs-lazy recordings (see
    ``data/recorded/eager-vs-lazy.toml``): a b c d dn e ep f F g h H Hn i J Jn k.

    Raises
    ------
    ConfigError
        For an unknown letter.

    Examples
    --------
    >>> recorded("ep")[0].params["period_ns"]
    189968
    """
    file = resources.files("pyemu") / "data" / "recorded" / "eager-vs-lazy.toml"
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    if scenario not in data["scenario"]:
        raise unknown_name("scenario", scenario, data["scenario"])
    given, host = data["scenario"][scenario], dict(data["host"])
    params: dict[str, Any] = {"n": given["regs"]["x3"], **given["ops"]}
    name = params.pop("load")
    if "period_ns" in entry(name).params:
        ticks = given["regs"]["x4"]
        params["period_ns"] = ticks * 10**9 // int(host["cntfrq_hz"])
    if "halt_poll_ns" in given:
        host["halt_poll_ns"] = given["halt_poll_ns"]
    if len(given.get("pins", [])) > 1:
        params["vcpus"] = len(given["pins"])
    return get(name, **params), host


def __getattr__(name: str) -> Callable[..., Load]:
    if name.replace("_", "-") in LIBRARY:
        return partial(get, name)
    raise AttributeError(f"module 'pyemu.loads' has no load {name!r}")
