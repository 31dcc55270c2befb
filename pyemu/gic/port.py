"""What the register model asks of whoever holds interrupt state, and what it reports.

A port keeps the stored facts of each interrupt; *pending* is derived from them: the
latch, or for a level interrupt the line too (GICv2 4.3.7, GICv3 4.1.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from ..errors import ConfigError

__all__ = [
    "FIELDS",
    "N_PPIS_AND_SGIS",
    "N_SGIS",
    "Effect",
    "MemoryPort",
    "VgicPort",
    "is_pending",
]

N_SGIS: Final = 16
N_PPIS_AND_SGIS: Final = 32

# Stored facts of one interrupt: name -> largest value.
FIELDS: Final[dict[str, int]] = {
    "enabled": 1,
    "latch": 1,  # software or edge pending
    "line": 1,  # level of the input; no register writes it
    "active": 1,
    "prio": 0xFF,
    "edge": 1,  # 1: edge-triggered, 0: level-sensitive
    "group": 1,
    "targets": 0xFF,  # GICv2: mask of CPU interfaces
    "route": 2**40 - 1,  # GICv3: affinity Aff3 at bit 32, Aff2..Aff0 at 23..0
    "sources": 0xFF,  # GICv2 SGIs: mask of CPUs that have one pending
}


class Effect(NamedTuple):
    """One consequence of a register write, in the order they happened.

    Attributes
    ----------
    kind
        A key of `FIELDS` whose value changed, or ``"sgi"``, ``"dist_enable"``, or of
        the CPU interface ``"ctlr"``, ``"pmr"``, ``"bpr"``, ``"abpr"``, ``"apr"``.
    vcpu
        Whose interrupt; for SPIs the vCPU that wrote. For ``"sgi"`` the target.
    intid
        Interrupt; -1 if none.
    value
        The new value; for ``"sgi"`` the sending vCPU.
    """

    kind: str
    vcpu: int
    intid: int
    value: int


class VgicPort(Protocol):
    """Holder of interrupt state. SPIs have one state, private interrupts one a vCPU."""

    @property
    def n_vcpus(self) -> int:
        """Number of vCPUs of the VM."""

    @property
    def n_irqs(self) -> int:
        """Implemented INTIDs: a multiple of 32, at most 1024; 1020 up never work."""

    def get(self, vcpu: int, intid: int, field: str) -> int:
        """Return one of `FIELDS` of an interrupt as this vCPU sees it."""

    def set(self, vcpu: int, intid: int, field: str, value: int) -> None:
        """Change it; the holder re-evaluates what is pending for whom."""

    def send_sgi(self, source: int, targets: Sequence[int], intid: int) -> None:
        """Make an SGI of one vCPU pending for others; GICv2 keeps the source."""

    def affinity(self, vcpu: int) -> int:
        """Return the vCPU's affinity: Aff3 at bit 24, Aff2, Aff1, Aff0 below."""


def is_pending(port: VgicPort, vcpu: int, intid: int) -> bool:
    """Return whether an interrupt is pending: latched, or level and line high."""
    if port.get(vcpu, intid, "latch"):
        return True
    edge = port.get(vcpu, intid, "edge")
    return not edge and bool(port.get(vcpu, intid, "line"))


class MemoryPort:
    """A plain holder of interrupt state after reset.

    Parameters
    ----------
    n_vcpus
        vCPUs of the VM, at least 1.
    n_irqs
        Implemented INTIDs, a multiple of 32 from 64 to 1024.
    version
        2 or 3: decides the reset value of the group and the SPIs' targets.

    Raises
    ------
    ConfigError
        If these cannot be.

    Examples
    --------
    >>> port = MemoryPort(n_vcpus=2, n_irqs=64)
    >>> port.set(1, 27, "line", 1)
    >>> is_pending(port, 1, 27), is_pending(port, 0, 27)
    (True, False)
    """

    def __init__(self, n_vcpus: int, n_irqs: int = 128, version: int = 2) -> None:
        if version not in (2, 3):
            raise ConfigError("gic.version", version, "2 or 3")
        limit = 8 if version == 2 else 65536
        if not 1 <= n_vcpus <= limit:
            raise ConfigError("gic.n_vcpus", n_vcpus, f"1 to {limit} on GICv{version}")
        if n_irqs % 32 or not 64 <= n_irqs <= 1024:
            raise ConfigError("gic.n_irqs", n_irqs, "a multiple of 32, 64 to 1024")
        self.n_vcpus = n_vcpus
        self.n_irqs = n_irqs
        self.version = version
        self._facts: dict[tuple[int, int, str], int] = defaultdict(int)

    def _key(self, vcpu: int, intid: int, field: str) -> tuple[int, int, str]:
        if not 0 <= vcpu < self.n_vcpus or not 0 <= intid < self.n_irqs:
            raise ConfigError("gic.intid", (vcpu, intid), "a vCPU and INTID that exist")
        return (vcpu if intid < N_PPIS_AND_SGIS else -1, intid, field)

    def _reset(self, intid: int, field: str) -> int:
        """SGIs are edge and enabled after reset, as KVM makes them."""
        if intid < N_SGIS and field in ("edge", "enabled"):
            return 1
        if field == "targets" and intid >= N_PPIS_AND_SGIS:
            return 1
        return int(field == "group" and self.version == 3)

    def get(self, vcpu: int, intid: int, field: str) -> int:
        """Return one fact of an interrupt."""
        key = self._key(vcpu, intid, field)
        return self._facts[key] if key in self._facts else self._reset(intid, field)

    def set(self, vcpu: int, intid: int, field: str, value: int) -> None:
        """Change one fact of an interrupt.

        Raises
        ------
        ConfigError
            For an unknown fact or a value it cannot have.
        """
        if field not in FIELDS or not 0 <= value <= FIELDS[field]:
            raise ConfigError(f"gic.{field}", value, f"0 to {FIELDS.get(field)}")
        self._facts[self._key(vcpu, intid, field)] = value

    def state(self) -> list[list[Any]]:
        """Return every fact that has been set: vCPU or -1, INTID, field, value."""
        return sorted([*key, value] for key, value in self._facts.items())

    def put_back(self, state: list[list[Any]]) -> None:
        """Restore what `state` returned.

        Raises
        ------
        ConfigError
            For an interrupt, a fact or a value that cannot be.
        """
        self._facts.clear()
        for vcpu, intid, field, value in state:
            self.set(max(vcpu, 0), intid, field, value)

    def send_sgi(self, source: int, targets: Sequence[int], intid: int) -> None:
        """Latch an SGI for each target, on GICv2 with its source (v2 4.3.15).

        Raises
        ------
        ConfigError
            If it is no SGI, or a vCPU does not exist.
        """
        if not 0 <= intid < N_SGIS:
            raise ConfigError("gic.sgi", intid, f"0 to {N_SGIS - 1}")
        for vcpu in (source, *targets):
            self._key(vcpu, intid, "latch")
        for target in targets:
            self.set(target, intid, "latch", 1)
            if self.version == 2:
                old = self.get(target, intid, "sources")
                self.set(target, intid, "sources", old | 1 << source)

    def affinity(self, vcpu: int) -> int:
        """Return KVM's affinity of a vCPU: 16 to an Aff1, 256 Aff1 to an Aff2."""
        aff1, aff2 = vcpu >> 4 & 0xFF, vcpu >> 12 & 0xFF
        return vcpu & 0xF | aff1 << 8 | aff2 << 16
