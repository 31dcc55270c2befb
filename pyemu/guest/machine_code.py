"""Guests of machine code: an image on a board, as a load like any other.

>>> from pyemu.guest import machine_code
>>> machine_code.load("eager-vs-lazy", regs={"x3": 10}).name
'code:eager-vs-lazy'
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from .. import _ffi
from .._ffi_code import PC, SP, CodeCore
from ..config import whole
from ..errors import ConfigError, TraceError
from ..gic.regmap import GICR_BYTES
from . import cpio
from . import image as images_of
from .board import PAGE, Board, start_value
from .board import get as get_board
from .image import Image
from .loads import Load
from .ops import U32
from .placement import Boot, Placed, place, tree
from .workload import Clock, Start, Workload

__all__ = [
    "Boot",
    "MachineCode",
    "image_bytes",
    "images",
    "initrd_bytes",
    "initrds",
    "load",
]

GICD_BYTES: Final = {2: 0x1000, 3: 0x10000}
DEFAULT_BOARD: Final = "virt"
BOARD_OF: Final = {"eager-vs-lazy": "vmm", "linux-6.1": "tinyvm"}  # of shipped images


@dataclass(frozen=True)
class MachineCode:
    """An image, its board and the registers its vCPUs start with.

    Attributes
    ----------
    image
        What runs; a flat one at the board's load address.
    boot
        Initial RAM disk, command line, device tree.
    regs
        Start values that replace the board's.
    cost_cyc
        Cycles by instruction class, in the order of ``enum a64_cost_class``; 0 is 1.
    """

    image: Image
    board: Board
    regs: Mapping[str, int | str] = field(default_factory=dict)
    boot: Boot = field(default_factory=Boot)
    cost_cyc: tuple[int, ...] = ()
    trap_ids: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be placed."""
        base, n_bytes = self.board.ram
        if base % PAGE or n_bytes % PAGE:
            raise ConfigError("board.ram", [base, n_bytes], "multiples of 4 KiB")
        for name, value in self.regs.items():
            start_value(name, value)
        self.placed()

    @property
    def wants_tree(self) -> bool:
        """Whether a register starts with the device tree's address."""
        return "dtb" in {**self.board.regs, **self.regs}.values()

    def placed(self) -> Placed:
        """Return where everything goes."""
        return place(self.image, self.board, self.boot, wants_tree=self.wants_tree)

    def digest(self) -> bytes:
        """Return what tells this guest from another one: its bytes and its board."""
        out = hashlib.sha256(repr((self.board, sorted(self.regs.items()))).encode())
        out.update(repr((self.cost_cyc, self.trap_ids, self.boot.append)).encode())
        for part in self.placed().parts:
            out.update(repr((part.at, len(part.data))).encode() + part.data)
        return out.digest() + hashlib.sha256(self.boot.dtb or b"").digest()

    def config(self, version: int, n_vcpus: int) -> dict[str, Any]:
        """Return the fields of ``struct pyemu_code_config``."""
        board = self.board
        base, n_bytes = board.ram
        v3 = version == 3
        return {
            "regions": [{"base": base, "bytes": n_bytes, "rom": 0}],
            "n_regions": 1,
            "gicd": board.gicd,
            "gicd_bytes": GICD_BYTES[version],
            "gicr": board.gicr if v3 else 0,
            "gicr_bytes": GICR_BYTES * n_vcpus if v3 else 0,
            "gicv": 0 if v3 else board.gicc,
            "uart": board.console.base if board.console else 0,
            "uart_intid": board.console.intid if board.console else 0,
            "populated": int(board.populated),
            "trap_ids": int(self.trap_ids),
            "marks": int(board.marks),
            "has_crc32": 1,
            "has_pan": 0,
            "no_jit": int(os.environ.get("PYEMU_JIT") == "0"),
            "cost_cyc": list(self.cost_cyc),
        }

    def install(
        self, core: _ffi.Core, vm: int, vcpus: tuple[int, int], version: int
    ) -> None:
        """Make a VM's memory and its processors: first vCPU and their number."""
        first, n = vcpus
        code = CodeCore(core)
        code.make(vm, self.config(version, n))
        placed = self.placed()
        for part in placed.parts:
            code.write(vm, part.at, part.data)
        if self.board.dtb and self.wants_tree:
            blob = tree(placed, self.board, self.boot, (version, n))
            code.write(vm, placed.tree, blob)
        for local in range(n):
            code.set(first + local, PC, placed.entry)
            for number, value in self.start_regs(version, local, n).items():
                code.set(first + local, number, value)

    def start_regs(self, version: int, local: int, n: int) -> dict[int, int]:
        """Return a vCPU's start values by register number."""
        words = {"vcpu": local, "vcpus": n, "gic": version}
        words["dtb"] = self.placed().tree
        out = {}
        for name, value in {**self.board.regs, **self.regs}.items():
            number = SP if name == "sp" else int(name[1:])
            out[number] = words[value] if isinstance(value, str) else value
        return out


