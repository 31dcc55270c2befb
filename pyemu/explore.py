"""Exhaustive exploration of small machines: every interleaving of a policy's steps.

The search is C's (csrc/explore); here are the bounds, the names, the verdict and the
timeline. A policy is `clean` only if every reachable state has been seen, with the
whole alphabet of docs/semantics.md section 8 and every invariant asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from ._ffi_explore import Explorer
from .config import whole
from .errors import unknown_name
from .exploring import CLAUSES, CYCLES, SAFETY, SECTIONS, numbers, timeline
from .exploring_machine import QUIRKS, check_shape, small_core
from .patience import patiently
from .policy import Policy
from .policy import get as get_policy

__all__ = ["ACTIONS", "CYCLES", "ENDS", "GUEST", "QUIRKS", "SAFETY", "SHAPE"]
__all__ += ["Exploration", "Prepared", "explore"]

ACTIONS: Final = tuple(n for n in _ffi.enum("action", "PYEMU_A_") if n != "count")
GUEST: Final = tuple(n for n in _ffi.enum("guest_choice", "PYEMU_GC_") if n != "count")
# Of section 8, what a size would have and the model cannot do: never `clean` there.
SECOND_VM: Final = "second_vm"
SNAPSHOT: Final = ("save_vgic", "restore")  # of a whole VM: one vCPU
# Beside section 8, for single bugs: only where an alphabet names them.
BESIDE: Final = ("uaccess", "other_active")
HOTPLUG: Final = ("offline", "online")
ENDS: Final = (
    *("every reachable state seen", "an invariant is broken", "depth reached"),
    *("number of states reached", "memory bound reached", "interrupted"),
)
SHAPE: Final = ("vcpus", "pcpus", "lrs", "gic", "vhe", "user_irqchip", "quirks")
USUAL: Final[dict[str, Any]] = {
    **{"vcpus": 1, "pcpus": 1, "lrs": 4, "gic": "v3", "vhe": True},
    **{"user_irqchip": False, "quirks": []},
}
LIMITS: Final[dict[str, Any]] = {
    **{"max_states": 200_000_000, "max_bytes": 8 * 2**30, "depth": None},
}


@dataclass(frozen=True)
class Exploration:
    """What a search found.

    Attributes
    ----------
    verdict
        ``clean``, ``violated`` or ``partial``.
    reason
        Why the search ended, and what keeps a verdict from being clean.
    states, transitions
        States kept; single steps executed (those without a choice are not kept).
    seconds
        Wall time of the searches, s.
    bytes_per_state
        Of the visited set, links and table included.
    invariant, clause
        The broken invariant (0: none) and what it says.
    rows
        The counterexample, ``struct pyemu_explore_row``.
    loop_row
        Liveness: the row where the cycle begins.
    ended
        Every reachable state has been seen.
    safety_pass
        The search by symmetry that went before, if this one looks at liveness too.
    """

    policy: str
    verdict: str
    reason: str
    states: int
    transitions: int
    seconds: float
    bytes_per_state: float
    depth: int
    bounds: dict[str, Any]
    alphabet: dict[str, list[str]]
    invariants: list[int]
    invariant: int = 0
    clause: str = ""
    rows: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    loop_row: int = 0
    ended: bool = False
    safety_pass: Exploration | None = None

    def timeline(self) -> str:
        """Return the counterexample, one line a step; empty if there is none."""
        if not self.invariant:
            return ""
        head = timeline(self.rows, self.loop_row)
        section = SECTIONS.get(self.invariant, "7")
        return (
            f"{head}\n\nI{self.invariant} is broken: {self.clause} (section {section})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        rate = self.transitions / self.seconds if self.seconds else 0.0
        first = self.safety_pass
        return {
            "schema": 1,
            "policy": self.policy,
            "verdict": self.verdict,
            "reason": self.reason,
            "states": self.states,
            "transitions": self.transitions,
            "seconds": round(self.seconds, 3),
            "states_per_s": round(self.states / self.seconds) if self.seconds else 0,
            "transitions_per_s": round(rate),
            "bytes_per_state": round(self.bytes_per_state, 1),
            "depth": self.depth,
            "bounds": self.bounds,
            "alphabet": self.alphabet,
            "invariants": [f"I{n}" for n in self.invariants],
            "invariant": f"I{self.invariant}" if self.invariant else None,
            "clause": self.clause or None,
            "trace": self.timeline().splitlines(),
            "safety_pass": None
            if first is None
            else {
                "states": first.states,
                "seconds": round(first.seconds, 3),
                "bytes_per_state": round(first.bytes_per_state, 1),
            },
        }


def _mask(what: str, names: Iterable[str], known: tuple[str, ...]) -> int:
    mask = 0
    for name in names:
        if name not in known:
            raise unknown_name(what, name, known)
        mask |= 1 << known.index(name)
    return mask


def whole_alphabet(vcpus: int, pcpus: int) -> tuple[list[str], list[str]]:
    """Return the host actions and guest operations of section 8 for that size."""
    gone = {*BESIDE, *(HOTPLUG if pcpus == 1 else ()), *(SNAPSHOT if vcpus > 1 else ())}
    return [a for a in ACTIONS if a not in gone], [g for g in GUEST if g not in gone]


def _chosen(
    every: list[str], ops: list[str], alphabet: Iterable[str] | None
) -> tuple[list[str], list[str]]:
    """Split an alphabet into host actions and guest operations."""
    if alphabet is None:
        return every, ops
    names = list(alphabet)
    for name in names:
        if name not in ACTIONS + GUEST:
            raise unknown_name("explore.alphabet", name, ACTIONS + GUEST)
    guest = [name for name in names if name in GUEST]
    return [name for name in names if name in ACTIONS], guest or ops


def explore(  # noqa: PLR0913
    policy: Policy | str,
    *,
    vcpus: int = 1,
    pcpus: int = 1,
    lrs: int = 4,
    gic: str = "v3",
    vhe: bool = True,
    user_irqchip: bool = False,
    quirks: Iterable[str] = (),
    depth: int | None = None,
    max_states: int = LIMITS["max_states"],
    max_bytes: int = LIMITS["max_bytes"],
    alphabet: Iterable[str] | None = None,
    invariants: Iterable[int | str] | None = None,
    reduce: bool = True,
    symmetry: bool = True,
    threads: int | None = None,
) -> Exploration:
    """Search every state of a small machine for a broken invariant.

    Parameters
    ----------
    policy
        A policy or the name of a shipped one.
    vcpus, pcpus, lrs, gic, vhe
        The machine: at most 2 on 2.
    user_irqchip
        The first vCPU is a VM whose interrupt controller is in user space (3.8).
    quirks
        Names from `QUIRKS`: properties of an unusual host.
    depth
        Bound on the number of choices; None: until every state has been seen.
    max_states, max_bytes
        Bounds of the visited set; reaching one gives a partial verdict.
    alphabet
        A smaller one, names of `ACTIONS` and `GUEST`: never a clean verdict. If it
        names no guest operation, all of them.
    invariants
        From `SAFETY` and `CYCLES`, as numbers or names (``I10``); None: all.
    reduce
        Whether outside events wait until something can notice them and steps
        without a choice are passed over; the verdict is the same.
    symmetry
        Whether states that differ by the names of vCPUs or of pCPUs are one. It is
        for safety only: with liveness asked for, a pass over all names follows.
    threads
        How many share the work, 1 to 64; None: one for each CPU this process may
        use. The result is the same.

    Raises
    ------
    ConfigError
        For an unknown name or a machine that cannot be explored.
    """
    table = get_policy(policy) if isinstance(policy, str) else policy
    shape = {"vcpus": vcpus, "pcpus": pcpus, "lrs": lrs, "gic": gic, "vhe": vhe}
    shape |= {"user_irqchip": user_irqchip, "quirks": list(quirks)}
    limits = {"max_states": max_states, "max_bytes": max_bytes, "depth": depth}
    workers = usable_cpus() if threads is None else threads
    wanted = numbers(invariants)
    safety = [n for n in wanted if n not in CYCLES]
    first = None
    if symmetry and max(vcpus, pcpus) > 1 and safety:
        makings = (table, shape, limits, alphabet, safety, reduce)
        with Prepared(*makings, symmetry=True) as run:
            first = run.search(workers)
        if first.invariant or not first.ended or len(safety) == len(wanted):
            return first
    with Prepared(table, shape, limits, alphabet, wanted, reduce) as run:
        return replace(run.search(workers), safety_pass=first)


def usable_cpus() -> int:
    """Return how many CPUs this process may run on, 64 at most."""
    have = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return min(len(have(0)), 64)


class Prepared:
    """A search that can begin: a machine, its bounds, an alphabet.

    Parameters are those of `explore`; `shape` is the machine, `limits` the bounds.
    """

    def __init__(  # noqa: PLR0917
        self,
        policy: Policy,
        shape: dict[str, Any],
        limits: dict[str, Any],
        alphabet: Iterable[str] | None = None,
        invariants: Iterable[int | str] | None = None,
        reduce: bool = True,
        *,
        symmetry: bool = False,
    ) -> None:
        shape = {**USUAL, **shape}
        limits = {**LIMITS, **limits}
        check_shape(shape)
        for name, high in (
            ("max_states", 2**64),
            ("max_bytes", 2**64),
            ("depth", 2**31),
        ):
            whole(f"explore.{name}", limits[name] or 0, 0, high - 1)
        vcpus = int(shape["vcpus"])
        every, ops = whole_alphabet(vcpus, int(shape["pcpus"]))
        chosen, choices = _chosen(every, ops, alphabet)
        self.wanted = numbers(invariants)
        config = {
            "actions": _mask("explore.action", chosen, ACTIONS),
            "guest": _mask("explore.guest", choices, GUEST),
            "invariants": sum(1 << n for n in self.wanted),
            "max_states": limits["max_states"],
            "max_bytes": limits["max_bytes"],
            "max_depth": 2**31 if limits["depth"] is None else limits["depth"],
            "reduce": int(reduce),
            "symmetry": int(symmetry),
        }
        left_out = [a for a in (*every, *ops) if a not in (*chosen, *choices)]
        if vcpus > 1:
            left_out += [*SNAPSHOT, *(() if shape["user_irqchip"] else (SECOND_VM,))]
        self.name = policy.name
        self.bounds = {**shape, **limits, "reduce": reduce, "symmetry": symmetry}
        del self.bounds["max_bytes"]
        self.said = {"actions": chosen, "guest": choices}
        self.said["left_out"] = left_out
        self._makings = policy, shape, config
        self.searcher = self.another()

    def another(self) -> Explorer:
        """Return an explorer of the same machine, with one of its own."""
        policy, shape, config = self._makings
        return Explorer(small_core(policy, shape), config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.searcher.close()

    def search(self, threads: int = 1) -> Exploration:
        """Search every state, then the cycles."""
        whole("explore.threads", threads, 1, 64)
        self.searcher.help([self.another() for _ in range(threads - 1)])
        return patiently(
            lambda: _search(
                self.searcher, self.name, self.wanted, self.bounds, self.said
            ),
            self.searcher.interrupt,
            lambda found: found.reason == ENDS[-1],
        )


def _search(
    searcher: Explorer,
    name: str,
    wanted: list[int],
    bounds: dict[str, Any],
    alphabet: dict[str, list[str]],
) -> Exploration:
    """Run the safety search, then a cycle search for each liveness invariant."""
    start = time.perf_counter()
    got = searcher.safety()
    if ENDS[got["end"]] == ENDS[0]:
        live = [n for n in wanted if n in CYCLES]
        holds = searcher.hold(live) if live else []
        for number in (n for n in live if n not in holds):
            got = searcher.cycles(number)
            if got["invariant"]:
                break
    seconds = time.perf_counter() - start
    reason, verdict = ENDS[got["end"]], "partial"
    if got["invariant"]:
        verdict = "violated"
    elif got["end"] == 0 and alphabet["left_out"]:
        reason += "; alphabet without " + ", ".join(alphabet["left_out"])
    elif got["end"] == 0:
        verdict = "clean"
    return Exploration(
        *(name, verdict, reason, got["states"], got["transitions"], seconds),
        got["bytes"] / max(1, got["states"]),
        *(got["depth"], bounds, alphabet, wanted, got["invariant"]),
        CLAUSES[got["detail"]],
        searcher.rows(got["n_rows"]),
        got["loop_row"],
        got["end"] == 0,
    )
