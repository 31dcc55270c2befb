"""A guest's phases: what happened between the lines in which it announces them.

A guest prints ``phase NAME`` on a line of its own, a word with a colon before it or
not; the first phase is called ``boot``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from ..errors import StateError
from ..result import Result

__all__ = ["Phases"]

FIRST: Final = "boot"
KEYS: Final = {"guest_insns", "guest_cyc", "switch_cyc", "exits", "ops"}
LINE: Final = re.compile(rb"^(?:[\w-]+: )?phase ([\w-]{1,40})\r?\n$")


class Phases:
    """Counts by phase, taken when a line announces the next one.

    Parameters
    ----------
    read
        Returns the machine's result and the instructions retired, now.
    """

    def __init__(self, read: Callable[[], tuple[Result, int]]) -> None:
        self._read = read
        self._name = FIRST
        self._begun: dict[str, Any] | None = None
        self._done: dict[str, dict[str, Any]] = {}

    def line(self, line: bytes) -> None:
        """Look at a line of the console."""
        found = LINE.match(line)
        if found:
            self._end()
            self._name = found[1].decode()

    def _end(self) -> None:
        now = _sample(*self._read())
        begun = self._begun or {}
        spent = {key: _minus(value, begun.get(key)) for key, value in now.items()}
        self._begun, self._done[self._name] = now, spent

    def state(self) -> dict[str, Any]:
        """Return what has been counted so far, as plain JSON values."""
        return {"name": self._name, "begun": self._begun, "done": self._done}

    def put_back(self, state: Any) -> None:
        """Go on from what `state` returned.

        Raises
        ------
        StateError
            If it is nothing that `state` returns.
        """
        try:
            name, begun, done = state["name"], state["begun"], dict(state["done"])
            samples = [*done.values(), *([] if begun is None else [begun])]
            good = all(_is_sample(one) for one in samples)
        except (TypeError, KeyError, ValueError):
            good, name, begun, done = False, "", None, {}
        if not good or not isinstance(name, str):
            raise StateError("snapshot.notes: not the phases of a guest")
        self._name, self._begun, self._done = name, begun, done

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return the counts of each phase, the last one included; {} without any."""
        if self._begun is None:
            return {}
        self._end()
        return {name: _with_rates(counts) for name, counts in self._done.items()}


def _is_sample(value: Any) -> bool:
    """Return whether it is what `_sample` returns."""
    if not isinstance(value, dict) or set(value) != KEYS:
        return False
    counts = [value["exits"], value["ops"]]
    numbers = [value[key] for key in KEYS - {"exits", "ops"}]
    if not all(isinstance(one, dict) for one in counts):
        return False
    numbers += [n for one in counts for n in one.values()]
    return all(type(n) is int for n in numbers)


def _sample(result: Result, n_insns: int) -> dict[str, Any]:
    ops = result.ops
    return {
        "guest_insns": n_insns,
        "guest_cyc": result.guest_cyc,
        "switch_cyc": result.switch_cyc,
        "exits": dict(result.exits),
        "ops": dict(ops),
    }


def _minus(now: Any, begun: Any) -> Any:
    if isinstance(now, dict):
        return {key: now[key] - (begun or {}).get(key, 0) for key in now}
    return now - (begun or 0)


def _with_rates(counts: dict[str, Any]) -> dict[str, Any]:
    """Return the counts with exits per million guest cycles, in all and by reason."""
    cyc = counts["guest_cyc"]
    rates = {key: n * 1e6 / cyc if cyc else 0.0 for key, n in counts["exits"].items()}
    return {**counts, "epmc": sum(rates.values()), "epmc_by_reason": rates}
