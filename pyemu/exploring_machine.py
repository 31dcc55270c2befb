"""The small machine that an explorer starts from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from . import _ffi
from .assemble import set_policy
from .errors import ConfigError, unknown_name
from .policy import Policy

__all__ = ["QUIRKS", "check_shape", "small_core"]

# Machines that are not the usual one; each is a host or a board with that property.
QUIRKS: Final[dict[str, str]] = {
    "stale_istatus": "CTL reads back an old ISTATUS until an ISB (1.4)",
    "no_deactivate": "a host GIC with EOImode 0: EOIR deactivates (2.2)",
    "not_forwarded": "irq_set_vcpu_affinity was not done (2.2)",
    "other_level": "the other interrupt is a device's level, lowered at its EOI (2.4)",
    "other_first": "the other interrupt has a higher priority than the timers",
}
CNTVOFF_TICKS: Final = 64
OTHER_INTID: Final = 0  # EX_OTHER_SGI
FIRST_PRIORITY: Final = 0x80


def _vms(shape: dict[str, Any]) -> list[dict[str, int]]:
    """Return one VM; with a user-space irqchip its first vCPU is a VM of its own."""
    n, split = int(shape["vcpus"]), bool(shape["user_irqchip"])
    sizes = [1, n - 1] if split and n > 1 else [n]
    return [
        {
            "cntvoff_ticks": CNTVOFF_TICKS,
            "first_vcpu": sum(sizes[:index]),
            "n_vcpus": size,
            "user_irqchip": int(split and index == 0),
        }
        for index, size in enumerate(sizes)
    ]


def small_core(policy: Policy, shape: dict[str, Any]) -> _ffi.Core:
    """Build the machine an explorer starts from: one op, unit costs."""
    vhe = bool(shape["vhe"])
    vms = _vms(shape)
    config = {
        "cpu_hz": 1_000_000_000,
        "cntfrq_hz": 1_000_000_000,
        "n_pcpus": shape["pcpus"],
        "n_vcpus": shape["vcpus"],
        "n_vms": len(vms),
        "n_programs": 1,
        "n_lrs": shape["lrs"],
        "gic_version": 2 if shape["gic"] == "v2" else 3,
        "vhe": int(vhe),
        "host_eoimode1": int("no_deactivate" not in shape["quirks"]),
        "forwarded": int("not_forwarded" not in shape["quirks"]),
        "stale_istatus": int("stale_istatus" in shape["quirks"]),
        "direct_ptimer": int(policy.direct_ptimer and vhe),
        "preempt_full": 1,
        "plain": 1,
        "nohz_idle": 1,
        "interacts": 1,
    }
    core = _ffi.Core(config)
    n_prims = _ffi.enum("prim", "PYEMU_P_")["count"]
    core.set_costs(np.ones(n_prims, dtype=np.uint32))
    set_policy(core, policy.compile())
    core.set_array("program", np.zeros(1, dtype=_ffi.dtype("op")), 0)
    for index, vm in enumerate(vms):
        core.set_item("vm", index, vm)
    for index in range(shape["vcpus"]):
        fields = {
            "id": index,
            "vm": next(i for i, vm in enumerate(vms) if index < _end(vm)),
            "pcpu": index % shape["pcpus"],
            "irq_entry": _ffi.NONE_U32,
            "weight": 1024,
            "powered_on": 1,
        }
        core.set_item("vcpu", index, fields)
    core.start()
    for index in range(shape["vcpus"]):
        facts = core.irq_get(index, OTHER_INTID)
        facts["edge"] = int("other_level" not in shape["quirks"])
        if "other_first" in shape["quirks"]:
            facts["prio"] = FIRST_PRIORITY
        core.irq_set(index, OTHER_INTID, facts)
    return core


def _end(vm: dict[str, int]) -> int:
    return vm["first_vcpu"] + vm["n_vcpus"]


def check_shape(shape: dict[str, Any]) -> None:
    """Refuse a machine that cannot be explored, by its field."""
    for name, low, high in (("vcpus", 1, 2), ("pcpus", 1, 2), ("lrs", 1, 16)):
        if not low <= int(shape[name]) <= high:
            words = f"a whole number from {low} to {high}"
            raise ConfigError(f"explore.{name}", shape[name], words)
    for name in shape["quirks"]:
        if name not in QUIRKS:
            raise unknown_name("explore.quirk", name, QUIRKS)
    if shape["gic"] not in ("v2", "v3"):
        raise ConfigError("explore.gic", shape["gic"], "v2 or v3")
