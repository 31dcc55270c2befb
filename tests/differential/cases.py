"""Random machines as plain lists, so that a failing one can be made smaller.

A `Case` is its own replay: ``repr`` of it is Python that builds it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

import pyemu as pe
from pyemu.assemble import Options
from pyemu.guest.ops import PPI_PTIMER, PPI_VTIMER

DIRECT = ("eager", "lazy")  # written out in the reference, flow by flow
TABLES = ("v4.4", "lazy-hybrid", "v4.16", "v4.18", "v5.2", "v6.1", "v6.12")
UNTIL_CYC = 1_500_000
KINDS = (
    *("compute", "hvc", "smc", "sysreg", "mmio_kernel", "mmio_user", "fault", "wfi"),
    *("wfe", "window", "timer_set", "timer_ctl", "timer_past", "timer_tval"),
    *("ptimer", "ptimer_ctl", "sgi", "sgi_others", "gic", "active", "pmr", "mark"),
)
Step = tuple  # ("method of Program", *arguments) or ("emit", name, a, c)


@dataclass(frozen=True)
class Case:
    """One machine: what every vCPU runs, what its handlers do, and the host."""

    policy: str
    main: tuple[tuple[Step, ...], ...]
    handlers: tuple[tuple[Step, ...], ...]  # of 27, one a vCPU
    host: dict = field(default_factory=dict)
    task_off_ns: int | None = None  # a host task, if not None

    def program(self, vcpu: int) -> pe.Program:
        """Build one vCPU's program; handlers for all it can be sent."""
        p = pe.Program(f"vcpu{vcpu}")
        for step in self.main[vcpu]:
            emit(p, step)
        p.timer_ctl(False, False).end()
        with p.on_irq(PPI_VTIMER):
            for step in self.handlers[vcpu]:
                emit(p, step)
        with p.on_irq(PPI_PTIMER):
            p.count(1).timer_ctl(False, False, timer=1)
        for sgi in range(8):
            with p.on_irq(sgi):
                p.count(2)
        return p

    def machine(self, *, plain: bool = True) -> pe.Machine:
        """Build the core's machine."""
        fields = dict(self.host)
        if self.task_off_ns is not None:
            fields["tasks"] = (pe.Task(on_ns=50_000, off_ns=self.task_off_ns),)
        built = [self.program(i).build() for i in range(len(self.main))]
        return pe.Machine(
            pe.Host(**fields),
            [pe.VM(vcpus=len(built))],
            policy=self.policy,
            load=pe.loads.custom(pe.Workload.of(built), "differential"),
            trace=400_000,
            options=Options(plain=plain),
        )

    def smaller(self) -> Iterator[Case]:
        """Yield what is left when something is taken away, large pieces first."""
        if self.task_off_ns is not None:
            yield replace(self, task_off_ns=None)
        for i in range(len(self.main)):
            if len(self.main) > 1 and i == len(self.main) - 1:
                yield replace(self, main=self.main[:-1], handlers=self.handlers[:-1])
            steps = self.main[i]
            size = len(steps)
            while size:
                for at in range(0, len(steps), size):
                    yield self.with_main(i, steps[:at] + steps[at + size :])
                size //= 2
            if self.handlers[i]:
                yield replace(self, handlers=put(self.handlers, i, ()))
        for name in self.host:
            if name not in ("pcpus", "profile"):
                rest = {k: v for k, v in self.host.items() if k != name}
                yield replace(self, host=rest)

    def with_main(self, vcpu: int, steps: tuple[Step, ...]) -> Case:
        """Replace one vCPU's main code."""
        return replace(self, main=put(self.main, vcpu, steps))


def put(items: tuple, at: int, item: object) -> tuple:
    """Return the tuple with one item replaced."""
    return (*items[:at], item, *items[at + 1 :])


