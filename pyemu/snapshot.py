"""Snapshots: the flat machine copied out and in, with what Python keeps beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as having
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import StateError
from .guest import keep

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Snapshot", "put_back", "take"]


@dataclass(frozen=True)
class Snapshot:
    """The whole state of a machine.

    Attributes
    ----------
    key
        Digest of every part of the description; a machine that loads it has the same.
    blob
        The core's bytes.
    now_cyc
        Where the run had stopped, host cycles.
    devices
        What Python emulates: consoles, devices, the rest of the interrupt controllers.
    notes
        The caller's own, plain JSON values; not looked at.
    """

    key: Mapping[str, str]
    blob: NDArray[np.uint8]
    now_cyc: int
    online: tuple[bool, ...]
    paused: frozenset[int]
    cntvoff_ticks: tuple[int, ...]
    affinity: tuple[tuple[int, ...], ...]
    periods: int
    devices: Mapping[str, Any] = having(default_factory=dict)
    notes: Mapping[str, Any] = having(default_factory=dict)


def key_of(machine: Machine) -> dict[str, str]:
    """Return what must be equal for a snapshot to fit, a digest for each part."""
    plan = machine.blueprint
    load = hashlib.sha256()
    for work in plan.workloads:
        load.update(repr((work.vcpus, work.outside, work.rotate_ns)).encode())
        for array in (*work.programs, *work.tables):
            load.update(len(array).to_bytes(8, "little") + array.tobytes())
        if work.code is not None:
            load.update(work.code.digest())
    vms = [
        (vm.name, [vm.vcpu(i) for i in range(vm.n_vcpus)], vm.user_irqchip)
        for vm in plan.vms
    ]
    parts = {
        "policy": plan.compiled,
        "profile": plan.cost_cyc.tolist(),
        "host": (plan.core_config(0, 0), plan.host.tasks, plan.host.outside),
        "vms": vms,
        "moves": machine.moves,
    }
    texts = {name: repr(part).encode() for name, part in parts.items()}
    digests = {name: hashlib.sha256(text) for name, text in texts.items()}
    digests["load"] = load
    return {name: one.hexdigest()[:32] for name, one in sorted(digests.items())}


def take(machine: Machine) -> Snapshot:
    """Copy the state out."""
    return Snapshot(
        key_of(machine),
        machine.core.snapshot(),
        machine.now_cyc,
        tuple(pcpu.online for pcpu in machine.pcpus),
        frozenset(machine.paused),
        tuple(machine.cntvoff_ticks),
        tuple(machine.affinity(vcpu.index) for vcpu in machine.vcpus),
        machine.periods,
        keep.kept(machine),
    )


def put_back(machine: Machine, snapshot: Snapshot) -> None:
    """Load a snapshot.

    Raises
    ------
    StateError
        If it is of another machine or policy.
    """
    for part, mine in key_of(machine).items():
        if snapshot.key.get(part) != mine:
            words = "of another machine, policy or load"
            raise StateError(f"snapshot.{part} is not this machine's: {words}")
    _check(machine, snapshot)
    devices = keep.checked(machine, snapshot.devices)
    machine.core.restore(snapshot.blob)
    keep.put_back(machine, devices)
    for pcpu, online in zip(machine.pcpus, snapshot.online, strict=True):
        pcpu.online = online
    machine.paused = set(snapshot.paused)
    machine.cntvoff_ticks = list(snapshot.cntvoff_ticks)
    machine.affinities = list(snapshot.affinity)
    machine.periods = snapshot.periods


def _check(machine: Machine, snapshot: Snapshot) -> None:
    """Refuse what a file says beside the core's bytes, if it does not fit."""
    n_pcpus, n_vcpus = len(machine.pcpus), len(machine.vcpus)
    n_vms = len(machine.cntvoff_ticks)
    sizes = (
        *(("online", n_pcpus, "pCPUs"), ("affinity", n_vcpus, "vCPUs")),
        ("cntvoff_ticks", n_vms, "VMs"),
    )
    for field, n, what in sizes:
        if len(getattr(snapshot, field)) != n:
            raise StateError(f"snapshot.{field}: the machine has {n} {what}")
    if any(vcpu >= n_vcpus for vcpu in snapshot.paused):
        raise StateError(f"snapshot.paused: the machine has {n_vcpus} vCPUs")
    if any(pcpu >= n_pcpus for one in snapshot.affinity for pcpu in one):
        raise StateError(f"snapshot.affinity: the machine has {n_pcpus} pCPUs")
