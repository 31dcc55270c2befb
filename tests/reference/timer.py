"""One timer (1.1): CTL, CVAL, the output line, and its way to the GIC (1.4)."""

from __future__ import annotations

from .counter import Counter

ENABLE, IMASK, ISTATUS = 1, 2, 4


class Timer:
    """A timer, in hardware or as a vCPU's memory copy."""

    def __init__(self, counter: Counter, offset: int = 0) -> None:
        self.counter = counter
        self.ctl = 0
        self.cval = 0
        self.offset = offset

    def can_fire(self) -> bool:
        """ENABLE and not IMASK."""
        return self.ctl & (ENABLE | IMASK) == ENABLE

    def due(self, now: int) -> bool:
        """The count has reached CVAL."""
        return self.counter.due(now, self.offset, self.cval)

    def fires(self, now: int) -> bool:
        """The output line, or the kernel's should_fire."""
        return self.can_fire() and self.due(now)

    def deadline(self, now: int) -> int:
        """Cycle of the expiry."""
        return self.counter.when(now, self.offset, self.cval)

    def count(self, now: int) -> int:
        """What the guest reads as its count."""
        return self.counter.count(now, self.offset)


class Line:
    """What the GIC sees of an output: a change arrives later (1.4, MODEL)."""

    def __init__(self, assert_cyc: int, retire_cyc: int) -> None:
        self.delay = {True: assert_cyc, False: retire_cyc}
        self.raw = False
        self.seen = False
        self.change_at: int | None = None

    def set(self, raw: bool, now: int) -> None:
        """The output is `raw` since cycle `now`."""
        self.settle(now)
        if raw != self.raw:
            self.raw = raw
            self.change_at = None if raw == self.seen else now + self.delay[raw]
        self.settle(now)

    def settle(self, now: int) -> None:
        """Let a change that has arrived be seen."""
        if self.change_at is not None and self.change_at <= now:
            self.seen, self.change_at = self.raw, None
