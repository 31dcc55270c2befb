"""One unit of guest work, and the host time it costs under a policy.

A unit is some hypercalls, some timer ticks of a busy guest, and one pair of vcpu_put
and vcpu_load: by an exit to user space, by a sleep in WFI until a tick, or none. The
guest is run; host time is what the run accounted to everything but the guest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from .. import costs
from ..config import VM, Host, VCpu
from ..costing.operations import run_whole
from ..guest import loads
from ..guest.ops import PPI_VTIMER, Compiled, Program
from ..guest.workload import Clock, Workload
from ..machine import Machine
from ..policy.prims import PRIMS

__all__ = ["MACHINES", "Kind", "Unit", "given_back", "host_cyc"]

FAR_TICKS: Final = 2**40
COUNTER, PEER = 1, 7
UNITS: Final = 24
WFI_NS: Final = 200_000
GUEST: Final = [one.component == "guest" for one in PRIMS.values()]


@dataclass(frozen=True)
class Kind:
    """A cost profile on one kind of machine.

    Attributes
    ----------
    label
        For tables and legends.
    profile, gic, vhe
        As `pyemu.Host` takes them.
    """

    label: str
    profile: str
    gic: str
    vhe: bool


MACHINES: Final = (
    Kind("instructions, GICv3 nVHE", "icount", "v3", False),
    Kind("instructions, GICv2 nVHE", "icount", "v2", False),
    Kind("instructions, GICv3 VHE", "icount", "v3", True),
    Kind("X-Gene, GICv2 nVHE", "xgene-gicv2", "v2", False),
    Kind("Seattle, GICv2 nVHE", "seattle-a57-gicv2", "v2", False),
    Kind("N1, GICv3 nVHE", "n1-altra-gicv3", "v3", False),
    Kind("N1, GICv3 VHE", "n1-altra-gicv3", "v3", True),
)


@dataclass(frozen=True)
class Unit:
    """What one unit of guest work does.

    Attributes
    ----------
    exits
        Hypercalls.
    ticks
        Timer interrupts while the guest is busy.
    put
        ``"user"``: an exit to user space; ``"wfi"``: a sleep until a tick; or empty.
    """

    exits: int = 0
    ticks: int = 0
    put: str = ""


def _await_tick(p: Program, ticks: int) -> None:
    wait = p.new_label()
    p.timer_set(ticks).label(wait).compute(50)
    p.wait_reg(COUNTER, 1, wait).count(PEER)


def _one(p: Program, unit: Unit, clock: Clock) -> None:
    if unit.exits:
        with p.loop(unit.exits):
            p.hvc()
    if unit.ticks:
        with p.loop(unit.ticks):
            _await_tick(p, 1)
    if unit.put == "user":
        p.mmio_user()
    elif unit.put == "wfi":
        idle = p.new_label()
        p.irq_off().timer_set(clock.ticks(WFI_NS)).label(idle).wfi().irq_window()
        p.wait_reg(COUNTER, 1, idle).count(PEER).irq_on()


def _program(unit: Unit, clock: Clock) -> Compiled:
    p = Program("unit").irq_off().timer_set(FAR_TICKS).irq_on()
    with p.loop(2):
        _one(p, unit, clock)
    p.reset_stats()
    with p.loop(UNITS):
        _one(p, unit, clock)
    with p.on_irq(PPI_VTIMER):
        p.count(COUNTER).timer_set(FAR_TICKS)
    return p.end().build()


def _host(on: Kind, list_registers: int) -> Host:
    return Host(
        profile=on.profile,
        gic=on.gic,
        vhe=on.vhe,
        list_registers=list_registers,
        tick_hz=0,
        halt_poll_ns=0,
    )


def _build(unit: Unit, _params: object, clock: Clock, _n: int) -> Workload:
    return Workload.of([_program(unit, clock)])


def host_cyc(unit: Unit, policy: str, on: Kind, *, list_registers: int = 4) -> float:
    """Return host cycles of one unit, without the host's own tick.

    Examples
    --------
    >>> on = Kind("", "unit", "v3", True)
    >>> host_cyc(Unit(exits=2), "lazy", on) > host_cyc(Unit(exits=1), "lazy", on)
    True
    """
    host = _host(on, list_registers)
    load = loads.Load("unit", {}, 1, 1, partial(_build, unit))
    with Machine(host, (VM(vcpus=(VCpu(),)),), policy=policy, load=load) as m:
        run_whole(m)
        arrays = m.result("unit", limits={}).arrays
    rows = zip(GUEST, arrays["prim_count"], arrays["cost_cyc"], strict=True)
    return sum(int(n) * int(cyc) for guest, n, cyc in rows if not guest) / UNITS


def _rates(
    exit_hz: float, tick_hz: float, _params: object, clock: Clock, _n: int
) -> Workload:
    period = max(1, round(clock.cntfrq_hz / tick_hz))
    p = Program("rates").irq_off().timer_set(period).irq_on()
    with p.forever():
        p.compute(max(1, round(clock.cpu_hz / exit_hz))).hvc()
    with p.on_irq(PPI_VTIMER):
        p.timer_next(period, skip_missed=True)
    return Workload.of([p.build()], finite=False)


def given_back(on: Kind, exit_hz: float, tick_hz: float, wall_ns: int) -> float:
    """Return the share of CPU time lazy gives back to a busy guest, in percent.

    The guest computes 1 / `exit_hz` between two hypercalls under a timer of `tick_hz`.
    """
    until_cyc = wall_ns * costs.get(on.profile).cpu_hz // 10**9
    load = loads.Load("rates", {}, 1, 1, partial(_rates, exit_hz, tick_hz))
    shares = []
    for policy in ("eager", "lazy"):
        host = _host(on, 4)

        with Machine(host, (VM(vcpus=(VCpu(),)),), policy=policy, load=load) as m:
            run_whole(m, until_cyc)
            result = m.result("rates", limits={})
        shares.append(result.guest_cyc / until_cyc)
    return 100 * (shares[1] - shares[0])
