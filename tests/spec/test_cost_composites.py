"""Published composites, rebuilt from a profile's parts by running the path.

Each row: machine, policy, path, cycles published, and the residual the model leaves,
with its reason. Numbers are docs' (costs): the residual is stated, never hidden.
"""

import pytest

import pyemu as pe
from pyemu.policy.prims import PRIMS

GUEST = {name for name, prim in PRIMS.items() if prim.component == "guest"}
N = 1000


def host_cycles(profile, policy, load, **params):
    """Return host cycles of one exit, without guest work and ticks."""
    host = pe.Host(profile=profile, tick_hz=0)
    if "vhe" in params:
        host = host.with_(vhe=params.pop("vhe"))
    load = pe.loads.get(load, n=N, warmup=1, **params)
    arrays = pe.run(policy, load, host=host).arrays
    rows = zip(PRIMS, arrays["prim_count"], arrays["cost_cyc"], strict=True)
    total = sum(int(n) * int(cyc) for name, n, cyc in rows if name not in GUEST)
    return total / N


@pytest.mark.parametrize(
    ("profile", "policy", "load", "vhe", "published", "residual"),
    [
        # 4.0 reads 12 GICH registers an exit, 4.4 and later 3 with no LR in use:
        # 9 x 269 less, and writes the active state on every entry.
        ("xgene-gicv2", "v4.4", "hvc-loop", False, 6500, -2309),
        # NEVE's kernel: 4.6 or later with GICH_VMCR moved per exit up to 4.11 (295).
        ("xgene-gicv2", "eager", "hvc-loop", False, 2729, -217),
        ("xgene-gicv2", "v4.18", "hvc-loop", False, 2275, -137),
        ("xgene-gicv2", "v4.18", "gicd-loop", False, 3144, -136),
        ("xgene-gicv2", "v4.18", "user-mmio-loop", False, 7864, -136),  # fitted
        ("seattle-a57-gicv2", "v4.4", "hvc-loop", False, 6413, -2318),  # as X-Gene
        ("seattle-a57-gicv2", "v4.18", "hvc-loop", True, 752, -2),  # fitted
        ("seattle-a57-gicv2", "v4.18", "gicd-loop", True, 1604, -2),  # fitted
        # el2Linux defers more state to put and load than 4.18's tables move there.
        ("seattle-a57-gicv2", "v4.18", "user-mmio-loop", True, 7630, -1826),
        ("n1-altra-gicv3", "v6.12", "hvc-loop", True, 918, -10),  # fitted
        ("n1-altra-gicv3", "v6.12", "gicd-loop", True, 1353, -10),  # fitted
        ("n1-altra-gicv3", "v6.12", "user-mmio-loop", True, 5049, -10),  # fitted
    ],
)
def test_published_composite(profile, policy, load, vhe, published, residual):
    """The run costs what was published plus the stated residual.

    Method: count host cycles of 1,000 exits. Tolerance 4 cycles: the first exits of a
    run also pay for the first load.
    """
    got = host_cycles(profile, policy, load, vhe=vhe)
    assert published + residual == pytest.approx(got, abs=4)


# Recorded host instructions an exit or tick, 4.14 kernel, GICv3 (lazy-hybrid: with the
# lazy timer). Withheld and 4.18 rows are not here: 4.18 contains other work, too.
RECORDED = [
    ("a", "eager", False, 1214),
    ("a", "lazy-hybrid", False, 997),
    ("a", "eager", True, 1115),
    ("a", "lazy-hybrid", True, 899),
    ("b", "eager", False, 1174),
    ("b", "lazy-hybrid", False, 998),
    ("i", "eager", False, 1803),
    ("i", "lazy-hybrid", False, 1584),
    ("i", "eager", True, 1697),
    ("c", "eager", False, 2472),
    ("c", "lazy-hybrid", False, 2592),
    ("ep", "eager", False, 2063),
    ("ep", "lazy-hybrid", False, 2182),
    ("dn", "eager", False, 13774),
    ("dn", "lazy-hybrid", False, 13860),
]


@pytest.mark.parametrize(("scenario", "policy", "vhe", "recorded"), RECORDED)
def test_icount_profile_gives_the_recorded_instructions(
    scenario, policy, vhe, recorded
):
    """Profile `icount` rebuilds the recorded kernels' instruction counts.

    Method: run the scenario's load. Tolerance 4 %: the profile is one set of numbers
    for both kernels and both modes, and the load has a warm-up the window had not.
    """
    load, host = pe.loads.recorded(scenario)
    host = pe.Host(profile="icount", gic="v3", vhe=vhe, pcpus=load.pcpus, **host)
    res = pe.run(policy, load, host=host)
    skip = GUEST | {"user", "extra", "ipi_latency"}
    rows = zip(PRIMS, res.arrays["prim_count"], res.arrays["cost_cyc"], strict=True)
    total = sum(int(n) * int(cyc) for name, n, cyc in rows if name not in skip)
    assert recorded == pytest.approx(total / load.params["n"], rel=0.04)
