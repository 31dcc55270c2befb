"""Writes the op program of one vCPU: causes in, effects left out.

Guest runs become COMPUTE, merged across interrupt exits; every TRAP exit is one
operation at its guest position with its recorded host handling; timer arms follow the
`TimerPlan`. Interrupt exits, load/put and timer events come out of the emulation again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..guest.ops import OP, PPI_VTIMER, VTIMER, op_dtype
from .model import Segment
from .plan import TimerPlan

__all__ = ["Encoded", "Encoder", "Rules"]

U32: Final = 2**32 - 1
CPU_ON: Final = (0x84000003, 0xC4000003)
# Any other exception class is handled in the kernel: the cost of a system register.
_SIMPLE: Final = {"HVC64": "hvc", "SMC64": "smc", "SYS64": "sysreg"}


@dataclass(frozen=True, slots=True)
class Rules:
    """How lengths are taken over; all in ns.

    `run_ns` is taken off each guest run, `record_ns` off host time per record, `own_ns`
    off each exit for what the cost model charges itself. `recorded` keeps everything.
    """

    recorded: bool
    cpu_hz: int
    run_ns: int = 0
    record_ns: int = 0
    own_ns: int = 0

    def cyc(self, ns: int) -> int:
        """Return ns in cycles."""
        return ns * self.cpu_hz // 1_000_000_000

    def guest_cyc(self, seg: Segment) -> int:
        """Return the cycles a guest run executes."""
        return self.cyc(max(0, seg.guest_ns - self.run_ns))

    def host_cyc(self, seg: Segment) -> tuple[int, int, int]:
        """Return an exit's handling: loaded, unloaded, loaded again, in cycles."""
        if self.recorded:
            loaded, unloaded, reloaded = seg.host.with_own()
        else:
            loaded, unloaded, reloaded = seg.host.work(self.record_ns)
            loaded = max(0, loaded - self.own_ns)
        return self.cyc(loaded), self.cyc(unloaded), self.cyc(reloaded)


@dataclass(slots=True)
class Encoded:
    """One vCPU's program and what had to be bent to write it."""

    ops: NDArray[Any]
    irq_entry: int
    guest_cyc: int = 0
    clamped: int = 0
    timed_wakes: int = 0
    unmodelled: int = 0
    substitutes: list[str] = field(default_factory=list)


