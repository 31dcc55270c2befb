"""The timer script of one vCPU: which deadline follows which, and what a WFx waits for.

The clock rules: between sleeps the next deadline is the last one plus the recorded
interval (ticks belong to time); at a WFx the script goes by position, absolute if the
recording is periodic there, else that far from the emulated now. Nothing is ever pinned
to recorded wall time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import Expiry, Segment, TimerSample
from .timer_state import TimerState

__all__ = ["NEVER_TICKS", "TimerPlan"]

NS: Final = 1_000_000_000
NEVER_TICKS: Final = 2**62
PERIODIC_RUN: Final = 3
BOUNDED_NS: Final = 2000


class TimerPlan:
    """Deadlines of one stretch of one vCPU, in order of expiry.

    Parameters
    ----------
    timers
        CVAL to time.
    expiries
        The vCPU's expiries in this stretch.
    last
        The newest timer sample after the last expiry, if there is one.

    Attributes
    ----------
    expiries, repeated
        Expiries with a deadline of their own, and how many had none.
    table
        Interval in ticks from each expiry's deadline to the next, uint64, never 0;
        one entry at least.
    """

    def __init__(
        self,
        timers: TimerState,
        expiries: Sequence[Expiry],
        last: TimerSample | None,
    ) -> None:
        self._timers = timers
        self.expiries = self._distinct(expiries)
        self.repeated = len(expiries) - len(self.expiries)
        self._times = [expiry.ts_ns for expiry in self.expiries]
        intervals = [self._interval(k) for k in range(len(self.expiries) - 1)]
        self._periodic = self._find_periodic(intervals)
        intervals.append(self._final(intervals, last))
        self.table: NDArray[np.uint64] = np.array(intervals, dtype=np.uint64)

    def ticks(self, ns: int) -> int:
        """Return a span of ns in ticks, rounded to the nearest, 0 if negative."""
        scaled = 2 * ns * self._timers.cntfrq_hz + NS
        return min(max(0, scaled // (2 * NS)), NEVER_TICKS)

    def _distinct(self, expiries: Sequence[Expiry]) -> list[Expiry]:
        """Drop expiries of an unchanged deadline: an interval of 0 would never end."""
        out: list[Expiry] = []
        for expiry in expiries:
            if not out or self._between(out[-1], expiry) > 0:
                out.append(expiry)
        return out

    def _interval(self, k: int) -> int:
        return self._between(self.expiries[k], self.expiries[k + 1])

    def _between(self, one: Expiry, two: Expiry) -> int:
        if one.cval_ticks is not None and two.cval_ticks is not None:
            return max(0, two.cval_ticks - one.cval_ticks)
        return self.ticks(two.deadline_ns - one.deadline_ns)

    def _final(self, intervals: Sequence[int], last: TimerSample | None) -> int:
        """Return the interval after the last expiry: shown, never, or the last one."""
        if self.expiries and last is not None:
            due = self._timers.deadline_ns(last.cval_ticks)
            if not last.armed or due is None:
                return NEVER_TICKS
            if due > self.expiries[-1].deadline_ns:
                return self.ticks(due - self.expiries[-1].deadline_ns)
        return intervals[-1] if intervals else NEVER_TICKS

    def _find_periodic(self, intervals: Sequence[int]) -> list[bool]:
        """Tell, per expiry, whether it ends one of three or more equal intervals."""
        out = [False] * len(self.expiries)
        start = 0
        for k in range(1, len(intervals) + 1):
            if k < len(intervals) and self._same(intervals, start, k):
                continue
            if k - start >= PERIODIC_RUN:
                out[start + 1 : k + 1] = [True] * (k - start)
            start = k
        return out

    def _same(self, intervals: Sequence[int], one: int, two: int) -> bool:
        exact = all(
            self.expiries[k].cval_ticks is not None
            for k in (one, one + 1, two, two + 1)
        )
        # Exact deadlines carry a few ticks of the guest's own jitter at most.
        slack = 0 if exact else self.ticks(BOUNDED_NS)
        return abs(intervals[one] - intervals[two]) <= slack

    def periodic(self, k: int) -> bool:
        """Whether expiry k is one of a periodic run (its interval equals others)."""
        return self._periodic[k]

    def at(self, ts_ns: int) -> int:
        """Return the index of the first expiry at or after a time."""
        return bisect_left(self._times, ts_ns)

    def of_block(self, seg: Segment) -> int | None:
        """Return which expiry ended the block after a WFx, if a timer did."""
        block = seg.block
        if block is None or block.cause != "timer":
            return None
        k = self.at(block.start_ns)
        if k >= len(self.expiries):
            return None
        end = seg.next_ns if seg.next_ns is not None else block.wake_ns
        return k if end is None or self._times[k] <= end else None

    def ticks_until(self, k: int, from_ns: int) -> int:
        """Return how far deadline k is from a time of the recording, at least 1."""
        return max(1, self.ticks(self.expiries[k].deadline_ns - from_ns))
