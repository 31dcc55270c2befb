"""How many host instructions is a switch: the core beside the floor, by callgrind?

Heavy: ``pytest --benchmark-only -m heavy``; skipped without valgrind.
"""

import shutil

import pytest
from hypercall import CASES, PROFILE
from peers import floor, native
from peers.flow import Flow

import pyemu as pe

N = 20_000


@pytest.mark.heavy
@pytest.mark.benchmark(group="instructions (callgrind)")
@pytest.mark.parametrize(
    ("policy", "vhe", "gic"), [pytest.param(*c, id="-".join(c)) for c in CASES]
)
def test_instructions(benchmark, emulated_rows, request, tmp_path, policy, vhe, gic):
    """The slope between n and 2 n exits: no start-up in it."""
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        pytest.skip("needs valgrind and gcc")
    flow = Flow(policy, gic=gic, vhe=vhe == "vhe", profile=PROFILE[gic])
    host = pe.Host(profile=PROFILE[gic], gic=gic, vhe=vhe == "vhe", tick_hz=0)
    load = pe.loads.get("hvc-loop", n=10 * N)
    counts = []

    def core():
        counts.append(native.core_instructions(policy, host, load, tmp_path, N))

    benchmark.pedantic(core, rounds=1)
    least = floor.instructions(flow.path(), flow.cost, tmp_path, N)
    assert counts[0] is not None
    assert least is not None
    benchmark.extra_info.update(
        instructions_core=counts[0],
        instructions_floor=least,
        instructions_ratio=counts[0] / least,
        operations=len(flow.path()) + 2,
    )
    emulated_rows.append((request.node.name, benchmark.extra_info))
