"""GICD: the distributor's registers, GICv2 with banked private interrupts, or GICv3.

On GICv2 the first 32 interrupts are banked by the accessing CPU, SGIs carry their
source and are sent by GICD_SGIR. On GICv3 affinity routing is always on: private
interrupts live in the redistributors (RAZ/WI here), SPIs are routed by GICD_IROUTER.
"""

from __future__ import annotations

from typing import Final

from ..errors import ConfigError
from .frame import Frame
from .port import N_PPIS_AND_SGIS, N_SGIS, Effect, VgicPort
from .regmap import GICD_BYTES, GICD_V2, GICD_V3, Register

__all__ = ["Distributor"]

_ENABLE: Final = {2: 1 << 0, 3: 1 << 1}  # v2 EnableGrp0 as KVM has it; v3 EnableGrp1
_ARE, _DS = 1 << 4, 1 << 6  # v3 12.9
_ID_BITS: Final = 10  # v3 TYPER.IDbits: INTIDs 0-1023
_AFFINITY: Final = 0xFF_00FF_FFFF  # Aff3, Aff2..Aff0 of IROUTER


class Distributor(Frame):
    """One VM's distributor.

    Parameters
    ----------
    port
        Holder of interrupt state.
    version
        2 or 3.

    Raises
    ------
    ConfigError
        For another version.

    Examples
    --------
    >>> from pyemu.gic import MemoryPort
    >>> gicd = Distributor(MemoryPort(n_vcpus=2), version=2)
    >>> gicd.write(0x100, 4, 1 << 27, vcpu=1)
    [Effect(kind='enabled', vcpu=1, intid=27, value=1)]
    >>> hex(gicd.read(0x180, 4, vcpu=1)), hex(gicd.read(0x180, 4, vcpu=0))
    ('0x800ffff', '0xffff')
    """

    def __init__(self, port: VgicPort, version: int = 2) -> None:
        if version not in GICD_BYTES:
            raise ConfigError("gic.version", version, "2 or 3")
        super().__init__(port)
        self.version = version
        self.enabled = False
        self.table = GICD_V2 if version == 2 else GICD_V3
        self.n_bytes = GICD_BYTES[version]

    def hidden(self, intid: int) -> bool:
        """Return whether RAZ/WI: with ARE private interrupts are in GICR (v3 12.9)."""
        private = self.version == 3 and intid < N_PPIS_AND_SGIS
        return private or super().hidden(intid)

    # GICD_CTLR, GICD_TYPER

    def read_ctlr(self, _vcpu: int) -> int:
        """Return the enable bit; v3: ARE and DS are fixed to 1, RWP to 0."""
        on = _ENABLE[self.version] if self.enabled else 0
        return on if self.version == 2 else on | _ARE | _DS

    def write_ctlr(self, value: int, vcpu: int) -> list[Effect]:
        """Set the enable bit, the only writable one."""
        enabled = bool(value & _ENABLE[self.version])
        if enabled == self.enabled:
            return []
        self.enabled = enabled
        return [Effect("dist_enable", vcpu, -1, int(enabled))]

    def read_typer(self, _vcpu: int) -> int:
        """Return ITLinesNumber; v2: CPUNumber; v3: IDbits."""
        lines = self.port.n_irqs // 32 - 1
        if self.version == 2:
            return lines | (self.port.n_vcpus - 1) << 5
        return lines | (_ID_BITS - 1) << 19

    # arrays that differ from the common rules

    def get_field(self, register: Register, intid: int, vcpu: int) -> int:
        """Return a field; ITARGETSR0-7 read as the accessing CPU (v2 4.3.12)."""
        if register.rule == "targets" and intid < N_PPIS_AND_SGIS:
            return 1 << vcpu
        return super().get_field(register, intid, vcpu)

    def set_field(
        self, register: Register, intid: int, vcpu: int, value: int
    ) -> list[Effect]:
        """Write a field; targets, routes and pending SGIs have rules of their own."""
        if register.rule == "targets":
            if intid < N_PPIS_AND_SGIS:
                return []
            there = (1 << self.port.n_vcpus) - 1
            return self.change("targets", intid, vcpu, value & there)
        if register.rule == "route":
            return self.change("route", intid, vcpu, value & _AFFINITY)
        if register.field == "pending" and intid < N_SGIS:
            return []  # v2 4.3.7: read-only, GICD_SPENDSGIR is for that
        return super().set_field(register, intid, vcpu, value)

    def set_bits(
        self, field: str, intid: int, vcpu: int, bits: int, on: bool
    ) -> list[Effect]:
        """Change bits; an SGI is pending while it has sources (v2 4.3.16)."""
        if field == "sources":
            bits &= (1 << self.port.n_vcpus) - 1
        effects = super().set_bits(field, intid, vcpu, bits, on)
        if field == "sources":
            left = self.port.get(vcpu, intid, "sources")
            effects += self.change("latch", intid, vcpu, int(left != 0))
        return effects

    # GICD_SGIR (v2 4.3.15), write-only

    def write_sgir(self, value: int, vcpu: int) -> list[Effect]:
        """Send an SGI: to a list of CPUs, to all others, or to oneself."""
        intid, mask, chosen = value & 0xF, value >> 16 & 0xFF, value >> 24 & 3
        everyone = (1 << self.port.n_vcpus) - 1
        lists = {0: mask & everyone, 1: everyone & ~(1 << vcpu), 2: 1 << vcpu}
        chosen_mask = lists.get(chosen, 0)  # 3 is reserved: nobody
        targets = [v for v in range(self.port.n_vcpus) if chosen_mask >> v & 1]
        facts = [(v, f) for v in targets for f in ("sources", "latch")]
        before = [self.port.get(v, intid, fact) for v, fact in facts]
        if targets:
            self.port.send_sgi(vcpu, targets, intid)
        effects = [Effect("sgi", target, intid, vcpu) for target in targets]
        for (v, fact), old in zip(facts, before, strict=True):
            now = self.port.get(v, intid, fact)
            if now != old:
                effects.append(Effect(fact, v, intid, now))
        return effects
