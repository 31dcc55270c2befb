"""Guest-visible registers of the GIC: distributor, redistributors, CPU interface.

What a guest's load or store to a GIC frame does, as tables of registers, on top of any
object that holds interrupt state (`VgicPort`). Independent of the core: `MemoryPort`
is a plain holder of state to try registers on. `Gic` puts a VM's frames at the
addresses of its board.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ..errors import ConfigError, GuestError
from .cpuif import CpuInterface
from .distributor import Distributor
from .frame import Frame
from .port import Effect, MemoryPort, VgicPort
from .redistributor import Redistributor
from .regmap import (
    GICC,
    GICC_BYTES,
    GICD_BYTES,
    GICD_V2,
    GICD_V3,
    GICR,
    GICR_BYTES,
    Register,
)

__all__ = [
    "GICC",
    "GICD_V2",
    "GICD_V3",
    "GICR",
    "VIRT",
    "Board",
    "CpuInterface",
    "Distributor",
    "Effect",
    "Gic",
    "MemoryPort",
    "Place",
    "Redistributor",
    "Register",
    "VgicPort",
]


@dataclass(frozen=True)
class Board:
    """Guest physical addresses of the frames, bytes.

    Attributes
    ----------
    gicd
        Distributor; aligned to 4 KiB on GICv2, to 64 KiB on GICv3.
    gicc
        GICv2 CPU interface; aligned to 4 KiB.
    gicr
        GICv3 redistributors, 128 KiB a vCPU without gaps; aligned to 64 KiB.
    """

    gicd: int
    gicc: int
    gicr: int


# The machine that QEMU calls virt, which kvm-unit-tests runs on.
VIRT: Final = Board(gicd=0x0800_0000, gicc=0x0801_0000, gicr=0x080A_0000)


class Place(NamedTuple):
    """A frame and a byte of it."""

    frame: Frame
    offset: int


class Gic:
    """All frames of one VM at their addresses.

    Parameters
    ----------
    port
        Holder of interrupt state.
    version
        2 or 3.
    board
        Where the frames are.

    Raises
    ------
    ConfigError
        For another version, or frames that are misaligned or overlap.

    Examples
    --------
    >>> gic = Gic(MemoryPort(n_vcpus=2, version=3), version=3)
    >>> hex(gic.read(0x080C_0008, 4)), gic.decode(0x0801_0000)
    ('0x110', None)
    >>> gic.write(0x080D_0100, 4, 1 << 27)
    [Effect(kind='enabled', vcpu=1, intid=27, value=1)]
    """

    def __init__(self, port: VgicPort, version: int = 2, board: Board = VIRT) -> None:
        self.port = port
        self.board = board
        self.version = version
        self.distributor = Distributor(port, version)
        self.cpu_interface = CpuInterface(port, self.distributor)
        if version == 2:
            self._second, self._second_bytes = board.gicc, GICC_BYTES
        else:
            self._second, self._second_bytes = board.gicr, GICR_BYTES * port.n_vcpus
        self._check_board()

    def _check_board(self) -> None:
        align = 0x1000 if self.version == 2 else 0x10000
        second = "gicc" if self.version == 2 else "gicr"
        for name, base in (("gicd", self.board.gicd), (second, self._second)):
            if base < 0 or base % align:
                raise ConfigError(f"gic.{name}", base, f"a multiple of {align:#x}")
        end = self.board.gicd + GICD_BYTES[self.version]
        if self.board.gicd < self._second + self._second_bytes and self._second < end:
            raise ConfigError(f"gic.{second}", self._second, "apart from gicd")

    def decode(self, address: int) -> Place | None:
        """Return the frame and offset of a guest physical address, None if no GIC's.

        A GICv2 has GICD and GICC, a GICv3 GICD and the redistributors (its CPU
        interface is system registers; v3 12.1).
        """
        offset = address - self.board.gicd
        if 0 <= offset < GICD_BYTES[self.version]:
            return Place(self.distributor, offset)
        offset = address - self._second
        if not 0 <= offset < self._second_bytes:
            return None
        if self.version == 2:
            return Place(self.cpu_interface, offset)
        owner, offset = divmod(offset, GICR_BYTES)
        return Place(Redistributor(self.port, owner), offset)

    def _place(self, address: int, size: int, vcpu: int) -> Place:
        place = self.decode(address)
        if place is None or place.offset > place.frame.n_bytes - size:
            raise GuestError(f"no GIC frame holds {size} bytes at {address:#x}", vcpu)
        return place

    def read(self, address: int, size: int, *, vcpu: int = 0) -> int:
        """Return what a load of 1, 2, 4 or 8 bytes by a vCPU sees.

        Raises
        ------
        GuestError
            If no frame of the GIC is there.
        ConfigError
            For a size of no load, an unknown vCPU.
        """
        frame, offset = self._place(address, size, vcpu)
        return frame.read(offset, size, vcpu=vcpu)

    def write(
        self, address: int, size: int, value: int, *, vcpu: int = 0
    ) -> list[Effect]:
        """Do what a store by a vCPU does and return the effects in order.

        Raises
        ------
        GuestError, ConfigError
            As `read`; ConfigError also for a value that does not fit the size.
        """
        frame, offset = self._place(address, size, vcpu)
        return frame.write(offset, size, value, vcpu=vcpu)
