"""One run of a case: its guest, as machine code, on the machine that was recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from numpy.typing import NDArray

from .. import _ffi
from .. import policy as policies
from .._ffi_code import CodeCore
from ..config import VM, Host, Task, VCpu, whole
from ..costs import Row
from ..costs import get as get_costs
from ..errors import ConfigError, GuestError
from ..guest import loads, machine_code
from ..machine import Machine
from ..result import Result
from ..scheduling import Periodic, rotate
from .cases import Case
from .counters import named_counters

__all__ = ["Change", "Phase", "Run", "emulate", "emulate_phases"]

NEVER_NS: Final = 2**60
LIMIT_S: Final = 100  # emulated; no recorded guest needs a tenth of it
LENGTHENED: Final = "run_loop"
FIRST_EVENTS: Final = 2000  # enough to hold the first expiry of a timer
EVENTS: Final = _ffi.enum("event_kind", "PYEMU_E_")
NEAR_EXPIRY_NS: Final = (-1000, -600, -200, 200)
WORD: Final = re.compile(r"(\w+)=(\d+)")


@dataclass(frozen=True)
class Change:
    """What a user changes of a scenario; None and 0 leave it as recorded."""

    iters: int | None = None
    period: int | None = None
    vcpus: int | None = None
    migrate_us: int | None = None
    profile: str | None = None
    ops: bool = False
    seed: int = 0

    @property
    def departs(self) -> bool:
        """Whether it is another run than the recorded one."""
        given = (self.iters, self.period, self.vcpus, self.migrate_us)
        return any(value is not None for value in given)


@dataclass(frozen=True)
class Phase:
    """What the counts of a recording do not tell, and a trace of it does.

    Attributes
    ----------
    tick_ns
        The first host tick.
    longer_cyc
        How much longer an exit is.
    bursts
        Begin and length of what kernel threads ran, ns; None: the set's habits.
    hog_ns
        When a hog starts.
    """

    tick_ns: int = 0
    longer_cyc: int = 0
    bursts: tuple[tuple[int, int], ...] | None = None
    hog_ns: int = 0


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes
    ----------
    phase
        When the first host tick came, and how much longer the run loop was.
    result
        Of the measured region.
    counters
        The result's, and the recorders' own by their names.
    results
        What the guest itself reported.
    guest_insns
        Instructions its processors retired, set-up included; 0 for op programs.
    events
        The first trace records, as many as asked for.
    span
        Which of them the measured region holds.
    elapsed_cyc
        Length of the measured region; of the whole run of op programs.
    """

    case: Case
    phase: Phase
    result: Result
    counters: Mapping[str, int]
    results: Mapping[str, int]
    guest_insns: int
    console: str
    events: NDArray[Any]
    span: tuple[int, int]
    elapsed_cyc: int

    @property
    def ops(self) -> Mapping[str, int]:
        """Register and active-state accesses by the host."""
        return self.result.ops

    def count(self, name: str) -> int | None:
        """Return a count of any kind by its name; None if there is none."""
        for source in (self.counters, self.ops, self.results):
            if name in source:
                return source[name]
        return None


