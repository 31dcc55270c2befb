"""Reads a core out into a `Result`: counts, cycles, histograms, names, hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from .assemble import Blueprint
from .config import VM, Host
from .policy.guards import FLAGS
from .policy.prims import OPS, PRIMS
from .result import REASONS, Result
from .version import VERSION

__all__ = ["collect", "echo"]

HOOKS: Final = _ffi.enum("hook", "PYEMU_H_")
COUNTERS: Final = _ffi.enum("counter", "PYEMU_C_")
PRIM_CODES: Final = _ffi.enum("prim", "PYEMU_P_")
# The core's numbers have a gap where its step primitives end; results have none.
PRIM_ORDER: Final = [PRIM_CODES[name] for name in PRIMS]
N_HISTS: Final = 2 + 2 * len(REASONS)
# KVM's own names of its statistics, where they differ from the core's.
KVM_NAMES: Final = {
    "hvc_stat": "hvc_exit_stat",
    "wfe_stat": "wfe_exit_stat",
    "wfi_stat": "wfi_exit_stat",
    "mmio_user_stat": "mmio_exit_user",
    "mmio_kernel_stat": "mmio_exit_kernel",
    "signal_stat": "signal_exits",
    "poll_attempted": "halt_attempted_poll",
    "poll_successful": "halt_successful_poll",
    "poll_invalid": "halt_poll_invalid",
}


def collect(core: _ffi.Core, plan: Blueprint, meta: Mapping[str, Any]) -> Result:
    """Return everything the core has counted, with the names to read it by."""
    sums = core.reason_sums(len(REASONS))
    lows = _ffi.hist_lows()
    hist = [core.read_u64("histogram", lows.size, i) for i in range(N_HISTS)]
    counters = core.read_u64("counters", COUNTERS["count"])
    names = [KVM_NAMES.get(name, name) for name in COUNTERS if name != "count"]
    compiled = plan.compiled
    vcpus = core.read_stats("vcpu_stats", plan.n_vcpus)
    # An exit counts when it is taken, its handling when the next entry ends it: the
    # last exit of a vCPU that powers off has no handling.
    sums["handled"] = sums.pop("count")
    sums["count"] = vcpus["exits"].sum(axis=0, dtype=np.uint64)
    arrays: dict[str, NDArray[Any]] = {
        **{f"reason_{key}": values for key, values in sums.items()},
        "hist": np.stack(hist),
        "hist_low_cyc": lows,
        "prim_count": core.read_u64("prim_counts", PRIM_CODES["count"])[PRIM_ORDER],
        "step_count": core.read_u64("step_counts", len(compiled.steps)),
        "cost_cyc": plan.cost_cyc[PRIM_ORDER],
        "counters": np.append(counters, np.uint64(int(sums["count"].sum()))),
        "vcpus": vcpus,
        "pcpus": core.read_stats("pcpu_stats", plan.host.pcpus),
    }
    return Result(
        {
            **meta,
            **describe(plan),
            "start_cyc": min(start_cycles(plan)),
            "counter_names": [*names, "exits"],
            "steps": [list(step) for step in compiled.steps],
            "guards": [guard_text(*guard) for guard in compiled.guards],
            "hook_names": [name for name in HOOKS if name != "count"],
            **primitive_names(),
        },
        arrays,
    )


def guard_text(mask: int, want: int, inverted: int) -> str:
    """Return a guard in words, empty for none.

    Examples
    --------
    >>> guard_text(3, 1, 0)
    'enabled & ~loaded'
    """
    if mask == 0:
        return ""
    words = [
        name if want >> bit & 1 else f"~{name}"
        for bit, name in enumerate(FLAGS)
        if mask >> bit & 1
    ]
    joined = " & ".join(words)
    return f"~({joined})" if inverted else joined


def start_cycles(plan: Blueprint) -> list[int]:
    """Return when each vCPU thread first calls KVM_RUN, host cycles."""
    return [
        plan.clock.cyc(vm.vcpu(i).start_ns)
        for vm in plan.vms
        for i in range(vm.n_vcpus)
    ]


def primitive_names() -> dict[str, Any]:
    """Return names, components and operation names by primitive."""
    rows = list(PRIMS.values())
    return {
        "prim_names": [row.name for row in rows],
        "prim_components": [row.component for row in rows],
        "prim_ops": [list(row.ops) for row in rows],
        "op_names": list(OPS),
    }


def describe(plan: Blueprint) -> dict[str, Any]:
    """Return policy, machine, seed and hashes of a run."""
    scenario = echo(plan)
    text = json.dumps(scenario, sort_keys=True)
    return {
        "policy": plan.policy.name,
        "gic": plan.gic,
        "vhe": plan.vhe,
        "profile": plan.costs.name,
        "profile_sha": plan.costs.sha,
        "version": VERSION,
        "cpu_hz": plan.clock.cpu_hz,
        "cntfrq_hz": plan.clock.cntfrq_hz,
        "seed": plan.seed,
        "cost_override": dict(plan.cost_override),
        "scenario": scenario,
        "config_sha": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def echo(plan: Blueprint) -> dict[str, Any]:
    """Return the scenario with every default filled in; `scenario` reads it again."""
    host: dict[str, Any] = {
        field.name: getattr(plan.host, field.name)
        for field in fields(Host)
        if field.name not in ("tasks", "outside")
    }
    latency, granularity, wakeup = plan.scheduler_ns()
    host |= {
        "profile": plan.costs.name,
        "gic": plan.gic,
        "vhe": plan.vhe,
        "cpu_hz": plan.clock.cpu_hz,
        "cntfrq_hz": plan.clock.cntfrq_hz,
        "sched_latency_ns": latency,
        "sched_min_granularity_ns": granularity,
        "sched_wakeup_granularity_ns": wakeup,
        "task": [_plain(task) for task in plan.host.tasks],
        "outside": [_plain(irq) for irq in plan.host.outside],
    }
    if host["forwarded"] is None:
        host["forwarded"] = plan.host.eoimode1
    return {
        "policy": plan.policy.name,
        "seed": plan.seed,
        "host": host,
        "vm": [_vm(vm) for vm in plan.vms],
    }


def _plain(item: Any) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _vm(vm: VM) -> dict[str, Any]:
    out: dict[str, Any] = {"name": vm.name, "user_irqchip": vm.user_irqchip}
    if isinstance(vm.vcpus, int):
        out["vcpus"] = vm.vcpus
    else:
        out["vcpu"] = [_plain(one) for one in vm.vcpus]
    if vm.cntvoff_ticks is not None:
        out["cntvoff_ticks"] = vm.cntvoff_ticks
    params = getattr(vm.load, "params", None)
    if params is not None:
        out["load"] = {"kind": vm.load.name, **params}
    return out
