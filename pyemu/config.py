"""Frozen descriptions of host, VMs and vCPUs, and all of their validation.

A value that cannot be is refused here, by name, with what would be allowed; the core
checks again only what it must not trust. Times end in their unit: ``_ns`` and ``_cyc``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from .errors import ConfigError, unknown_name

__all__ = [
    "MAX_PCPUS",
    "MAX_VCPUS",
    "VM",
    "Host",
    "Move",
    "Outside",
    "Task",
    "VCpu",
    "check_machine",
]

DEFAULT_PROFILE: Final = "n1-altra-gicv3"
MAX_PCPUS: Final = 4096
MAX_VCPUS: Final = 65536
GICV2_MAX_VCPUS: Final = 8
GICV3_MAX_VCPUS: Final = 512
FIRST_SPI, LAST_SPI = 32, 127
U64_MAX: Final = 2**64 - 1
U32_MAX: Final = 2**32 - 1

_T = TypeVar("_T")


def whole(field: str, value: object, low: int, high: int, unit: str = "") -> int:
    """Return an integer inside ``low..high``.

    Raises
    ------
    ConfigError
        Otherwise, NaN and booleans included.

    Examples
    --------
    >>> whole("host.pcpus", 2, 1, 4)
    2
    """
    words = f"a whole number from {low} to {high}" + (f" {unit}" if unit else "")
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        if isinstance(value, float) and value.is_integer() and low <= value <= high:
            return int(value)
        raise ConfigError(field, value, words)
    number = int(value.__index__())
    if not low <= number <= high:
        raise ConfigError(field, value, words)
    return number


def truth(field: str, value: object) -> bool:
    """Return a boolean, or raise ConfigError."""
    if not isinstance(value, bool):
        raise ConfigError(field, value, "true or false")
    return value


def one_of(field: str, value: object, allowed: Sequence[str]) -> str:
    """Return one of the allowed words, or raise ConfigError with a suggestion."""
    if not isinstance(value, str) or value not in allowed:
        raise unknown_name(field, str(value), allowed)
    return value


def _maybe(check: Callable[[str, object], _T], field: str, value: object) -> _T | None:
    return None if value is None else check(field, value)


def _ns(field: str, value: object) -> int:
    return whole(field, value, 0, 2**62, "ns")


@dataclass(frozen=True, slots=True)
class Task:
    """A host task: runs `on_ns`, sleeps `off_ns`, again; `off_ns` 0 is a hog.

    With `vm` and `intid` it is a VMM's device thread: every burst ends by raising
    that SPI; the guest lowers it at the device. `slack_ns` is Linux's timer slack: its
    sleeps end at any host timer interrupt so much later, at the end of that at last.
    """

    pcpu: int = 0
    on_ns: int = 1_000_000
    off_ns: int = 0
    weight: int = 1024
    start_ns: int = 0
    vm: str | None = None
    intid: int = 0
    slack_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.vm is not None:
            whole("task.intid", self.intid, FIRST_SPI, LAST_SPI)
        elif self.intid:
            raise ConfigError("task.intid", self.intid, "0 without task.vm")
        whole("task.pcpu", self.pcpu, 0, MAX_PCPUS - 1)
        whole("task.on_ns", self.on_ns, 1, 2**62, "ns")
        _ns("task.off_ns", self.off_ns)
        whole("task.weight", self.weight, 3, 88761)
        _ns("task.start_ns", self.start_ns)
        _ns("task.slack_ns", self.slack_ns)


@dataclass(frozen=True, slots=True)
class Move:
    """At host cycle `at_cyc`, machine-wide vCPU `vcpu` goes to `pcpu`."""

    at_cyc: int
    vcpu: int
    pcpu: int

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        whole("move.at_cyc", self.at_cyc, 0, U64_MAX, "cycles")
        whole("move.vcpu", self.vcpu, 0, MAX_VCPUS - 1)
        whole("move.pcpu", self.pcpu, 0, MAX_PCPUS - 1)


@dataclass(frozen=True, slots=True)
class Outside:
    """An outside interrupt: for vCPU 0 of `vm`, or without one a host device's.

    INTIDs below 16 are edges, above them `level` is the new level of the line.
    """

    at_cyc: int
    pcpu: int = 0
    vm: str | None = None
    intid: int = 2
    level: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        whole("outside.at_cyc", self.at_cyc, 0, U64_MAX, "cycles")
        whole("outside.pcpu", self.pcpu, 0, MAX_PCPUS - 1)
        whole("outside.intid", self.intid, 0, 31)
        whole("outside.level", self.level, 0, 1)


@dataclass(frozen=True, slots=True)
class VCpu:
    """One vCPU thread.

    `affinity` lists the pCPUs it may run on, the first being where it starts; None
    means all of them, dealt round robin. `debit_ns` is the virtual run time its thread
    starts with: Linux makes a new thread wait a slice (START_DEBIT).
    """

    affinity: tuple[int, ...] | None = None
    weight: int = 1024
    powered_on: bool | None = None
    start_ns: int = 0
    debit_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values, the empty affinity among them."""
        if self.affinity is not None:
            object.__setattr__(self, "affinity", tuple(self.affinity))
            if not self.affinity:
                raise ConfigError("vcpu.affinity", [], "at least one pCPU")
            for pcpu in self.affinity or ():
                whole("vcpu.affinity", pcpu, 0, MAX_PCPUS - 1)
        whole("vcpu.weight", self.weight, 3, 88761)
        _maybe(truth, "vcpu.powered_on", self.powered_on)
        _ns("vcpu.start_ns", self.start_ns)
        _ns("vcpu.debit_ns", self.debit_ns)


