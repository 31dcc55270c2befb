"""What does one guest timer tick cost the host, from expiry to the re-arm?"""

import pytest
from hypercall import PROFILE
from measure import Setup, program

import pyemu as pe

N = 20_000
POLICIES = ("eager", "lazy", "v4.18", "v6.1")


def host(vhe, gic="v3"):
    return pe.Host(profile=PROFILE[gic], gic=gic, vhe=vhe == "vhe", tick_hz=0)


@pytest.mark.benchmark(group="timer tick")
@pytest.mark.parametrize("gic", ["v2", "v3"])
@pytest.mark.parametrize("vhe", ["vhe", "nvhe"])
@pytest.mark.parametrize("policy", POLICIES)
def test_tick(emulate, policy, vhe, gic):
    """Expiry, exit, ISR, injection, flush, entry, acknowledge, re-arm, EOI."""
    setup = Setup(policy, pe.loads.get("tick-busy", n=N), host(vhe, gic))
    got = emulate(setup)
    counters = got.result.counters
    assert counters["ticks_acked"] == N
    assert counters["lost"] == 0
    # eager never sees the interrupt in the host
    seen = counters["host_vtimer_irq"]
    assert seen == 0 if policy == "eager" else abs(seen - N) <= 1
    got.per("tick", N)


def lowering(machine):
    """A tick whose handler re-arms, then a hypercall: that exit lowers the level."""
    hz = pe.costs.get(machine.profile)
    cyc = 520 * hz.cpu_hz // hz.cntfrq_hz
    p = pe.Program("tick-lower").irq_on().reset_stats()
    with p.loop(N):
        p.timer_set(500).compute(cyc).hvc()
    with p.on_irq(27):
        p.timer_set(2**40).count(0)
    return program(p.end())


@pytest.mark.benchmark(group="timer tick, and the exit that lowers the level")
@pytest.mark.parametrize("vhe", ["vhe", "nvhe"])
@pytest.mark.parametrize("policy", POLICIES)
def test_tick_lowered(emulate, policy, vhe):
    """Two exits a tick: the interrupt, and the hypercall after the handler."""
    setup = Setup(policy, lowering(host(vhe)), host(vhe))
    got = emulate(setup)
    counters = got.result.counters
    assert counters["ticks_acked"] == N
    assert got.result.exits["HVC64"] == N
    assert counters["lost"] == 0
    got.info["vgic_inject_per_tick"] = counters["vgic_inject"] / N
    got.per("tick", N)
