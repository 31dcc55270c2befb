"""Private interrupts of one pCPU's GIC (2.1): level lines, latches, active bits."""

from __future__ import annotations

from collections.abc import Callable

SPURIOUS = 1023


class Irq:
    """One private interrupt; `line` says whether its level is high."""

    def __init__(self, line: Callable[[], bool] | None = None) -> None:
        self.line = line
        self.enabled = True
        self.latch = False
        self.active = False

    def pending(self) -> bool:
        """Latch or level."""
        return self.latch or (self.line is not None and self.line())


class Gic:
    """The distributor's private part and the host's CPU interface."""

    def __init__(self, eoimode1: bool) -> None:
        self.eoimode1 = eoimode1
        self.irqs: dict[int, Irq] = {}

    def candidate(self) -> int | None:
        """Enabled, pending, not active; all have one priority: the lowest INTID."""
        return next((i for i in sorted(self.irqs) if self.wanted(i)), None)

    def wanted(self, intid: int) -> bool:
        """Enabled, pending, not active."""
        irq = self.irqs[intid]
        return irq.enabled and not irq.active and irq.pending()

    def ack(self) -> int:
        """IAR: the winner becomes active, its latch clears."""
        intid = self.candidate()
        if intid is None:
            return SPURIOUS
        self.irqs[intid].active = True
        self.irqs[intid].latch = False
        return intid

    def eoi(self, intid: int) -> None:
        """EOIR: priority drop; with EOImode 0 also the deactivation."""
        if not self.eoimode1:
            self.deactivate(intid)

    def deactivate(self, intid: int) -> bool:
        """DIR, ICACTIVER or a HW list register; was it active?"""
        if intid not in self.irqs:
            return False
        was, self.irqs[intid].active = self.irqs[intid].active, False
        return was
