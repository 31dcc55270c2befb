"""From descriptions to a machine: everything the core is told, in one place.

`Blueprint` is a description, resolved; `create` feeds it to a new core. Nothing runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from .config import VM, Host, Move, check_machine, whole
from .costs import CostModel
from .costs import get as get_costs
from .errors import ConfigError, unknown_name
from .guest.ops import OP, U32
from .guest.workload import Clock, Workload, place_tables, relocate
from .policy import Compiled, Policy
from .policy import get as get_policy
from .policy.prims import PRIMS

__all__ = ["Blueprint", "Options", "resolve"]

_MS: Final = 1_000_000
# Linux programs a clock event device no closer than this, whatever it could do.
HRTIMER_MIN_NS: Final = 1000


@dataclass(frozen=True)
class Options:
    """How the core runs, without effect on what is emulated (but for tracing).

    `plain` forces the step interpreter; `trace_steps` also records every step.
    """

    plain: bool = False
    trace_steps: bool = False


@dataclass(frozen=True)
class Blueprint:
    """A machine, resolved: nothing in it depends on a default any more."""

    host: Host
    vms: tuple[VM, ...]
    policy: Policy
    costs: CostModel
    gic: str
    vhe: bool
    clock: Clock
    workloads: tuple[Workload, ...]
    seed: int
    options: Options = Options()
    cost_override: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_vcpus(self) -> int:
        """Number of vCPUs of all VMs."""
        return self.starts[-1]

    @property
    def finite(self) -> bool:
        """Whether every guest ends by itself."""
        return all(work.finite for work in self.workloads)

    def first_vcpu(self, vm: int) -> int:
        """Return the machine-wide index of a VM's vCPU 0."""
        return self.starts[vm]

    def vm_of(self, vcpu: int) -> tuple[int, int]:
        """Return a vCPU's VM and its index inside it."""
        vm = bisect_right(self.starts, vcpu) - 1
        return vm, vcpu - self.starts[vm]

    @cached_property
    def starts(self) -> list[int]:
        """The machine-wide index of every VM's vCPU 0, and the number of vCPUs."""
        return [0, *accumulate(vm.n_vcpus for vm in self.vms)]

    @cached_property
    def compiled(self) -> Compiled:
        """The policy's tables as plain numbers."""
        return self.policy.compile()

    @cached_property
    def cost_cyc(self) -> NDArray[np.uint32]:
        """The cost of every primitive, cycles, by enum pyemu_prim.

        Raises
        ------
        ConfigError
            For an override of no primitive, or a cost out of range.
        """
        numbers = _ffi.enum("prim", "PYEMU_P_")
        out = np.zeros(numbers["count"], dtype=np.uint32)
        resolved = self.costs.resolve(PRIMS, gic=self.gic, vhe=self.vhe)
        costs = dict(zip(PRIMS, resolved, strict=True))
        for name, cyc in self.cost_override.items():
            if name not in PRIMS:
                raise unknown_name("cost_override", name, PRIMS)
            costs[name] = cyc
        for name, cyc in costs.items():
            out[numbers[name]] = whole(f"cost.{name}", cyc, 0, 2**30, "cycles")
        return out

    def core_config(self, n_programs: int, n_tables: int) -> dict[str, int]:
        """Return the fields of ``struct pyemu_config``."""
        host, clock = self.host, self.clock
        direct = bool(getattr(self.policy, "direct_ptimer", False)) and self.vhe
        forwarded = host.eoimode1 if host.forwarded is None else host.forwarded
        tick = clock.cpu_hz // host.tick_hz if host.tick_hz else 0
        latency, granularity, wakeup = self.scheduler_ns()
        return {
            "cpu_hz": clock.cpu_hz,
            "cntfrq_hz": clock.cntfrq_hz,
            "seed": self.seed,
            "n_pcpus": host.pcpus,
            "n_vcpus": self.n_vcpus,
            "n_vms": len(self.vms),
            "n_tasks": len(host.tasks),
            "n_programs": n_programs,
            "n_tables": n_tables,
            "n_lrs": host.list_registers,
            "gic_version": 2 if self.gic == "v2" else 3,
            "vhe": int(self.vhe),
            "host_eoimode1": int(host.eoimode1),
            "forwarded": int(forwarded),
            "direct_ptimer": int(direct),
            "preempt_full": int(host.preempt == "full"),
            "plain": int(self.options.plain or self.options.trace_steps),
            "stale_istatus": int(host.stale_istatus),
            "trace_steps": int(self.options.trace_steps),
            "line_assert_cyc": host.line_assert_cyc,
            "line_retire_cyc": host.line_retire_cyc,
            "tick_cyc": tick,
            "tick_phase_cyc": host.tick_phase_cyc,
            "halt_poll_max_cyc": clock.cyc(host.halt_poll_ns),
            "halt_poll_start_cyc": clock.cyc(host.halt_poll_start_ns),
            "sched_latency_cyc": clock.cyc(latency),
            "sched_min_gran_cyc": clock.cyc(granularity),
            "sched_wakeup_gran_cyc": clock.cyc(wakeup),
            "sched_sleeper_cyc": clock.cyc(latency // 2),
            "timeslice_cyc": host.timeslice_cyc,
            "hrtimer_min_cyc": clock.cyc(HRTIMER_MIN_NS),
            "nohz_idle": int(host.nohz_idle),
            "interacts": int(host.interacts),
        }

    def scheduler_ns(self) -> tuple[int, int, int]:
        """Return CFS latency, least granularity and wake-up granularity, ns."""
        host, scale = self.host, self.host.cfs_factor
        given = (
            host.sched_latency_ns,
            host.sched_min_granularity_ns,
            host.sched_wakeup_granularity_ns,
        )
        linux = (6 * _MS * scale, 3 * _MS * scale // 4, _MS * scale)
        latency, least, wakeup = (
            default if value is None else value
            for value, default in zip(given, linux, strict=True)
        )
        return latency, least, wakeup

    def create(self, moves: Sequence[Move] = ()) -> _ffi.Core:
        """Build the machine and start it.

        Raises
        ------
        ConfigError, CapacityError
            What the core refuses, op programs and policy tables included.
        """
        programs, tables, starts = self._programs()
        core = _ffi.Core(self.core_config(len(programs), len(tables)))
        core.set_costs(self.cost_cyc)
        set_policy(core, self.compiled)
        for index, values in enumerate(tables):
            core.set_array("table", values, index)
        for index, ops in enumerate(programs):
            core.set_array("program", ops, index)
        for index, vm in enumerate(self.vms):
            core.set_item("vm", index, self._vm(index, vm))
        self._install(core)
        core.set_items("vcpu", self._vcpus(starts))
        for index, task in enumerate(self.host.tasks):
            fields = {
                "start_cyc": self.clock.cyc(task.start_ns),
                "on_cyc": max(1, self.clock.cyc(task.on_ns)),
                "off_cyc": min(self.clock.cyc(task.off_ns), 2**61),
                "slack_cyc": min(self.clock.cyc(task.slack_ns), 2**61),
                "pcpu": task.pcpu,
                "weight": task.weight,
                "vcpu": self._first_vcpu_of(task.vm),
                "intid": task.intid,
            }
            core.set_item("task", index, fields)
        self._set_events(core, moves)
        core.start()
        return core

    def _first_vcpu_of(self, name: str | None) -> int:
        """Return a VM's vCPU 0 by the VM's name; none has none."""
        if name is None:
            return U32
        return self.first_vcpu([vm.name for vm in self.vms].index(name))

    def _vm(self, index: int, vm: VM) -> dict[str, int]:
        return {
            "cntvoff_ticks": vm.cntvoff_ticks or 0,
            "user_irqchip": int(vm.user_irqchip),
            "first_vcpu": self.first_vcpu(index),
            "n_vcpus": vm.n_vcpus,
        }

    def _install(self, core: _ffi.Core) -> None:
        """Give VMs of machine code their memory, image and processors."""
        for vm, work in enumerate(self.workloads):
            if work.code:
                vcpus = (self.first_vcpu(vm), self.vms[vm].n_vcpus)
                work.code.install(core, vm, vcpus, int(self.gic[1]))

    def _programs(
        self,
    ) -> tuple[list[NDArray[Any]], list[NDArray[np.uint64]], list[tuple[int, ...]]]:
        """Join the workloads; only the machine's first vCPU resets statistics."""
        programs: list[NDArray[Any]] = []
        tables: list[NDArray[np.uint64]] = []
        starts: list[tuple[int, ...]] = []
        seen: dict[tuple[bytes, bool], int] = {}
        for work in self.workloads:
            base = place_tables(tables, work)
            placed: dict[tuple[int, bool], int] = {}
            for start in work.vcpus:
                first = not starts
                if work.code:
                    starts.append((U32, 0, U32, int(start.powered_on)))
                    continue
                if (start.program, first) not in placed:
                    ops = relocate(work.programs[start.program], base)
                    key = (ops.tobytes(), first)
                    if key not in seen:
                        seen[key] = len(programs)
                        programs.append(ops if first else _without_reset(ops))
                    placed[start.program, first] = seen[key]
                where = (placed[start.program, first], start.entry, start.irq_entry)
                starts.append((*where, int(start.powered_on)))
        return programs, tables, starts

    def _vcpus(self, starts: Sequence[tuple[int, ...]]) -> NDArray[Any]:
        """Return the array of ``struct pyemu_vcpu_config``."""
        out = np.zeros(self.n_vcpus, dtype=_ffi.dtype("vcpu_config"))
        index = 0
        for vm_index, vm in enumerate(self.vms):
            for local in range(vm.n_vcpus):
                one = vm.vcpu(local)
                home = one.affinity[0] if one.affinity else index % self.host.pcpus
                program, entry, irq_entry, on = starts[index]
                powered = on if one.powered_on is None else int(one.powered_on)
                start_cyc = self.clock.cyc(one.start_ns)
                out[index] = (
                    *(vm_index, local, home, program, entry, irq_entry),
                    *(one.weight, powered, start_cyc, self.clock.cyc(one.debit_ns)),
                )
                index += 1
        return out

    def _set_events(self, core: _ffi.Core, moves: Sequence[Move]) -> None:
        """Give the core its outside interrupts and moves, sorted by cycle."""
        irqs = []
        for irq in self.host.outside:
            vcpu = self._first_vcpu_of(irq.vm)
            irqs.append((irq.at_cyc, irq.pcpu, vcpu, irq.intid, irq.level))
        for vm, work in enumerate(self.workloads):
            irqs += [(at, 0, self.first_vcpu(vm), i, lv) for at, i, lv in work.outside]
        if irqs:
            arr = np.zeros(len(irqs), dtype=_ffi.dtype("outside"))
            arr[:] = sorted(irqs, key=lambda irq: irq[0])
            core.set_array("outside", arr)
        if moves:
            arr = np.zeros(len(moves), dtype=_ffi.dtype("move"))
            ordered = sorted(moves, key=lambda move: move.at_cyc)
            arr[:] = [(move.at_cyc, move.vcpu, move.pcpu) for move in ordered]
            core.set_array("moves", arr)


def _without_reset(ops: NDArray[Any]) -> NDArray[Any]:
    """Turn RESET_STATS into an operation without effect."""
    resets = ops["op"] == OP["reset_stats"]
    if not resets.any():
        return ops
    quiet = ops.copy()
    quiet["op"][resets] = OP["count"]
    return quiet


def set_policy(core: _ffi.Core, compiled: Compiled) -> None:
    """Load a compiled policy into the core.

    Raises
    ------
    ConfigError
        For a table with a step where it cannot stand.
    """
    steps = np.zeros(len(compiled.steps), dtype=_ffi.dtype("step"))
    steps[:] = [tuple(step) for step in compiled.steps]
    guards = np.zeros(len(compiled.guards), dtype=_ffi.dtype("guard"))
    guards[:] = [(mask, want, int(inv), 0) for mask, want, inv in compiled.guards]
    start = np.asarray(compiled.hook_start, dtype=np.uint32)
    core.set_policy(steps, start, guards, int(compiled.switches))


def resolve(
    host: Host,
    vms: Sequence[VM],
    policy: Policy | str,
    *,
    load: Any = None,
    seed: int = 0,
    options: Options | None = None,
    cost_override: Mapping[str, int] | None = None,
) -> Blueprint:
    """Fill every default in and check what belongs together.

    Raises
    ------
    ConfigError
        For a machine that cannot be.
    """
    costs = get_costs(host.profile) if isinstance(host.profile, str) else host.profile
    gic = host.gic or getattr(costs, "gic", None) or "v3"
    vhe = getattr(costs, "vhe", None) if host.vhe is None else host.vhe
    vhe = gic == "v3" if vhe is None else bool(vhe)
    check_machine(host, vms, gic)
    if not 0 <= int(seed) < 2**64:
        raise ConfigError("seed", seed, "a whole number from 0 to 2^64 - 1")
    clock = Clock(host.cpu_hz or costs.cpu_hz, host.cntfrq_hz or costs.cntfrq_hz)
    table = get_policy(policy) if isinstance(policy, str) else policy
    works = _workloads(vms, load, clock)
    blueprint = Blueprint(
        *(host, tuple(vms), table, costs, gic, vhe, clock, works, int(seed)),
        options or Options(),
        dict(cost_override or {}),
    )
    _check_targets(blueprint)
    return blueprint


def _workloads(vms: Sequence[VM], load: Any, clock: Clock) -> tuple[Workload, ...]:
    """Build each load once for all VMs of one size that run it."""
    built: dict[tuple[int, int], Workload] = {}
    for vm in vms:
        key = (id(load if vm.load is None else vm.load), vm.n_vcpus)
        if key not in built:
            built[key] = _workload(vm, load, clock)
    return tuple(
        built[id(load if vm.load is None else vm.load), vm.n_vcpus] for vm in vms
    )


def _workload(vm: VM, load: Any, clock: Clock) -> Workload:
    """Return what a VM runs: its own load or the run's, one or several."""
    chosen = load if vm.load is None else vm.load
    if chosen is None:
        raise ConfigError(f"vm.{vm.name}.load", None, "a load for this VM or the run")
    if isinstance(chosen, Workload):
        if len(chosen.vcpus) != vm.n_vcpus:
            words = f"a workload for {vm.n_vcpus} vCPUs"
            raise ConfigError(f"vm.{vm.name}.load", len(chosen.vcpus), words)
        return chosen
    if isinstance(chosen, (list, tuple)):
        if len(chosen) != 1:
            words = "one load a VM; use several VMs to mix loads"
            raise ConfigError(f"vm.{vm.name}.load", len(chosen), words)
        return _workload(vm, chosen[0], clock)
    work: Workload = chosen.build(clock, vm.n_vcpus)
    return work


def _check_targets(blueprint: Blueprint) -> None:
    """Refuse an SGI or CPU_ON whose target the VM does not have."""
    checked: set[tuple[int, int]] = set()
    for vm, work in zip(blueprint.vms, blueprint.workloads, strict=True):
        if (id(work), vm.n_vcpus) in checked:
            continue
        checked.add((id(work), vm.n_vcpus))
        for ops in work.programs:
            sgi = ops[(ops["op"] == OP["sgi"]) & (ops["c"] == 0)]
            on = ops[ops["op"] == OP["cpu_on"]]
            for name, target in (("sgi", sgi["b"]), ("cpu_on", on["a"])):
                if target.size and int(target.max()) >= vm.n_vcpus:
                    words = f"a vCPU of this VM, 0..{vm.n_vcpus - 1}"
                    field = f"vm.{vm.name}.{name}.target"
                    raise ConfigError(field, int(target.max()), words)
