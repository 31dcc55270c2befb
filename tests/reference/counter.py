"""The system counter (1.1): exact integers, one for all pCPUs."""

from __future__ import annotations

WRAP = 2**64


class Counter:
    """Cycles to ticks and back."""

    def __init__(self, cpu_hz: int, cntfrq_hz: int) -> None:
        self.cpu_hz, self.cntfrq_hz = cpu_hz, cntfrq_hz

    def ticks(self, cyc: int) -> int:
        """PCT at a cycle."""
        return cyc * self.cntfrq_hz // self.cpu_hz

    def cyc(self, ticks: int) -> int:
        """The first cycle at which PCT is at least that."""
        return -(-ticks * self.cpu_hz // self.cntfrq_hz)

    def count(self, cyc: int, offset: int) -> int:
        """What a timer with an offset compares: (PCT - offset) mod 2^64."""
        return (self.ticks(cyc) - offset) % WRAP

    def due(self, cyc: int, offset: int, cval: int) -> bool:
        """Condition met: unsigned count >= CVAL."""
        return self.count(cyc, offset) >= cval

    def when(self, cyc: int, offset: int, cval: int) -> int:
        """The cycle at which the condition is met, `cyc` itself if it is."""
        count = self.count(cyc, offset)
        if count >= cval:
            return cyc
        return self.cyc(self.ticks(cyc) + cval - count)
