"""``pyemu bugs``: list, show B01, hunt B01 (or --all): the museum of kernel bugs."""

from __future__ import annotations

import argparse
from typing import Any, Final

from .. import policy as policies
from ..errors import ConfigError, unknown_name
from ..explore import CYCLES, SAFETY, explore
from ..policy.bugs import BUGS, SMALL, Bug, bug
from ..policy.bugs_open import CONTROL, NOT_EXPRESSIBLE
from .options import print_json

__all__ = ["add", "main"]

ACTIONS: Final = ("list", "show", "hunt")
MAX_STATES: Final = 3_000_000


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("bugs", help="list, show B01, hunt B01 or hunt --all")
    parser.add_argument("action", nargs="?", default="list", metavar="|".join(ACTIONS))
    parser.add_argument("bug", nargs="?", metavar="ID")
    parser.add_argument("--all", action="store_true", help="hunt every bug")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """List, show or hunt; 1 if a bug with an edit was not found."""
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
        print("\n".join(f"{key}: {value}" for key, value in found.items()))
    return 0 if found["verdict"] != "not-found" else 1


def _list(as_json: bool) -> int:
    if as_json:
        keys = ("id", "title", "commit", "note")
        rows = [{k: getattr(one, k) for k in keys} for one in BUGS.values()]
        print_json({"schema": 1, "bugs": rows})
        return 0
    for one in BUGS.values():
        state = "hunt" if one.edit else one.note.partition(":")[0][:12]
        print(f"{one.id}  {one.commit or '-':<12}  {state:<12}  {one.title}")
    return 0


def _show(one: Bug) -> int:
    breaks = " ".join(f"I{n}" for n in one.invariants)
    print(f"{one.id}: {one.title}\ncommit: {one.commit or 'not read'}")
    print(f"symptom: {one.symptom or '-'}\nbreaks: {breaks or '-'}\nnote: {one.note}")
    if one.edit:
        print(policies.diff(one.repaired(), one.broken()))
    return 0


def hunt(one: Bug) -> dict[str, Any]:
    """Search for a bug, and the repaired policy with the same bounds and alphabet."""
    if one.edit is None:
        verdict = "open"
        if one.id in CONTROL:
            verdict = "control"
        elif one.id in NOT_EXPRESSIBLE:
            verdict = "not-expressible"
        return {"id": one.id, "verdict": verdict, "reason": one.note}
    bounds: dict[str, Any] = {
        "alphabet": SMALL + one.alphabet,
        "invariants": [n for n in one.invariants if n in SAFETY + CYCLES],
        "max_states": MAX_STATES,
    }
    found = explore(one.broken(), **bounds)
    beside = explore(one.repaired(), **bounds)
    return {
        "id": one.id,
        "verdict": "found" if found.invariant else "not-found",
        "invariant": f"I{found.invariant}" if found.invariant else None,
        "clause": found.clause,
        "states": found.states,
        "seconds": round(found.seconds + beside.seconds, 2),
        "repaired": one.base,
        "repaired_verdict": beside.verdict,
        "repaired_reason": beside.clause or beside.reason,
        "alphabet": list(bounds["alphabet"]),
        "trace": found.timeline().splitlines(),
    }


def _hunt_all(as_json: bool) -> int:
    rows = [hunt(one) for one in BUGS.values()]
    if as_json:
        print_json({"schema": 1, "bugs": rows})
    else:
        for row in rows:
            said = row.get("clause") or row.get("reason") or ""
            mark = row.get("invariant") or ""
            beside = row.get("repaired_verdict", "")
            print(f"{row['id']}  {row['verdict']:<15} {mark:<4} {beside:<9} {said}")
    return 1 if any(row["verdict"] == "not-found" for row in rows) else 0
