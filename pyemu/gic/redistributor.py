"""GICR: one redistributor a vCPU, its two 64 KiB frames as one range of offsets.

RD_base (TYPER, WAKER, identification) is at offset 0; SGI_base, which holds
the vCPU's private interrupts, at 0x10000 (v3 12.10).
"""

from __future__ import annotations

from typing import Final

from ..errors import ConfigError
from .frame import Frame
from .port import N_PPIS_AND_SGIS, Effect, VgicPort
from .regmap import GICR, GICR_BYTES

__all__ = ["Redistributor"]

_LAST: Final = 1 << 4


class Redistributor(Frame):
    """The redistributor of one vCPU; any vCPU may access it.

    Parameters
    ----------
    port
        Holder of interrupt state.
    owner
        vCPU whose redistributor it is.
    last
        Whether it is the last of its region; None: if the vCPU is the VM's last.

    Raises
    ------
    ConfigError
        If there is no such vCPU.

    Examples
    --------
    >>> from pyemu.gic import MemoryPort
    >>> gicr = Redistributor(MemoryPort(n_vcpus=2, version=3), owner=1)
    >>> hex(gicr.read(0x8, 8))
    '0x100000110'
    """

    table = GICR
    n_bytes = GICR_BYTES

    def __init__(self, port: VgicPort, owner: int, last: bool | None = None) -> None:
        if not 0 <= owner < port.n_vcpus:
            raise ConfigError("gic.owner", owner, f"0 to {port.n_vcpus - 1}")
        super().__init__(port)
        self.owner = owner
        self.last = owner == port.n_vcpus - 1 if last is None else last

    def hidden(self, intid: int) -> bool:
        """Return whether RAZ/WI: the SGI frame holds SGIs and PPIs."""
        return intid >= N_PPIS_AND_SGIS

    def read(self, offset: int, size: int, *, vcpu: int = 0) -> int:
        """Return as `Frame.read` what belongs to the owner, whoever reads."""
        return super().read(offset, size, vcpu=self.owner)

    def write(
        self, offset: int, size: int, value: int, *, vcpu: int = 0
    ) -> list[Effect]:
        """Do as `Frame.write` to what belongs to the owner."""
        return super().write(offset, size, value, vcpu=self.owner)

    def read_typer(self, _vcpu: int) -> int:
        """Return affinity at 63..32, Processor_Number at 23..8, Last at 4; no LPIs."""
        low = self.owner << 8 | (_LAST if self.last else 0)
        return self.port.affinity(self.owner) << 32 | low
