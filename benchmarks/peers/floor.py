"""The floor: a C loop that does only what no implementation can avoid.

For a given path it is straight code: the loads and stores of the registers that the
path moves, one counter increment for each operation of it, one addition to the clock.
No guard, no table, no next event. It is generated and compiled when asked for, with
the core's own compiler flags, and measured in the same process.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cffi

from pyemu.policy.prims import PRIMS

__all__ = ["Floor", "build", "instructions"]

FLAGS = ["-O2", "-std=c11"]

# Loads and stores of the primitives that move a register; the rest is cost only.
MOVES = {
    "cntv_ctl_r": "s->mem_ctl = s->hw_ctl;",
    "cntv_cval_r": "s->mem_cval = s->hw_cval;",
    "cntv_ctl_w0": "s->hw_ctl = 0;",
    "cntv_ctl_w": "s->hw_ctl = s->mem_ctl;",
    "cntv_cval_w": "s->hw_cval = s->mem_cval;",
    "cntvoff_w": "s->hw_off = s->vm_off;",
    "cntvoff_w0": "s->hw_off = 0;",
    "cnthctl_w_guest": "s->hw_hctl = 2;",
    "cnthctl_w_host": "s->hw_hctl = 3;",
    "mode_in": "s->mode = 1;",
    "mode_out": "s->mode = 0;",
}
KEEP = '#define KEEP __asm__ volatile("" ::: "memory")'
STATE = """
struct floor_state {
    uint64_t now_cyc, guest_cyc;
    uint64_t mem_cval, hw_cval, vm_off, hw_off;
    uint32_t mem_ctl, hw_ctl, hw_hctl, mode;
    uint64_t count[%d];
};
"""


def _symbol(name: str) -> str:
    return "floor_" + re.sub(r"\W", "_", name)


def _function(name: str, path: Sequence[str], cost: Sequence[int]) -> str:
    """Return the C of one path; a barrier after each line keeps its accesses."""
    index = {prim: n for n, prim in enumerate(PRIMS)}
    lines = [f"void {_symbol(name)}(struct floor_state *s, uint64_t n)", "{"]
    lines.append("    for (uint64_t i = 0; i < n; i++) {")
    for prim in path:
        lines.append(f"        s->count[{index[prim]}]++; {MOVES.get(prim, '')} KEEP;")
    guest = 2 * cost[index["g_insn"]]
    total = sum(cost[index[prim]] for prim in path) + guest
    lines.append(f"        s->count[{index['g_insn']}] += 2;")
    lines.append(f"        s->guest_cyc += {guest}; s->now_cyc += {total}; KEEP;")
    return "\n".join([*lines, "    }", "}"])


class Floor:
    """Compiled floors by name."""

    def __init__(self, ffi: Any, lib: Any) -> None:
        self._ffi, self._lib = ffi, lib

    def run(self, name: str, n: int) -> dict[str, int]:
        """Run `n` switches and return the counters that are not zero."""
        state = self._ffi.new("struct floor_state *")
        getattr(self._lib, _symbol(name))(state, n)
        return {prim: state.count[i] for i, prim in enumerate(PRIMS) if state.count[i]}

    def runner(self, name: str) -> Any:
        """Return a function of `n` that does nothing but the loop: to be timed."""
        state = self._ffi.new("struct floor_state *")
        loop = getattr(self._lib, _symbol(name))

        def timed(n: int) -> None:
            loop(state, n)

        return timed


def build(
    paths: Mapping[str, Sequence[str]],
    costs: Mapping[str, Sequence[int]],
    folder: Path,
) -> Floor:
    """Compile one loop for each path.

    Parameters
    ----------
    paths
        Name to the primitives of one switch, as ``Flow.path`` returns them.
    costs
        Name to cycles by primitive.
    folder
        Scratch directory.
    """
    ffi = cffi.FFI()
    struct = STATE % len(PRIMS)
    ffi.cdef(struct)
    for name in paths:
        ffi.cdef(f"void {_symbol(name)}(struct floor_state *s, uint64_t n);")
    code = "\n".join(_function(name, paths[name], costs[name]) for name in paths)
    ffi.set_source(
        "_pyemu_floor",
        f"#include <stdint.h>\n{KEEP}\n{struct}\n{code}",
        extra_compile_args=FLAGS,
    )
    built = ffi.compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location("_pyemu_floor", built)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {built}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return Floor(module.ffi, module.lib)


def instructions(
    path: Sequence[str], cost: Sequence[int], folder: Path, n: int = 20_000
) -> float | None:
    """Return the floor's instructions a switch under callgrind, None without it.

    Method: a program of its own, run for n and 2 n switches; the difference holds no
    start-up.
    """
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        return None
    source = folder / "floor_main.c"
    main = (
        "int main(int argc, char **argv) {\n"
        "    static struct floor_state s;\n"
        "    floor_main(&s, argc > 1 ? strtoull(argv[1], NULL, 10) : 0);\n"
        "    return (int)(s.now_cyc & 0);\n}\n"
    )
    head = f"#include <stdint.h>\n#include <stdlib.h>\n{KEEP}\n{STATE % len(PRIMS)}"
    source.write_text(head + _function("main", path, cost) + "\n" + main)
    program = folder / "floor_main"
    gcc = ["gcc", *FLAGS, "-o", str(program), str(source)]
    subprocess.run(gcc, check=True, capture_output=True)
    return callgrind_slope([str(program)], folder, n)


def callgrind_slope(command: Sequence[str], folder: Path, n: int) -> float | None:
    """Return instructions per unit of a program whose last argument is the number."""
    totals = []
    for times in (n, 2 * n):
        done = subprocess.run(
            [
                *("valgrind", "--tool=callgrind"),
                *(f"--callgrind-out-file={folder / 'callgrind.out'}", *command),
                str(times),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or found is None:
            return None
        totals.append(int(found[1]))
    return (totals[1] - totals[0]) / n