class Encoder:
    """Builds one vCPU's program.

    Parameters
    ----------
    rules
        Lengths.
    plan
        Timer script; its table has index `table` in the workload.
    send
        Returns the SGI operands (INTID, target vCPU, all others) of an exit, or None.
    power
        Returns which vCPU a PSCI CPU_ON exit starts.
    """

    def __init__(
        self,
        rules: Rules,
        plan: TimerPlan,
        table: int,
        send: Callable[[Segment], tuple[int, int, int] | None],
        power: Callable[[Segment], int | None],
    ) -> None:
        self.rules = rules
        self.plan = plan
        self.table = table
        self.send = send
        self.power = power
        self._ops: list[tuple[int, int, int, int, int]] = []
        self._compute = 0
        self.out = Encoded(np.zeros(0, dtype=op_dtype()), 0)

    def _emit(
        self, name: str, *, a: int = 0, b: int = 0, c: int = 0, flags: int = 0
    ) -> None:
        if self._compute:
            self._ops.append((OP["compute"], 0, 0, 0, self._compute))
            self._compute = 0
        if b > U32:
            self.out.clamped += 1
            b = U32
        self._ops.append((OP[name], flags, a, b, c))

    def _seek(self, k: int, stop: int) -> None:
        self._emit("list_seek", a=self.table, b=max(stop, 1), c=min(k, stop))

    def _set(self, ticks: int) -> None:
        self._emit("timer_set", a=VTIMER, c=ticks)

    def build(
        self, segments: Sequence[Segment], arm: tuple[int, int] | None
    ) -> Encoded:
        """Encode a stretch.

        Parameters
        ----------
        segments
            Guest runs of one stretch, in order.
        arm
            First arm: (segment index whose guest run begins with it, ticks), or None.
        """
        ends = self._list_ends(segments)
        self._emit("irq_on")
        self._seek(0, ends[0])
        for i, seg in enumerate(segments):
            if arm is not None and arm[0] == i:
                self._set(arm[1])
            cyc = self.rules.guest_cyc(seg)
            self._compute += cyc
            self.out.guest_cyc += cyc
            if seg.reason != "IRQ":
                self._trap(seg, ends[i + 1], last=i == len(segments) - 1)
            elif seg.kind:
                self.out.unmodelled += 1
        self._emit("end")
        self._vector()
        self.out.ops = np.array(self._ops, dtype=op_dtype())
        return self.out

    def _list_ends(self, segments: Sequence[Segment]) -> list[int]:
        """Return, per position, the expiry that ends the next timed block."""
        n = len(self.plan.expiries)
        ends = [n] * (len(segments) + 1)
        for i in range(len(segments) - 1, -1, -1):
            k = self.plan.of_block(segments[i])
            ends[i] = ends[i + 1] if k is None else k
        return ends

    def _trap(self, seg: Segment, stop: int, *, last: bool) -> None:
        loaded, unloaded, reloaded = self.rules.host_cyc(seg)
        whole = loaded + unloaded + reloaded
        kind = seg.kind.partition("+")[0]
        if seg.kind.endswith("+user"):
            self.out.unmodelled += 1
        if kind == "off" or (last and kind == "user"):
            if kind == "user":
                self.out.substitutes.append(seg.reason)
            self._emit("system_off", b=loaded)
        elif seg.reason == "WFx":
            self._wait(seg, stop, loaded)
        elif kind == "user":
            parts = [min(unloaded, U32), min(reloaded, U32)]
            self.out.clamped += parts != [unloaded, reloaded]
            self._emit("mmio_user", b=loaded, c=parts[0] | parts[1] << 32)
        elif not self._message(seg):
            self._kernel(seg, kind, whole)

    def _message(self, seg: Segment) -> bool:
        """Encode an exit that another vCPU notices; False for any other."""
        sgi = self.send(seg)
        if sgi is not None:
            intid, target, others = sgi
            self._emit("sgi", a=intid, b=target, c=others)
            return True
        started = self.power(seg)
        if started is not None:
            self._emit("cpu_on", a=started, b=0)
            return True
        return False

    def _kernel(self, seg: Segment, kind: str, cyc: int) -> None:
        if seg.reason in _SIMPLE:
            self._emit(_SIMPLE[seg.reason], b=cyc)
        elif seg.reason == "IABT_LOW":
            self._emit("fault", b=cyc, flags=1)
        elif seg.reason == "DABT_LOW":
            self._emit("mmio_kernel" if kind == "gic" else "fault", b=cyc)
        else:
            self.out.substitutes.append(seg.reason)
            self._emit("sysreg", b=cyc)

    def _wait(self, seg: Segment, stop: int, loaded: int) -> None:
        """Encode a WFx with the timer that ends it (clock rules 2 and 3)."""
        b = loaded if self.rules.recorded else 0
        block, k = seg.block, self.plan.of_block(seg)
        if seg.kind == "wfe" or block is None or seg.next_ns is None:
            # The recording ends in this wait: the exit counts, the wait does not.
            self._emit("wfe", b=b)
            return
        if k is not None:
            self._seek(k, stop)
            if not self.plan.periodic(k):
                self._set(self.plan.ticks_until(k, seg.end_ns))
            self._emit("wfi", b=b)
            return
        if block.cause in ("spi", "sgi") or block.wake_ns is None:
            self._emit("wfi", b=b)
            return
        self.out.timed_wakes += 1
        self._set(max(1, self.plan.ticks((block.wake_ns or 0) - seg.end_ns)))
        self._emit("wfi", b=b)
        following = self.plan.at(seg.next_ns)
        self._seek(following, stop)
        if following < len(self.plan.expiries):
            self._set(self.plan.ticks_until(following, seg.next_ns))

    def _vector(self) -> None:
        """Lay out the handler: acknowledge, re-arm on 27, EOI, return."""
        at = len(self._ops)
        self.out.irq_entry = at
        self._emit("ack")
        self._emit("if_intid", a=PPI_VTIMER, b=at + 3)
        self._emit("timer_list", a=VTIMER)
        self._emit("eoi")
        self._emit("eret")
