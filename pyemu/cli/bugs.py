"""``pyemu bugs``: list, show B01, hunt B01 (or --all): the museum of kernel bugs."""

from __future__ import annotations

import argparse
from typing import Any, Final

from .. import policy as policies
from ..errors import ConfigError, unknown_name
from ..explore import (
    CYCLES,
    ENDS,
    SAFETY,
    SHAPE,
    Exploration,
    explore,
    whole_alphabet,
)
from ..policy.bug_hunts import Hunt
from ..policy.bugs import BUGS, CONTROL, SUSPECTS, Bug, bug
from ..progress import stages
from .options import print_json

__all__ = ["add", "main"]

ACTIONS: Final = ("list", "show", "hunt")
MAX_STATES: Final = 3_000_000
WHOLE_STATES: Final = 250_000  # of a hunt in the whole alphabet
FAILED: Final = ("not-found", "not-repaired")


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("bugs", help="list, show B01, hunt B01 or hunt --all")
    parser.add_argument("action", nargs="?", default="list", metavar="|".join(ACTIONS))
    parser.add_argument("bug", nargs="?", metavar="ID")
    parser.add_argument("--all", action="store_true", help="hunt every bug")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """List, show or hunt; 1 if a bug with a hunt was not found."""
    if args.action not in ACTIONS:
        raise unknown_name("bugs", args.action, ACTIONS)
    if args.action == "list":
        return _list(args.json)
    if args.action == "hunt" and args.all:
        return _hunt_all(args.json)
    if args.bug is None:
        raise ConfigError(f"bugs {args.action}", None, "a bug's number, such as B01")
    one = bug(args.bug)
    if args.action == "show":
        return _show(one)
    found = hunt(one)
    if args.json:
        print_json({"schema": 1, "bugs": [found]})
    else:
        print("\n".join(found.pop("trace", [])))
        for key, value in found.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            print(f"{key}: {text}")
    return 0 if found["verdict"] not in FAILED else 1


def _list(as_json: bool) -> int:
    if as_json:
        print_json({"schema": 1, "bugs": [_said(one) for one in BUGS.values()]})
        return 0
    for one in BUGS.values():
        state = "hunt" if one.hunt else "no hunt"
        state = "control" if one.id in CONTROL else state
        print(f"{one.id}  {one.commit or '-':<12}  {state:<8} {one.title}")
    return 0


def _said(one: Bug) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "commit": one.commit,
        "symptom": one.symptom,
        "steps": list(one.steps),
        "breaks": [f"I{n}" for n in one.breaks],
        "why": one.why,
    }


def _show(one: Bug) -> int:
    print(f"{one.id}: {one.title}\ncommit: {one.commit or 'not read'}")
    print(f"symptom: {one.symptom}")
    print("steps:")
    for number, step in enumerate(one.steps, 1):
        print(f"  {number}. {step}")
    print(f"breaks: {' '.join(f'I{n}' for n in one.breaks) or '-'}")
    if one.why:
        print(f"note: {one.why}")
    if one.hunt:
        machine = ", ".join(f"{k}={v}" for k, v in one.hunt.machine.items())
        print(f"hunted on: {one.hunt.base}{' with ' + machine if machine else ''}")
        print(policies.diff(one.repaired(), one.broken()))
    return 0


def _whole(one: Bug, hunted: Hunt) -> dict[str, Any]:
    """Hunt once more with all of section 8, breadth first, for what a state can break.

    The repaired policy is searched as deep as the bug was found, and no deeper. A
    cycle needs every state, which a minute does not see.
    """
    machine = hunted.machine
    every = whole_alphabet(machine.get("vcpus", 1), machine.get("pcpus", 1))
    names = list(dict.fromkeys([*every[0], *every[1], *hunted.alphabet]))
    safety = [n for n in one.breaks if n in (2, *SAFETY)]  # I2 has clauses of a state
    row: dict[str, Any] = {"whole_alphabet": False}
    if not safety or one.id in CONTROL:
        return {**row, "whole_says": "nothing that a single state breaks"}
    bounds: dict[str, Any] = {"alphabet": names, "invariants": safety}
    found = explore(one.broken(), **bounds, max_states=WHOLE_STATES, **machine)
    row["whole_states"] = found.states
    if not found.invariant:
        return {
            **row,
            "whole_says": f"broken by none of the first {found.states:,} states",
        }
    beside = explore(
        one.repaired(),
        **bounds,
        depth=found.depth + 1,
        **{**machine, **hunted.repaired},
    )
    row |= {"whole_depth": found.depth, "whole_repaired_states": beside.states}
    if beside.invariant:
        says = f"the repaired policy breaks I{beside.invariant} there, too"
        return {**row, "whole_says": says}
    row["whole_alphabet"] = True
    says = f"I{found.invariant} at depth {found.depth}, repaired clean as deep"
    return {**row, "whole_says": says}


def hunt(one: Bug) -> dict[str, Any]:
    """Search for a bug, and the repaired policy with the same bounds and alphabet.

    Twice: with a smaller alphabet, every state of which is seen; with the whole one.
    """
    if one.hunt is None:
        return {"id": one.id, "verdict": "not-expressible", "reason": one.why}
    bounds: dict[str, Any] = {
        "alphabet": one.hunt.alphabet,
        "invariants": [n for n in one.breaks if n in SAFETY + CYCLES] or None,
        "max_states": MAX_STATES,
    }
    found = explore(one.broken(), **bounds, **one.hunt.machine)
    beside = explore(
        one.repaired(), **bounds, **{**one.hunt.machine, **one.hunt.repaired}
    )
    clean = not beside.invariant and beside.reason.startswith(ENDS[0])
    return {
        "id": one.id,
        "verdict": _verdict(one, found, clean),
        "invariant": f"I{found.invariant}" if found.invariant else None,
        "clause": found.clause,
        "states": found.states,
        "repaired": one.hunt.base,
        "repaired_clean": clean,
        "repaired_states": beside.states,
        "repaired_reason": beside.clause or beside.reason,
        "seconds": round(found.seconds + beside.seconds, 2),
        "machine": {k: found.bounds[k] for k in SHAPE},
        **_whole(one, one.hunt),
        "alphabet": list(bounds["alphabet"]),
        "reason": one.why,
        "trace": found.timeline().splitlines(),
    }


def _verdict(one: Bug, found: Exploration, clean: bool) -> str:
    """Found if the bug is and its repair is clean; a control loses nothing at all."""
    ended = found.reason.startswith(ENDS[0])
    if one.id in CONTROL:
        return "control" if clean and ended and not found.invariant else "not-found"
    if found.invariant:
        return "found" if clean else "not-repaired"
    return "refuted" if one.id in SUSPECTS and ended and clean else "not-found"


def _hunt_all(as_json: bool) -> int:
    rows = []
    show = stages("hunt")
    for number, one in enumerate(BUGS.values(), 1):
        if show is not None:
            show(f"{one.id}, {number} of {len(BUGS)}")
        rows.append(hunt(one))
    if as_json:
        print_json({"schema": 1, "bugs": rows})
    else:
        for row in rows:
            said = row.get("clause") or row.get("reason") or ""
            mark = row.get("invariant") or ""
            print(f"{row['id']}  {row['verdict']:<15} {mark:<4} {said}")
        verdicts = [row["verdict"] for row in rows]
        print(", ".join(f"{v}: {verdicts.count(v)}" for v in sorted(set(verdicts))))
    return 1 if any(row["verdict"] in FAILED for row in rows) else 0
