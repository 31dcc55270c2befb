"""The core without Python: a C program that runs one machine, for callgrind.

The machine is described exactly as `pyemu` would describe it to the core; its arrays
are written into a generated ``main.c`` that is compiled with the core's sources.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import pyemu as pe
from pyemu import _ffi
from pyemu.assemble import resolve

from .floor import FLAGS, callgrind_slope

__all__ = ["core_instructions", "source"]

CSRC = Path(__file__).resolve().parents[2] / "csrc"
MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "pyemu_api.h"
%s
/* Shortens the load's main loop, its longest one, to n turns. */
static int shorten(struct pyemu_op *ops, size_t n_ops, uint64_t n)
{
    struct pyemu_op *longest = NULL;

    for (size_t i = 0; i < n_ops; i++)
        if (ops[i].op == PYEMU_OP_LOOP && (longest == NULL || ops[i].c > longest->c))
            longest = &ops[i];
    if (longest == NULL || longest->c < n)
        return 1;
    longest->c = n;
    return 0;
}

int main(int argc, char **argv)
{
    const uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    struct pyemu_op *ops = (void *)program;
    const size_t n_ops = sizeof program / sizeof(struct pyemu_op);
    struct pyemu_machine *m = NULL;
    struct pyemu_limits limits = {UINT64_MAX / 4, 0, 0};
    struct pyemu_result out;
    int status = pyemu_machine_new((const void *)config, &m);

    if (shorten(ops, n_ops, n) != 0) {
        fprintf(stderr, "no loop of so many turns\\n");
        return 1;
    }
    status |= pyemu_set_costs(m, (const void *)costs, sizeof costs / 4);
    status |= pyemu_set_policy(m, (const void *)steps, sizeof steps / 4,
                               (const void *)starts, (const void *)guards,
                               sizeof guards / sizeof(struct pyemu_guard), %dULL);
    status |= pyemu_set_program(m, 0, ops, n_ops);
    status |= pyemu_set_vm(m, 0, (const void *)vm);
    status |= pyemu_set_vcpu(m, 0, (const void *)vcpu);
    status |= pyemu_start(m);
    if (status == 0)
        status = pyemu_run(m, &limits, &out);
    if (status != 0 || out.exits < n) {
        fprintf(stderr, "status %%d: %%s\\n", status, pyemu_error(m));
        return 1;
    }
    pyemu_machine_free(m);
    return 0;
}
"""


def _record(struct: str, fields: dict[str, int]) -> bytes:
    """Return ``struct pyemu_<struct>`` as bytes."""
    out = np.zeros(1, dtype=_ffi.dtype(struct))
    for name, value in fields.items():
        out[name] = value
    return out.tobytes()


def _rows(struct: str, rows: Any) -> bytes:
    out = np.zeros(len(rows), dtype=_ffi.dtype(struct))
    for index, row in enumerate(rows):
        for name, value in zip(out.dtype.names or (), row, strict=False):
            out[index][name] = value
    return out.tobytes()


def source(policy: str, host: pe.Host, load: pe.Load) -> str:
    """Return the C of a machine with one VM of one vCPU that runs `load`."""
    plan = resolve(host, (pe.VM(load=load),), policy)
    programs, tables, starts = plan._programs()
    compiled = plan.policy.compile()
    order = ("prim", "guard", "is_switch", "hook")
    steps = [dict(zip(order, row, strict=True)) for row in compiled.steps]
    names = _ffi.dtype("step").names or ()
    arrays = {
        "config": _record("config", plan.core_config(len(programs), len(tables))),
        "costs": np.asarray(plan.cost_cyc, dtype="u4").tobytes(),
        "steps": _rows("step", [[step[name] for name in names] for step in steps]),
        "starts": np.asarray(compiled.hook_start, dtype="u4").tobytes(),
        "guards": _rows("guard", compiled.guards),
        "program": programs[0].tobytes(),
        "vm": _record("vm_config", plan._vm(0, plan.vms[0])),
        "vcpu": plan._vcpus(starts).tobytes(),
    }
    text = "\n".join(
        f"static {'' if name == 'program' else 'const '}_Alignas(16) "
        f"unsigned char {name}[] = "
        f"{{{','.join(map(str, data))}}};"
        for name, data in arrays.items()
    )
    return MAIN % (text, compiled.switches)


def core_instructions(
    policy: str, host: pe.Host, load: pe.Load, folder: Path, n: int = 20_000
) -> float | None:
    """Return the core's instructions an exit under callgrind, None without it.

    Method: as ``floor.instructions``: the slope between n and 2 n turns of the load's
    longest loop, which has more. No exit limit is set: it would be checked every exit.
    """
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        return None
    main = folder / "core_main.c"
    main.write_text(source(policy, host, load))
    program = folder / "core_main"
    files = [str(path) for path in sorted(CSRC.rglob("*.c"))]
    subprocess.run(
        ["gcc", *FLAGS, "-I", str(CSRC), "-o", str(program), str(main), *files],
        check=True,
        capture_output=True,
    )
    return callgrind_slope([str(program)], folder, n)
