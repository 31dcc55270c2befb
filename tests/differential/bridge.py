"""One description, two machines: the core's and the reference's, and their answers."""

from __future__ import annotations

from dataclasses import dataclass

from pyemu import _ffi
from pyemu.guest.ops import OP
from pyemu.policy.prims import PRIMS

from ..reference.eager import Eager
from ..reference.lazy import Lazy
from ..reference.machine import Machine as Reference
from ..reference.setup import Op, Setup, TaskSetup, VcpuSetup
from ..reference.table import Table

OP_NAMES = {value: name for name, value in OP.items()}
KINDS = {v: k for k, v in _ffi.enum("event_kind", "PYEMU_E_").items()}
REASONS = {v: k for k, v in _ffi.enum("reason", "PYEMU_X_").items()}
NONE = 0xFFFFFFFF
DIRECT = {"eager": Eager, "lazy": Lazy}


def policy_of(policy, *, table: bool = False):
    """Eager and lazy are written out as flows; any policy can be walked as a table."""
    if policy.name in DIRECT and not table:
        return DIRECT[policy.name]()
    hooks = {
        hook: [(s.prim, dict(s.guard.terms), s.guard.inverted) for s in steps]
        for hook, steps in policy.hooks.items()
    }
    return Table(hooks, policy.switches)


def setup_of(m, *, table: bool = False) -> Setup:
    """Translate a `pyemu.Machine`'s description into the reference's terms."""
    plan = m.blueprint
    programs, _tables, starts = plan._programs()
    cfg = plan.core_config(len(programs), 0)
    decoded = [[op_of(row) for row in ops] for ops in programs]
    rows = plan._vcpus(starts)
    vcpus = [
        VcpuSetup(
            decoded[int(r["program"])],
            entry=int(r["entry"]),
            vector=None if int(r["irq_entry"]) == NONE else int(r["irq_entry"]),
            pcpu=int(r["pcpu"]),
            vm=int(r["vm"]),
            ident=int(r["id"]),
            weight=int(r["weight"]),
            start_cyc=int(r["start_cyc"]),
            powered_on=bool(r["powered_on"]),
        )
        for r in rows
    ]
    cyc = plan.clock.cyc
    tasks = [
        TaskSetup(
            max(1, cyc(t.on_ns)), cyc(t.off_ns), t.pcpu, cyc(t.start_ns), t.weight
        )
        for t in plan.host.tasks
    ]
    names = _ffi.enum("prim", "PYEMU_P_")
    same = (
        *("cpu_hz", "cntfrq_hz", "line_assert_cyc", "line_retire_cyc", "tick_cyc"),
        *("tick_phase_cyc", "halt_poll_max_cyc", "halt_poll_start_cyc"),
        *("sched_latency_cyc", "sched_min_gran_cyc", "sched_wakeup_gran_cyc"),
        *("sched_sleeper_cyc", "hrtimer_min_cyc"),
    )
    return Setup(
        policy=policy_of(plan.policy, table=table),
        cost={name: int(plan.cost_cyc[names[name]]) for name in PRIMS},
        vcpus=vcpus,
        tasks=tasks,
        pcpus=cfg["n_pcpus"],
        lrs=cfg["n_lrs"],
        gicv3=cfg["gic_version"] == 3,
        vhe=bool(cfg["vhe"]),
        eoimode1=bool(cfg["host_eoimode1"]),
        forwarded=bool(cfg["forwarded"]),
        direct_ptimer=bool(cfg["direct_ptimer"]),
        preempt_full=bool(cfg["preempt_full"]),
        nohz_idle=bool(cfg["nohz_idle"]),
        cntvoff_ticks=[vm.cntvoff_ticks or 0 for vm in plan.vms],
        **{name: cfg[name] for name in same},
    )


def op_of(row) -> Op:
    """Decode one op."""
    name = OP_NAMES[int(row["op"])]
    a, b, c, flags = (int(row[key]) for key in ("a", "b", "c", "flags"))
    return Op(name, a, b, c, flags)


def event_of(row) -> tuple:
    """Decode one trace record of the core."""
    kind, who, sub = KINDS[int(row["kind"])], int(row["vcpu"]), int(row["sub"])
    return (
        kind,
        int(row["cyc"]),
        int(row["pcpu"]),
        None if who == NONE else who,
        REASONS[sub] if kind == "exit" else sub,
        int(row["arg"]),
    )


@dataclass
class Answer:
    """What a machine did."""

    stop: str
    trace: list[tuple]
    prims: dict[str, int]
    counters: dict[str, int]


def core_answer(m, until_cyc: int) -> Answer:
    """Run the core."""
    stop = m.run(until_cyc=until_cyc)
    result = m.result("differential")
    counts = dict(zip(PRIMS, map(int, result.arrays["prim_count"]), strict=True))
    return Answer(
        stop.reason,
        [event_of(row) for row in m.events],
        {name: n for name, n in counts.items() if n},
        {name: n for name, n in result.counters.items() if n},
    )


def reference_answer(setup: Setup, until_cyc: int) -> Answer:
    """Run the reference."""
    machine = Reference(setup)
    machine.run(until_cyc)
    return Answer(
        machine.stop,
        machine.trace,
        {name: n for name, n in machine.prims.items() if n},
        {name: n for name, n in machine.counters.items() if n},
    )
