"""Guests of machine code: an image on a board, as a load like any other.

>>> from pyemu.guest import machine_code
>>> machine_code.load("eager-vs-lazy", regs={"x3": 10}).name
'code:eager-vs-lazy'
"""

from __future__ import annotations

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
from .board import PAGE, Board, start_value
from .board import get as get_board
from .loads import Load
from .ops import U32
from .workload import Clock, Start, Workload

__all__ = ["MachineCode", "image_bytes", "images", "load"]

GICD_BYTES: Final = {2: 0x1000, 3: 0x10000}


@dataclass(frozen=True)
class MachineCode:
    """An image, its board and the registers its vCPUs start with.

    Attributes
    ----------
    image
        Flat binary, placed at the board's load address.
    regs
        Start values that replace the board's.
    cost_cyc
        Cycles by instruction class, in the order of ``enum a64_cost_class``; 0 is 1.
    """

    image: bytes
    board: Board
    regs: Mapping[str, int | str] = field(default_factory=dict)
    cost_cyc: tuple[int, ...] = ()
    trap_ids: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be placed."""
        base, n_bytes = self.board.ram
        if base % PAGE or n_bytes % PAGE:
            raise ConfigError("board.ram", [base, n_bytes], "multiples of 4 KiB")
        where = self.board.load
        if not base <= where or where + len(self.image) > base + n_bytes:
            words = f"inside RAM ({n_bytes} bytes at {base:#x}) from {where:#x}"
            raise ConfigError("image", f"{len(self.image)} bytes", words)
        for name, value in self.regs.items():
            start_value(name, value)

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
        code.write(vm, self.board.load, self.image)
        for local in range(n):
            code.set(first + local, PC, self.board.entry)
            for number, value in self.start_regs(version, local, n).items():
                code.set(first + local, number, value)

    def start_regs(self, version: int, local: int, n: int) -> dict[int, int]:
        """Return a vCPU's start values by register number."""
        words = {"vcpu": local, "vcpus": n, "gic": version}
        out = {}
        for name, value in {**self.board.regs, **self.regs}.items():
            number = SP if name == "sp" else int(name[1:])
            out[number] = words[value] if isinstance(value, str) else value
        return out


def images() -> list[str]:
    """Return the names of the shipped guest images."""
    folder = resources.files("pyemu") / "data" / "guests"
    return sorted(f.name.removesuffix(".bin") for f in folder.iterdir())


def image_bytes(name: str) -> bytes:
    """Return a shipped image by name, or the bytes of a file.

    Raises
    ------
    TraceError
        If there is neither.
    """
    if name in images():
        return (
            resources.files("pyemu") / "data" / "guests" / f"{name}.bin"
        ).read_bytes()
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise TraceError(name, f"no readable image: {exc.strerror}") from exc


def load(
    image: str,
    *,
    board: str = "vmm",
    regs: Mapping[str, int | str] | None = None,
    vcpus: int = 1,
    mem_bytes: int | None = None,
) -> Load:
    """Return a load that runs an image.

    Parameters
    ----------
    image
        Name of a shipped image, or path of a flat binary.
    board
        Name of a shipped board, or path of a TOML file.
    regs
        Start values that replace the board's.
    vcpus
        vCPUs it is made for.
    mem_bytes
        Bytes of RAM instead of the board's.

    Raises
    ------
    ConfigError, TraceError
        For what cannot be, or cannot be read.
    """
    chosen = get_board(board)
    if mem_bytes is not None:
        size = whole("mem", mem_bytes, PAGE, 2**40, "bytes")
        chosen = replace(chosen, ram=(chosen.ram[0], size))
    code = MachineCode(image_bytes(image), chosen, dict(regs or {}))

    def build(_params: Mapping[str, Any], _clock: Clock, n_vcpus: int) -> Workload:
        starts = [Start(U32, 0, U32, chosen.boot_all or i == 0) for i in range(n_vcpus)]
        return Workload((), (), tuple(starts), finite=False, code=code)

    params = {"board": chosen.name, **code.regs}
    return Load(f"code:{Path(image).name}", params, vcpus, vcpus, build)
