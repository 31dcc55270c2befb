"""The models that pyemu is measured against do what it does, count for count."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyemu as pe
from pyemu.policy.prims import PRIMS
from pyemu.policy.steps import Step

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
N = 50


@pytest.fixture(scope="module")
def peers():
    """The peers' modules; they live beside the benchmarks."""
    pytest.importorskip("simpy")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        names = ("flow", "python_model", "simpy_model", "floor")
        yield {name: importlib.import_module(f"peers.{name}") for name in names}
    finally:
        sys.path.remove(str(BENCHMARKS))


def per_exit(policy, gic, vhe):
    """Return the core's counts of one hypercall: the slope of two runs."""
    runs = []
    for n in (N, 2 * N):
        host = pe.Host(profile="unit", gic=gic, vhe=vhe, tick_hz=0)
        res = pe.run(policy, pe.loads.get("hvc-loop", n=n), host=host)
        runs.append(res.arrays["prim_count"].astype(int))
    slope = runs[1] - runs[0]
    return {name: n / N for name, n in zip(PRIMS, slope.tolist(), strict=True) if n}


@pytest.mark.parametrize("policy", pe.policy.names())
@pytest.mark.parametrize("gic", ["v2", "v3"])
@pytest.mark.parametrize("vhe", [False, True])
def test_interpreted_peers_count_as_the_core_does(peers, policy, gic, vhe):
    """A hypercall under every policy: the same primitives, the same number of times."""
    want = per_exit(policy, gic, vhe)
    for model in ("python_model", "simpy_model"):
        flow = peers[model].run(peers["flow"].Flow(policy, gic=gic, vhe=vhe), N)
        assert want == {name: n / N for name, n in flow.named().items()}
        assert flow.now_cyc == sum(flow.counts)


def test_the_floor_increments_the_counters_of_its_path(peers, tmp_path):
    """One increment an operation, and nothing else counted."""
    paths, costs = {}, {}
    for policy, vhe in (("eager", False), ("lazy", True)):
        flow = peers["flow"].Flow(policy, gic="v3", vhe=vhe)
        paths[policy], costs[policy] = flow.path(), flow.cost
    floor = peers["floor"].build(paths, costs, tmp_path)
    for policy, vhe in (("eager", False), ("lazy", True)):
        got = floor.run(policy, N)
        assert {name: n / N for name, n in got.items()} == per_exit(policy, "v3", vhe)


def test_the_lean_model_counts_exits_and_cycles(peers):
    out = peers["simpy_model"].run_lean(10, guest_cyc=2, switch_cyc=30)
    assert (out.exits, out.guest_cyc, out.switch_cyc) == (10, 20, 300)


def test_a_primitive_foreign_to_the_loop_is_an_error(peers):
    """The peers do not pass over what they do not model."""
    policy = pe.policy.get("lazy").with_step("enter", 0, Step("vgic_flush"))
    with pytest.raises(NotImplementedError, match="vgic_flush"):
        peers["flow"].Flow(policy)


@pytest.mark.slow
def test_the_core_runs_without_python(peers, tmp_path):
    """The C program for callgrind runs the same machine: it ends well after n exits."""
    native = importlib.import_module("peers.native")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    host = pe.Host(profile="unit", gic="v3", vhe=True, tick_hz=0)
    text = native.source("lazy", host, pe.loads.get("hvc-loop", n=1000))
    (tmp_path / "main.c").write_text(text)
    files = [str(tmp_path / "main.c"), *map(str, sorted(native.CSRC.rglob("*.c")))]
    command = ["gcc", "-O1", "-std=c11", "-I", str(native.CSRC), "-o"]
    subprocess.run([*command, str(tmp_path / "main"), *files], check=True)
    subprocess.run([str(tmp_path / "main"), "500"], check=True)
    done = subprocess.run([str(tmp_path / "main"), "5000"], check=False)
    assert done.returncode == 1
