"""The part of the boundary that machine code needs: memory, processors, registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ._core import ffi, lib
from ._ffi import U64, Core, borrow

__all__ = ["PC", "PSTATE", "SP", "CodeCore", "CodeProfile"]

SP: Final = 31
PC: Final = 32
PSTATE: Final = 33
NOBODY: Final = 0xFFFFFFFF


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

    def console(self, vm: int) -> bytes:
        """Return what a VM's UART has sent since the last call."""
        out = ffi.new("uint8_t[]", int(lib.PYEMU_CONSOLE_BYTES))
        n = ffi.new("uint64_t *")
        self._core.command("console_read", vm, out, n)
        return bytes(ffi.buffer(out))[: n[0]]

    def console_stop_at(self, vm: int, text: bytes) -> None:
        """Let runs come back where a text may have ended; empty: only lines do."""
        self._core.command("console_stop_at", vm, text[-1] if text else NOBODY)

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

    def read_virtual(self, vcpu: int, address: int, n: int) -> bytes:
        """Read memory as a vCPU's EL1 translates it; nothing changes by it."""
        out = ffi.new("uint8_t[]", n)
        self._core.command("code_read_virtual", vcpu, address, out, n)
        return bytes(ffi.buffer(out))

    def write_virtual(self, vcpu: int, address: int, data: bytes) -> None:
        """Write memory as a vCPU's EL1 translates it, read-only pages too."""
        lent = ffi.from_buffer("uint8_t[]", data)
        self._core.command("code_write_virtual", vcpu, address, lent, len(data))

    def translate(self, vcpu: int, address: int) -> int:
        """Return the guest physical address behind a virtual one."""
        out = ffi.new("uint64_t *")
        self._core.command("code_translate", vcpu, address, out)
        return int(out[0])

    def get_sysreg(self, vcpu: int, reg: int) -> int:
        """Return a system register by its encoding, no permissions checked."""
        out = ffi.new("uint64_t *")
        self._core.command("code_sysreg_get", vcpu, reg, out)
        return int(out[0])

    def set_sysreg(self, vcpu: int, reg: int, value: int) -> None:
        """Change a system register."""
        self._core.command("code_sysreg_set", vcpu, reg, value)

    def set_break(self, vm: int, address: int, there: bool) -> None:
        """Set or remove a breakpoint of all vCPUs of a VM."""
        self._core.command("code_break", vm, address, int(there))

    def set_watch(self, vm: int, span: tuple[int, int, int], there: bool) -> None:
        """Watch accesses of all vCPUs of a VM, or no more: address, bytes, on."""
        self._core.command("code_watch" if there else "code_unwatch", vm, *span)

    def watched(self) -> int:
        """Return the watched address that the last watchpoint is about."""
        return int(lib.pyemu_code_watched(self._core.handle))

    def set_step(self, vcpu: int | None, n: int = 1) -> None:
        """Make the next run end when a vCPU has executed n instructions."""
        self._core.command("code_step", NOBODY if vcpu is None else vcpu, n)

    def stopped(self) -> int:
        """Return the vCPU that the last breakpoint or step is about."""
        return int(lib.pyemu_code_stopped(self._core.handle))


class CodeProfile:
    """Sums by function that the core keeps: a row each for exits, guest, handling.

    Parameters
    ----------
    starts
        First addresses, ascending; row 0 of `sums` is what precedes them.
    period_cyc
        Guest cycles between samples; 1 is exact and slow.
    """

    def __init__(self, core: Core, starts: NDArray[np.uint64], period_cyc: int) -> None:
        self.sums: NDArray[np.uint64] = np.zeros(3 * (starts.size + 1), dtype=U64)
        first = borrow(starts, U64, "uint64_t[]")
        out = borrow(self.sums, U64, "uint64_t[]", writable=True)
        core.command("code_profile", first, starts.size, period_cyc, out)
        core.lent["profile starts"] = starts
        core.lent["profile sums"] = self.sums
