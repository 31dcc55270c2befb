"""What a load's description is made of: parameters with ranges, and the entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import truth, whole
from ..errors import unknown_name
from .workload import Clock, Workload

__all__ = ["Builder", "Entry", "Param", "Params"]

Params = Mapping[str, Any]
Builder = Callable[[Params, Clock, int], Workload]


@dataclass(frozen=True)
class Param:
    """One parameter: default, range or choices, and its meaning with unit."""

    default: Any
    doc: str
    low: int = 0
    high: int = 2**48
    choices: tuple[str, ...] = ()

    def check(self, where: str, value: Any) -> Any:
        """Return the value, or raise ConfigError."""
        if self.choices:
            if value not in self.choices:
                raise unknown_name(where, str(value), self.choices)
            return value
        if isinstance(self.default, bool):
            return truth(where, value)
        return whole(where, value, self.low, self.high)


@dataclass(frozen=True)
class Entry:
    """One load of the library."""

    name: str
    doc: str
    build: Callable[[Params, Clock, int], Workload]
    params: dict[str, Param]
    vcpus: int = 1
    pcpus: int = 1
    multiple: int = 1
    spread: bool = True

    def defaults(self) -> dict[str, Any]:
        """Return every parameter's default."""
        return {key: spec.default for key, spec in self.params.items()}