def emulate_phases(
    case: Case, change: Change, progress: Callable[[Any], None] | None = None
) -> Iterator[Run]:
    """Run a case at every phase its counts depend on, the most likely one first.

    The phase is that of the host tick against the guest. Where in an exit the guest's
    own timer expires is as little known: each run makes the run loop a bit longer.
    """
    tick_ns = 10**9 // int(case.set.host["tick_hz"])
    first_ns = int(case.set.habits.get("first_tick_ns", 0))
    n = int(case.set.room["phases"]) if case.scenario.phased else 1
    step = int(case.set.room["longer_cyc"])
    for i in range(n):
        phase = Phase((first_ns + i * tick_ns // n) % tick_ns, i * step)
        run = emulate(case, change, phase, progress, trace=FIRST_EVENTS * (n > 1))
        yield run
        if i == 0 and n > 1:
            for locked_ns in _locked(run, change, tick_ns):
                yield emulate(case, change, Phase(locked_ns), progress)


def _locked(run: Run, change: Change, tick_ns: int) -> list[int]:
    """Return phases at which a host tick falls into the guest's own timer exit.

    Only where the guest's period divides the host's can it do so every time.
    """
    data = run.case.set
    guest = data.guests[run.case.scenario.guest]
    period = change.period or int(run.case.scenario.regs.get(guest.period, 0))
    expiries = run.events[run.events["kind"] == EVENTS["expiry"]]
    if not period or not expiries.size:
        return []
    if tick_ns % (period * 10**9 // int(data.host["cntfrq_hz"])):
        return []
    expiry_ns = int(expiries["cyc"][0]) * 10**9 // int(data.host["cpu_hz"])
    return [(expiry_ns + off) % tick_ns for off in NEAR_EXPIRY_NS]


def emulate(
    case: Case,
    change: Change,
    phase: Phase = Phase(),
    progress: Callable[[Any], None] | None = None,
    *,
    trace: int = 0,
) -> Run:
    """Run a case once.

    Raises
    ------
    ConfigError
        For a change that cannot be.
    GuestError
        If the guest does not reach its end, or says that it failed.
    """
    with _machine(case, change, phase, trace) as machine:
        machine.progress = progress
        stop = machine.run(until_cyc=LIMIT_S * machine.blueprint.clock.cpu_hz)
        if stop.reason == "interrupted":
            raise KeyboardInterrupt
        outcome = machine.bus.outcomes[0]
        result = machine.region or machine.result(case.label)
        if stop.reason != "done":
            words = f"{case.label}: no end within {LIMIT_S} emulated seconds"
            raise GuestError(words)
        if outcome.exit_code:
            raise GuestError(f"{case.label}: the guest ended with {outcome.exit_code}")
        console = outcome.console.decode(errors="replace")
        insns, results = 0, {}
        if not change.ops:
            core = CodeCore(machine.core)
            insns = sum(core.insns(vcpu.index) for vcpu in machine.vcpus)
            results = _results(case, outcome.results, console)
        events, span = machine.events.copy(), machine.bus.span
        begin_cyc, end_cyc = machine.bus.cyc_span
        clock = machine.blueprint.clock
    counters = {**result.counters, **named_counters(result)}
    elapsed_cyc = max(0, end_cyc - begin_cyc) or result.wall_cyc
    if "elapsed_ticks" in results:  # a region between hints: the guest's own clock
        elapsed_cyc = results["elapsed_ticks"] * clock.cpu_hz // clock.cntfrq_hz
    return Run(
        *(case, phase, result, counters, results, insns, console),
        *(events, span, elapsed_cyc),
    )


def _results(case: Case, slots: Mapping[int, int], console: str) -> dict[str, int]:
    """Return what the guest reported: mailbox slots by name, or its printed words."""
    if case.set.results:
        out = {name: slots.get(i, 0) for i, name in enumerate(case.set.results)}
        return {**out, "elapsed_ticks": out["t1"] - out["t0"]}
    out = {}
    for line in console.splitlines():
        head = line.partition(":")[0] if "lat_" in line or "n=" in line else ""
        for name, value in WORD.findall(line):
            key = f"{head}_{name}" if head and " " not in head else name
            out[key] = int(value)
    return out


def _machine(case: Case, change: Change, phase: Phase, trace: int) -> Machine:
    scenario = case.scenario
    policy = policies.load_policy(case.kernel.policy)
    host = _host(case, change, phase)
    vcpus = _vcpus(case, change, host.pcpus)
    every = scenario.migrate_us if change.migrate_us is None else change.migrate_us
    balancer = None
    if every:
        late = int(case.set.habits.get("usleep_late_ns", 0))
        every_ns = whole("--migrate-us", every, 1, 10**9) * 1000 + late
        balancer = Periodic(rotate, every_ns * int(case.set.host["cpu_hz"]) // 10**9)
    return Machine(
        *(host, [VM(vcpus=vcpus)]),
        policy=policy,
        load=_load(case, change, len(vcpus)),
        seed=change.seed,
        trace=trace,
        balancer=balancer,
        cost_override=_costs(case, change, phase.longer_cyc),
    )


def _vcpus(case: Case, change: Change, pcpus: int) -> tuple[VCpu, ...]:
    """Return the vCPU threads, pinned as recorded; pins go round for more vCPUs."""
    scenario = case.scenario
    n = scenario.vcpus if change.vcpus is None else change.vcpus
    n = whole("--vcpus", n, 1, 8)
    moves = scenario.migrate_us if change.migrate_us is None else change.migrate_us
    pins = scenario.pins
    homes = [pins[i % len(pins)] if pins else i % pcpus for i in range(n)]
    out = []
    for i, home in enumerate(homes):
        # the migrating thread pins a vCPU where it goes
        everywhere = tuple((home + k) % pcpus for k in range(pcpus))
        affinity = everywhere if moves else (home,) if pins else None
        debit_ns = _debit_ns(case, homes[:i].count(home), pcpus)
        out.append(VCpu(affinity=affinity, debit_ns=debit_ns))
    return tuple(out)


def _debit_ns(case: Case, before: int, pcpus: int) -> int:
    """Return a new thread's first virtual run time: a slice (START_DEBIT).

    CFS shares its latency among the main thread, those before it on its pCPU and it;
    the main thread ran meanwhile, by what all of them are ahead.
    """
    apart_ns = case.set.habits.get("create_ns")
    if apart_ns is None:
        return 0
    slice_ns = 6_000_000 * Host(pcpus=pcpus).cfs_factor // (before + 2)
    return slice_ns + before * int(apart_ns)


def _host(case: Case, change: Change, phase: Phase) -> Host:
    data, scenario = case.set, case.scenario
    given: dict[str, Any] = {**data.host, **case.config.host}
    cyc = phase.tick_ns * int(given["cpu_hz"]) // 10**9
    if change.profile is not None:
        given["profile"] = change.profile
    if scenario.halt_poll_ns is not None:
        given["halt_poll_ns"] = scenario.halt_poll_ns
    known = {field.name for field in fields(Host)}
    tasks = _threads(case, phase)
    if scenario.hog:
        hog = dict(scenario.hog)
        if "off_ns" in hog:
            hog["slack_ns"] = int(data.habits["timer_slack_ns"])
        hog.setdefault("start_ns", phase.hog_ns)
        tasks += [Task(pcpu=pcpu, **hog) for pcpu in hog.pop("pcpus")]
    if scenario.spi_us:
        tasks.append(_device(data.habits, scenario.spi_us, int(given["pcpus"])))
    return Host(
        **{key: value for key, value in given.items() if key in known},
        gic=case.config.gic,
        vhe=case.config.vhe,
        tick_phase_cyc=cyc,
        tasks=tuple(tasks),
    )


def _threads(case: Case, phase: Phase) -> list[Task]:
    """Return the kernel threads of the recorder's host; most run once."""
    if phase.bursts is None:
        return [
            Task(
                on_ns=one["on_ns"],
                off_ns=one.get("off_ns", NEVER_NS),
                start_ns=phase.tick_ns + one["after_tick_ns"],
            )
            for one in case.set.background
        ]
    return [
        Task(on_ns=on_ns, off_ns=NEVER_NS, start_ns=start_ns)
        for start_ns, on_ns in phase.bursts
    ]


def _device(habits: Mapping[str, Any], every_us: int, pcpus: int) -> Task:
    """Return the VMM's thread that raises an SPI after each sleep; on the last pCPU."""
    return Task(
        pcpu=pcpus - 1,
        on_ns=int(habits["device_ns"]),
        off_ns=every_us * 1000,
        slack_ns=int(habits["timer_slack_ns"]),
        start_ns=every_us * 1000,
        vm="vm0",
        intid=int(habits["device_spi"]),
    )


def _costs(case: Case, change: Change, longer_cyc: int) -> dict[str, int]:
    """Return the path lengths that differ from the profile: machine's, kernel's."""
    profile = get_costs(change.profile or case.set.host["profile"])
    gic, vhe = case.config.gic, case.config.vhe
    out: dict[str, int] = {}
    for given in () if change.profile else (case.kernel.costs, case.config.costs):
        for name, cyc in given.items():
            kinds = cyc if isinstance(cyc, Mapping) else {"": cyc}
            out[name] = Row(name, kinds, "F", "").cost_cyc(gic, vhe)
    if longer_cyc:
        loop = next(row for row in profile.rows() if row.name == LENGTHENED)
        out[LENGTHENED] = out.get(LENGTHENED, loop.cost_cyc(gic, vhe)) + longer_cyc
    return out


def _load(case: Case, change: Change, vcpus: int) -> loads.Load:
    if change.ops:
        return _op_load(case, change, vcpus)
    scenario, guest = case.scenario, case.set.guests[case.scenario.guest]
    regs: dict[str, int | str] = dict(scenario.regs)
    for name, register in (("iters", guest.iters), ("period", guest.period)):
        value = getattr(change, name)
        if value is None:
            continue
        if not register:
            raise ConfigError(f"--{name}", value, f"a guest that has it: {guest.name}")
        regs[register] = whole(f"--{name}", value, 1, 2**32)
    if guest.vcpus:
        regs[guest.vcpus] = (int(regs.get(guest.vcpus, 0)) & ~0xFF) | vcpus
    image = guest.image.format(gic=case.config.gic[1:])
    return machine_code.load(
        image,
        board=case.set.board,
        regs=regs,
        vcpus=vcpus,
        trap_ids=case.kernel.trap_ids,
    )


def _op_load(case: Case, change: Change, vcpus: int) -> loads.Load:
    """Return the op program that stands for the guest, with the same changes."""
    load, _ = loads.recorded(case.scenario.name)
    params: dict[str, Any] = {**load.params, "vcpus": vcpus}
    if change.iters is not None:
        params["n"] = whole("--iters", change.iters, 1, 2**32)
    if change.period is not None and "period_ns" in params:
        ticks = whole("--period", change.period, 1, 2**32)
        params["period_ns"] = ticks * 10**9 // int(case.set.host["cntfrq_hz"])
    params.pop("migrate_ns", None)  # the machine migrates
    return loads.get(load.name, **params)
