"""What do a wake-up from WFI, an IPI between vCPUs and a preemption cost the host?"""

import pytest
from measure import Setup, program

import pyemu as pe

WAKE_N = 6000
SGI_N = 4000
TICK_HZ = 10_000
PREEMPTIONS = 3000
POLICIES = ("eager", "lazy", "v6.1")


@pytest.mark.benchmark(group="WFI wake-up by the timer")
@pytest.mark.parametrize("vhe", ["vhe", "nvhe"])
@pytest.mark.parametrize("policy", POLICIES)
def test_wfi_wake(emulate, policy, vhe):
    """Block, put, idle, hrtimer, wake-up, load, injection, entry, acknowledge."""
    load = pe.loads.get("tick-wfi", n=WAKE_N)
    host = pe.Host(vhe=vhe == "vhe", halt_poll_ns=0, tick_hz=0)
    got = emulate(Setup(policy, load, host))
    counters = got.result.counters
    assert counters["vcpu_sleep"] == WAKE_N
    assert counters["ticks_acked"] == WAKE_N
    assert got.result.exits["WFx"] == WAKE_N
    got.per("wake", WAKE_N)


@pytest.mark.benchmark(group="IPI between two vCPUs")
@pytest.mark.parametrize("how", ["spin", "poll", "sleep"])
@pytest.mark.parametrize("policy", POLICIES)
def test_ipi(emulate, policy, how):
    """SGI ping-pong on two pCPUs: the receiver spins, is polled for, or sleeps."""
    load = pe.loads.get("sgi-spin" if how == "spin" else "sgi-wfi", n=SGI_N)
    poll_ns = 0 if how == "sleep" else 500_000
    host = pe.Host(pcpus=2, halt_poll_ns=poll_ns, tick_hz=0)
    got = emulate(Setup(policy, load, host))
    counters = got.result.counters
    assert counters["sgis_sent"] == 2 * SGI_N
    if how == "sleep":
        assert abs(counters["vcpu_sleep"] - 2 * SGI_N) <= 2
    got.per("ipi", 2 * SGI_N)


@pytest.mark.benchmark(group="preemption: put and load of another vCPU")
@pytest.mark.parametrize("vhe", ["vhe", "nvhe"])
@pytest.mark.parametrize("policy", POLICIES)
def test_preemption(emulate, policy, vhe):
    """Two busy vCPUs on one pCPU change places at every host tick, timers armed."""
    p = pe.Program("busy").timer_set(2**40)
    with p.forever():
        p.compute(2**40)
    load = program(p, vcpus=2)
    host = pe.Host(
        vhe=vhe == "vhe",
        tick_hz=TICK_HZ,
        sched_latency_ns=1,
        sched_min_granularity_ns=1,
    )
    ticks_cyc = PREEMPTIONS * pe.costs.get(host.profile).cpu_hz // TICK_HZ
    got = emulate(Setup(policy, load, host, until_cyc=ticks_cyc + 50_000))
    counters = got.result.counters
    assert counters["preempted"] == PREEMPTIONS
    assert counters["vcpu_put"] == PREEMPTIONS
    got.per("preemption", PREEMPTIONS)
