"""How fast does machine code run, beside QEMU -icount and Unicorn count=?"""

import statistics
import time

import pytest
from peers.processors import Loop, have_qemu, pyemu_run, qemu_s, unicorn_run

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import machine_code

ROUNDS = 5
LOOPS = ["alu", "memory", "branchy", "program"]
LEAST_QEMU, LEAST_EACH, LEAST_UNICORN = 1.0, 0.6, 3.0
RATIOS = {"qemu": {}, "unicorn": {}}


def measured(name, folder):
    """Interleaved rounds: MIPS by peer, medians."""
    loop, idle = Loop(name, folder), Loop("idle", folder)
    insns, _, _ = pyemu_run(loop, loop.rounds)
    mips = {"jit": [], "interpreter": [], "qemu": [], "unicorn": []}
    few = loop.rounds // 20
    few_insns, word, _ = pyemu_run(loop, few, jit=False)
    for _ in range(ROUNDS):
        if have_qemu():
            mips["qemu"].append(insns / (qemu_s(loop) - qemu_s(idle)))
        again, seconds = unicorn_run(loop, few, few_insns)
        assert again == word
        mips["unicorn"].append(few_insns / seconds)
        mips["interpreter"].append(few_insns / pyemu_run(loop, few, jit=False)[2])
        n, _, seconds = pyemu_run(loop, loop.rounds)
        assert n == insns
        mips["jit"].append(n / seconds)
    assert pyemu_run(loop, few)[:2] == (few_insns, word)
    return {who: statistics.median(all_) / 1e6 for who, all_ in mips.items() if all_}


@pytest.mark.benchmark(group="machine code")
@pytest.mark.parametrize("name", LOOPS)
def test_loop(benchmark, emulated_rows, request, tmp_path, name):
    """One of the four loops, all peers in one run."""
    pytest.importorskip("unicorn")
    out = []
    benchmark.pedantic(lambda: out.append(measured(name, tmp_path)), rounds=1)
    mips = out[0]
    for peer, ratios in RATIOS.items():
        if peer in mips:
            ratios[name] = mips["jit"] / mips[peer]
            benchmark.extra_info[f"ratio_{peer}"] = ratios[name]
    benchmark.extra_info.update({f"mips_{who}": round(v) for who, v in mips.items()})
    emulated_rows.append((request.node.name, dict(benchmark.extra_info)))
    assert RATIOS["qemu"].get(name, LEAST_EACH) >= LEAST_EACH


@pytest.mark.benchmark(group="machine code")
@pytest.mark.parametrize(
    ("peer", "least"), [("qemu", LEAST_QEMU), ("unicorn", LEAST_UNICORN)]
)
def test_geometric_mean(benchmark, emulated_rows, request, peer, least):
    """Over the four loops, as they were measured above."""
    ratios = RATIOS[peer]
    if len(ratios) < len(LOOPS):
        pytest.skip(f"{peer} was not measured on all loops")
    mean = benchmark(lambda: statistics.geometric_mean(ratios.values()))
    emulated_rows.append((request.node.name, {f"mean_ratio_{peer}": mean}))
    assert mean >= least


HVC_ROUNDS, MOST_OVER_OPS = 1_000_000, 1.5


def hypercall_ns(host, load):
    """Processor time of a hypercall and back."""
    machine = pe.Machine(host, [pe.VM()], policy="lazy", load=load)
    with machine:
        begun = time.process_time()
        machine.run(until_cyc=10**13)
        took = time.process_time() - begun
        assert machine.result().exits["HVC64"] >= HVC_ROUNDS
    return took / HVC_ROUNDS * 1e9


@pytest.mark.benchmark(group="machine code")
@pytest.mark.parametrize("vhe", [True, False], ids=["vhe", "nvhe"])
def test_world_switch(benchmark, emulated_rows, request, tmp_path, vhe):
    """A hypercall from machine code beside one from an op program."""
    loop = Loop("hypercall", tmp_path)
    code = machine_code.load(str(loop.path), regs={"x0": HVC_ROUNDS})
    ops = pe.loads.get("hvc-loop", n=HVC_ROUNDS)
    host = pe.Host(profile="icount", vhe=vhe, tick_hz=0)
    found = {"code": [], "ops": []}

    def rounds():
        for _ in range(ROUNDS):
            found["code"].append(hypercall_ns(host, code))
            found["ops"].append(hypercall_ns(host, ops))

    benchmark.pedantic(rounds, rounds=1)
    ns = {who: statistics.median(all_) for who, all_ in found.items()}
    ratio = ns["code"] / ns["ops"]
    emulated_rows.append((request.node.name, {**ns, "ratio": ratio}))
    assert ratio <= MOST_OVER_OPS


LEAST_OF_ONE = 0.8


def busy_mips(loop, vcpus, pcpus, until_cyc):
    """Aggregate MIPS of vCPUs that compute under a 1 kHz tick, once all are up."""
    regs = {"x0": 0, "x1": vcpus}
    load = machine_code.load(str(loop.path), regs=regs, vcpus=vcpus)
    host = pe.Host(profile="n1-altra-gicv3", pcpus=pcpus)
    with pe.Machine(host, [pe.VM(vcpus=vcpus)], policy="lazy", load=load) as machine:
        machine.run(until_cyc=2 * 10**7)
        code = CodeCore(machine.core)
        before = sum(code.insns(n) for n in range(vcpus))
        begun = time.process_time()
        machine.run(until_cyc=until_cyc)
        took = time.process_time() - begun
        return (sum(code.insns(n) for n in range(vcpus)) - before) / took / 1e6


@pytest.mark.benchmark(group="machine code")
@pytest.mark.xfail(
    raises=AssertionError,
    strict=False,
    reason="medians of 0.76 to 0.85 on a shared host: around the bound",
)
def test_sixty_four_vcpus_on_eight_pcpus(benchmark, emulated_rows, request, tmp_path):
    """Aggregate MIPS of the busy tick, beside one vCPU's."""
    loop = Loop("tick", tmp_path)
    mips = {1: [], 64: []}

    def rounds():
        for _ in range(ROUNDS):
            mips[1].append(busy_mips(loop, 1, 1, 10**9))
            mips[64].append(busy_mips(loop, 64, 8, 2 * 10**8))

    benchmark.pedantic(rounds, rounds=1)
    one, many = (statistics.median(mips[n]) for n in (1, 64))
    emulated_rows.append(
        (request.node.name, {"mips_1": one, "mips_64": many, "ratio": many / one})
    )
    assert many >= LEAST_OF_ONE * one
