"""GICC: the GICv2 CPU interface as a guest sees it.

Under KVM the guest's accesses reach the hardware's virtual CPU interface without an
exit; this is the same interface as a table over plain interrupt state, for trying
guests and drivers. Priorities have 5 bits, so there are 32 preemption levels.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final, NamedTuple

from .distributor import Distributor
from .frame import Frame
from .port import N_PPIS_AND_SGIS, N_SGIS, Effect, VgicPort, is_pending
from .regmap import GICC, GICC_BYTES, PRIO_MASK

__all__ = ["SPURIOUS", "CpuInterface", "Pending"]

SPURIOUS: Final = 1023
_OTHER_GROUP: Final = 1022  # v2 4.4.4: group 1 pending, AckCtl 0
IDLE_PRIO: Final = 0xFF
_GRP0, _GRP1, _ACKCTL, _CBPR, _EOIMODE = 1 << 0, 1 << 1, 1 << 2, 1 << 4, 1 << 9
_CTLR_MASK: Final = 0x21F
_MIN_BPR: Final = 2  # 5 priority bits: 7..3 (v2 3.3.3)
_SPECIAL: Final = 1020
_LEVEL_SHIFT: Final = 3


class Pending(NamedTuple):
    """The highest priority pending interrupt of a vCPU."""

    prio: int
    intid: int
    source: int
    group: int


@dataclass
class _State:
    """Registers of one vCPU's interface; `apr` has one bit a preemption level."""

    ctlr: int = 0
    pmr: int = 0
    bpr: int = _MIN_BPR
    abpr: int = _MIN_BPR + 1
    apr: int = 0


