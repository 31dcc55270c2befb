"""Exceptions: each class says who is at fault.

`PyemuError` is the root. The command line maps them to exit codes: `ConfigError`
and `StateError` are usage (2), `TraceError` is a bad input file (3).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CapacityError",
    "ConfigError",
    "GuestError",
    "InternalError",
    "PyemuError",
    "StateError",
    "TraceError",
    "did_you_mean",
    "unknown_name",
]


class PyemuError(Exception):
    """Root of everything pyemu raises on purpose."""


class ConfigError(PyemuError, ValueError):
    """The description of a machine, policy, load or run is impossible.

    Parameters
    ----------
    field
        Dotted path of the value, for example ``host.pcpus``.
    value
        What was given.
    allowed
        What would have been accepted, in words, with units.
    line
        Line in the input file, if it came from one.
    """

    def __init__(
        self, field: str, value: object, allowed: str, line: int | None = None
    ) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        self.line = line
        where = f"line {line}: " if line is not None else ""
        super().__init__(f"{where}{field} = {value!r}: {allowed}")


class GuestError(PyemuError):
    """A guest program did the impossible.

    Parameters
    ----------
    message
        What it did.
    vcpu
        Index of the vCPU, if known.
    cycle_cyc
        Host cycle at which it happened, if known.
    """

    def __init__(
        self, message: str, vcpu: int | None = None, cycle_cyc: int | None = None
    ) -> None:
        self.vcpu = vcpu
        self.cycle_cyc = cycle_cyc
        where = f"vcpu {vcpu}" if vcpu is not None else ""
        if cycle_cyc is not None:
            where += f" at cycle {cycle_cyc}"
        super().__init__(f"{where.strip()}: {message}" if where else message)


class CapacityError(PyemuError):
    """A bounded queue or buffer is full; `limit` names it.

    Parameters
    ----------
    message
        What could not be stored.
    limit
        Name of the bound.
    """

    def __init__(self, message: str, limit: str = "") -> None:
        self.limit = limit
        super().__init__(message)


class StateError(PyemuError):
    """The object cannot do this now: closed, running, or of another version."""


class TraceError(PyemuError):
    """An input file is unusable: truncated, foreign, empty or contradictory.

    Parameters
    ----------
    path
        The file as the user named it.
    message
        What is wrong with it.
    line
        Line number, if the file is text.
    """

    def __init__(self, path: object, message: str, line: int | None = None) -> None:
        self.path = str(path)
        self.line = line
        where = f"{self.path}:{line}" if line is not None else self.path
        super().__init__(f"{where}: {message}")


class InternalError(PyemuError):
    """pyemu is wrong, not the caller: please report it with seed and config."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for a near miss, else an empty string.

    Examples
    --------
    >>> did_you_mean("eagre", ["eager", "lazy"])
    " (did you mean 'eager'?)"
    >>> did_you_mean("zzz", ["eager", "lazy"])
    ''
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def unknown_name(
    field: str, name: str, known: Iterable[str], line: int | None = None
) -> ConfigError:
    """Build the error for a name that is in no list.

    Examples
    --------
    >>> print(unknown_name("policy", "lasy", ["eager", "lazy"]))
    policy = 'lasy': one of eager, lazy (did you mean 'lazy'?)
    """
    names = list(known)
    hint = did_you_mean(name, names)
    return ConfigError(field, name, f"one of {', '.join(names)}{hint}", line)
