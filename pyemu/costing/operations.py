"""Operations whose cost is measured by running a guest that performs them.

Each is an op program with two marks; the cost is the emulated time between the marks,
as a guest with a cycle counter sees it, over the number of operations. Nothing is
added up from a table here: traps, interrupts, kicks and list registers are run.

The six of kvm-unit-tests' micro-bench come first, in its order. ``ipi`` is one way of
a ping-pong between two spinning vCPUs on two pCPUs: an op program cannot see another
vCPU's memory, so the answer is itself an IPI. ``timer_10ms`` is what a busy guest waits
beyond the 10 ms it armed, on average over 16 phases against the counter's tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import _ffi, costs
from ..config import VM, Host, VCpu, one_of, whole
from ..errors import InternalError, unknown_name
from ..guest import loads
from ..guest.ops import PPI_VTIMER, Compiled, Program
from ..guest.workload import Clock, Workload
from ..machine import Machine

if TYPE_CHECKING:
    from ..policy import Policy

__all__ = [
    "HARNESSES",
    "MICROBENCH",
    "OPERATIONS",
    "Operation",
    "Setting",
    "measure_cyc",
    "run_whole",
]

BEGIN, END = 1, 2
DEVICE_INTID: Final = 2  # an edge, as an MSI is
COUNTER: Final = 1  # register that counts what the guest received
PEER: Final = 7  # register that WAIT_REG compares with
WARMUP: Final = 8
FAR_TICKS: Final = 2**40
SETTLE_CYC: Final = 200_000
HARNESSES: Final = ("lean", "stock")
PHASES: Final = 16
MOST_EVENTS: Final = 2**22
EVENT: Final = _ffi.enum("event_kind", "PYEMU_E_")


@dataclass(frozen=True)
class Setting:
    """On which machine, and under which policy, an operation is measured.

    Attributes
    ----------
    profile, policy, gic, vhe
        The machine; None is what the profile says.
    cycles
        Cycles of single primitives, instead of the profile's.
    harness
        ``"lean"``: a turn of the loop is the operation alone. ``"stock"``: it also
        reads the counter behind an isb, as micro-bench did before 2023-12.
    """

    profile: costs.CostModel | str
    policy: Policy | str
    gic: str | None = None
    vhe: bool | None = None
    cycles: Mapping[str, int] | None = None
    harness: str = "lean"

    @property
    def model(self) -> costs.CostModel:
        """The profile, read."""
        if isinstance(self.profile, str):
            return costs.get(self.profile)
        return self.profile

    def turn_cyc(self) -> int:
        """Return the cycles the harness adds to a turn of the loop.

        Raises
        ------
        ConfigError
            For an unknown harness.
        """
        if one_of("harness", self.harness, HARNESSES) == "lean":
            return 0
        gic = self.gic or self.model.gic
        vhe = self.model.vhe if self.vhe is None else self.vhe
        rows = dict.fromkeys(("isb", "g_sysreg"), 0)
        for name in rows:
            rows[name] = self.model.costs[name].cost_cyc(gic, vhe)
        return sum((self.cycles or {}).get(name, cyc) for name, cyc in rows.items())

    def host(self, pcpus: int, **more: Any) -> Host:
        """Return the host with so many pCPUs."""
        return Host(
            pcpus=pcpus, profile=self.profile, gic=self.gic, vhe=self.vhe, **more
        )


@dataclass(frozen=True)
class Operation:
    """One operation: what it is, how often by default, how it is run.

    `each` is how many operations one repetition makes.
    """

    name: str
    doc: str
    n: int
    run: Callable[[Setting, int], float]
    each: int = 1


def measure_cyc(name: str, setting: Setting, n: int | None = None) -> float:
    """Return host cycles an operation takes, by running it `n` times.

    Raises
    ------
    ConfigError
        For an unknown operation, or `n` outside 1..1,000,000.

    Examples
    --------
    >>> measure_cyc("hvc", Setting("unit", "lazy", gic="v3", vhe=True), 10) > 20
    True
    """
    if name not in OPERATIONS:
        raise unknown_name("operation", name, OPERATIONS)
    operation = OPERATIONS[name]
    times = operation.n if n is None else whole("--n", n, 1, 1_000_000)
    return operation.run(setting, times)


def run_whole(machine: Machine, until_cyc: int | None = None) -> None:
    """Run to the end; half a measurement is none, so Ctrl-C ends all of them."""
    if machine.run(until_cyc=until_cyc).reason == "interrupted":
        raise KeyboardInterrupt


def _play(
    setting: Setting,
    programs: list[Compiled],
    host: Host,
    vcpus: tuple[VCpu, ...],
    outside: tuple[tuple[int, int, int], ...] = (),
) -> tuple[NDArray[Any], Machine]:
    """Run to the end; return the records and the closed machine."""
    load = loads.custom(Workload.of(programs, outside=outside), "operation")
    with Machine(
        *(host, (VM(vcpus=vcpus, load=load),)),
        policy=setting.policy,
        trace=MOST_EVENTS,
        cost_override=setting.cycles,
    ) as machine:
        run_whole(machine)
        events = machine.events
        if machine.n_events > events.size:
            raise InternalError(f"an operation wrote {machine.n_events} records")
        return events, machine


def _between_marks(events: NDArray[Any]) -> int:
    marks = events[events["kind"] == EVENT["mark"]]
    begin = marks["cyc"][marks["arg"] == BEGIN]
    end = marks["cyc"][marks["arg"] == END]
    return int(end[0]) - int(begin[0])


def _loop(body: Callable[[Program], object], n: int, turn_cyc: int) -> Compiled:
    """`n` times the body between the marks, interrupts masked, timer armed far."""
    p = Program("operation").irq_off().timer_set(FAR_TICKS)
    p.emit("ack")  # nothing is pending: what is ended below is the spurious INTID
    with p.loop(WARMUP):
        body(p)
    p.mark(BEGIN)
    with p.loop(n):
        body(p)
        if turn_cyc:
            p.compute(turn_cyc)
    return p.mark(END).end().build()


def _simple(body: Callable[[Program], object]) -> Callable[[Setting, int], float]:
    def run(setting: Setting, n: int) -> float:
        program = _loop(body, n, setting.turn_cyc())
        events, _ = _play(setting, [program], setting.host(1), (VCpu(),))
        return _between_marks(events) / n

    return run


def _pingpong(vcpu: int, n: int, turn_cyc: int) -> Compiled:
    """One side; vCPU 0 sends first and has the marks."""
    p = Program("ipi").irq_off().timer_set(FAR_TICKS).irq_on()
    if vcpu == 0:
        p.compute(SETTLE_CYC)
    for turns, mark in ((WARMUP, BEGIN), (n, END)):
        with p.loop(turns):
            if vcpu == 0:
                p.sgi(1, 1)
            wait = p.new_label()
            p.label(wait).wait_reg(COUNTER, 1, wait).count(PEER)
            if turn_cyc:
                p.compute(turn_cyc)
            if vcpu == 1:
                p.sgi(1, 0)
        if vcpu == 0:
            p.mark(mark)
    with p.on_irq(1):
        p.count(COUNTER)
    return p.end().build()


def _ipi(setting: Setting, n: int) -> float:
    vcpus = (VCpu(affinity=(0,)), VCpu(affinity=(1,)))
    programs = [_pingpong(v, n, setting.turn_cyc()) for v in range(2)]
    events, _ = _play(setting, programs, setting.host(2), vcpus)
    return _between_marks(events) / (2 * n)


def _timer(setting: Setting, n: int) -> float:
    """Arm 10 ms, spin until the handler has run; the handler masks the timer.

    A deadline is a whole counter tick, the cost is not: an idle piece of `PHASES`
    lengths between the rounds spreads them evenly over a tick, as noise does in life.
    """
    host = setting.host(1)
    clock = _clock(setting, host)
    ticks = clock.ticks(10_000_000)
    p = Program("timer").irq_off().irq_on()
    with p.loop(n):
        for phase in range(PHASES):
            p.compute(1 + phase * clock.cpu_hz // (clock.cntfrq_hz * PHASES))
            wait = p.new_label()
            p.mark(BEGIN).timer_set(ticks).compute(clock.cyc(9_900_000))
            p.label(wait).compute(8)
            p.wait_reg(COUNTER, 1, wait).count(PEER).mark(END)
    p.end()
    with p.on_irq(PPI_VTIMER):
        p.count(COUNTER).timer_ctl(True, True)
    events, _ = _play(setting, [p.build()], host, (VCpu(),))
    marks = events[events["kind"] == EVENT["mark"]]
    begin, end = (marks["cyc"][marks["arg"] == which] for which in (BEGIN, END))
    period_cyc = ticks * clock.cpu_hz / clock.cntfrq_hz
    return float((end - begin).mean()) - period_cyc


def _clock(setting: Setting, host: Host) -> Clock:
    model = setting.model
    return Clock(host.cpu_hz or model.cpu_hz, host.cntfrq_hz or model.cntfrq_hz)


def _vm_switch(setting: Setting, n: int) -> float:
    """From one VM's exit to the other's entry, two busy VMs on one pCPU.

    The host's tick makes them change places; its own handler is made free, the
    interrupt's entry and exit are not.
    """
    changes = {**(setting.cycles or {}), "isr_tick": 0}
    setting = replace(setting, cycles=changes)
    host = setting.host(1, tick_hz=1000)
    p = Program("busy").irq_off()
    with p.forever():
        p.compute(2**40)
    load = loads.custom(Workload.of([p.build()], finite=False), "busy")
    vms = tuple(VM(f"vm{i}", vcpus=(VCpu(),), load=load) for i in range(2))
    clock = _clock(setting, host)
    with Machine(
        host, vms, policy=setting.policy, trace=MOST_EVENTS, cost_override=changes
    ) as machine:
        run_whole(machine, until_cyc=clock.cyc(10_000_000 * (n + 1)))
        events = machine.events
    found = events[np.isin(events["kind"], (EVENT["exit"], EVENT["entry"]))]
    left, entered = found[:-1], found[1:]
    switched = (left["kind"] == EVENT["exit"]) & (entered["kind"] == EVENT["entry"])
    switched &= left["vcpu"] != entered["vcpu"]
    gaps = (entered["cyc"] - left["cyc"])[switched]
    return float(gaps[1:].mean())


def _io_in(setting: Setting, n: int) -> float:
    """From a device's interrupt to the acknowledge of a guest that sleeps in WFI."""
    host = setting.host(1)
    gap = _clock(setting, host).cyc(1_000_000)
    p = Program("sleeper").irq_off()
    p.label("idle").wfi().irq_window().until(COUNTER, n, "idle").end()
    with p.on_irq(DEVICE_INTID):
        p.count(COUNTER)
    irqs = [(gap * (i + 1), DEVICE_INTID, 1) for i in range(n)]
    events, _ = _play(setting, [p.build()], host, (VCpu(),), tuple(irqs))
    acks = events["cyc"][events["kind"] == EVENT["ack"]]
    return float(np.mean([int(at) % gap for at in acks]))


MICROBENCH: Final = (
    "hvc",
    "mmio_read_user",
    "mmio_read_vgic",
    "eoi",
    "ipi",
    "timer_10ms",
)

OPERATIONS: Final[dict[str, Operation]] = {
    one.name: one
    for one in (
        Operation("hvc", "hypercall", 256, _simple(Program.hvc)),
        Operation("mmio_read_user", "user MMIO", 256, _simple(Program.mmio_user)),
        Operation("mmio_read_vgic", "kernel MMIO", 256, _simple(Program.mmio_kernel)),
        Operation("eoi", "end of interrupt", 256, _simple(lambda p: p.emit("eoi"))),
        Operation(
            *("ack_eoi", "acknowledge and end of interrupt", 256),
            _simple(lambda p: p.emit("ack").emit("eoi")),
        ),
        Operation("ipi", "SGI to a running vCPU", 128, _ipi),
        Operation("timer_10ms", "lateness of a 10 ms timer", 2, _timer, PHASES),
        Operation("vm_switch", "VM to VM on one pCPU", 16, _vm_switch),
        Operation("io_in", "interrupt to a sleeping guest", 64, _io_in),
    )
}
