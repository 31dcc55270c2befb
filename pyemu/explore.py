"""Exhaustive exploration of small machines: every interleaving of a policy's steps.

The search is C's (csrc/explore); here are the bounds, the names, the verdict and the
timeline. A policy is `clean` only if every reachable state has been seen, with the
whole alphabet of docs/semantics.md section 8 and every invariant asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from ._ffi_explore import Explorer
from .assemble import set_policy
from .config import whole
from .errors import ConfigError, unknown_name
from .exploring import CLAUSES, CYCLES, SAFETY, SECTIONS, numbers, timeline
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
# Machines that are not the usual one; each is a host or a board with that property.
QUIRKS: Final[dict[str, str]] = {
    "stale_istatus": "CTL reads back an old ISTATUS until an ISB (1.4)",
    "no_deactivate": "a host GIC with EOImode 0: EOIR deactivates (2.2)",
    "not_forwarded": "irq_set_vcpu_affinity was not done (2.2)",
    "other_level": "the other interrupt is a device's level, lowered at its EOI (2.4)",
    "other_first": "the other interrupt has a higher priority than the timers",
}
HOTPLUG: Final = ("offline", "online")
ENDS: Final = (
    *("every reachable state seen", "an invariant is broken", "depth reached"),
    *("number of states reached", "memory bound reached", "interrupted"),
)
SHAPE: Final = ("vcpus", "pcpus", "lrs", "gic", "vhe", "user_irqchip", "quirks")
CNTVOFF_TICKS: Final = 64
USUAL: Final[dict[str, Any]] = {
    **{"vcpus": 1, "pcpus": 1, "lrs": 4, "gic": "v3", "vhe": True},
    **{"user_irqchip": False, "quirks": []},
}
LIMITS: Final[dict[str, Any]] = {
    **{"max_states": 200_000_000, "max_bytes": 8 * 2**30, "depth": None},
}
OTHER_INTID: Final = 0  # EX_OTHER_SGI
FIRST_PRIORITY: Final = 0x80


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
        }


def _mask(what: str, names: Iterable[str], known: tuple[str, ...]) -> int:
    mask = 0
    for name in names:
        if name not in known:
            raise unknown_name(what, name, known)
        mask |= 1 << known.index(name)
    return mask


def _vms(shape: dict[str, Any]) -> list[dict[str, int]]:
    """Return one VM; with a user-space irqchip its first vCPU is a VM of its own."""
    n, split = int(shape["vcpus"]), bool(shape["user_irqchip"])
    sizes = [1, n - 1] if split and n > 1 else [n]
    return [
        {
            "cntvoff_ticks": CNTVOFF_TICKS,
            "first_vcpu": sum(sizes[:index]),
            "n_vcpus": size,
            "user_irqchip": int(split and index == 0),
        }
        for index, size in enumerate(sizes)
    ]


def _core(policy: Policy, shape: dict[str, Any]) -> _ffi.Core:
    """Build the machine an explorer starts from: one op, unit costs."""
    vhe = bool(shape["vhe"])
    vms = _vms(shape)
    config = {
        "cpu_hz": 1_000_000_000,
        "cntfrq_hz": 1_000_000_000,
        "n_pcpus": shape["pcpus"],
        "n_vcpus": shape["vcpus"],
        "n_vms": len(vms),
        "n_programs": 1,
        "n_lrs": shape["lrs"],
        "gic_version": 2 if shape["gic"] == "v2" else 3,
        "vhe": int(vhe),
        "host_eoimode1": int("no_deactivate" not in shape["quirks"]),
        "forwarded": int("not_forwarded" not in shape["quirks"]),
        "stale_istatus": int("stale_istatus" in shape["quirks"]),
        "direct_ptimer": int(policy.direct_ptimer and vhe),
        "preempt_full": 1,
        "plain": 1,
        "nohz_idle": 1,
        "interacts": 1,
    }
    core = _ffi.Core(config)
    n_prims = _ffi.enum("prim", "PYEMU_P_")["count"]
    core.set_costs(np.ones(n_prims, dtype=np.uint32))
    set_policy(core, policy.compile())
    core.set_array("program", np.zeros(1, dtype=_ffi.dtype("op")), 0)
    for index, vm in enumerate(vms):
        core.set_item("vm", index, vm)
    for index in range(shape["vcpus"]):
        fields = {
            "id": index,
            "vm": next(i for i, vm in enumerate(vms) if index < _end(vm)),
            "pcpu": index % shape["pcpus"],
            "irq_entry": _ffi.NONE_U32,
            "weight": 1024,
            "powered_on": 1,
        }
        core.set_item("vcpu", index, fields)
    core.start()
    for index in range(shape["vcpus"]):
        facts = core.irq_get(index, OTHER_INTID)
        facts["edge"] = int("other_level" not in shape["quirks"])
        if "other_first" in shape["quirks"]:
            facts["prio"] = FIRST_PRIORITY
        core.irq_set(index, OTHER_INTID, facts)
    return core


def _end(vm: dict[str, int]) -> int:
    return vm["first_vcpu"] + vm["n_vcpus"]


def _check(shape: dict[str, Any]) -> None:
    for name, low, high in (("vcpus", 1, 2), ("pcpus", 1, 2), ("lrs", 1, 16)):
        if not low <= int(shape[name]) <= high:
            words = f"a whole number from {low} to {high}"
            raise ConfigError(f"explore.{name}", shape[name], words)
    for name in shape["quirks"]:
        if name not in QUIRKS:
            raise unknown_name("explore.quirk", name, QUIRKS)
    if shape["gic"] not in ("v2", "v3"):
        raise ConfigError("explore.gic", shape["gic"], "v2 or v3")


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

    Raises
    ------
    ConfigError
        For an unknown name or a machine that cannot be explored.
    """
    table = get_policy(policy) if isinstance(policy, str) else policy
    shape = {"vcpus": vcpus, "pcpus": pcpus, "lrs": lrs, "gic": gic, "vhe": vhe}
    shape |= {"user_irqchip": user_irqchip, "quirks": list(quirks)}
    limits = {"max_states": max_states, "max_bytes": max_bytes, "depth": depth}
    with Prepared(table, shape, limits, alphabet, invariants, reduce) as run:
        return run.search()


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
    ) -> None:
        shape = {**USUAL, **shape}
        limits = {**LIMITS, **limits}
        _check(shape)
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
        }
        left_out = [a for a in (*every, *ops) if a not in (*chosen, *choices)]
        if vcpus > 1:
            left_out += [*SNAPSHOT, *(() if shape["user_irqchip"] else (SECOND_VM,))]
        self.name = policy.name
        self.bounds = {**shape, **limits, "reduce": reduce}
        del self.bounds["max_bytes"]
        self.said = {"actions": chosen, "guest": choices}
        self.said["left_out"] = left_out
        self.searcher = Explorer(_core(policy, shape), config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.searcher.close()

    def search(self) -> Exploration:
        """Search every state, then the cycles."""
        return _search(self.searcher, self.name, self.wanted, self.bounds, self.said)


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
        for number in (n for n in wanted if n in CYCLES):
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
    )
