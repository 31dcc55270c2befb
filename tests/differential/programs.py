"""Random but legal guests: every op, handlers, several vCPUs, host tasks, moves."""

import numpy as np

import pyemu as pe
from pyemu.guest.ops import PPI_VTIMER

OPS = [
    *("compute", "hvc", "sysreg", "mmio_kernel", "mmio_user", "fault", "wfi"),
    *("window", "timer_set", "timer_ctl", "timer_past", "ptimer", "sgi", "gic", "pmr"),
]


def _op(p, rng, n_vcpus, me):
    """Append one random op."""
    kind = rng.choice(OPS)
    small = int(rng.integers(1, 3_000))
    if kind == "compute":
        p.compute(small * int(rng.choice([1, 1, 50])))
    elif kind in ("hvc", "sysreg", "mmio_kernel", "fault"):
        getattr(p, kind)(int(rng.choice([0, 0, small])))
    elif kind == "mmio_user":
        p.mmio_user(*(int(n) for n in rng.integers(0, 2_000, 3)))
    elif kind == "wfi":
        p.timer_set(int(rng.integers(1, 2_000))).wfi().irq_window()
    elif kind == "window":
        p.irq_window()
    elif kind == "timer_set":
        p.timer_set(int(rng.integers(0, 400)))
    elif kind == "timer_ctl":
        p.timer_ctl(bool(rng.integers(2)), bool(rng.integers(2)))
    elif kind == "timer_past":
        p.timer_cval((0, 1, 2**64 - 1)[int(rng.integers(3))])
    elif kind == "ptimer":
        p.timer_set(int(rng.integers(0, 400)), timer=1)
    elif kind == "sgi":
        p.sgi(int(rng.integers(0, 8)), int(rng.integers(n_vcpus)))
    elif kind == "gic":
        name = str(rng.choice(["gic_enable", "gic_disable", "spendr", "cpendr"]))
        p.emit(name, a=int(rng.choice([1, 3, 27])))
        p.gic_enable(27)
    else:
        p.pmr(int(rng.choice([0xF0, 0xFF, 0x80]))).pmr(0xF8)


def program(rng, n_vcpus, me, length=40):
    """Return one random program with handlers for everything it can be sent."""
    p = pe.Program(f"random{me}").irq_off().timer_set(300).irq_on()
    for _ in range(length):
        _op(p, rng, n_vcpus, me)
    p.timer_ctl(False, False).end()
    with p.on_irq(PPI_VTIMER):
        p.count(0)
        if rng.integers(2):
            p.timer_next(
                int(rng.integers(50, 4_000)), skip_missed=bool(rng.integers(2))
            )
        else:
            p.timer_ctl(False, False)
    with p.on_irq(30):
        p.count(1).timer_ctl(False, False, timer=1)
    for sgi in range(8):
        with p.on_irq(sgi):
            p.count(2)
    return p


def machine(policy, seed, *, plain=False, trace=100_000, **host):
    """Return a random machine of that seed; the policy and `host` are given."""
    rng = np.random.default_rng(seed)
    n_vcpus = int(rng.integers(1, 4))
    n_pcpus = int(rng.integers(1, 3))
    fields = {
        "pcpus": n_pcpus,
        "profile": str(rng.choice(["unit", "xgene-gicv2", "icount"])),
        "gic": str(rng.choice(["v2", "v3"])),
        "vhe": bool(rng.integers(2)),
        "list_registers": int(rng.choice([1, 2, 4])),
        "halt_poll_ns": int(rng.choice([0, 20_000])),
        "tick_phase_cyc": int(rng.integers(0, 4_000_000)),
        "line_assert_cyc": int(rng.choice([0, 0, 40])),
        "line_retire_cyc": int(rng.choice([0, 0, 60])),
        "preempt": str(rng.choice(["full", "voluntary"])),
    }
    if rng.integers(2):
        fields["tasks"] = (pe.Task(on_ns=50_000, off_ns=int(rng.choice([0, 70_000]))),)
    programs = [program(rng, n_vcpus, i).build() for i in range(n_vcpus)]
    load = pe.loads.custom(pe.Workload.of(programs), f"seed {seed}")
    return pe.Machine(
        pe.Host(**{**fields, **host}),
        [pe.VM(vcpus=n_vcpus)],
        policy=policy,
        load=load,
        seed=seed,
        trace=trace,
        options=pe.Options(plain=plain) if hasattr(pe, "Options") else _options(plain),
    )


def _options(plain):
    from pyemu.assemble import Options  # noqa: PLC0415

    return Options(plain=plain)


def outcome(m, until_cyc=20_000_000):
    """Run and return everything a run says: hash, ops, counters, per-vCPU numbers."""
    with m:
        stop = m.run(until_cyc=until_cyc)
        result = m.result("random")
        return {
            "stop": stop.reason,
            "hash": m.trace_hash,
            "n_events": m.n_events,
            "ops": dict(result.ops),
            "counters": dict(result.counters),
            "exits": dict(result.exits),
            "vcpus": m.vcpu_stats().tobytes(),
            "pcpus": m.pcpu_stats().tobytes(),
        }
