"""What a reference machine is given: plain data, cycles and ticks as integers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Op:
    """One guest operation, by name; operands as pyemu_api.h words them."""

    name: str
    a: int = 0
    b: int = 0
    c: int = 0
    flags: int = 0


@dataclass
class VcpuSetup:
    """A vCPU: its program, where it starts, its vector (None: masked for ever)."""

    ops: list[Op]
    entry: int = 0
    vector: int | None = None
    pcpu: int = 0
    vm: int = 0
    ident: int = 0
    weight: int = 1024
    start_cyc: int = 0
    powered_on: bool = True


@dataclass
class TaskSetup:
    """A host task: runs on_cyc, sleeps off_cyc, again; off 0 is a hog."""

    on_cyc: int
    off_cyc: int = 0
    pcpu: int = 0
    start_cyc: int = 0
    weight: int = 1024


@dataclass
class Setup:
    """The whole machine."""

    policy: object
    cost: dict[str, int]
    vcpus: list[VcpuSetup]
    tasks: list[TaskSetup] = field(default_factory=list)
    switches: frozenset[str] = frozenset()
    cpu_hz: int = 1_000_000_000
    cntfrq_hz: int = 62_500_000
    pcpus: int = 1
    lrs: int = 4
    gicv3: bool = True
    vhe: bool = True
    eoimode1: bool = True
    forwarded: bool = True
    direct_ptimer: bool = False
    preempt_full: bool = True
    line_assert_cyc: int = 0
    line_retire_cyc: int = 0
    tick_cyc: int = 0
    tick_phase_cyc: int = 0
    nohz_idle: bool = True
    hrtimer_min_cyc: int = 0
    halt_poll_max_cyc: int = 0
    halt_poll_start_cyc: int = 0
    sched_latency_cyc: int = 6_000_000
    sched_min_gran_cyc: int = 750_000
    sched_wakeup_gran_cyc: int = 1_000_000
    sched_sleeper_cyc: int = 3_000_000
    cntvoff_ticks: list[int] = field(default_factory=lambda: [0])
