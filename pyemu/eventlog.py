"""Trace records as they leave the core: hashed all, kept as many as asked for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from .config import whole

__all__ = ["EventLog"]

BATCH: Final = 65_536


class EventLog:
    """The buffer lent to the core and what has been drained from it.

    Parameters
    ----------
    core
        The machine; tracing begins at once unless `keep` is 0.
    keep
        Most records to keep in memory.

    Attributes
    ----------
    n_events
        Records written so far, kept or not.
    hash
        Of every record in order.
    """

    def __init__(self, core: _ffi.Core, keep: int) -> None:
        self.keep = whole("trace", keep, 0, 2**40, "records")
        self.n_events = 0
        self.hash = 0
        self._kept: list[NDArray[Any]] = []
        self._buffer = np.zeros(BATCH if keep else 0, dtype=_ffi.dtype("event"))
        if keep:
            core.set_trace(self._buffer)

    def drain(self, n: int) -> None:
        """Hash and keep the first `n` records of the buffer; C begins it anew."""
        if n == 0:
            return
        new = self._buffer[:n]
        self.hash = _ffi.trace_hash(new, self.hash)
        room = self.keep - sum(one.size for one in self._kept)
        if room > 0:
            self._kept.append(new[:room].copy())
        self.n_events += n

    def events(self) -> NDArray[Any]:
        """Return the kept records as one array of ``struct pyemu_event``."""
        if not self._kept:
            return self._buffer[:0]
        return np.concatenate(self._kept)
