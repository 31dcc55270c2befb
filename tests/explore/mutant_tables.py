"""docs/mutants.md, for the policies named: ``python -m tests.explore.mutant_tables P``.

With names of files that ``pyemu explore --mutants P --json`` has written, from those.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyemu as pe
from pyemu.mutants import check

VERDICTS = ("killed", "equivalent", "refused", "listed")
HEAD = """# Mutants of the shipped policies

Written by `python -m tests.explore.mutant_tables P...`: every step dropped, every
adjacent pair swapped, each mutant in the searches of `pyemu/mutants.py`
(docs/museum.md says what the verdicts mean). Each mutant is one of the four; for the
full list with invariant, clause and search: `pyemu explore --mutants P --json`.
Every shipped policy; a minute or two of CPU each.
"""


def listed(said: dict[str, Any]) -> Iterable[str]:
    """Yield a line for each mutant that is neither killed nor shown equivalent."""
    for row in said["mutants"]:
        if row["verdict"] == "listed":
            yield f"* `{row['mutant']}`: {row['reason']}"


def tables(every: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the lines of the document."""
    yield HEAD
    yield "| policy | mutants | " + " | ".join(VERDICTS) + " | killed by |"
    yield "|---" * (len(VERDICTS) + 3) + "|"
    for said in every:
        by: dict[str, int] = {}
        for row in said["mutants"]:
            if row["verdict"] == "killed":
                by[row["invariant"]] = by.get(row["invariant"], 0) + 1
        counts = " | ".join(str(said["counts"][v]) for v in VERDICTS)
        order = sorted(by, key=lambda name: int(name[1:]))
        words = ", ".join(f"{name} {by[name]}" for name in order)
        yield f"| {said['policy']} | {len(said['mutants'])} | {counts} | {words} |"
    for said in every:
        yield f"\n## {said['policy']}: listed\n"
        yield from listed(said)


def main() -> None:
    """Print the document."""
    every = []
    for name in sys.argv[1:]:
        if name.endswith(".json"):
            every.append(json.loads(Path(name).read_text(encoding="utf-8")))
        else:
            every.append(check(pe.policy.get(name)))
    print("\n".join(tables(every)))


if __name__ == "__main__":
    main()
