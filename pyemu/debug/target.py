"""The registers that gdb is shown, and their description in XML.

Numbers 0 to 33 are those of gdb's own feature; system registers follow.
"""

from __future__ import annotations

from typing import Final

from ..guest.sysregs import SYSREGS

__all__ = ["N_CORE", "REGISTERS", "XML"]

CORE: Final = (
    *((f"x{n}", 8) for n in range(31)),
    *(("sp", 8), ("pc", 8), ("pstate", 4)),
)
N_CORE: Final = len(CORE)
REGISTERS: Final = CORE + tuple((name, 8) for name in SYSREGS)  # name, bytes
GDB_NAME: Final = {"pstate": "cpsr"}
GDB_TYPE: Final = {"sp": "data_ptr", "pc": "code_ptr"}


def _feature(name: str, lines: list[str]) -> str:
    return f'<feature name="{name}">{"".join(lines)}</feature>'


def _lines(first: int, end: int, more: str = "") -> list[str]:
    return [
        f'<reg name="{GDB_NAME.get(name, name)}" bitsize="{8 * size}" '
        f'regnum="{number}" type="{GDB_TYPE.get(name, "int")}"{more}/>'
        for number, (name, size) in enumerate(REGISTERS[first:end], first)
    ]


XML: Final = (
    '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>'
    "<architecture>aarch64</architecture>"
    + _feature("org.gnu.gdb.aarch64.core", _lines(0, N_CORE))
    + _feature("org.pyemu.system", _lines(N_CORE, len(REGISTERS), ' group="system"'))
    + "</target>"
).encode()
