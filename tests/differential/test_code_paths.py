"""Machine code guests: the same run whatever executes them and takes their traps."""

import json
from pathlib import Path

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.assemble import Options
from pyemu.guest import machine_code

IMAGES = Path(__file__).parents[2] / "benchmarks" / "a64" / "images.json"
N_VCPUS = 2
KINDS = [(True, False), (False, False), (True, True)]  # translated, step by step


def outcome(load, policy, vhe, **limits):
    """Everything a run says."""
    host = pe.Host(profile="icount", vhe=vhe, pcpus=1)
    out = []
    for translated, plain in KINDS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYEMU_JIT", str(int(translated)))
            machine = pe.Machine(
                *(host, [pe.VM(vcpus=N_VCPUS)]),
                policy=policy,
                load=load,
                trace=1000,
                options=Options(plain=plain),
            )
        with machine as m:
            stop = m.run(until_cyc=10**9, **limits)
            result, code = m.result(), CodeCore(m.core)
            out.append(
                {
                    "stop": stop,
                    "hash": m.trace_hash,
                    "exits": dict(result.exits),
                    "ops": dict(result.ops),
                    "insns": [code.insns(n) for n in range(N_VCPUS)],
                    "x": [code.get(n, r) for n in range(N_VCPUS) for r in range(31)],
                }
            )
    return out


def load_of(name, rounds, folder):
    path = folder / name
    path.write_bytes(bytes.fromhex(json.loads(IMAGES.read_text())[name]["code"]))
    regs = {"x0": rounds, "x1": N_VCPUS}
    return machine_code.load(str(path), regs=regs, vcpus=N_VCPUS)


@pytest.mark.parametrize("vhe", [True, False])
@pytest.mark.parametrize("policy", ["lazy", "eager", "v4.4", "v6.1"])
@pytest.mark.parametrize(
    ("name", "rounds", "exits"), [("hypercall", 3000, 3000), ("tick", 3_000_000, 120)]
)
def test_every_way_to_run_machine_code_is_the_same_run(
    tmp_path, policy, vhe, name, rounds, exits
):
    """Translated, interpreted, and with every policy step on its own."""
    first, *others = outcome(load_of(name, rounds, tmp_path), policy, vhe)
    assert first["stop"].reason == "done"
    assert sum(first["exits"].values()) >= exits
    for other in others:
        assert other == first


@pytest.mark.parametrize("limit", [{"until_exits": 777}, {"until_guest_cyc": 4321}])
def test_limits_stop_every_way_at_the_same_place(tmp_path, limit):
    first, *others = outcome(
        load_of("hypercall", 3000, tmp_path), "lazy", True, **limit
    )
    assert first["stop"].reason in ("exit_limit", "guest_limit")
    for other in others:
        assert other == first
