"""How everything here is measured: interleaved rounds, best and median.

A round runs every peer once and then the machine under test, so that a slow phase of
the host meets all of them. Machines are built outside the timed part.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyemu as pe

__all__ = ["Bench", "Measured", "Peer", "Setup", "program"]

NS = 1e9
ROUNDS = 7


def program(p: pe.Program, vcpus: int = 1, name: str = "bench") -> pe.Load:
    """Return a load in which every vCPU runs one program."""
    return pe.loads.custom(pe.Workload.of([p.build()] * vcpus), name)


@dataclass(frozen=True)
class Setup:
    """A machine to be built for every round, and how far it runs.

    Attributes
    ----------
    policy, load, host, vms, trace
        As for `pe.Machine`.
    override
        Costs of single primitives, cycles.
    warm_cyc
        Host cycles run before the timed part.
    until_cyc
        Host cycle at which the timed part ends; None: when the guests do.
    """

    policy: str
    load: pe.Load
    host: pe.Host = field(default_factory=pe.Host)
    vms: tuple[pe.VM, ...] | None = None
    trace: int = 0
    override: Mapping[str, int] = field(default_factory=dict)
    warm_cyc: int = 0
    until_cyc: int | None = None

    def but(self, **changes: Any) -> Setup:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def build(self) -> Timed:
        """Build the machine and run its warm-up."""
        vms = self.vms or (pe.VM(vcpus=self.load.vcpus),)
        machine = pe.Machine(
            *(self.host, vms),
            policy=self.policy,
            load=self.load,
            trace=self.trace,
            cost_override=self.override,
        )
        timed = Timed(machine, self.until_cyc)
        if self.warm_cyc:
            timed.before = machine.run(until_cyc=self.warm_cyc).exits
            machine.host_s = 0.0
        return timed


class Timed:
    """A machine about to be timed once."""

    def __init__(self, machine: pe.Machine, until_cyc: int | None) -> None:
        self.machine, self.until_cyc = machine, until_cyc
        self.before = self.exits = 0

    def run(self) -> None:
        """Run to the end: this is the timed part."""
        self.exits = self.machine.run(until_cyc=self.until_cyc).exits - self.before


@dataclass
class Peer:
    """Something measured beside the machine under test.

    Attributes
    ----------
    ready
        A context that gives the function to be timed.
    units
        Units of work it does; None asks the machine for its exits.
    best_ns
        Best time a unit so far.
    """

    ready: Callable[[], Any]
    units: int | None = None
    best_ns: float = float("inf")
    core_ns: float = float("inf")

    @classmethod
    def function(cls, fn: Callable[[], Any], units: int) -> Peer:
        """Return a peer that calls a function."""

        @contextmanager
        def ready() -> Iterator[Callable[[], Any]]:
            yield fn

        return cls(ready, units)

    @classmethod
    def machine(cls, setup: Setup) -> Peer:
        """Return a peer that is another machine, measured by the exit."""

        @contextmanager
        def ready() -> Iterator[Any]:
            timed = setup.build()
            yield timed.run
            timed.machine.close()

        return cls(ready)

    def round(self) -> None:
        """Measure once."""
        with self.ready() as run:
            begun = time.perf_counter()
            run()
            took = time.perf_counter() - begun
            units, core_s = self.units, took
            if units is None:
                units, core_s = run.__self__.exits, run.__self__.machine.host_s
        self.best_ns = min(self.best_ns, took * NS / units)
        self.core_ns = min(self.core_ns, core_s * NS / units)


@dataclass
class Measured:
    """What `Bench.emulate` found; `info` is the benchmark's extra_info.

    ``best_ns``, ``median_ns``: host time a world switch; ``core_ns``: the best without
    what Python does between two quanta (trace hash, progress).
    """

    result: pe.Result
    best_ns: float
    median_ns: float
    core_ns: float
    info: dict[str, Any]
    exits: int
    machine_bytes: int

    @property
    def writes(self) -> tuple[int, int]:
        """Writes of CTL, CVAL, CNTVOFF and CNTHCTL an exit, and how many remain."""
        ops = self.result.ops
        names = ("cntv_ctl_w", "cntv_cval_w", "cntvoff_w", "cnthctl_w")
        return divmod(sum(ops[name] for name in names), self.result.n_exits)

    def per(self, unit: str, n: int) -> None:
        """Also tell the host time of another unit of work, `n` of which were done."""
        self.info[f"ns_per_{unit}"] = self.best_ns * self.exits / n
        self.info[f"ns_per_{unit}_median"] = self.median_ns * self.exits / n


class Bench:
    """One benchmark fixture in use."""

    def __init__(self, benchmark: Any) -> None:
        self.benchmark = benchmark

    def emulate(
        self,
        setup: Setup,
        peers: Mapping[str, Peer] | None = None,
        *,
        rounds: int = ROUNDS,
    ) -> Measured:
        """Run interleaved rounds of the peers and of `setup`; fill extra_info in.

        Of a peer ``simpy`` extra_info tells ``ns_simpy``, its best time a unit.
        """
        made: list[Timed] = []
        core_s: list[float] = []

        def before() -> None:
            for peer in (peers or {}).values():
                peer.round()
            while made:
                made.pop().machine.close()
            made.append(setup.build())

        def timed() -> None:
            made[0].run()
            core_s.append(made[0].machine.host_s)

        self.benchmark.pedantic(timed, setup=before, rounds=rounds, warmup_rounds=1)
        last = made[0]
        with last.machine as machine:
            result = machine.result("benchmark")
            machine_bytes = machine.core.bytes_used()
        times = self.benchmark.stats.stats.data
        scale = NS / last.exits
        got = Measured(
            result,
            min(times) * scale,
            statistics.median(times) * scale,
            min(core_s) * scale,
            self.benchmark.extra_info,
            last.exits,
            machine_bytes,
        )
        got.info.update(
            ns_per_world_switch=got.best_ns,
            ns_per_world_switch_median=got.median_ns,
            epmc=result.epmc,
            switch_cycles_per_exit=result.switch_cyc_per_exit,
        )
        for name, peer in (peers or {}).items():
            got.info[f"ns_{name}"] = peer.best_ns
        return got
