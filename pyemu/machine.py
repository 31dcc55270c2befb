"""The machine: a context manager over one core handle, run in quanta.

`Machine.run` crosses into C once a quantum and comes back with a reason, as KVM_RUN
does. Quanta are bounded by host time, so that Ctrl-C is obeyed within a second and
progress can be shown; where a quantum ends has no effect on what is emulated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from numpy.typing import NDArray

from . import _ffi
from .assemble import Blueprint, Options, resolve
from .collect import collect
from .config import VM, Host, Move, whole
from .errors import ConfigError, InternalError, StateError
from .eventlog import EventLog
from .guest.bus import Bus
from .interrupt import ctrl_c
from .pcpu import PcpuView
from .result import Result
from .scheduling import Periodic, rotate
from .snapshot import Snapshot, put_back, take
from .stop import STOPS, Stop
from .vcpu import VcpuView, check_index

if TYPE_CHECKING:
    from .policy import Policy

__all__ = ["Machine", "Snapshot", "Stop"]

NEVER_CYC: Final = 2**62
FIRST_QUANTUM_CYC: Final = 20_000_000
SHORT_S, LONG_S = 0.05, 0.2


class Machine:
    """A host with its VMs and one policy, ready to run.

    Parameters
    ----------
    host, vms
        Descriptions; the default is one VM of the size the load is made for.
    policy
        A name or a `Policy`.
    load
        What every VM without its own load runs.
    seed
        Of everything drawn at random.
    trace
        Most trace records to keep; 0 turns tracing off. The hash covers every record.
    moves
        Declarative migrations.
    balancer
        Asked once a period for moves (see `scheduling`).
    options
        Step interpreter, step trace.
    cost_override
        Cycles of single primitives, instead of the profile's.

    Raises
    ------
    ConfigError
        For an impossible machine.

    Examples
    --------
    >>> from pyemu.guest import loads
    >>> with Machine(policy="lazy", load=loads.get("hvc-loop", n=10)) as m:
    ...     m.run().reason
    'done'
    """

    def __init__(
        self,
        host: Host | None = None,
        vms: Sequence[VM] | None = None,
        *,
        policy: Policy | str,
        load: Any = None,
        seed: int = 0,
        trace: int = 0,
        moves: Sequence[Move] = (),
        balancer: Periodic | None = None,
        options: Options | None = None,
        cost_override: Mapping[str, int] | None = None,
    ) -> None:
        host = host or Host(pcpus=int(getattr(load, "pcpus", 1)))
        vms = vms if vms is not None else (VM(vcpus=int(getattr(load, "vcpus", 1))),)
        self.blueprint: Blueprint = resolve(
            *(host, vms, policy),
            load=load,
            seed=seed,
            options=options,
            cost_override=cost_override,
        )
        self.vcpus = [VcpuView(self, i) for i in range(self.blueprint.n_vcpus)]
        self.pcpus = [PcpuView(self, i) for i in range(host.pcpus)]
        self.affinities = self._affinities()
        for move in moves:
            self._check_move(move.vcpu, move.pcpu)
        self.moves = tuple(moves)
        self.core: _ffi.Core = self.blueprint.create(self.moves)
        self._balancer = balancer or self._rotation()
        self._log = EventLog(self.core, trace, host.pcpus)
        self.now_cyc, self.host_s = 0, 0.0
        self.stop: Stop | None = None
        self.progress: Callable[[Stop], None] | None = None
        self._stats: dict[str, NDArray[Any]] = {}
        self.bus = Bus(self.core, self.blueprint)
        self.region: Result | None = None
        self._running, self.periods = False, 0
        self.paused: set[int] = set()
        self.cntvoff_ticks = [vm.cntvoff_ticks or 0 for vm in self.blueprint.vms]

    def _affinities(self) -> list[tuple[int, ...]]:
        everywhere = tuple(range(self.blueprint.host.pcpus))
        return [
            vm.vcpu(i).affinity or everywhere
            for vm in self.blueprint.vms
            for i in range(vm.n_vcpus)
        ]

    def _rotation(self) -> Periodic | None:
        """Return rotation as the balancer if a load asks to be moved around."""
        every_ns = max(work.rotate_ns for work in self.blueprint.workloads)
        if not every_ns:
            return None
        return Periodic(rotate, max(1, self.blueprint.clock.cyc(every_ns)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the core; every later call raises StateError."""
        self.core.close()

    def run(
        self,
        *,
        until_cyc: int | None = None,
        until_guest_cyc: int = 0,
        until_exits: int = 0,
    ) -> Stop:
        """Run until a limit, until every guest is off, or until Ctrl-C.

        Parameters
        ----------
        until_cyc
            Host cycle at which every pCPU stops; one in the past stops at once.
        until_guest_cyc, until_exits
            Totals over all vCPUs of the measured region; 0 is no limit.

        Raises
        ------
        ConfigError
            Without any limit for guests that never end.
        GuestError, CapacityError, InternalError
            What the core reports.
        StateError
            If the machine is closed or already running.
        """
        limits = (until_guest_cyc, until_exits)
        for name, value in zip(("guest_cyc", "exits"), limits, strict=True):
            whole(f"run.until_{name}", value, 0, 2**64 - 1)
        endless = not self.blueprint.finite or self.paused
        if until_cyc is None and not any(limits) and endless:
            words = "a limit: these guests never end by themselves"
            raise ConfigError("run.until_cyc", None, words)
        end = NEVER_CYC if until_cyc is None else until_cyc
        end = min(whole("run.until_cyc", end, 0, 2**64 - 1, "cycles"), NEVER_CYC)
        if self._running:
            raise StateError("the machine is already running")
        self._running = True
        self.bus.begin()
        try:
            with ctrl_c() as pressed:
                self.stop = self._run(end, limits, pressed)
        finally:
            self._running = False
            self.bus.drain()
            self._stats.clear()
        return self.stop

    def _run(self, end: int, limits: tuple[int, int], pressed: list[bool]) -> Stop:
        quantum = FIRST_QUANTUM_CYC
        while True:
            goal = min(end, self._next_balance())
            pause = min(self.now_cyc + quantum, NEVER_CYC)
            begun = time.perf_counter()
            got = self.core.run(goal, *limits, pause)
            took = time.perf_counter() - begun
            self.host_s += took
            reason = STOPS[got["reason"]]
            reached = goal if reason == "limit" else got["now_cyc"]
            self.now_cyc = max(self.now_cyc, reached)
            self._log.drain(got["n_events"])
            totals = (got["guest_cyc"], got["exits"], got["step"])
            stop = Stop(reason, self.now_cyc, *totals)
            if reason == "callback":
                self._answer(got)
            elif reason in ("mmio", "mark", "console"):
                if self.bus.answer(reason, got["vcpu"], self.n_events):
                    self.region = self.result("region")
                if self.bus.found_text:
                    return replace(stop, reason="text")
            elif reason not in ("trace_full", "pause") and (
                reason != "limit" or goal >= end
            ):
                return replace(stop, reason="interrupted") if pressed[0] else stop
            if reason == "limit" and self._balancer and goal == self._next_balance():
                self._balance()
            if pressed[0]:
                return replace(stop, reason="interrupted")
            if self.progress is not None:
                self.progress(stop)
            if reason == "pause" and took < SHORT_S:
                quantum = min(quantum * 4, NEVER_CYC)
            elif took > LONG_S:
                quantum = max(quantum // 2, 1000)

    def _next_balance(self) -> int:
        if self._balancer is None:
            return NEVER_CYC
        return (self.periods + 1) * self._balancer.period_cyc

    def _balance(self) -> None:
        if self._balancer is None:
            raise InternalError("no balancer to ask")
        self.periods += 1
        self._stats.clear()
        for vcpu, pcpu in self._balancer.decide(self):
            self.move(vcpu, pcpu)

    def _answer(self, got: dict[str, int]) -> None:
        """Ask the policy's Python callback; slow: a call a step."""
        ask = getattr(self.blueprint.policy, "callback", None)
        if ask is None:
            raise ConfigError("policy.callback", None, "a function: the table asks it")
        yes = bool(ask(self.vcpus[got["vcpu"]], got["step"]))
        self.core.command("callback_answer", got["vcpu"], int(yes))

    # looking and changing

    @property
    def events(self) -> NDArray[Any]:
        """The kept trace records; `n_events` less their number were dropped."""
        return self._log.events()

    @property
    def n_events(self) -> int:
        """Trace records written so far, kept or not."""
        return self._log.n_events

    @property
    def trace_hash(self) -> int:
        """Hash of every trace record so far, in order."""
        return self._log.hash

    def vcpu_stats(self) -> NDArray[Any]:
        """Return ``struct pyemu_vcpu_stats`` of every vCPU."""
        return self._read("vcpu_stats", len(self.vcpus))

    def pcpu_stats(self) -> NDArray[Any]:
        """Return ``struct pyemu_pcpu_stats`` of every pCPU."""
        return self._read("pcpu_stats", len(self.pcpus))

    def _read(self, what: str, n: int) -> NDArray[Any]:
        if what not in self._stats:
            stats = self.core.read_stats(what, n)
            stats.flags.writeable = False
            self._stats[what] = stats
        return self._stats[what]

    def affinity(self, vcpu: int) -> tuple[int, ...]:
        """Return the pCPUs a vCPU may run on."""
        return self.affinities[vcpu]

    def set_affinity(self, vcpu: int, pcpus: Sequence[int]) -> None:
        """Change where a vCPU may run; it moves at once if it must.

        Raises
        ------
        ConfigError
            For an empty affinity or a pCPU that is not there.
        """
        check_index("vcpu", vcpu, len(self.vcpus))
        if not pcpus:
            raise ConfigError("affinity", [], "at least one pCPU")
        for pcpu in pcpus:
            check_index("affinity", pcpu, len(self.pcpus))
        self.affinities[vcpu] = tuple(pcpus)
        if self.vcpus[vcpu].pcpu not in pcpus:
            self.move(vcpu, pcpus[0])

    def _check_move(self, vcpu: int, pcpu: int) -> None:
        check_index("move.vcpu", vcpu, len(self.vcpus))
        check_index("move.pcpu", pcpu, len(self.pcpus))
        if pcpu not in self.affinities[vcpu]:
            words = f"inside the affinity of vcpu {vcpu}: {self.affinities[vcpu]}"
            raise ConfigError("move.pcpu", pcpu, words)

    def move(self, vcpu: int, pcpu: int) -> None:
        """Migrate a vCPU thread now, through put and load."""
        self._check_move(vcpu, pcpu)
        self.core.command("move", vcpu, pcpu)
        self._stats.clear()

    def set_online(self, pcpu: int, online: bool) -> None:
        """Take a pCPU offline or online.

        Raises
        ------
        ConfigError
            For the last online pCPU.
        """
        check_index("pcpu", pcpu, len(self.pcpus))
        others = [p for p in self.pcpus if p.online and p.index != pcpu]
        if not online and not others:
            raise ConfigError("pcpu.online", pcpu, "another pCPU stays online")
        self.core.command("pcpu_online", pcpu, int(online))
        self.pcpus[pcpu].online = online
        self._stats.clear()

    def pause(self, vcpu: int, paused: bool = True) -> None:
        """Make a vCPU leave KVM_RUN and stay in user space, or continue it."""
        check_index("vcpu", vcpu, len(self.vcpus))
        self.core.command("vcpu_pause", vcpu, int(paused))
        (self.paused.add if paused else self.paused.discard)(vcpu)
        self._stats.clear()

    def set_cntvoff(self, vm: int, ticks: int) -> None:
        """Set a VM's counter offset, one for all its vCPUs, ticks modulo 2^64."""
        check_index("vm", vm, len(self.cntvoff_ticks))
        self.core.command("set_cntvoff", vm, ticks % 2**64)
        self.cntvoff_ticks[vm] = ticks % 2**64

    def virtual_count(self, vm: int) -> int:
        """Return CNTVCT as the VM's guests read it now, ticks."""
        count = self.core.count_ticks(self.now_cyc)
        return (count - self.cntvoff_ticks[vm]) % 2**64

    def snapshot(self) -> Snapshot:
        """Copy the whole state; tracing is not part of it."""
        return take(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of a machine of the same description.

        Raises
        ------
        StateError
            If it was another machine, policy or version.
        """
        put_back(self, snapshot)
        self._stats.clear()
        self.now_cyc = snapshot.now_cyc

    def result(self, source: str = "", **extra: Any) -> Result:
        """Return what the machine says now; `source` names the input.

        `extra` goes into ``Result.meta``.
        """
        meta = {
            "input": source,
            "stop": self.stop.reason if self.stop else "not run",
            "host_s": round(self.host_s, 6),
            "now_cyc": self.now_cyc,
            "n_events": self.n_events,
            "trace_hash": f"{self.trace_hash:016x}" if self._log.keep else None,
            **extra,
        }
        return collect(self.core, self.blueprint, meta)
