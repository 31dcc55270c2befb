"""Devices of user space: what a VMM does with an access that KVM hands up.

A device sees offsets into its frame. What it changes outside itself goes through its
`Line` to the VM: console, power, interrupts, the measured region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..errors import unknown_name
from .board import DeviceSpec
from .console import Console

__all__ = ["DEVICES", "Device", "Outcome", "Wires", "make"]


@dataclass
class Outcome:
    """What a VM has said so far.

    Attributes
    ----------
    console
        Every byte it printed.
    results
        Numbers it reported, by slot.
    exit_code
        What it handed to the exit device; None before.
    """

    console: Console = field(default_factory=Console)
    results: dict[int, int] = field(default_factory=dict)
    exit_code: int | None = None


@dataclass(frozen=True)
class Wires:
    """What a device can reach.

    Attributes
    ----------
    outcome
        The VM's.
    power_off
        Ends the VM.
    set_line
        Sets the level of an SPI.
    region
        Begins (True) or ends the measured region.
    """

    outcome: Outcome
    power_off: Callable[[], None]
    set_line: Callable[[int, int], None]
    region: Callable[[bool], None]


class Device(Protocol):
    """A frame of registers."""

    def read(self, offset: int, size: int) -> int:
        """Return what a load sees."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Do what a store does."""


class Mailbox:
    """The recorder's device: console, exit, a no-op, 32 results."""

    PUTC: Final = 0x00
    EXIT: Final = 0x08
    RESULTS: Final = 0x100

    def __init__(self, wires: Wires) -> None:
        self._wires = wires

    def read(self, offset: int, size: int) -> int:
        """Return 0: it has nothing to read."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Print, end, keep a result; anything else is the no-op."""
        out = self._wires.outcome
        if offset == self.PUTC:
            out.console.put(value & 0xFF)
        elif offset == self.EXIT:
            out.exit_code = value
            self._wires.power_off()
        elif self.RESULTS <= offset < self.RESULTS + 32 * 8:
            out.results[(offset - self.RESULTS) // 8] = value


class Uart8250:
    """A transmitter that is always empty; no interrupt, no input."""

    LSR: Final = 5

    def __init__(self, wires: Wires) -> None:
        self._wires = wires

    def read(self, offset: int, size: int) -> int:
        """Return the line status: empty; other registers read 0."""
        return 0x60 if offset == self.LSR else 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Print a byte."""
        if offset == 0:
            self._wires.outcome.console.put(value & 0xFF)


class RecorderDev:
    """The 6.1 recorder's device: counter, exit, marks, SPI lines."""

    EXIT: Final = 0x08
    LOG: Final = 0x10
    RAISE: Final = 0x18
    LOWER: Final = 0x20
    BEGIN: Final = 0xB0B
    END: Final = 0xE0E

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._reads = 0

    def read(self, offset: int, size: int) -> int:
        """Return a running number."""
        self._reads += 1
        return self._reads

    def write(self, offset: int, size: int, value: int) -> None:
        """End, mark, or drive an SPI."""
        wires = self._wires
        if offset == self.EXIT:
            wires.outcome.exit_code = value
            wires.power_off()
        elif offset == self.LOG and value in (self.BEGIN, self.END):
            wires.region(value == self.BEGIN)
        elif offset in (self.RAISE, self.LOWER):
            wires.set_line(value, int(offset == self.RAISE))


class Pl011:
    """An Arm PL011: transmits at once, receives nothing; one interrupt, for TX."""

    DR: Final = 0x00
    FR: Final = 0x18
    IMSC: Final = 0x38
    RIS: Final = 0x3C
    MIS: Final = 0x40
    ICR: Final = 0x44
    TX: Final = 1 << 5
    FR_EMPTY: Final = 0x90  # transmit and receive FIFO empty
    ID: Final = (0x11, 0x10, 0x34, 0x00, 0x0D, 0xF0, 0x05, 0xB1)

    def __init__(self, wires: Wires, intid: int = 33) -> None:
        self._wires = wires
        self._intid = intid
        self._regs = {0x24: 0, 0x28: 0, 0x2C: 0, 0x30: 0x300, 0x34: 0x12, 0x38: 0}
        self._raw = 0
        self._level = 0

    def read(self, offset: int, size: int) -> int:
        """Return a register; unknown ones read 0."""
        if offset == self.FR:
            return self.FR_EMPTY
        if offset == self.RIS:
            return self._raw
        if offset == self.MIS:
            return self._raw & self._regs[self.IMSC]
        if 0xFE0 <= offset < 0x1000:
            return self.ID[(offset - 0xFE0) // 4]
        return self._regs.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Transmit, or store a register."""
        if offset == self.DR:
            self._wires.outcome.console.put(value & 0xFF)
            self._raw |= self.TX  # the FIFO has drained already
        elif offset == self.ICR:
            self._raw &= ~value
        elif offset in self._regs:
            self._regs[offset] = value & 0xFFFF
        level = int(self._raw & self._regs[self.IMSC] != 0)
        if level != self._level:
            self._level = level
            self._wires.set_line(self._intid, level)


class VirtioSlots:
    """Virtio transports of 0x200 bytes without devices behind them (virtio 4.2.2)."""

    SLOT: Final = 0x200
    FIXED: Final = {0x000: 0x74726976, 0x004: 2}  # magic, version; device 0 is none

    def __init__(self, wires: Wires) -> None:
        self._wires = wires

    def read(self, offset: int, size: int) -> int:
        """Return magic and version; all else is 0."""
        return self.FIXED.get(offset % self.SLOT, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Ignore it."""


DEVICES: Final[dict[str, Callable[[Wires], Device]]] = {
    "mailbox": Mailbox,
    "pl011": Pl011,
    "testdev": RecorderDev,
    "uart8250": Uart8250,
    "virtio-mmio": VirtioSlots,
}


def make(spec: DeviceSpec, wires: Wires) -> Device:
    """Return a device of a board.

    Raises
    ------
    ConfigError
        For an unknown kind.
    """
    if spec.kind not in DEVICES:
        raise unknown_name("board.device.kind", spec.kind, DEVICES)
    if spec.kind == "pl011":
        return Pl011(wires, spec.intid) if spec.intid else Pl011(wires)
    return DEVICES[spec.kind](wires)
