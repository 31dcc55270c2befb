"""Trace records as they leave the core: hashed all, kept as many as asked for."""

from __future__ import annotations

import hashlib
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
    n_pcpus
        Of the machine.

    Attributes
    ----------
    n_events
        Records written so far, kept or not.
    """

    def __init__(self, core: _ffi.Core, keep: int, n_pcpus: int) -> None:
        self.keep = whole("trace", keep, 0, 2**40, "records")
        self.n_events = 0
        self._chains = np.zeros(n_pcpus, dtype=np.uint64)
        self._kept: list[NDArray[Any]] = []
        self._buffer = np.zeros(BATCH if keep else 0, dtype=_ffi.dtype("event"))
        if keep:
            core.set_trace(self._buffer)

    def drain(self, n: int) -> None:
        """Hash and keep the first `n` records of the buffer; C begins it anew."""
        if n == 0:
            return
        new = self._buffer[:n]
        _ffi.trace_hash(new, self._chains)
        room = self.keep - sum(one.size for one in self._kept)
        if room > 0:
            self._kept.append(new[:room].copy())
        self.n_events += n

    @property
    def hash(self) -> int:
        """Of every record, in order on each pCPU: the same however the run was cut."""
        raw = self._chains.astype("<u8").tobytes()
        return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")

    def events(self) -> NDArray[Any]:
        """Return the kept records, in order on each pCPU, as one structured array."""
        if not self._kept:
            return self._buffer[:0]
        return np.concatenate(self._kept)
