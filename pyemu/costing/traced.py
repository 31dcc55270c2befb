"""What a tracer would see of an operation: times between kvm_exit and kvm_entry.

The kernel traces kvm_entry once no request stops the entry any more, and kvm_exit when
interrupts are on again (hooks `enter` and `exit` of the tables). The operation's guest
is run step by step, and time is taken at those two steps; writing records is free here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import _ffi
from ..assemble import Options
from ..config import VM, VCpu
from ..guest import loads
from ..guest.ops import PPI_VTIMER, Compiled, Program
from ..guest.workload import Workload
from ..machine import Machine
from .operations import EVENT, FAR_TICKS, Setting, run_whole

__all__ = ["TRACED", "traced_cyc"]

WARMUP: Final = 4
TICKS: Final = 20_000
MOST_EVENTS: Final = 2**20
PRIM: Final = _ffi.enum("prim", "PYEMU_P_")
ENTERED, LEFT = PRIM["check_requests"], PRIM["irq_on"]


def _loop(body: Callable[[Program], object]) -> Callable[[int], Compiled]:
    def build(n: int) -> Compiled:
        p = Program("traced").irq_off().timer_set(FAR_TICKS)
        with p.loop(n + WARMUP):
            body(p)
        return p.end().build()

    return build


def _ticks(n: int) -> Compiled:
    """`n` ticks of a busy guest, each re-armed by its handler."""
    p = Program("ticking").irq_off().timer_set(TICKS).irq_on()
    with p.loop(n + WARMUP):
        wait = p.new_label()
        p.label(wait).compute(64).wait_reg(1, 1, wait).count(7)
    p.end()
    with p.on_irq(PPI_VTIMER):
        p.count(1).timer_set(TICKS)
    return p.build()


# By the kinds of exit that a recording tells apart: the guest that makes them.
TRACED: Final[dict[str, Callable[[int], Compiled]]] = {
    "HVC64": _loop(Program.hvc),
    "DABT_LOW/gic": _loop(Program.mmio_kernel),
    "DABT_LOW/user": _loop(Program.mmio_user),
    "IRQ/vtimer": _ticks,
}


def _points(kind: str, events: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return cycles of kvm_entry and of what begins the host's part, in order."""
    step = events["kind"] == EVENT["step"]
    entry = events["cyc"][step & (events["sub"] == ENTERED)]
    if kind == "IRQ/vtimer":  # from the acknowledge, just before irq_handler_entry
        is_irq = (events["kind"] == EVENT["irq"]) & (events["sub"] == PPI_VTIMER)
        return entry, events["cyc"][is_irq]
    left = np.flatnonzero(step & (events["sub"] == LEFT))
    real = np.flatnonzero(events["kind"] == EVENT["exit"])
    first = left[np.searchsorted(left, real[real < left[-1]])] if left.size else left
    return entry, events["cyc"][first]


def traced_cyc(kind: str, setting: Setting, n: int = 8) -> tuple[float, float]:
    """Return the mean cycles from kvm_exit to kvm_entry, and back to kvm_exit.

    The first is from the acknowledge for ``IRQ/vtimer``, whose second is not given (0).
    Both are 0 if the policy does not come by: eager takes no interrupt of the timer.
    """
    load = loads.custom(Workload.of([TRACED[kind](n)]), "traced")
    with Machine(
        *(setting.host(1), (VM(vcpus=(VCpu(),)),)),
        policy=setting.policy,
        load=load,
        trace=MOST_EVENTS,
        options=Options(trace_steps=True),
        cost_override=setting.cycles,
    ) as machine:
        run_whole(machine)
        events = machine.events
    entry, out = _points(kind, events)
    out = out[(out < entry[-1])][WARMUP - 1 :] if out.size and entry.size else out
    if not out.size:
        return 0.0, 0.0
    again = entry[np.searchsorted(entry, out)]
    before = entry[np.searchsorted(entry, out) - 1]
    run = 0.0 if kind == "IRQ/vtimer" else float((out - before).mean())
    return float((again - out).mean()), run
