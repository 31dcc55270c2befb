"""Boards: where a machine code guest finds memory, interrupt controller and devices.

A board is a TOML file in ``data/boards``, or a user's own of the same form.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from ..config import truth, whole
from ..errors import ConfigError, TraceError, unknown_name

__all__ = ["CONSOLE", "Board", "DeviceSpec", "TreeSpec", "get", "names"]

PAGE: Final = 4096
U64: Final = 2**64 - 1
FIRST_SPI, LAST_SPI = 32, 127
UART_SPI: Final = 33
CONSOLE: Final = "pl011"
MOST_TREE: Final = 1 << 21  # Linux maps no more of it (booting.rst)
WORDS: Final = ("vcpu", "vcpus", "gic", "dtb")
KEYS: Final = (
    *("name", "title", "load", "entry", "boot", "marks", "populated", "ram", "gic"),
    *("regs", "device", "dtb"),
)


@dataclass(frozen=True)
class DeviceSpec:
    """A device of user space: its kind, its frame, bytes, and its interrupt."""

    kind: str
    base: int
    n_bytes: int
    intid: int = UART_SPI


@dataclass(frozen=True)
class TreeSpec:
    """Where a board's device tree goes, the room for it, its command line."""

    address: int
    n_bytes: int
    append: str


@dataclass(frozen=True)
class Board:
    """A memory map and the state a guest starts in.

    Attributes
    ----------
    load, entry
        Guest physical addresses: where a flat image goes, where vCPUs begin.
    boot_all
        Every vCPU starts at `entry`; otherwise PSCI starts all but the first.
    marks
        HINT 80 and 81 of the image bound the measured region.
    populated
        Memory is mapped from the start: no stage-2 faults.
    regs
        Start values of registers: a number, or ``vcpu``, ``vcpus``, ``gic``, ``dtb``.
    dtb
        The device tree's place; None if its guests find none.
    """

    name: str
    title: str
    load: int
    entry: int
    boot_all: bool
    marks: bool
    populated: bool
    ram: tuple[int, int]
    gicd: int
    gicc: int
    gicr: int
    regs: Mapping[str, int | str]
    devices: tuple[DeviceSpec, ...]
    dtb: TreeSpec | None = None

    @property
    def console(self) -> DeviceSpec | None:
        """The UART that the core emulates."""
        return next((one for one in self.devices if one.kind == CONSOLE), None)

    @property
    def frames(self) -> tuple[int, int, int]:
        """Addresses of the interrupt controller: GICD, GICC, GICR."""
        return self.gicd, self.gicc, self.gicr


def names() -> list[str]:
    """Return the names of the shipped boards."""
    folder = resources.files("pyemu") / "data" / "boards"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir())


@cache
def get(name: str) -> Board:
    """Return a shipped board, or the one a TOML file describes.

    Raises
    ------
    ConfigError
        For an unknown name or a description that cannot be.
    TraceError
        For a file that cannot be read.

    Examples
    --------
    >>> hex(get("vmm").entry)
    '0x80000000'
    """
    if name in names():
        file = resources.files("pyemu") / "data" / "boards" / f"{name}.toml"
        return _board(tomllib.loads(file.read_text(encoding="utf-8")))
    if not name.endswith(".toml"):
        raise unknown_name("board", name, names())
    try:
        return _board(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise TraceError(name, f"no readable board: {exc}") from exc


def _board(data: Mapping[str, Any]) -> Board:
    for key in data:
        if key not in KEYS:
            raise unknown_name("board", key, KEYS)
    for key in ("name", "load", "entry", "ram", "gic"):
        if key not in data:
            raise ConfigError(f"board.{key}", None, "a value: it has no default")
    ram, gic = data["ram"], data["gic"]
    boot = data.get("boot", "first")
    if boot not in ("all", "first"):
        raise unknown_name("board.boot", str(boot), ("all", "first"))
    return Board(
        name=str(data["name"]),
        title=str(data.get("title", "")),
        load=whole("board.load", data["load"], 0, U64),
        entry=whole("board.entry", data["entry"], 0, U64),
        boot_all=boot == "all",
        marks=truth("board.marks", data.get("marks", False)),
        populated=truth("board.populated", data.get("populated", False)),
        ram=(
            whole("board.ram.base", ram.get("base"), 0, U64),
            whole("board.ram.bytes", ram.get("bytes"), PAGE, 2**40),
        ),
        gicd=whole("board.gic.gicd", gic.get("gicd"), 0, U64),
        gicc=whole("board.gic.gicc", gic.get("gicc"), 0, U64),
        gicr=whole("board.gic.gicr", gic.get("gicr"), 0, U64),
        regs={key: start_value(key, v) for key, v in data.get("regs", {}).items()},
        devices=_devices(data.get("device", [])),
        dtb=_tree(data["dtb"]) if "dtb" in data else None,
    )


def _tree(data: Mapping[str, Any]) -> TreeSpec:
    append = data.get("append", "")
    if not isinstance(append, str):
        raise ConfigError("board.dtb.append", append, "a command line")
    return TreeSpec(
        whole("board.dtb.address", data.get("address"), 0, U64),
        whole("board.dtb.bytes", data.get("bytes"), PAGE, MOST_TREE),
        append,
    )


def start_value(name: str, value: object) -> int | str:
    """Return a register's start value, checked together with its name.

    Raises
    ------
    ConfigError
        For a register that does not exist or a value it cannot have.
    """
    if name not in ("sp", *(f"x{n}" for n in range(31))):
        raise ConfigError("board.regs", name, "x0 to x30 or sp")
    if isinstance(value, str):
        if value not in WORDS:
            raise unknown_name(f"board.regs.{name}", value, WORDS)
        return value
    return whole(f"board.regs.{name}", value, 0, U64)


def _devices(items: Sequence[Mapping[str, Any]]) -> tuple[DeviceSpec, ...]:
    devices = tuple(_device(one) for one in items)
    consoles = [one.base for one in devices if one.kind == CONSOLE]
    if len(consoles) > 1:
        raise ConfigError("board.device", consoles, f"at most one {CONSOLE}")
    return devices


def _device(data: Mapping[str, Any]) -> DeviceSpec:
    return DeviceSpec(
        str(data.get("kind")),
        whole("board.device.base", data.get("base"), 0, U64),
        whole("board.device.bytes", data.get("bytes"), 1, 2**40),
        whole("board.device.intid", data.get("intid", UART_SPI), FIRST_SPI, LAST_SPI),
    )
