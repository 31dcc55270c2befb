"""Machines and guests of a soak, drawn from its seed: every round is another one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .config import VM, Host, Task
from .guest import loads
from .guest.ops import PPI_VTIMER, Compiled, Program
from .guest.workload import Workload

__all__ = ["Shape", "draw", "guest"]

PROFILES: Final = ("n1-altra-gicv3", "seattle-a57-gicv2", "xgene-gicv2", "icount")
HVC_RUN: Final = 250
DEVICE_SGI: Final = 3


@dataclass(frozen=True)
class Shape:
    """One round's machine."""

    host: Host
    vms: tuple[VM, ...]
    seed: int

    def __str__(self) -> str:
        """Return it in a few words."""
        h = self.host
        mode = {True: "VHE", False: "nVHE", None: "VHE by profile"}[h.vhe]
        vcpus = sum(vm.n_vcpus for vm in self.vms)
        return (
            f"{vcpus} vCPUs in {len(self.vms)} VMs on {h.pcpus} pCPUs, GIC{h.gic}, "
            f"{mode}, {h.list_registers} LRs, {h.preempt}, {h.profile}"
        )


def guest(rng: random.Random, vcpu: int, n_vcpus: int, *, sgis: bool) -> Compiled:
    """Return a program without end that arms, withdraws and waits for deadlines."""
    period = rng.randrange(2_000, 12_000)
    p = Program("soak")
    gaps = p.table(np.array([rng.randrange(20, 9000) for _ in range(64)], np.uint64))
    p.irq_off().timer_set(period).irq_on().label("go")
    for where, chance in (
        *(("sleep", 0.35), ("rearm", 0.08), ("mask", 0.08), ("user", 0.06)),
        *(("quiet", 0.10), ("traps", 0.10), ("tval", 0.05)),
    ):
        p.chance(chance, where)
    if sgis:
        p.chance(0.10, "sgi")
    with p.loop(HVC_RUN):
        p.hvc()
    p.compute_from(gaps).jump("go")
    p.label("sleep").wfi().jump("go")
    p.label("rearm").irq_off().timer_set(period // 2).compute_from(gaps)
    p.irq_on().jump("go")
    p.label("mask").timer_ctl(True, True).compute_from(gaps)
    p.timer_ctl(True, False).jump("go")
    p.label("tval").timer_tval(period // 3).jump("go")
    p.label("user").mmio_user().jump("go")
    p.label("quiet").irq_off().compute_from(gaps).irq_on().jump("go")
    p.label("traps").sysreg().fault().mmio_kernel().smc().jump("go")
    if sgis:
        p.label("sgi").sgi(DEVICE_SGI, (vcpu + 1) % n_vcpus).jump("go")
    with p.on_irq(PPI_VTIMER):
        p.compute(rng.randrange(50, 2000))
        if rng.random() < 0.5:
            p.timer_next(period, skip_missed=True)
        else:
            p.timer_set(period)
    with p.on_irq(DEVICE_SGI):
        p.count(1)
    return p.build()


def _load(rng: random.Random, n_vcpus: int) -> Any:
    sgis = n_vcpus > 1 and rng.random() < 0.25  # they keep windows short
    programs = [guest(rng, vcpu, n_vcpus, sgis=sgis) for vcpu in range(n_vcpus)]
    return loads.custom(Workload.of(programs, finite=False), "soak")


def draw(seed: int, number: int, fixed: dict[str, Any]) -> Shape:
    """Return the machine of a round; `fixed` are fields of `Host` that do not vary."""
    rng = random.Random(f"pyemu soak {seed} {number}")
    gic = fixed.get("gic") or rng.choice(("v2", "v3"))
    pcpus = int(fixed.get("pcpus") or rng.randrange(1, 4))
    hogs = [p for p in range(pcpus) if rng.random() < 0.3]
    host: dict[str, Any] = {
        "pcpus": pcpus,
        "gic": gic,
        "vhe": rng.random() < 0.5,
        "list_registers": rng.randrange(2, 5),
        "preempt": rng.choice(("full", "voluntary")),
        "tick_hz": rng.choice((250, 1000)),  # without one nobody shares a pCPU
        "halt_poll_ns": rng.choice((0, 0, 50_000)),
        "profile": rng.choice(PROFILES),
        "tasks": tuple(Task(p, 40_000, 160_000) for p in hogs),
    }
    host |= {key: value for key, value in fixed.items() if value is not None}
    vms = tuple(
        VM(f"vm{i}", n, load=_load(rng, n))
        for i, n in enumerate(rng.randrange(1, 4) for _ in range(rng.randrange(1, 3)))
    )
    return Shape(Host(**host), vms, rng.randrange(2**63))
