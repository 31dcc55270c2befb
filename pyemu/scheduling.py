"""Who runs where, decided in Python: declarative moves, rotation, balancing.

A balancer is any callable that gets the machine once a period and returns moves as
``(vcpu, pcpu)`` pairs, machine-wide indexes. It is called at whole periods of host
cycles, so its decisions are as reproducible as the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .config import Move, whole

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Balancer", "Periodic", "ping_pong", "rotate", "spread"]

Balancer = Callable[["Machine"], Iterable[tuple[int, int]]]


@dataclass(frozen=True)
class Periodic:
    """A balancer and how often it is asked, host cycles."""

    decide: Balancer
    period_cyc: int

    def __post_init__(self) -> None:
        """Refuse a period of nothing."""
        whole("balancer.period_cyc", self.period_cyc, 1, 2**62, "cycles")


def rotate(machine: Machine) -> list[tuple[int, int]]:
    """Move every vCPU to the next pCPU of its affinity."""
    moves = []
    for vcpu in machine.vcpus:
        allowed = vcpu.affinity
        if len(allowed) > 1 and not vcpu.off:
            here = vcpu.pcpu
            at = allowed.index(here) if here in allowed else -1
            moves.append((vcpu.index, allowed[(at + 1) % len(allowed)]))
    return moves


def spread(machine: Machine) -> list[tuple[int, int]]:
    """Even out the number of live vCPUs a pCPU, moving as few as possible."""
    homes: dict[int, list[int]] = {p.index: [] for p in machine.pcpus if p.online}
    for vcpu in machine.vcpus:
        if not vcpu.off and vcpu.pcpu in homes:
            homes[vcpu.pcpu].append(vcpu.index)
    moves: list[tuple[int, int]] = []
    while True:
        most = max(homes, key=lambda p: (len(homes[p]), -p))
        least = min(homes, key=lambda p: (len(homes[p]), p))
        if len(homes[most]) - len(homes[least]) < 2:
            return moves
        fits = [v for v in homes[most] if least in machine.vcpus[v].affinity]
        if not fits:
            return moves
        homes[most].remove(fits[-1])
        homes[least].append(fits[-1])
        moves.append((fits[-1], least))


def ping_pong(vcpu: int, pcpus: tuple[int, ...], every_cyc: int, n: int) -> list[Move]:
    """Return `n` declarative moves of one vCPU around some pCPUs.

    Examples
    --------
    >>> ping_pong(0, (0, 1), 100, 2)
    [Move(at_cyc=100, vcpu=0, pcpu=1), Move(at_cyc=200, vcpu=0, pcpu=0)]
    """
    return [
        Move((i + 1) * every_cyc, vcpu, pcpus[(i + 1) % len(pcpus)]) for i in range(n)
    ]