_ANY_VCPU: Final = VCpu()


@dataclass(frozen=True, slots=True)
class VM:
    """One virtual machine.

    Parameters
    ----------
    name
        Unique in its machine.
    vcpus
        A number, or a tuple of `VCpu`.
    load
        What its vCPUs run: a load, or several, dealt round robin over the vCPUs. None
        takes the load of the run.
    cntvoff_ticks
        CNTVOFF_EL2; None is the count at creation, so that the guest counts from 0.
    user_irqchip
        Interrupt controller in user space (no in-kernel vgic).
    """

    name: str = "vm0"
    vcpus: int | tuple[VCpu, ...] = 1
    load: Any = None
    cntvoff_ticks: int | None = None
    user_irqchip: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not isinstance(self.name, str) or not self.name:
            raise ConfigError("vm.name", self.name, "a name")
        if isinstance(self.vcpus, (list, tuple)):
            object.__setattr__(self, "vcpus", tuple(self.vcpus))
            if not self.vcpus:
                raise ConfigError("vm.vcpus", [], "at least one vCPU")
            for vcpu in self.vcpus:
                if not isinstance(vcpu, VCpu):
                    raise ConfigError("vm.vcpus", vcpu, "VCpu objects")
        else:
            whole("vm.vcpus", self.vcpus, 1, MAX_VCPUS)
        if self.cntvoff_ticks is not None:
            whole("vm.cntvoff_ticks", self.cntvoff_ticks, 0, U64_MAX, "ticks")
        truth("vm.user_irqchip", self.user_irqchip)

    @property
    def n_vcpus(self) -> int:
        """How many vCPUs it has."""
        return self.vcpus if isinstance(self.vcpus, int) else len(self.vcpus)

    def vcpu(self, index: int) -> VCpu:
        """Return the description of its vCPU `index`."""
        return _ANY_VCPU if isinstance(self.vcpus, int) else self.vcpus[index]