def images() -> list[str]:
    """Return the names of the shipped guest images."""
    folder = resources.files("pyemu") / "data" / "guests"
    return sorted(f.name.partition(".bin")[0] for f in folder.iterdir())


def image_bytes(name: str) -> bytes:
    """Return a shipped image by name, or the bytes of a file.

    Raises
    ------
    TraceError
        If there is neither.
    """
    if name in images():
        folder = resources.files("pyemu") / "data" / "guests"
        plain = folder / f"{name}.bin"
        if plain.is_file():
            return plain.read_bytes()
        return gzip.decompress((folder / f"{name}.bin.gz").read_bytes())
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise TraceError(name, f"no readable image: {exc.strerror}") from exc


def _board_of(image: str) -> str:
    """Return the board of a shipped image, by the set it belongs to."""
    if image in images():
        for prefix, board in BOARD_OF.items():
            if image.startswith(prefix):
                return board
    return DEFAULT_BOARD


def initrds() -> list[str]:
    """Return the names of the shipped initial RAM disks."""
    folder = resources.files("pyemu") / "data" / "initrd"
    return sorted(f.name.removesuffix(".c") for f in folder.iterdir() if "." in f.name)


def initrd_bytes(name: str) -> bytes:
    """Return a shipped initial RAM disk by name, or the bytes of a file.

    Raises
    ------
    TraceError
        If there is neither.
    """
    if name in initrds():
        program = resources.files("pyemu") / "data" / "initrd" / name
        return cpio.initrd(program.read_bytes())
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise TraceError(name, f"no readable initrd: {exc.strerror}") from exc


def load(
    image: str,
    *,
    board: str | None = None,
    regs: Mapping[str, int | str] | None = None,
    vcpus: int = 1,
    mem_bytes: int | None = None,
    boot: Boot | None = None,
    trap_ids: bool = False,
) -> Load:
    """Return a load that runs an image.

    Parameters
    ----------
    image
        Name of a shipped image, or path of a flat binary, an ELF file or an arm64
        Linux Image, also inside gzip or EFI-zboot.
    board
        Name of a shipped board, or path of a TOML file; default: a shipped image's
        own, or ``virt``.
    regs
        Start values that replace the board's.
    vcpus
        vCPUs it is made for.
    mem_bytes
        Bytes of RAM instead of the board's.
    boot
        Initial RAM disk, command line, device tree.
    trap_ids
        The host kernel traps reads of ID registers.

    Raises
    ------
    ConfigError, TraceError
        For what cannot be, or cannot be read.
    """
    chosen = get_board(board or _board_of(image))
    if mem_bytes is not None:
        size = whole("mem", mem_bytes, PAGE, 2**40, "bytes")
        chosen = replace(chosen, ram=(chosen.ram[0], size))
    what = images_of.read(image, image_bytes(image))
    code = MachineCode(
        what, chosen, dict(regs or {}), boot or Boot(), trap_ids=trap_ids
    )

    def build(_params: Mapping[str, Any], _clock: Clock, n_vcpus: int) -> Workload:
        starts = [Start(U32, 0, U32, chosen.boot_all or i == 0) for i in range(n_vcpus)]
        return Workload((), (), tuple(starts), finite=False, code=code)

    params = {"board": chosen.name, **code.regs}
    return Load(f"code:{Path(image).name}", params, vcpus, vcpus, build)
