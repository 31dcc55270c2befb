"""The mutation check: which steps of a policy matter to the explorer.

Every step is dropped, every adjacent pair swapped. A mutant is `killed` by an
invariant that the policy itself keeps in the same search, `equivalent` if no search
can tell it from the policy (csrc/explore/behaviour.c), `refused` if the table cannot
be run, or `listed` with what is known about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from .errors import ConfigError, unknown_name
from .explore import CYCLES, ENDS, SAFETY, Exploration, Prepared
from .patience import patiently
from .policy import Policy
from .policy.bug_hunts import HOST, PTIMER, SMALL
from .policy.hooks import HOOKS

__all__ = ["SEARCHES", "Mutant", "Search", "check", "mutants"]

_LATE: Final = ("ctl_off", "ctl_on", "cval_past", "mask", "unmask", "ack", "eoi", "wfi")
_MASKS: Final = ("pmr_open", "pmr_shut", "mask", "unmask", "ack", "eoi", "wfi", "user")


@dataclass(frozen=True)
class Search:
    """A machine and an alphabet that every mutant meets."""

    name: str
    alphabet: tuple[str, ...]
    machine: dict[str, Any]
    max_states: int = 60_000


SEARCHES: Final = (
    Search("1x1 VHE", (*SMALL, "preempt"), {}),
    Search("1x1 nVHE, physical timer", (*HOST, *PTIMER, "user"), {"vhe": False}),
    Search("1x1, late lines", (*HOST, *_LATE, "line_assert", "line_retire"), {}),
    Search(
        "1x1, late lines, preempted",
        (*HOST, "ctl_on", "cval_past", "unmask", "preempt", "line_retire"),
        {},
    ),
    Search("1x1, requests", (*HOST, *_LATE, "kick", "inject"), {}),
    Search("1x1, resets", (*HOST, *_LATE, "user", "signal", "reset"), {}),
    Search("1x1, priority mask", (*HOST, *_MASKS, "inject", "preempt"), {}),
    Search("1x1 nVHE GICv2", (*SMALL, "preempt"), {"vhe": False, "gic": "v2"}),
    Search(
        "1x1 GICv2, stale ISTATUS",
        (*HOST, *_LATE, "device_irq"),
        {"gic": "v2", "quirks": ("stale_istatus",)},
    ),
    Search("1x1, user-space irqchip", SMALL, {"user_irqchip": True}),
    Search(
        "2x1, one with a user-space irqchip",
        (*HOST, "ctl_off", "ctl_on", "cval_past", "hvc", "preempt"),
        {"user_irqchip": True, "vcpus": 2},
    ),
    Search("1x2", (*HOST, *_LATE, "preempt"), {"pcpus": 2}),
)


@dataclass(frozen=True)
class Mutant:
    """One change of a table.

    Attributes
    ----------
    kind, hook, index
        ``drop`` or ``swap`` (with the next one) of that step.
    text
        The same as one line.
    """

    kind: str
    hook: str
    index: int
    text: str

    def of(self, policy: Policy) -> Policy:
        """Return the policy so changed.

        Raises
        ------
        ConfigError
            For a table that is no policy any more.
        """
        steps = list(policy.steps(self.hook))
        if self.kind == "drop":
            del steps[self.index]
        else:
            a, b = self.index, self.index + 1
            steps[a], steps[b] = steps[b], steps[a]
        changed = policy.with_hook(self.hook, steps)
        changed.compile()
        return changed


def mutants(policy: Policy, hooks: Iterable[str] | None = None) -> Iterator[Mutant]:
    """Yield every mutant of the chosen hooks, all of them by default.

    Raises
    ------
    ConfigError
        For an unknown hook.
    """
    chosen = list(HOOKS if hooks is None else hooks)
    for hook in chosen:
        if hook not in HOOKS:
            raise unknown_name("mutants.hook", hook, HOOKS)
    for hook in (h for h in HOOKS if h in chosen):
        steps = policy.steps(hook)
        for at, step in enumerate(steps):
            yield Mutant("drop", hook, at, f"drop {hook}:{at} {step}")
        for at, (step, after) in enumerate(pairwise(steps)):
            if step != after:
                text = f"swap {hook}:{at} {step} <-> {after}"
                yield Mutant("swap", hook, at, text)


@dataclass
class _Base:
    """What a search says about the policy itself."""

    search: Search
    table: int
    invariants: list[int]
    ended: bool
    behaviour: tuple[int, ...]


def _run(
    policy: Policy, search: Search, invariants: list[int]
) -> tuple[Exploration, int, tuple[int, ...]]:
    """Explore; with the table's hash, and the behaviour if every state was seen."""
    limits = {"max_states": search.max_states}
    with Prepared(policy, search.machine, limits, search.alphabet, invariants) as run:
        table = run.searcher.table()
        found = run.search()
        if found.reason == ENDS[-1]:
            raise KeyboardInterrupt
        ended = not found.invariant and found.reason.startswith(ENDS[0])
        if not ended:
            return found, table, ()
        searcher = run.searcher
        return found, table, patiently(searcher.behaviour, searcher.interrupt)


