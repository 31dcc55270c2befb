"""What the explorer says of every shipped policy: ``python -m tests.explore.verdicts``.

Prints the table of docs/verdicts.md: for each safety invariant the depth, in choices,
of the shortest way to break it, every action allowed, among the first `STATES` states.
"""

from __future__ import annotations

import pyemu as pe
from pyemu.explore import CYCLES, SAFETY, whole_alphabet
from pyemu.policy.bug_hunts import SMALL
from pyemu.policy.registry import SHIPPED

STATES = 200_000
# Alphabets whose every state is seen, as liveness needs.
AT_ONCE = (*SMALL, "preempt")
LATE = (*AT_ONCE, "line_assert", "line_retire")


def liveness(name: str, alphabet: tuple[str, ...]) -> list[int]:
    """Return the liveness invariants that a policy breaks, every state seen."""
    broken = []
    for number in CYCLES:
        found = pe.explore(name, alphabet=alphabet, invariants=[number])
        assert found.invariant or found.reason.startswith("every reachable state seen")
        if found.invariant:
            broken.append(number)
    return broken


def print_liveness() -> None:
    """Print the table of the liveness invariants."""
    print("\n## Liveness\n")
    print("1 vCPU, 1 pCPU, every state of a smaller alphabet seen:")
    print(f"{', '.join(AT_ONCE)}.")
    print(
        "`x`: broken; `late`: broken only if lines reach the GIC late (`line_assert`,"
    )
    print("`line_retire` beside it); `-`: holds in both.\n")
    print("| policy | " + " | ".join(f"I{n}" for n in CYCLES) + " |")
    print("|---" * (len(CYCLES) + 1) + "|")
    for name in SHIPPED:
        once, late = liveness(name, AT_ONCE), liveness(name, LATE)
        words = ("x" if n in once else "late" if n in late else "-" for n in CYCLES)
        print(f"| {name} | " + " | ".join(words) + " |", flush=True)


def main() -> None:
    """Print the table."""
    actions, guest = whole_alphabet(1, 1)
    names = [n for n in (*actions, *guest) if n != "ptval_past"]
    print("# Verdicts of the shipped policies\n")
    print(f"Written by `python -m tests.explore.verdicts`: 1 vCPU, 1 pCPU, {STATES:,}")
    print("states an invariant. A number is the depth, in choices, of the shortest way")
    print("to break it; `-`: not broken within that bound, which proves nothing.\n")
    print("| policy | " + " | ".join(f"I{n}" for n in SAFETY) + " |")
    print("|---" * (len(SAFETY) + 1) + "|")
    for name in SHIPPED:
        row = []
        for number in SAFETY:
            found = pe.explore(
                name, alphabet=names, invariants=[number], max_states=STATES
            )
            row.append(str(found.depth) if found.invariant else "-")
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)
    print_liveness()


if __name__ == "__main__":
    main()
