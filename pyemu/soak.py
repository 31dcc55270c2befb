"""Soak: random machines under a seeded fault plan, the invariants of section 7 on.

The plan is decided in the core (`csrc/soak`); Python performs what needs a disk or
a second machine. Every deadline that a guest arms is followed to its end: it must be
acknowledged or withdrawn, or be open for no longer than `overdue_ns`.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import _ffi
from ._ffi_soak import FAULTS, fault_report, set_faults
from .config import whole
from .errors import PyemuError, unknown_name
from .interrupt import ctrl_c
from .machine import Machine
from .migration import freeze, thaw
from .policy import Policy
from .snapshot_file import load_file, save_file
from .soak_guest import Shape, draw
from .stop import Stop

__all__ = ["FAULTS", "SoakResult", "soak"]

COUNTERS: Final = tuple(
    name for name in _ffi.enum("counter", "PYEMU_C_") if name != "count"
)
MEAN_CYC: Final = 400_000
ASK_EVERY: Final = 2_000
CHUNK_CYC: Final = 400_000_000
OVERDUE_NS: Final = 500_000_000
MOST_DOWN_NS: Final = 2_000_000


@dataclass
class SoakResult:
    """What a soak did and found.

    Attributes
    ----------
    events
        Guest exits, and deadlines armed, expired and acknowledged.
    deadlines
        ``armed`` = ``acknowledged`` + ``withdrawn`` + ``moved`` + ``open``; ``moved``
        went to another machine, where they were armed again.
    faults, checked
        Faults done by kind, clauses evaluated by invariant.
    boundaries, n_steps
        Steps of the table at which a fault has struck, out of how many; the most of
        one machine.
    violation
        The first broken clause with round, machine, policy; None if all held.
    verdict
        ``clean``, ``violated``, or ``partial`` after Ctrl-C.
    """

    policy: str
    seed: int
    events: int = 0
    rounds: int = 0
    points: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    late_cyc: int = 0
    spurious_acks: int = 0
    deadlines: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    boundaries: int = 0
    n_steps: int = 0
    violation: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """``clean``, ``violated`` or ``partial``."""
        if self.violation is not None:
            return "violated"
        return "partial" if self.interrupted else "clean"

    @property
    def balanced(self) -> bool:
        """Whether every deadline armed has ended in one known way or is open."""
        d = self.deadlines
        ended = d["acknowledged"] + d["withdrawn"] + d["moved"] + d["open"]
        return d["armed"] == ended and d["lost"] == 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        names = ("armed", "expired", "acknowledged", "withdrawn", "moved", "open")
        return {
            "policy": self.policy,
            "seed": self.seed,
            "verdict": self.verdict,
            "events": self.events,
            "rounds": self.rounds,
            "points": self.points,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.events / max(self.seconds, 1e-9)),
            "deadlines": {n: self.deadlines[n] for n in (*names, "lost")},
            "balanced": self.balanced,
            "late_cyc": self.late_cyc,
            "spurious_acks": self.spurious_acks,
            "faults": {n: self.faults[n] for n in FAULTS},
            "checked": dict(self.checked),
            "boundaries": self.boundaries,
            "steps": self.n_steps,
            "violation": self.violation,
        }


class _Round:
    """One machine and its successors, until so many events."""

    def __init__(self, policy: Policy, shape: Shape, plan: Mapping[str, int]) -> None:
        self.policy, self.shape, self.plan = policy, shape, dict(plan)
        self.rng = random.Random(shape.seed)
        self.done: Counter[str] = Counter()
        self.n_plans = 0
        self.n_moved = 0
        self.error = ""
        self.reports: list[dict[str, Any]] = []
        self.machine = self._machine()
        self._plan()

    def _machine(self) -> Machine:
        seed = self.shape.seed
        return Machine(self.shape.host, self.shape.vms, policy=self.policy, seed=seed)

    def _plan(self) -> None:
        """Give the machine its plan; another one after every move."""
        self.n_plans += 1
        overdue = self.machine.blueprint.clock.cyc(OVERDUE_NS)
        seed = (self.shape.seed + self.n_plans) % 2**64
        set_faults(
            self.machine.core, {**self.plan, "seed": seed, "overdue_cyc": overdue}
        )

    def counts(self) -> Counter[str]:
        """Return the counters of this round so far, all machines together."""
        out = Counter(self.done)
        values = self.machine.core.read_u64("counters", len(COUNTERS))
        out.update(dict(zip(COUNTERS, map(int, values), strict=True)))
        stop = self.machine.stop
        out["exits"] += stop.exits if stop else 0
        return out

    @property
    def events(self) -> int:
        """Guest-visible events so far."""
        c = self.counts()
        seen = c["deadlines_armed"] + c["expiries"] + c["ticks_acked"]
        return c["exits"] + seen

    def step(self) -> Stop:
        """Run on for a while; do what the plan asks for."""
        m = self.machine
        stop = m.run(until_cyc=m.now_cyc + CHUNK_CYC)
        if stop.reason == "fault":
            if FAULTS[stop.step] == "snapshot":
                self._to_disk()
            else:
                self._move()
        return stop

    def _to_disk(self) -> None:
        """Save, throw the machine away, load into a new one."""
        with tempfile.TemporaryDirectory(prefix="pyemu-soak-") as folder:
            path = Path(folder) / "machine.snap"
            save_file(self.machine.snapshot(), path)
            stop = self.machine.stop
            self.machine.close()
            self.machine = self._machine()
            self.machine.restore(load_file(path))
            self.machine.stop = stop

    def _move(self) -> None:
        """Migrate every VM in mid-tick to a new machine that is a little younger."""
        old = self.machine
        self._keep_report()
        set_faults(old.core, {"mean_cyc": 0})
        saved = [freeze(old, vm.name) for vm in self.shape.vms]
        new = self._machine()
        for vcpu in new.vcpus:
            new.pause(vcpu.index)
        back = self.rng.randrange(MOST_DOWN_NS)
        new.run(until_cyc=max(1, old.now_cyc - new.blueprint.clock.cyc(back)))
        for one in saved:
            thaw(new, one, downtime_ns=self.rng.randrange(MOST_DOWN_NS))
        self.done = self.counts()
        self.n_moved += fault_report(old.core)["n_open"]
        old.close()
        self.machine = new
        self._plan()

    def _keep_report(self) -> None:
        self.reports.append(fault_report(self.machine.core))

    def finish(self, into: SoakResult) -> None:
        """Add this round to the result and free the machine."""
        self._keep_report()
        c, last = self.counts(), self.reports[-1]
        into.events += self.events
        into.rounds += 1
        into.spurious_acks += c["guest_spurious"]
        into.deadlines.update(
            armed=c["deadlines_armed"],
            expired=c["expiries"],
            acknowledged=c["deadlines_acked"],
            withdrawn=c["deadlines_withdrawn"],
            lost=c["lost"],
            moved=self.n_moved,
            open=last["n_open"],
        )
        for one in self.reports:
            into.points += one["points"]
            into.late_cyc = max(into.late_cyc, one["late_cyc"])
            into.faults.update(one["faults"])
            into.checked.update(one["checked"])
            into.boundaries = max(into.boundaries, one["n_boundaries"])
        if (last["invariant"] or self.error) and into.violation is None:
            into.violation = {
                "invariant": f"I{last['invariant']}" if not self.error else "run",
                "clause": self.error or last["clause"],
                "round": into.rounds - 1,
                "cyc": last["violation_cyc"],
                "vcpu": last["vcpu"],
                "pcpu": last["pcpu"],
                "machine": str(self.shape),
            }
        self.machine.close()


def _mask(faults: Sequence[str] | None) -> int:
    names = FAULTS if faults is None else faults
    for name in names:
        if name not in FAULTS:
            raise unknown_name("soak.faults", name, FAULTS)
    return sum(1 << FAULTS.index(name) for name in set(names))


def soak(
    policy: Policy,
    *,
    events: int = 10**7,
    seed: int = 0,
    faults: Sequence[str] | None = None,
    rounds: int | None = None,
    first: int = 0,
    mean_cyc: int = MEAN_CYC,
    fixed: Mapping[str, Any] | None = None,
    progress: Callable[[SoakResult, int], None] | None = None,
) -> SoakResult:
    """Run random machines under faults until so many guest-visible events.

    Parameters
    ----------
    policy
        What to try.
    events, rounds
        Events of all rounds together, and how many machines share them; by default one
        for every ten million, at least 4.
    seed, first
        Same seed, same bytes; `first` is the number of the first round, so that a round
        can be run again alone.
    faults
        Names out of `FAULTS`; None is all, an empty list only checks.
    mean_cyc
        Mean distance of two points of the plan.
    fixed
        Fields of `Host` that do not vary, such as ``gic``.
    progress
        Called with the result so far and the events of the round under way.

    Raises
    ------
    ConfigError
        For numbers out of range and unknown faults.
    """
    whole("soak.events", events, 1, 10**15)
    whole("soak.seed", seed, 0, 2**64 - 1)
    whole("soak.mean_cyc", mean_cyc, 1, 2**40, "cycles")
    whole("soak.first", first, 0, 10**9)
    n_rounds = max(4, events // 10**7) if rounds is None else rounds
    whole("soak.rounds", n_rounds, 1, 10**9)
    plan = {"mean_cyc": mean_cyc, "kinds": _mask(faults), "ask_every": ASK_EVERY}
    result = SoakResult(policy.name, seed, n_steps=len(policy.compile().steps))
    begun = time.perf_counter()
    with ctrl_c() as pressed:
        for number in range(first, first + n_rounds):
            goal = (events - result.events) // (first + n_rounds - number)
            one = _Round(policy, draw(seed, number, dict(fixed or {})), plan)
            for reason in _steps(one, max(1, goal)):
                result.interrupted |= pressed[0] or reason == "interrupted"
                if result.interrupted:
                    break
                if progress is not None:
                    progress(result, one.events)
            one.finish(result)
            result.seconds = time.perf_counter() - begun
            if result.interrupted or result.violation is not None:
                break
    return result


def _steps(one: _Round, goal: int) -> Iterator[str]:
    """Run a round to its end, and say why each part of it ended."""
    while one.events < goal:
        try:
            reason = one.step().reason
        except PyemuError as exc:  # such as a vCPU that does not leave KVM_RUN
            one.error = str(exc)
            return
        yield reason
        if reason in ("broken", "done"):
            return
