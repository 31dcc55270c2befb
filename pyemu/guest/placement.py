"""Where a guest's image, initial RAM disk and device tree lie in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ..errors import ConfigError
from . import devicetree
from .board import Board
from .image import Image

__all__ = ["Boot", "Part", "Placed", "place", "tree"]

ALIGN: Final = 1 << 21  # of a Linux Image's base (booting.rst), and of what follows it


@dataclass(frozen=True)
class Boot:
    """What a boot loader hands over besides the image.

    Attributes
    ----------
    initrd
        Initial RAM disk.
    append
        Kernel command line instead of the board's.
    dtb
        Device tree instead of the one the board builds; `initrd` and `append` are
        written into it.
    """

    initrd: bytes | None = None
    append: str | None = None
    dtb: bytes | None = None


@dataclass(frozen=True)
class Part:
    """Something in memory: its name, first address, room and contents."""

    name: str
    at: int
    size: int
    data: bytes = b""

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.at + self.size


@dataclass(frozen=True)
class Placed:
    """The parts; where vCPUs begin; device tree and RAM disk, if there are."""

    parts: tuple[Part, ...]
    entry: int
    dtb: Part | None = None
    initrd: Part | None = None


def _up(address: int) -> int:
    return (address + ALIGN - 1) // ALIGN * ALIGN


def _image(image: Image, board: Board) -> tuple[list[Part], int]:
    """Return an image's parts and its entry."""
    base = {"elf": 0, "flat": board.load}.get(image.kind, _up(board.load))
    entry = board.entry if image.kind == "flat" else base + image.entry
    parts = [Part("image", base + s.at, s.size, s.data) for s in image.segments]
    return parts, entry


def _refuse_without_tree(image: Image, board: Board, boot: Boot) -> None:
    """Refuse what needs a device tree where no guest finds one."""
    if image.kind == "linux":
        words = "a board with a device tree, such as virt, for a Linux Image"
        raise ConfigError("board", board.name, words)
    for name, value in (("initrd", boot.initrd), ("dtb", boot.dtb)):
        if value is not None:
            words = "a board and registers that hand a device tree over, such as virt's"
            raise ConfigError(name, f"{len(value)} bytes", words)


def place(image: Image, board: Board, boot: Boot, *, wants_tree: bool) -> Placed:
    """Lay everything out, image, tree, RAM disk, and check that it fits.

    Raises
    ------
    ConfigError
        For what lies outside RAM or on something else, by name.

    Examples
    --------
    >>> from pyemu.guest import board, image
    >>> flat = image.read("x", bytes(8))
    >>> placed = place(flat, board.get("virt"), Boot(), wants_tree=True)
    >>> hex(placed.entry), hex(placed.dtb.at)
    ('0x40080000', '0x40200000')
    """
    spec = board.dtb
    if spec is None and wants_tree:
        raise ConfigError("board.dtb", None, "a place: a register starts with it")
    parts, entry = _image(image, board)
    dtb = initrd = None
    if spec is None or not wants_tree:
        _refuse_without_tree(image, board, boot)
    else:
        end = max(part.end for part in parts)
        dtb = Part("dtb", _up(end), spec.n_bytes)
        parts.append(dtb)
        if boot.initrd is not None:
            initrd = Part("initrd", _up(dtb.end), len(boot.initrd), boot.initrd)
            parts.append(initrd)
    _check(parts, board)
    return Placed(tuple(parts), entry, dtb, initrd)


def _check(parts: list[Part], board: Board) -> None:
    base, size = board.ram
    for part in parts:
        if part.at < base or part.end > base + size:
            words = f"inside RAM ({size} bytes at {base:#x}) from {part.at:#x}"
            raise ConfigError(part.name, f"{part.size} bytes", words)
    ordered = sorted(parts, key=lambda part: part.at)
    for one, other in pairwise(ordered):
        if one.end > other.at:
            words = f"apart from {one.name}, which is {one.at:#x} to {one.end:#x}"
            raise ConfigError(other.name, hex(other.at), words)


def tree(placed: Placed, board: Board, boot: Boot, machine: tuple[int, int]) -> bytes:
    """Return the device tree for a machine: GIC version and number of vCPUs.

    Raises
    ------
    ConfigError
        For a tree larger than its slot; without libfdt.
    TraceError
        For a user's tree that is none.
    """
    spec = board.dtb
    if spec is None:
        raise ConfigError("board.dtb", None, "a place for the device tree")
    append = spec.append if boot.append is None else boot.append
    disk = (placed.initrd.at, placed.initrd.end) if placed.initrd else None
    chosen = devicetree.Chosen(append, disk)
    if boot.dtb is None:
        blob = devicetree.build(board, *machine, chosen)
    elif boot.append is None and boot.initrd is None:
        blob = boot.dtb
    else:
        blob = devicetree.patch("dtb", boot.dtb, chosen)
    if len(blob) > spec.n_bytes:
        words = f"at most {spec.n_bytes} bytes, the board's room for it"
        raise ConfigError("dtb", f"{len(blob)} bytes", words)
    return blob