def _base(policy: Policy, search: Search) -> _Base:
    """Drop the invariants that the policy itself breaks, until none is left."""
    kept = sorted(SAFETY + CYCLES)
    while True:
        found, table, behaviour = _run(policy, search, kept)
        if not found.invariant:
            return _Base(search, table, kept, bool(behaviour), behaviour)
        kept.remove(found.invariant)


def check(
    policy: Policy,
    hooks: Iterable[str] | None = None,
    show: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Try every mutant; return the searches, the mutants and their verdicts.

    Parameters
    ----------
    policy
        Any policy that can be explored.
    hooks
        Only mutants of these hooks.
    show
        Called with what is being done now.
    """
    todo = list(mutants(policy, hooks))
    bases = []
    for search in SEARCHES:
        if show is not None:
            show(f"the policy itself on {search.name}")
        bases.append(_base(policy, search))
    rows = []
    for number, one in enumerate(todo, 1):
        if show is not None:
            show(f"mutant {number} of {len(todo)}: {one.text}")
        rows.append(_judge(one, policy, bases))
    verdicts = ("killed", "equivalent", "refused", "listed")
    return {
        "schema": 1,
        "policy": policy.name,
        "searches": [
            {
                "name": base.search.name,
                "invariants": [f"I{n}" for n in base.invariants],
                "every_state": base.ended,
                "alphabet": list(base.search.alphabet),
            }
            for base in bases
        ],
        "mutants": rows,
        "counts": {v: sum(r["verdict"] == v for r in rows) for v in verdicts},
    }


def _judge(one: Mutant, policy: Policy, bases: list[_Base]) -> dict[str, Any]:
    row: dict[str, Any] = {"mutant": one.text, "kind": one.kind, "hook": one.hook}
    try:
        changed = one.of(policy)
    except ConfigError as error:
        return {**row, "verdict": "refused", "reason": str(error)}
    differs, open_ends = [], []
    for base in bases:
        found, table, behaviour = _try(changed, base)
        if found is not None and found.invariant:
            said = {"invariant": f"I{found.invariant}", "clause": found.clause}
            return {**row, "verdict": "killed", **said, "search": base.search.name}
        if table == base.table:
            continue
        if not base.ended or not behaviour:
            open_ends.append(base.search.name)
        elif behaviour != base.behaviour:
            differs.append(base.search.name)
    if not differs and not open_ends:
        return {**row, "verdict": "equivalent", "reason": "same transitions everywhere"}
    return {**row, "verdict": "listed", "reason": _reason(differs, open_ends)}


def _try(
    changed: Policy, base: _Base
) -> tuple[Exploration | None, int, tuple[int, ...]]:
    """Search, unless the table is the policy's own on this machine."""
    with Prepared(changed, base.search.machine, {}, base.search.alphabet) as run:
        if run.searcher.table() == base.table:
            return None, base.table, base.behaviour
    return _run(changed, base.search, base.invariants)


def _reason(differs: list[str], open_ends: list[str]) -> str:
    said = []
    if differs:
        said.append(f"other transitions on {'; '.join(differs)}, all allowed")
    if open_ends:
        said.append(f"not every state seen on {'; '.join(open_ends)}")
    return ", ".join(said)
