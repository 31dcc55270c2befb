"""Who runs the same A64 loop: the core's two executors, QEMU -icount, Unicorn count=.

Times are processor time of the thread or the child, so that a busy host distorts them
less; QEMU's start and end, timed by an image that does nothing, are taken off.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path
from unittest import mock

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import machine_code

__all__ = ["Loop", "have_qemu", "pyemu_run", "qemu_s", "unicorn_run"]

LOOPS = json.loads((Path(__file__).parents[1] / "a64" / "images.json").read_text())
RESULT = 20  # register
QEMU = "qemu-system-aarch64"


class Loop:
    """An image, its number of rounds, and a file of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.rounds: int = LOOPS[name]["rounds"]
        self.code = bytes.fromhex(LOOPS[name]["code"])
        self.path = folder / name
        self.path.write_bytes(self.code)


def pyemu_run(loop: Loop, rounds: int, *, jit: bool = True) -> tuple[int, int, float]:
    """Run it in a whole machine: instructions, result, seconds."""
    with mock.patch.dict(os.environ, {"PYEMU_JIT": "1" if jit else "0"}):
        load = machine_code.load(str(loop.path), regs={"x0": rounds})
        host = pe.Host(profile="icount")
        machine = pe.Machine(host, [pe.VM()], policy="lazy", load=load)
    with machine:
        begun = time.process_time()
        reason = machine.run(until_cyc=10**13).reason
        took = time.process_time() - begun
        assert reason == "done", reason
        code = CodeCore(machine.core)
        return code.insns(0), code.get(0, RESULT), took


def have_qemu() -> bool:
    """Whether QEMU for A64 machines is installed."""
    return shutil.which(QEMU) is not None


def _child_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def qemu_s(loop: Loop) -> float:
    """Seconds of `qemu-system-aarch64 -icount shift=0` for all rounds."""
    argv = [QEMU, "-M", "virt", "-cpu", "cortex-a53", "-m", "64", "-nographic"]
    argv += ["-monitor", "none", "-serial", "none", "-icount", "shift=0,sleep=off"]
    argv += ["-device", f"loader,file={loop.path},addr=0x40200000,cpu-num=0"]
    begun = _child_s()
    subprocess.run(argv, check=True, timeout=300, stderr=subprocess.DEVNULL)
    return _child_s() - begun


def unicorn_run(loop: Loop, rounds: int, insns: int) -> tuple[int, float]:
    """Run it in Unicorn with `count=`, its only exact budget: result, seconds."""
    from unicorn import UC_ARCH_ARM64, UC_HOOK_INTR, UC_MODE_ARM, Uc  # noqa: PLC0415
    from unicorn import arm64_const as regs  # noqa: PLC0415

    base, size = 0x4000_0000, 1 << 20
    uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    uc.mem_map(base, size)
    uc.mem_write(base, loop.code)
    uc.reg_write(regs.UC_ARM64_REG_X0, rounds)
    uc.reg_write(regs.UC_ARM64_REG_X29, 1)  # no tables
    uc.hook_add(UC_HOOK_INTR, lambda engine, *_: engine.emu_stop())
    begun = time.process_time()
    uc.emu_start(base, base + size, count=insns)
    took = time.process_time() - begun
    return uc.reg_read(regs.UC_ARM64_REG_X20), took
