"""The virtual CPU interface (2.3): list registers and what the guest does with them."""

from __future__ import annotations

from dataclasses import dataclass

IDLE_PRIORITY = 256


@dataclass
class ListRegister:
    """One list register in use."""

    intid: int
    priority: int
    pending: bool
    active: bool
    hw: bool = False
    source: int = 0
    eoi: bool = False  # asks for a maintenance interrupt; HW=0 only

    def valid(self) -> bool:
        """Pending or active or both."""
        return self.pending or self.active


class VirtualInterface:
    """List registers, running priorities and the mask of one vCPU."""

    def __init__(self) -> None:
        self.lrs: list[ListRegister] = []
        self.priorities: list[int] = []
        self.pmr = IDLE_PRIORITY
        self.eoimode = 0
        self.uie = self.npie = False
        self.enabled = False
        self.eoicount = 0

    def winner(self) -> ListRegister | None:
        """The pending list register that would be acknowledged; first of the best."""
        best = None
        for lr in self.lrs:
            if (
                lr.pending
                and not lr.active
                and (best is None or lr.priority < best.priority)
            ):
                best = lr
        if not self.enabled or best is None or best.priority >= self.pmr:
            return None
        if self.priorities and best.priority >= min(self.priorities):
            return None
        return best

    def any_pending(self) -> bool:
        """Some list register is pending, deliverable or not."""
        return self.enabled and any(lr.pending for lr in self.lrs)

    def maintenance(self) -> bool:
        """The maintenance line: U (fewer than 2 valid), NP (none just pending), EOI."""
        underflow = self.uie and sum(lr.valid() for lr in self.lrs) < 2
        none_pending = self.npie and not any(
            lr.pending and not lr.active for lr in self.lrs
        )
        ended = any(lr.eoi and not lr.hw and not lr.valid() for lr in self.lrs)
        return self.enabled and (underflow or none_pending or ended)

    def ack(self) -> ListRegister | None:
        """IAR: pending becomes active, its priority runs."""
        lr = self.winner()
        if lr is not None:
            lr.pending, lr.active = False, True
            self.priorities.append(lr.priority)
        return lr

    def drop(self) -> None:
        """EOIR always pops one priority."""
        if self.priorities:
            self.priorities.remove(min(self.priorities))

    def find_active(self, intid: int) -> ListRegister | None:
        """The list register an EOI or DIR deactivates."""
        for lr in self.lrs:
            if lr.active and lr.intid == intid:
                return lr
        self.eoicount += 1
        return None
