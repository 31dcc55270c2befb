"""How fast does machine code run, beside QEMU -icount and Unicorn count=?"""

import statistics

import pytest
from peers.processors import Loop, have_qemu, pyemu_run, qemu_s, unicorn_run

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
