"""What does Python pay: a crossing into C, a result, a snapshot, a balancer?"""

import pytest
from measure import NS

import pyemu as pe

CALLS = 2000


def machine(vcpus=1, **settings):
    load = pe.loads.get("tick-wfi", n=2**40)
    vms = [pe.VM(vcpus=vcpus)]
    return pe.Machine(pe.Host(), vms, policy="lazy", load=load, **settings)


@pytest.fixture
def told(benchmark, emulated_rows, request):
    """Time a function that does its thing `n` times, and tell the time of one."""

    def measure(fn, n, what):
        benchmark.pedantic(fn, rounds=9, warmup_rounds=1)
        one = benchmark.stats.stats
        benchmark.extra_info[f"ns_per_{what}"] = one.min * NS / n
        benchmark.extra_info[f"ns_per_{what}_median"] = one.median * NS / n
        emulated_rows.append((request.node.name, benchmark.extra_info))

    return measure


@pytest.mark.benchmark(group="boundary")
@pytest.mark.parametrize("layer", ["core", "machine"])
def test_crossing(told, layer):
    """`CALLS` runs of one cycle each: Machine.run, and the bare call into C."""
    with machine() as m:
        at = [0]

        def through_core():
            for _ in range(CALLS):
                at[0] += 1
                m.core.run(at[0])

        def through_machine():
            for _ in range(CALLS):
                at[0] += 1
                m.run(until_cyc=at[0])

        told(through_core if layer == "core" else through_machine, CALLS, "call")
        assert m.core.run(at[0])["now_cyc"] >= at[0]


@pytest.mark.benchmark(group="boundary")
@pytest.mark.parametrize("vcpus", [1, 256])
def test_result(told, vcpus):
    """Reading everything a run says."""
    with machine(vcpus) as m:
        m.run(until_cyc=10**7)
        results = []
        told(lambda: results.append(m.result("boundary")), 1, "result")
        assert results[0].n_exits == results[-1].n_exits > 0


@pytest.mark.benchmark(group="boundary")
@pytest.mark.parametrize("vcpus", [1, 256])
def test_snapshot(told, vcpus):
    """Copying the whole machine out."""
    with machine(vcpus) as m:
        m.run(until_cyc=10**7)
        taken = []
        told(lambda: taken.append(m.core.snapshot()), 1, "snapshot")
        assert taken[0].tobytes() == taken[-1].tobytes()


@pytest.mark.benchmark(group="boundary")
@pytest.mark.parametrize("vcpus", [1, 256])
def test_build(told, vcpus):
    """Building a machine from its description."""
    told(lambda: machine(vcpus).close(), 1, "machine")


@pytest.mark.benchmark(group="boundary")
def test_balancer(told):
    """Asking a Python balancer once a period."""
    asked = []
    period = 1000
    ask = pe.Periodic(lambda m: asked.append(m.now_cyc) or (), period)
    with machine(balancer=ask) as m:

        def rounds():
            m.run(until_cyc=m.now_cyc + CALLS * period)

        told(rounds, CALLS, "decision")
        assert len(asked) >= 10 * CALLS - 1  # the last is asked by the next run
