"""Snapshots: the flat machine copied out and in, with what Python keeps beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import StateError

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Snapshot", "put_back", "take"]


@dataclass(frozen=True)
class Snapshot:
    """The whole state of a machine.

    Attributes
    ----------
    key
        Description of the machine; only one with the same may load it.
    blob
        The core's bytes.
    now_cyc
        Where the run had stopped, host cycles.
    """

    key: str
    blob: NDArray[np.uint8]
    now_cyc: int
    online: tuple[bool, ...]
    paused: frozenset[int]
    cntvoff_ticks: tuple[int, ...]
    affinity: tuple[tuple[int, ...], ...]
    periods: int


def key_of(machine: Machine) -> str:
    """Return what must be equal for a snapshot to fit."""
    plan = machine.blueprint
    text = f"{plan.host!r} {plan.vms!r} {plan.compiled!r} {plan.seed}"
    digest = hashlib.sha256(f"{text} {plan.options!r}".encode())
    for work in plan.workloads:
        for array in (*work.programs, *work.tables):
            digest.update(array.tobytes())
    return digest.hexdigest()


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
    )


def put_back(machine: Machine, snapshot: Snapshot) -> None:
    """Load a snapshot.

    Raises
    ------
    StateError
        If it is of another machine or policy.
    """
    if snapshot.key != key_of(machine):
        raise StateError("the snapshot is of another machine or policy")
    machine.core.restore(snapshot.blob)
    for pcpu, online in zip(machine.pcpus, snapshot.online, strict=True):
        pcpu.online = online
    machine.paused = set(snapshot.paused)
    machine.cntvoff_ticks = list(snapshot.cntvoff_ticks)
    machine.affinities = list(snapshot.affinity)
    machine.periods = snapshot.periods
