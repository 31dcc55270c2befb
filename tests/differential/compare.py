"""Run a case on both machines; where they differ, make it small and print it."""

from __future__ import annotations

from collections import defaultdict

from .bridge import Answer, core_answer, reference_answer, setup_of
from .cases import UNTIL_CYC, Case

MARGIN_CYC = 30_000  # both stop at the limit, but in the middle of what they do
MAX_TRIES = 400
SHOWN = 8


def answers(case: Case, until_cyc: int) -> tuple[Answer, Answer]:
    """Return what the core and the reference say."""
    m = case.machine()
    setup = setup_of(m)
    with m:
        core = core_answer(m, until_cyc)
    return core, reference_answer(setup, until_cyc)


def by_pcpu(answer: Answer, end_cyc: int) -> dict[int, list[tuple]]:
    """Split a trace by pCPU, up to a cycle."""
    out: dict[int, list[tuple]] = defaultdict(list)
    for event in answer.trace:
        if event[1] < end_cyc:
            out[event[2]].append(event)
    return out


def difference(case: Case, until_cyc: int = UNTIL_CYC) -> str:
    """Return the first difference in words; empty if the machines agree."""
    core, ref = answers(case, until_cyc)
    cut = core.stop != "done" or ref.stop != "done"
    end_cyc = until_cyc - MARGIN_CYC if cut else 2**63
    traces, others = by_pcpu(core, end_cyc), by_pcpu(ref, end_cyc)
    for pcpu in sorted({*traces, *others}):
        words = first_difference(traces[pcpu], others[pcpu])
        if words:
            return words
    if core.stop != ref.stop:
        return f"core stops with {core.stop}, reference with {ref.stop}"
    if cut:
        return ""
    for what in ("prims", "counters"):
        one, two = getattr(core, what), getattr(ref, what)
        odd = [k for k in sorted({*one, *two}) if one.get(k, 0) != two.get(k, 0)]
        if odd:
            pairs = [f"{k}: core {one.get(k, 0)}, ref {two.get(k, 0)}" for k in odd]
            return f"{what}: " + "; ".join(pairs)
    return ""


def first_difference(core: list[tuple], ref: list[tuple]) -> str:
    """Return where two traces part, with what came before."""
    same = 0
    while same < min(len(core), len(ref)) and core[same] == ref[same]:
        same += 1
    if same == len(core) == len(ref):
        return ""
    lines = [f"  both      {event}" for event in core[max(0, same - SHOWN) : same]]
    lines += [f"  core      {event}" for event in core[same : same + 2]]
    lines += [f"  reference {event}" for event in ref[same : same + 2]]
    return "\n".join(["(kind, cyc, pcpu, vcpu, sub, arg)", *lines])


def shrink(case: Case, until_cyc: int = UNTIL_CYC) -> Case:
    """Take away whatever the difference does not need (delta debugging)."""
    tries = 0
    progress = True
    while progress and tries < MAX_TRIES:
        progress = False
        for less in case.smaller():
            tries += 1
            if tries > MAX_TRIES:
                break
            if differs(less, until_cyc):
                case, progress = less, True
                break
    return case


def differs(case: Case, until_cyc: int) -> bool:
    """Whether the machines still disagree; a case that cannot be does not count."""
    try:
        return bool(difference(case, until_cyc))
    except Exception:
        return False


def report(case: Case, seed: int, until_cyc: int = UNTIL_CYC) -> str:
    """Return the shrunk case, its difference, and the lines that replay it."""
    small = shrink(case, until_cyc)
    return "\n".join(
        [
            f"core and reference differ: seed {seed}, policy {case.policy}",
            difference(small, until_cyc) or "(gone when shrunk)",
            "replay:",
            "  from tests.differential.cases import Case",
            "  from tests.differential.compare import difference",
            f"  print(difference({small!r}))",
        ]
    )
