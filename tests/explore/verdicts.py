"""What the explorer says of every shipped policy: ``python -m tests.explore.verdicts``.

Prints the table of docs/verdicts.md: for each safety invariant the depth, in choices,
of the shortest way to break it, every action allowed, among the first `STATES` states.
"""

from __future__ import annotations

import pyemu as pe
from pyemu.explore import SAFETY, whole_alphabet
from pyemu.policy.registry import SHIPPED

STATES = 200_000


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


if __name__ == "__main__":
    main()
