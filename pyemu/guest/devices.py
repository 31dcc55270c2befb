"""Devices of user space: what a VMM does with an access that KVM hands up.

A device sees offsets into its frame. What it changes outside itself goes through its
`Line` to the VM: console, power, interrupts, the measured region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..errors import unknown_name
from .board import CONSOLE, DeviceSpec
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
        self.reads = 0

    def read(self, offset: int, size: int) -> int:
        """Return a running number."""
        self.reads += 1
        return self.reads

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
    "testdev": RecorderDev,
    "uart8250": Uart8250,
    "virtio-mmio": VirtioSlots,
}


def make(spec: DeviceSpec, wires: Wires) -> Device:
    """Return a device of a board, other than the `CONSOLE`, which the core has.

    Raises
    ------
    ConfigError
        For an unknown kind.
    """
    if spec.kind not in DEVICES:
        known = [CONSOLE, *DEVICES]
        raise unknown_name("board.device.kind", spec.kind, known)
    return DEVICES[spec.kind](wires)