def emit(p: pe.Program, step: Step) -> None:
    """Append one step."""
    name, *args = step
    if name == "emit":
        p.emit(args[0], a=args[1], c=args[2])
    elif name == "timer_next":
        p.timer_next(args[0], skip_missed=bool(args[1]))
    else:
        getattr(p, name)(*args)


def random_step(rng: np.random.Generator, n_vcpus: int) -> list[Step]:
    """Return one random thing a guest does."""
    kind = str(rng.choice(KINDS))
    small = int(rng.integers(1, 3_000))
    few = int(rng.integers(0, 400))
    extra = int(rng.choice([0, 0, small]))
    flag = bool(rng.integers(2)), bool(rng.integers(2))
    intid = int(rng.choice([1, 3, 27, 30]))
    ppi = int(rng.choice([27, 30]))  # GICv2: SGIs have no ISPENDR, ICPENDR (finding 11)
    table: dict[str, list[Step]] = {
        "compute": [("compute", small * int(rng.choice([1, 1, 50])))],
        "mmio_user": [("mmio_user", *(int(n) for n in rng.integers(0, 2_000, 3)))],
        "wfi": [("timer_set", 1 + few * 5), ("wfi",), ("irq_window",)],
        "wfe": [("wfe",)],
        "window": [("irq_window",)],
        "timer_set": [("timer_set", few)],
        "timer_ctl": [("timer_ctl", *flag)],
        "timer_past": [("timer_cval", int(rng.choice([0, 1])))],
        "timer_tval": [("timer_tval", int(rng.choice([-5, 0, 9, 200])))],
        "ptimer": [("timer_set", few, 1)],
        "ptimer_ctl": [("timer_ctl", *flag, 1)],
        "sgi": [("sgi", int(rng.integers(0, 8)), int(rng.integers(n_vcpus)))],
        "sgi_others": [("sgi_others", int(rng.integers(0, 8)))],
        "gic": [
            ("emit", str(rng.choice(["spendr", "cpendr"])), ppi, 0),
            ("emit", "gic_disable", intid, 0),
            ("hvc", extra),
            ("gic_enable", 27),
            ("gic_enable", intid),
        ],
        "active": [("emit", "sactiver", 3, 0), ("hvc", 0), ("emit", "cactiver", 3, 0)],
        "pmr": [("pmr", int(rng.choice([0xF0, 0x80]))), ("hvc", extra), ("pmr", 0xF8)],
        "mark": [("mark", small)],
    }
    return table.get(kind, [(kind, extra)])


def random_case(seed: int, policies: tuple[str, ...] = ()) -> Case:
    """Return the machine of a seed."""
    rng = np.random.default_rng(seed)
    if not policies:
        policies = DIRECT if seed % 4 else TABLES
    n_vcpus = int(rng.integers(1, 4))
    main, handlers = [], []
    for _ in range(n_vcpus):
        steps: list[Step] = [("irq_off",), ("timer_set", 300), ("irq_on",)]
        for _ in range(int(rng.integers(5, 45))):
            steps += random_step(rng, n_vcpus)
        main.append(tuple(steps))
        again = ("timer_next", int(rng.integers(50, 4_000)), int(rng.integers(2)))
        off = ("timer_ctl", False, False)
        handlers.append((("count", 0), again if rng.integers(2) else off))
    host = {
        "pcpus": 1,
        "profile": str(rng.choice(["unit", "unit", "xgene-gicv2", "icount"])),
        "gic": str(rng.choice(["v2", "v3"])),
        "vhe": bool(rng.integers(2)),
        "list_registers": int(rng.choice([1, 2, 4])),
        "halt_poll_ns": int(rng.choice([0, 20_000])),
        "tick_phase_cyc": int(rng.integers(1, 4_000_000)),
        "preempt": str(rng.choice(["full", "voluntary"])),
    }
    task = int(rng.choice([0, 70_000])) if rng.integers(2) else None
    policy = policies[seed // 4 % len(policies)]
    return Case(policy, tuple(main), tuple(handlers), host, task)
