"""What does one world switch cost the host: hypercalls, mixed exits, active LRs?"""

import pytest
from hypercall import CASES, PROFILE
from measure import Setup, program

import pyemu as pe

N = 200_000
MIXED_N = 60_000
LR_N = 60_000
# Writes of CNTV_CTL, CNTV_CVAL, CNTVOFF and CNTHCTL an exit: what real kernels did.
WRITES = {"eager": {"vhe": 5, "nvhe": 7}}
WRITES_LAZY = {"vhe": 0, "nvhe": 2}


def named(cases):
    """Parameters with ids such as lazy-vhe-v3."""
    return [pytest.param(*case, id="-".join(case)) for case in cases]


def host(vhe, gic, **changes):
    return pe.Host(profile=PROFILE[gic], gic=gic, vhe=vhe == "vhe", **changes)


@pytest.mark.benchmark(group="world switch: hypercall")
@pytest.mark.parametrize(("policy", "vhe", "gic"), named(CASES))
def test_world_switch(emulate, switch_peers, policy, vhe, gic):
    """A hypercall and back, with every peer beside it."""
    load = pe.loads.get("hvc-loop", n=N)
    setup = Setup(policy, load, host(vhe, gic, tick_hz=0))
    got = emulate(setup, switch_peers.of(policy, vhe, gic), rounds=15)
    switch_peers.ratios(got)
    assert got.result.exits["HVC64"] == N
    assert got.result.n_exits - N <= 1  # the power-off is an exit
    each, rest = got.writes
    assert each == WRITES.get(policy, WRITES_LAZY)[vhe]
    assert rest <= 10  # the last put
    got.info["timer_writes_per_exit"] = each


@pytest.mark.benchmark(group="world switch: HVC, MMIO, SYS64 with a tick")
@pytest.mark.parametrize(
    ("policy", "vhe", "gic"), named([c for c in CASES if c[0] in ("eager", "lazy")])
)
def test_mixed_exits(emulate, policy, vhe, gic):
    """Exits of three kinds at random, a guest tick of 1 ms and the host's."""
    setup = Setup(policy, pe.loads.get("mixed", n=MIXED_N), host(vhe, gic))
    got = emulate(setup)
    exits = got.result.exits
    assert exits["HVC64"] + exits["DABT_LOW"] + exits["SYS64"] == MIXED_N
    assert got.result.counters["lost"] == 0
    got.info["ticks"] = got.result.counters["ticks_acked"]


def in_handler(level_high):
    """Hypercalls between acknowledge and EOI of the timer interrupt."""
    p = pe.Program("active-lr").timer_set(1000).irq_on().compute(2**40)
    with p.on_irq(27):
        if not level_high:
            p.timer_set(2**40)
        p.reset_stats()
        with p.loop(LR_N):
            p.hvc()
        p.timer_ctl(False, False).emit("eoi").end()
    return program(p)


@pytest.mark.benchmark(group="world switch: a list register is active")
@pytest.mark.parametrize("level", ["low", "high"])
@pytest.mark.parametrize(
    ("policy", "vhe", "gic"), named([c for c in CASES if c[0] in ("eager", "lazy")])
)
def test_active_list_register(emulate, policy, vhe, gic, level):
    """The handler re-armed its timer (level low), or has not yet (high)."""
    setup = Setup(policy, in_handler(level == "high"), host(vhe, gic, tick_hz=0))
    got = emulate(setup)
    res = got.result
    assert res.exits["HVC64"] == LR_N
    counts = dict(zip(res.meta["prim_names"], res.arrays["prim_count"], strict=True))
    assert counts["vgic_sync"] >= LR_N - 1  # nothing was skipped
