"""What a machine runs, whatever it was made from: programs, tables, vCPU starts.

A load of the library, a user's own programs and a recorded trace all become a
`Workload`; the machine does not know which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .ops import OP, U32, Compiled

if TYPE_CHECKING:
    from .machine_code import MachineCode

__all__ = ["Clock", "Start", "Workload", "place_tables", "relocate"]


@dataclass(frozen=True)
class Clock:
    """The frequencies a load needs to turn nanoseconds into ticks and cycles."""

    cpu_hz: int
    cntfrq_hz: int

    def ticks(self, ns: int) -> int:
        """Return nanoseconds in ticks of the counter, rounded down, at least 1.

        Examples
        --------
        >>> Clock(10**9, 62_500_000).ticks(200_000)
        12500
        """
        return max(1, ns * self.cntfrq_hz // 10**9)

    def cyc(self, ns: int) -> int:
        """Return nanoseconds in cycles, rounded down."""
        return ns * self.cpu_hz // 10**9


@dataclass(frozen=True)
class Start:
    """How one vCPU begins: which program, where, on or off."""

    program: int = 0
    entry: int = 0
    irq_entry: int = U32
    powered_on: bool = True


@dataclass(frozen=True)
class Workload:
    """What the vCPUs of one VM run.

    Attributes
    ----------
    programs
        Op arrays, 1-D of ``struct pyemu_op``.
    tables
        Value tables, 1-D uint64, by the index the programs use.
    vcpus
        One `Start` a vCPU.
    finite
        Whether it ends by itself; otherwise the run needs a limit.
    outside
        Outside interrupts as ``(at_cyc, intid, level)``.
    rotate_ns
        Move every vCPU to the next pCPU this often; 0 never.
    code
        Machine code instead of op programs; its starts name program 0xffffffff.
    """

    programs: tuple[NDArray[Any], ...]
    tables: tuple[NDArray[np.uint64], ...]
    vcpus: tuple[Start, ...]
    finite: bool = True
    outside: tuple[tuple[int, int, int], ...] = ()
    rotate_ns: int = 0
    code: MachineCode | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, compiled: Sequence[Compiled], **more: Any) -> Workload:
        """Join one compiled program a vCPU; identical ones are shared.

        Raises
        ------
        ConfigError
            If there is no program at all.
        """
        if not compiled:
            raise ConfigError("workload", [], "at least one program")
        programs: list[NDArray[Any]] = []
        tables: list[NDArray[np.uint64]] = []
        seen: dict[bytes, int] = {}
        starts = []
        for one in compiled:
            key = one.key
            if key not in seen:
                seen[key] = len(programs)
                programs.append(relocate(one.ops, len(tables)))
                tables += one.tables
            starts.append(Start(seen[key], one.entry, one.irq_entry))
        return cls(tuple(programs), tuple(tables), tuple(starts), **more)


def relocate(ops: NDArray[Any], by: int) -> NDArray[Any]:
    """Return the program with its table indexes moved up by `by`."""
    if by == 0:
        return ops
    moved = ops.copy()
    uses = (ops["op"] == OP["compute_dist"]) | (ops["op"] == OP["list_seek"])
    if uses.any() and int(ops["a"][uses].max()) + by > 0xFFFF:
        raise ConfigError("workload.tables", by, "at most 65,536 tables")
    moved["a"][uses] += np.uint16(by)
    return moved


def place_tables(tables: list[NDArray[np.uint64]], work: Workload) -> int:
    """Add a workload's tables unless they are there; return where they begin."""
    if not work.tables:
        return 0
    for base in range(len(tables) - len(work.tables) + 1):
        same = zip(tables[base:], work.tables, strict=False)
        if all(np.array_equal(have, want) for have, want in same):
            return base
    tables += work.tables
    return len(tables) - len(work.tables)
