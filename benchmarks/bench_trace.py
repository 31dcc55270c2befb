"""What does recording a trace cost: on beside off, in the same rounds?"""

import pytest
from measure import Peer, Setup

import pyemu as pe

LOADS = {
    "hypercall": ("hvc-loop", {"n": 200_000}),
    "mixed": ("mixed", {"n": 40_000}),
    "tick": ("tick-busy", {"n": 15_000}),
}


@pytest.mark.benchmark(group="trace recording")
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("policy", ["eager", "lazy"])
def test_trace(emulate, policy, load):
    """`ratio_trace` is the core's recording; `ratio_hashed` with Python's hash."""
    name, params = LOADS[load]
    off = Setup(policy, pe.loads.get(name, **params), pe.Host())
    plain = Peer.machine(off)
    got = emulate(off.but(trace=1), {"untraced": plain})
    assert got.exits >= params["n"]
    got.info["ratio_trace"] = got.core_ns / plain.core_ns
    got.info["ratio_hashed"] = got.best_ns / plain.best_ns
    got.info["ns_more_recording"] = got.core_ns - plain.core_ns
    got.info["ns_more_hashed"] = got.best_ns - plain.best_ns