class CpuInterface(Frame):
    """The CPU interfaces of one VM, banked by vCPU. A load of IAR acknowledges.

    Parameters
    ----------
    port
        Holder of interrupt state.
    distributor
        Forwards nothing while GICD_CTLR disables it; None: always enabled.

    Examples
    --------
    >>> from pyemu.gic import MemoryPort
    >>> port = MemoryPort(n_vcpus=1)
    >>> gicc = CpuInterface(port)
    >>> _ = gicc.write(0x0, 4, 1), gicc.write(0x4, 4, 0xF0)
    >>> port.set(0, 27, "enabled", 1), port.set(0, 27, "line", 1)
    (None, None)
    >>> gicc.read(0xC, 4), gicc.read(0xC, 4)
    (27, 1023)
    """

    table = GICC
    n_bytes = GICC_BYTES

    def __init__(self, port: VgicPort, distributor: Distributor | None = None) -> None:
        super().__init__(port)
        self.distributor = distributor
        self._states = [_State() for _ in range(port.n_vcpus)]

    def state(self) -> list[list[int]]:
        """Return ctlr, pmr, bpr, abpr and apr of each vCPU's interface."""
        return [list(astuple(one)) for one in self._states]

    def put_back(self, state: list[list[int]]) -> None:
        """Restore what `state` returned."""
        self._states = [_State(*one) for one in state]

    # which interrupt (v2 3.3, 4.4.7)

    def best(self, vcpu: int) -> Pending | None:
        """Return the highest priority pending interrupt of an enabled group.

        Lower values are higher priorities; equal ones go by INTID. PMR and the running
        priority do not matter here. A disabled distributor forwards none (v2 4.3.1).
        """
        if self.distributor is not None and not self.distributor.enabled:
            return None
        ctlr = self._states[vcpu].ctlr
        found = None
        for intid in range(min(self.port.n_irqs, _SPECIAL)):
            group = self.port.get(vcpu, intid, "group")
            wanted = ctlr & (_GRP1 if group else _GRP0)
            if wanted and self._eligible(vcpu, intid):
                prio = self.port.get(vcpu, intid, "prio") & PRIO_MASK
                if found is None or prio < found.prio:
                    found = Pending(prio, intid, self._source(vcpu, intid), group)
        return found

    def _eligible(self, vcpu: int, intid: int) -> bool:
        get = self.port.get
        if not get(vcpu, intid, "enabled") or get(vcpu, intid, "active"):
            return False
        spi = intid >= N_PPIS_AND_SGIS
        if spi and not get(vcpu, intid, "targets") >> vcpu & 1:
            return False
        return is_pending(self.port, vcpu, intid)

    def _source(self, vcpu: int, intid: int) -> int:
        """Return the lowest CPU that has this SGI pending."""
        if intid >= N_SGIS:
            return 0
        mask = self.port.get(vcpu, intid, "sources")
        return (mask & -mask).bit_length() - 1 if mask else 0

    def _group_prio(self, state: _State, one: Pending) -> int:
        """Return the part of a priority that preempts (v2 3.3.3)."""
        if one.group and not state.ctlr & _CBPR:
            return one.prio & (0xFF << state.abpr)
        return one.prio & (0xFF << state.bpr + 1)

    def _running(self, state: _State) -> int:
        if state.apr == 0:
            return IDLE_PRIO
        return ((state.apr & -state.apr).bit_length() - 1) << _LEVEL_SHIFT

    # loads

    def read_ctlr(self, vcpu: int) -> int:
        """Return enables, AckCtl, CBPR, EOImode."""
        return self._states[vcpu].ctlr

    def read_pmr(self, vcpu: int) -> int:
        """Return the priority mask."""
        return self._states[vcpu].pmr

    def read_bpr(self, vcpu: int) -> int:
        """Return the binary point."""
        return self._states[vcpu].bpr

    def read_abpr(self, vcpu: int) -> int:
        """Return the binary point of group 1."""
        return self._states[vcpu].abpr

    def read_apr(self, vcpu: int) -> int:
        """Return the active preemption levels."""
        return self._states[vcpu].apr

    def read_rpr(self, vcpu: int) -> int:
        """Return the running priority, 0xff when idle."""
        return self._running(self._states[vcpu])

    def read_hppir(self, vcpu: int) -> int:
        """Return the highest priority pending interrupt, not acknowledged."""
        one = self.best(vcpu)
        if one is None:
            return SPURIOUS
        if one.group and not self._states[vcpu].ctlr & _ACKCTL:
            return _OTHER_GROUP
        return one.intid | one.source << 10

    def read_iar(self, vcpu: int) -> int:
        """Acknowledge: pending becomes active; 1023 if nothing may preempt."""
        state, one = self._states[vcpu], self.best(vcpu)
        if one is None or one.prio >= state.pmr:
            return SPURIOUS
        level = self._group_prio(state, one)
        if level >= self._running(state):
            return SPURIOUS
        if one.group and not state.ctlr & _ACKCTL:
            return _OTHER_GROUP
        state.apr |= 1 << (level >> _LEVEL_SHIFT)
        self.change("active", one.intid, vcpu, 1)
        left = 0
        if one.intid < N_SGIS:
            left = self.port.get(vcpu, one.intid, "sources") & ~(1 << one.source)
            self.change("sources", one.intid, vcpu, left)
        self.change("latch", one.intid, vcpu, int(left != 0))
        return one.intid | one.source << 10

    # stores

    def _set(self, vcpu: int, name: str, value: int) -> list[Effect]:
        state = self._states[vcpu]
        if getattr(state, name) == value:
            return []
        setattr(state, name, value)
        return [Effect(name, vcpu, -1, value)]

    def write_ctlr(self, value: int, vcpu: int) -> list[Effect]:
        """Set it; reserved bits are RES0."""
        return self._set(vcpu, "ctlr", value & _CTLR_MASK)

    def write_pmr(self, value: int, vcpu: int) -> list[Effect]:
        """Set it; unimplemented low bits are RAZ/WI."""
        return self._set(vcpu, "pmr", value & PRIO_MASK)

    def write_bpr(self, value: int, vcpu: int) -> list[Effect]:
        """Set it; a value below the minimum sets the minimum (v2 4.4.3)."""
        return self._set(vcpu, "bpr", max(value & 7, _MIN_BPR))

    def write_abpr(self, value: int, vcpu: int) -> list[Effect]:
        """Set it as BPR; its minimum is one more (v2 4.4.8)."""
        return self._set(vcpu, "abpr", max(value & 7, _MIN_BPR + 1))

    def write_apr(self, value: int, vcpu: int) -> list[Effect]:
        """Set it: for whoever restores a guest."""
        return self._set(vcpu, "apr", value)

    def write_eoir(self, value: int, vcpu: int) -> list[Effect]:
        """Drop the priority; with EOImode 0 deactivate too (v2 4.4.5)."""
        intid, state = value & 0x3FF, self._states[vcpu]
        if self.hidden(intid):
            return []
        effects = self._set(
            vcpu, "apr", state.apr & (state.apr - 1) if state.apr else 0
        )
        if not state.ctlr & _EOIMODE:
            effects += self.change("active", intid, vcpu, 0)
        return effects

    def write_dir(self, value: int, vcpu: int) -> list[Effect]:
        """Deactivate; only with EOImode 1 (v2 4.4.15)."""
        intid = value & 0x3FF
        if self.hidden(intid) or not self._states[vcpu].ctlr & _EOIMODE:
            return []
        return self.change("active", intid, vcpu, 0)
