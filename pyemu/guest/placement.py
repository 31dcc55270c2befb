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
MOST_BEHIND: Final = 128 << 20


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
    """The parts by address; where vCPUs begin; where disk and tree are."""

    parts: tuple[Part, ...]
    entry: int
    initrd: tuple[int, int] | None = None
    tree: int = 0


def _up(address: int) -> int:
    return (address + ALIGN - 1) // ALIGN * ALIGN


def _slot(image: Image, board: Board) -> Part | None:
    """Return the room of the device tree.

    A flat program does not say how much memory it uses behind itself (BSS, stack), and
    may want the tree behind all of it: half way up, as boot loaders put it.
    """
    spec, (base, size) = board.dtb, board.ram
    if spec is None:
        return None
    high = base + _up(min(size // 2, MOST_BEHIND))
    inside = base <= spec.address < base + size
    behind = image.kind == "flat" and inside and high + spec.n_bytes <= base + size
    return Part("dtb", high if behind else spec.address, spec.n_bytes)


def _image(image: Image, board: Board, slot: Part | None) -> tuple[list[Part], int]:
    """Return an image's parts and its entry."""
    if image.kind == "elf":
        base = 0
    elif image.kind == "flat":
        base = board.load
    elif slot is None:
        words = "a board with a device tree, such as virt, for a Linux Image"
        raise ConfigError("board", board.name, words)
    else:
        inside = board.ram[0] <= slot.at < sum(board.ram)
        base = _up(slot.end if inside else board.ram[0])
    entry = board.entry if image.kind == "flat" else base + image.entry
    parts = [Part("image", base + s.at, s.size, s.data) for s in image.segments]
    return parts, entry


def place(image: Image, board: Board, boot: Boot, *, wants_tree: bool) -> Placed:
    """Lay everything out and check that it fits.

    Raises
    ------
    ConfigError
        For what lies outside RAM or on something else, by name.

    Examples
    --------
    >>> from pyemu.guest import board, image
    >>> flat = image.read("x", bytes(8))
    >>> hex(place(flat, board.get("virt"), Boot(), wants_tree=True).entry)
    '0x40080000'
    """
    spec = board.dtb
    if spec is None and wants_tree:
        raise ConfigError("board.dtb", None, "a place: a register starts with it")
    slot = _slot(image, board) if wants_tree else None
    parts, entry = _image(image, board, slot)
    initrd = None
    if boot.initrd is not None:
        if slot is None:
            words = "a board and an image that read a device tree, such as virt's"
            raise ConfigError("initrd", f"{len(boot.initrd)} bytes", words)
        at = _up(max(part.end for part in parts))
        parts.append(Part("initrd", at, len(boot.initrd), boot.initrd))
        initrd = (at, at + len(boot.initrd))
    if slot is not None:
        parts.append(slot)
    _check(parts, board)
    return Placed(tuple(parts), entry, initrd, slot.at if slot else 0)


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
    chosen = devicetree.Chosen(append, placed.initrd)
    if boot.dtb is None:
        blob = devicetree.build(board, *machine, chosen)
    elif boot.append is None and boot.initrd is None:
        blob = boot.dtb
    else:
        blob = devicetree.patch("dtb", boot.dtb, chosen)
    if len(blob) > spec.n_bytes:
        words = f"at most {spec.n_bytes} bytes, its slot at {placed.tree:#x}"
        raise ConfigError("dtb", f"{len(blob)} bytes", words)
    return blob
