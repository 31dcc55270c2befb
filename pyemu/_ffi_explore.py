"""The explorer's part of the boundary; beside `_ffi`, the only user of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import ffi, lib
from ._ffi import Core, borrow, dtype, status_error

__all__ = ["Explorer"]


class Explorer:
    """Exhaustive search over one machine, which is used up by it.

    Parameters
    ----------
    core
        A started machine that nothing has run yet.
    config
        Fields of ``struct pyemu_explore_config``.

    Raises
    ------
    ConfigError, CapacityError
        For a machine or bounds that cannot be explored.
    """

    def __init__(self, core: Core, config: Mapping[str, int]) -> None:
        self._core = core
        out = ffi.new("struct pyemu_explorer **")
        cfg = ffi.new("struct pyemu_explore_config *", dict(config))
        status = lib.pyemu_explore_new(core.handle, cfg, out)
        self._check(status, "explore")
        self._x: Any = ffi.gc(out[0], lib.pyemu_explore_free)
        self._helpers: list[Explorer] = []

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            text = ffi.string(lib.pyemu_error(self._core.handle)).decode()
            raise status_error(status, what, text)

    def close(self) -> None:
        """Free the visited set and the machine."""
        if self._x is not None:
            ffi.release(self._x)
            self._x = None
            self._core.close()
            for helper in self._helpers:
                helper.close()

    def help(self, helpers: list[Explorer]) -> None:
        """Let explorers of the same machine expand states, each in its own thread."""
        given = ffi.new("struct pyemu_explorer *[]", [one._x for one in helpers])
        status = lib.pyemu_explore_help(self._x, given, len(helpers))
        self._check(status, "explore.threads")
        self._helpers = list(helpers)

    def safety(self) -> dict[str, int]:
        """Visit every state; return ``struct pyemu_explore_result`` as a dict."""
        out = ffi.new("struct pyemu_explore_result *")
        self._check(lib.pyemu_explore_safety(self._x, out), "explore")
        return _as_dict(out)

    def hold(self, invariants: list[int]) -> list[int]:
        """Return those of the liveness invariants that hold."""
        holds = ffi.new("uint64_t *")
        mask = sum(1 << n for n in invariants)
        self._check(lib.pyemu_explore_hold(self._x, mask, holds), "explore")
        return [n for n in invariants if holds[0] >> n & 1]

    def cycles(self, invariant: int) -> dict[str, int]:
        """Look for a fair cycle that breaks one liveness invariant."""
        out = ffi.new("struct pyemu_explore_result *")
        self._check(lib.pyemu_explore_cycles(self._x, invariant, out), "explore")
        return _as_dict(out)

    def behaviour(self) -> tuple[int, ...]:
        """Return stable states, transitions between them, and two sums of hashes."""
        out = ffi.new("struct pyemu_explore_behaviour *")
        self._check(lib.pyemu_explore_behaviour(self._x, out), "explore")
        sums = tuple(int(out.sum[i]) for i in range(2))
        return int(out.stable), int(out.transitions), *sums

    def table(self) -> int:
        """Return a hash of the table as it runs on this machine."""
        return int(lib.pyemu_explore_table(self._x))

    def orbits(self, by: Explorer) -> int:
        """Return how many of the states seen are different ones to a fresh explorer."""
        out = ffi.new("uint64_t *")
        self._check(lib.pyemu_explore_orbits(self._x, by._x, out), "explore")
        return int(out[0])

    def rows(self, n: int) -> NDArray[Any]:
        """Return the counterexample's rows, ``struct pyemu_explore_row``."""
        out = np.zeros(n, dtype=dtype("explore_row"))
        decl = "struct pyemu_explore_row[]"
        ptr = borrow(out, out.dtype, decl, writable=True)
        self._check(lib.pyemu_explore_rows(self._x, ptr, n), "explore")
        return out

    def interrupt(self) -> None:
        """Make a search in another thread stop with a partial verdict."""
        self._core.interrupt()


def _as_dict(pointer: Any) -> dict[str, int]:
    fields = ffi.typeof(pointer).item.fields
    return {name: int(getattr(pointer, name)) for name, _ in fields}
