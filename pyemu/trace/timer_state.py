"""Absolute timer state of one vCPU set: counter rate, K, deadlines, arms.

``deadline_ns = CVAL * tick_ns + K``. K folds CNTVOFF and the clock's origin together;
neither is known alone, and a replay needs neither.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from statistics import median
from typing import Final

from .model import (
    CTL_ENABLE,
    CTL_ISTATUS,
    Arms,
    Block,
    Expiry,
    Issue,
    KOffset,
    TimerSample,
)

__all__ = ["TimerState", "cntfrq_from_sleeps"]

NS: Final = 1_000_000_000
IRQ_LATENCY_NS: Final = 750
RECORD_DELAY_NS: Final = 1000
MATCH_NS: Final = 4000
MAX_CVAL: Final = 2**63


def _sleeps(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """Return (CVAL ticks, softexpires ns) of every block with both, plausible."""
    return [
        (block.cval_ticks, block.soft_ns)
        for block in blocks
        if block.cval_ticks is not None
        and block.soft_ns is not None
        and 0 < block.cval_ticks < MAX_CVAL
    ]


def cntfrq_from_sleeps(blocks: Sequence[Block]) -> int | None:
    """Return the counter rate in Hz from two or more sleeps, rounded to 1 kHz."""
    points = sorted(set(_sleeps(blocks)))
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return None
    half = max(1, len(points) // 2)
    rates = [
        (points[i + half][0] - cval) * NS / (points[i + half][1] - soft)
        for i, (cval, soft) in enumerate(points[: len(points) - half])
        if points[i + half][1] > soft and points[i + half][0] > cval
    ]
    if not rates:
        return None
    rate = median(rates)
    kilo = round(rate / 1000) * 1000
    if kilo and abs(rate - kilo) <= max(50.0, rate * 2e-6):
        return kilo
    return round(rate) or None


class TimerState:
    """Deadlines of one VM.

    Parameters
    ----------
    cntfrq_hz
        Counter rate.
    samples, expiries, blocks
        What the vCPU threads showed, in time order; expiries are completed in place.
    """

    def __init__(
        self,
        cntfrq_hz: int,
        samples: Sequence[TimerSample],
        expiries: Sequence[Expiry],
        blocks: Sequence[Block],
    ) -> None:
        self.cntfrq_hz = cntfrq_hz
        self._virtual = [s for s in samples if s.context == 1]
        self._times = [s.ts_ns for s in self._virtual]
        self._expiries = expiries
        self.k = self._find_k(blocks)
        self._resolve()

    def ticks_to_ns(self, ticks: int) -> int:
        """Return a number of ticks in ns, rounded down."""
        return ticks * NS // self.cntfrq_hz

    def deadline_ns(self, cval_ticks: int) -> int | None:
        """Return when a CVAL is reached, trace clock; None without K or beyond it."""
        if self.k.ns is None or cval_ticks >= MAX_CVAL:
            return None
        return self.ticks_to_ns(cval_ticks) + self.k.ns

    def _last(self, ts_ns: int, after_ns: int, vcpu: int) -> TimerSample | None:
        """Return the newest sample of a vCPU in [after, ts)."""
        at = bisect_right(self._times, ts_ns) - 1
        while at >= 0 and self._times[at] >= after_ns:
            if self._virtual[at].vcpu == vcpu and self._times[at] <= ts_ns:
                return self._virtual[at]
            at -= 1
        return None

    def _find_k(self, blocks: Sequence[Block]) -> KOffset:
        low, high = self._bounds()
        offsets = [soft - self.ticks_to_ns(cval) for cval, soft in _sleeps(blocks)]
        if offsets:
            return KOffset(min(offsets), low, high, "sleeps", len(offsets))
        rises = []
        for expiry in self._expiries:
            sample = self._last(expiry.ts_ns, 0, expiry.vcpu)
            if sample is not None and sample.armed and sample.cval_ticks < MAX_CVAL:
                rises.append(expiry.ts_ns - self.ticks_to_ns(sample.cval_ticks))
        if not rises:
            return KOffset(None, low, high, "unknown", 0)
        best = min(rises)
        near = sum(1 for rise in rises if rise - best <= 2000)
        method = "expiries" if near >= 3 else "expiries, unconfirmed"
        return KOffset(best, low, high, method, near)

    def _bounds(self) -> tuple[int | None, int | None]:
        """Return the K that ISTATUS at saves and levels at loads allow, ns."""
        low: int | None = None
        high: int | None = None
        for sample in self._virtual:
            if not sample.put or not sample.ctl & CTL_ENABLE:
                continue
            if not 0 < sample.cval_ticks < MAX_CVAL:
                continue
            at = sample.ts_ns - self.ticks_to_ns(sample.cval_ticks)
            if sample.ctl & CTL_ISTATUS:
                edge = at + RECORD_DELAY_NS
                high = edge if high is None else min(high, edge)
            else:
                edge = at - RECORD_DELAY_NS
                low = edge if low is None else max(low, edge)
        return low, high

    def check(self) -> Issue | None:
        """Return an issue if K contradicts its bounds (clock changed, VMs mixed)."""
        k = self.k
        if k.ns is None:
            return None
        # The low bound assumes a save without delay, so one tick and 1 us are allowed.
        slack = RECORD_DELAY_NS + self.ticks_to_ns(1) + 1
        if k.low_ns is not None and k.ns < k.low_ns - slack:
            words = f"K = {k.ns} ns is below its lower bound {k.low_ns} ns"
        elif k.high_ns is not None and k.ns > k.high_ns + slack:
            words = f"K = {k.ns} ns is above its upper bound {k.high_ns} ns"
        else:
            return None
        return Issue(
            "k-contradicted", f"{words}: the clock changed or two VMs are mixed"
        )

    def _resolve(self) -> None:
        """Give every expiry its deadline: from a saved CVAL, or from the interrupt."""
        before: dict[int, int] = {}
        for expiry in self._expiries:
            after = before.get(expiry.vcpu, 0)
            before[expiry.vcpu] = expiry.ts_ns
            expiry.deadline_ns = expiry.ts_ns - IRQ_LATENCY_NS
            sample = self._last(expiry.ts_ns, after, expiry.vcpu)
            if sample is None or not sample.armed:
                continue
            due = self.deadline_ns(sample.cval_ticks)
            late = None if due is None else expiry.ts_ns - due
            loaded = expiry.where in ("guest", "host")
            if late is None or late < -MATCH_NS or (loaded and late > MATCH_NS):
                continue
            if due is not None:
                expiry.cval_ticks = sample.cval_ticks
                expiry.deadline_ns = due

    def arms(self) -> Arms:
        """Count arms by evidence: shown by a save, or by their interrupt only."""
        exact = 0
        held: dict[int, int] = {}
        for sample in self._virtual:
            before = held.get(sample.vcpu)
            held[sample.vcpu] = sample.cval_ticks
            if before is None and not sample.put:
                continue  # armed before the recording began
            exact += sample.put and sample.cval_ticks not in (0, before)
        bounded = sum(1 for expiry in self._expiries if expiry.cval_ticks is None)
        return Arms(exact, bounded)

    def last_sample(self, vcpu: int, after_ns: int) -> TimerSample | None:
        """Return the newest virtual timer sample of a vCPU after a time."""
        return self._last(2**63, after_ns, vcpu)

    def first_armed(self, vcpu: int) -> TimerSample | None:
        """Return the first sample that shows a vCPU's virtual timer armed."""
        for sample in self._virtual:
            if sample.vcpu == vcpu and sample.armed and sample.cval_ticks < MAX_CVAL:
                return sample
        return None