@dataclass(frozen=True, slots=True)
class Host:
    """The physical machine and its kernel's fixed parameters.

    None means: what the cost profile says (`gic`, `vhe`, `cpu_hz`, `cntfrq_hz`) or
    what Linux derives from the number of pCPUs (the scheduler's times, CFS: 6 ms
    latency, 0.75 ms granularity, 1 ms wake-up granularity, each times
    1 + log2 of at most 8 pCPUs).
    """

    pcpus: int = 1
    profile: Any = DEFAULT_PROFILE
    gic: str | None = None
    vhe: bool | None = None
    list_registers: int = 4
    cpu_hz: int | None = None
    cntfrq_hz: int | None = None
    tick_hz: int = 250
    tick_phase_cyc: int = 0
    preempt: str = "full"
    nohz_idle: bool = True
    halt_poll_ns: int = 500_000
    halt_poll_start_ns: int = 10_000
    sched_latency_ns: int | None = None
    sched_min_granularity_ns: int | None = None
    sched_wakeup_granularity_ns: int | None = None
    timeslice_cyc: int = 0
    line_assert_cyc: int = 0
    line_retire_cyc: int = 0
    eoimode1: bool = True
    forwarded: bool | None = None
    stale_istatus: bool = False
    interacts: bool = True
    tasks: tuple[Task, ...] = ()
    outside: tuple[Outside, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        whole("host.pcpus", self.pcpus, 1, MAX_PCPUS)
        if self.gic is not None:
            one_of("host.gic", self.gic, ("v2", "v3"))
        _maybe(truth, "host.vhe", self.vhe)
        whole("host.list_registers", self.list_registers, 1, 16)
        for name in ("cpu_hz", "cntfrq_hz"):
            if getattr(self, name) is not None:
                whole(f"host.{name}", getattr(self, name), 1, 10**12, "Hz")
        whole("host.tick_hz", self.tick_hz, 0, 10_000, "Hz (0: no tick)")
        one_of("host.preempt", self.preempt, ("full", "voluntary"))
        for name in ("nohz_idle", "eoimode1", "stale_istatus", "interacts"):
            truth(f"host.{name}", getattr(self, name))
        _maybe(truth, "host.forwarded", self.forwarded)
        if self.forwarded and not self.eoimode1:
            words = "false while host.eoimode1 is false: no split, no forwarding"
            raise ConfigError("host.forwarded", True, words)
        self._check_times()
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "outside", tuple(self.outside))
        for task in self.tasks:
            whole("task.pcpu", task.pcpu, 0, self.pcpus - 1)
        for irq in self.outside:
            whole("outside.pcpu", irq.pcpu, 0, self.pcpus - 1)

    def _check_times(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name.endswith("_ns"):
                _ns(f"host.{field.name}", value)
            if field.name.endswith("_cyc"):
                whole(f"host.{field.name}", value, 0, 2**62, "cycles")

    def with_(self, **changes: Any) -> Host:
        """Return a copy with some fields changed, validated again."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("host", name, known)
        return replace(self, **changes)

    @property
    def cfs_factor(self) -> int:
        """CFS's logarithmic scale of its times by the number of pCPUs."""
        return 1 + min(self.pcpus, 8).bit_length() - 1


def check_machine(host: Host, vms: Sequence[VM], gic: str) -> None:
    """Check what no single description can see.

    Raises
    ------
    ConfigError
        Duplicate VM names, no VM, too many vCPUs for the interrupt controller,
        affinity to a pCPU that is not there, an outside interrupt for no VM.
    """
    if not vms:
        raise ConfigError("vm", [], "at least one VM (a machine without a guest)")
    names = Counter(vm.name for vm in vms)
    for name, count in names.items():
        if count > 1:
            raise ConfigError("vm.name", name, f"unique: it names {count} VMs")
    most = GICV2_MAX_VCPUS if gic == "v2" else GICV3_MAX_VCPUS
    for vm in vms:
        if vm.n_vcpus > most:
            words = f"at most {most} vCPUs in one VM with a GIC{gic}"
            raise ConfigError(f"vm.{vm.name}.vcpus", vm.n_vcpus, words)
        for index in range(vm.n_vcpus):
            for pcpu in vm.vcpu(index).affinity or ():
                if pcpu >= host.pcpus:
                    words = f"pCPUs 0..{host.pcpus - 1} of this host"
                    raise ConfigError(f"vm.{vm.name}.affinity", pcpu, words)
    total = sum(vm.n_vcpus for vm in vms)
    if total > MAX_VCPUS:
        raise ConfigError("vm.vcpus", total, f"at most {MAX_VCPUS} vCPUs in all")
    for kind, items in (("outside", host.outside), ("task", host.tasks)):
        for item in items:
            if item.vm is not None and item.vm not in names:
                raise unknown_name(f"{kind}.vm", item.vm, names)
