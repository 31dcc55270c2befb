"""How does the cost of a world switch grow with the machine, and the memory?"""

import pytest
from measure import Peer, Setup

import pyemu as pe
from pyemu import _ffi

SIZES = (1, 16, 256, 4096, 65_536)
MOST_PCPUS = 256
VM_SIZE = 256
LATENCY_CYC = 2613  # of a cross-CPU effect; the N1 profile's own
SLICE_CYC = 30_000  # 10 us at 3 GHz
ROUNDS = 5
# Per vCPU: long enough to be measured, short enough for all of it to take minutes.
TURNS = {
    "hvc-loop": {1: 200_000, 16: 15_000, 256: 1000, 4096: 100, 65_536: 16},
    "tick-wfi": {1: 6000, 16: 400, 256: 16, 4096: 4, 65_536: 2},
}


def vms(n):
    """VMs of at most 256 vCPUs each."""
    size = min(n, VM_SIZE)
    return tuple(pe.VM(name=f"vm{i}", vcpus=size) for i in range(n // size))


def memory(got, n):
    """The cost of one more vCPU, and the whole machine by vCPU, bytes."""
    got.info["vcpus"] = n
    got.info["bytes_per_vcpu"] = _ffi.vcpu_bytes()
    got.info["machine_bytes_per_vcpu"] = got.machine_bytes / n
    assert got.info["bytes_per_vcpu"] <= 2048
    if n > MOST_PCPUS:
        assert got.machine_bytes <= 2048 * n


@pytest.mark.benchmark(group="whole scenarios")
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("load", TURNS)
@pytest.mark.parametrize("policy", ["eager", "lazy"])
def test_scenario(emulate, policy, load, n):
    """Every vCPU from its first KVM_RUN to power-off, on min(n, 256) pCPUs."""
    turns = TURNS[load][n]
    extra = {"warmup": 0} if load == "hvc-loop" else {}
    recipe = pe.loads.get(load, n=turns, **extra)
    host = pe.Host(pcpus=min(n, MOST_PCPUS))
    setup = Setup(policy, recipe, host, vms(n))
    got = emulate(setup, rounds=ROUNDS if n > 256 else 7)
    memory(got, n)
    counters = got.result.counters
    if load == "hvc-loop":
        assert got.result.exits["HVC64"] == n * turns
    else:
        # An overloaded guest catches up: two ticks in one window. Counters begin when
        # vCPU 0 does; a guest's own register counts every tick.
        ticks = got.result.arrays["vcpus"]["regs"][:, 0].astype(int)
        assert (ticks >= turns).all()
        assert ticks.sum() == n * turns or n > 4096
        assert 0 <= ticks.sum() - counters["ticks_acked"] <= (n if n > 4096 else 0)
        assert counters["vcpu_load"] >= counters["vcpu_sleep"] > 0
    assert counters["lost"] == 0


# How late one pCPU affects another, if at all, and whether vCPUs take turns.
SHAPES = {
    "latency-2613": {"latency": LATENCY_CYC},
    "latency-2613-rotate": {"latency": LATENCY_CYC, "rotate": True},
    "latency-500": {"latency": 500},
    "unit-apart": {"profile": "unit", "interacts": False},
}
EXITS = 1_000_000  # in the timed part, roughly
EXIT_CYC = {"unit": 36, "n1-altra-gicv3": 2600}


def endless(n, pcpus, *, latency=None, rotate=False, interacts=True, profile=None):
    """Hypercalls without end, every vCPU under way before the timed part begins."""
    profile = profile or "n1-altra-gicv3"
    host = pe.Host(
        pcpus=pcpus,
        profile=profile,
        tick_hz=0,
        timeslice_cyc=SLICE_CYC if rotate else 0,
        interacts=interacts,
    )
    warm = 20 * EXIT_CYC[profile]
    if rotate:
        warm += SLICE_CYC * (n // pcpus)
    return Setup(
        "lazy",
        pe.loads.get("hvc-loop", n=2**40, warmup=0),
        host,
        vms(n),
        override={"ipi_latency": latency} if latency else {},
        warm_cyc=warm,
        until_cyc=warm + EXITS * EXIT_CYC[profile] // pcpus,
    )


@pytest.mark.benchmark(group="scale: hypercalls beside 1 vCPU on 1 pCPU")
@pytest.mark.parametrize("n", [256, 4096, 65_536])
@pytest.mark.parametrize("shape", SHAPES)
def test_scale(emulate, shape, n):
    """`ratio_1on1`: against one vCPU; `ratio_2on1`: two that rotate alike."""
    how = SHAPES[shape]
    peers = {"1on1": Peer.machine(endless(1, 1, **how))}
    if how.get("rotate"):
        peers["2on1"] = Peer.machine(endless(2, 1, **how))
    got = emulate(endless(n, MOST_PCPUS, **how), peers, rounds=ROUNDS)
    memory(got, n)
    for name, peer in peers.items():
        got.info[f"ratio_{name}"] = got.best_ns / peer.best_ns
    assert got.exits > EXITS // 2
    assert got.result.counters["lost"] == 0
    if how.get("rotate") and n > MOST_PCPUS:
        assert got.result.counters["preempted"] > n
