"""Why a run came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import _ffi

__all__ = ["STOPS", "Stop"]

STOPS: Final = {value: key for key, value in _ffi.enum("stop", "PYEMU_STOP_").items()}


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run came back.

    Attributes
    ----------
    reason
        limit, done, guest_limit, exit_limit, text or interrupted; fault or broken under
        a fault plan.
    now_cyc, guest_cyc, exits
        Least pCPU clock, cycles; totals of the measured region so far.
    step
        The fault that a plan asks for (see `soak`).
    """

    reason: str
    now_cyc: int
    guest_cyc: int
    exits: int
    step: int = 0
