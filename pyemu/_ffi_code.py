"""The part of the boundary that machine code needs: memory, processors, registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ._core import ffi, lib
from ._ffi import Core

__all__ = ["PC", "PSTATE", "SP", "CodeCore"]

SP: Final = 31
PC: Final = 32
PSTATE: Final = 33


class CodeCore:
    """Machine code of one machine; X0 to X30 are registers 0 to 30.

    Every call raises ConfigError for a VM, vCPU, address or register that is not there.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def make(self, vm: int, fields: Mapping[str, Any]) -> None:
        """Make a VM's memory and processors: ``struct pyemu_code_config``."""
        config = ffi.new("struct pyemu_code_config *", dict(fields))
        self._core.command("code_vm", vm, config)

    def write(self, vm: int, address: int, data: bytes) -> None:
        """Write a VM's memory, guest physical."""
        lent = ffi.from_buffer("uint8_t[]", data)
        self._core.command("code_write", vm, address, lent, len(data))

    def read(self, vm: int, address: int, n: int) -> bytes:
        """Read a VM's memory, guest physical."""
        out = ffi.new("uint8_t[]", n)
        self._core.command("code_read", vm, address, out, n)
        return bytes(ffi.buffer(out))

    def get(self, vcpu: int, reg: int) -> int:
        """Return a register of a vCPU."""
        out = ffi.new("uint64_t *")
        self._core.command("code_get", vcpu, reg, out)
        return int(out[0])

    def set(self, vcpu: int, reg: int, value: int) -> None:
        """Change a register of a vCPU."""
        self._core.command("code_set", vcpu, reg, value)

    def insns(self, vcpu: int) -> int:
        """Return the instructions a vCPU has retired since it was made."""
        return int(lib.pyemu_code_insns(self._core.handle, vcpu))
