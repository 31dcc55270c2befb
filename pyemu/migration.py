"""Migration of a VM between two machines: pause, read out, offset, restore, resume.

The state is what KVM_GET_ONE_REG and the vgic device attributes show. The counter
rule is the kernel's: the guest's virtual count continues where it stopped (the
default, as when user space saves and restores KVM_REG_ARM_TIMER_CNT), or has run on
during the downtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .config import whole
from .errors import ConfigError, StateError, unknown_name
from .machine import Machine

__all__ = ["SavedVM", "freeze", "migrate", "thaw"]

PAUSE_STEP_NS = 100_000
PAUSE_STEPS = 1000


@dataclass(frozen=True)
class SavedVM:
    """A stopped VM: its vCPUs' state and its virtual count.

    Attributes
    ----------
    vcpus
        One record of ``struct pyemu_vcpu_state`` a vCPU.
    virtual_count_ticks
        CNTVCT when the last vCPU had stopped.
    cntfrq_hz
        Frequency of that count; a target must have the same.
    """

    name: str
    vcpus: tuple[NDArray[Any], ...]
    virtual_count_ticks: int
    cntfrq_hz: int


def _find(machine: Machine, name: str) -> tuple[int, range]:
    """Return a VM's index and the machine-wide indexes of its vCPUs."""
    plan = machine.blueprint
    names = [vm.name for vm in plan.vms]
    if name not in names:
        raise unknown_name("vm", name, names)
    index = names.index(name)
    first = plan.first_vcpu(index)
    return index, range(first, first + plan.vms[index].n_vcpus)


def freeze(machine: Machine, name: str) -> SavedVM:
    """Pause a VM, wait until every vCPU has left KVM_RUN, and read it out.

    Raises
    ------
    ConfigError
        For an unknown VM.
    StateError
        If a vCPU does not stop.
    """
    index, vcpus = _find(machine, name)
    for vcpu in vcpus:
        machine.pause(vcpu)
    step = max(1, machine.blueprint.clock.cyc(PAUSE_STEP_NS))
    stopped = ("off", "paused")
    for _ in range(PAUSE_STEPS):
        if all(machine.vcpus[vcpu].state in stopped for vcpu in vcpus):
            break
        machine.run(until_cyc=machine.now_cyc + step)
    else:
        raise StateError(f"VM {name!r}: a vCPU does not leave KVM_RUN")
    states = tuple(machine.core.get_vcpu(vcpu) for vcpu in vcpus)
    count = machine.virtual_count(index)
    return SavedVM(name, states, count, machine.blueprint.clock.cntfrq_hz)


def thaw(
    machine: Machine, saved: SavedVM, name: str | None = None, *, downtime_ns: int = 0
) -> None:
    """Restore a stopped VM into a VM of the same shape and let it run.

    Parameters
    ----------
    machine
        The target; its VM must not have run (see `Machine.pause`) or be paused.
    saved
        What `freeze` returned.
    name
        The VM there, if it is called differently.
    downtime_ns
        How far the guest's count runs on meanwhile; 0 keeps it stopped.

    Raises
    ------
    ConfigError
        For another number of vCPUs or another counter frequency.
    """
    index, vcpus = _find(machine, name or saved.name)
    clock = machine.blueprint.clock
    if len(vcpus) != len(saved.vcpus):
        raise ConfigError("migrate.vcpus", len(vcpus), f"{len(saved.vcpus)} vCPUs")
    if clock.cntfrq_hz != saved.cntfrq_hz:
        words = f"{saved.cntfrq_hz} Hz as on the source: the guest has read CNTFRQ"
        raise ConfigError("migrate.cntfrq_hz", clock.cntfrq_hz, words)
    away = whole("migrate.downtime_ns", downtime_ns, 0, 2**62, "ns")
    count = saved.virtual_count_ticks + away * clock.cntfrq_hz // 10**9
    now = machine.core.count_ticks(machine.now_cyc)
    machine.set_cntvoff(index, now - count)
    for vcpu, state in zip(vcpus, saved.vcpus, strict=True):
        machine.core.set_vcpu_state(vcpu, state)
    for vcpu in vcpus:
        machine.pause(vcpu, False)


def migrate(
    source: Machine, target: Machine, name: str, *, downtime_ns: int = 0
) -> SavedVM:
    """Move a VM from one machine to another and return what was moved.

    Raises
    ------
    ConfigError, StateError
        As `freeze` and `thaw`.
    """
    saved = freeze(source, name)
    thaw(target, saved, downtime_ns=downtime_ns)
    return saved
