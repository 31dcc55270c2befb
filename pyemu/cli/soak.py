"""``pyemu soak``: random machines under seeded faults, invariants on, for long."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from .. import policy as policies
from ..progress import stages
from ..soak import FAULTS, MEAN_CYC, SoakResult, soak
from ..units import parse_int
from .options import print_json

__all__ = ["EXIT", "add", "main"]

EXIT: Final = {"clean": 0, "violated": 1, "partial": 4}
EVERY_S: Final = 0.5


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("soak", help="run a policy for long under faults")
    one = parser.add_argument
    one("--policy", default="lazy-fixed", metavar="P", help="name or TOML file")
    one("--events", default="1e7", metavar="N", help="guest-visible events, as 1e9")
    one("--seed", default="0", metavar="S", help="of machines, guests and faults")
    words = f"all, none, or a list out of {','.join(FAULTS)}"
    one("--faults", default="all", metavar="A,B", help=words)
    one("--rounds", metavar="N", help="machines that share the events")
    one("--first", default="0", metavar="N", help="first round: repeats a finding")
    mean = f"cycles between two points of the plan ({MEAN_CYC:,})"
    one("--mean-cyc", default=str(MEAN_CYC), metavar="N", help=mean)
    one("--profile", metavar="P", help="one cost profile instead of several")
    one("--gic", choices=("v2", "v3"))
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    one("--pcpus", metavar="N", help="physical CPUs (1 to 3, drawn)")
    one("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def _faults(text: str) -> list[str] | None:
    if text == "all":
        return None
    return [] if text == "none" else [n.strip() for n in text.split(",") if n.strip()]


def main(args: argparse.Namespace) -> int:
    """Soak; 0 clean, 1 violated, 4 partial after Ctrl-C."""
    events = parse_int("--events", args.events)
    fixed = {"gic": args.gic, "vhe": args.vhe, "profile": args.profile}
    if args.pcpus is not None:
        fixed["pcpus"] = parse_int("--pcpus", args.pcpus)
    result = soak(
        policies.load_policy(args.policy),
        events=events,
        seed=parse_int("--seed", args.seed),
        faults=_faults(args.faults),
        rounds=None if args.rounds is None else parse_int("--rounds", args.rounds),
        first=parse_int("--first", args.first),
        mean_cyc=parse_int("--mean-cyc", args.mean_cyc),
        fixed=fixed,
        progress=_meter(events),
    )
    if args.json:
        print_json(result.to_dict())
    else:
        _print(result, args)
    return EXIT[result.verdict]


def _meter(events: int) -> Callable[[SoakResult, int], None] | None:
    show = stages("soak")
    if show is None:
        return None
    begun = time.monotonic()
    last = begun

    def report(result: SoakResult, now: int) -> None:
        nonlocal last
        at = time.monotonic()
        if at - last < EVERY_S:
            return
        last = at
        done = result.events + now
        rate = done / (at - begun)
        left = max(0, events - done) / rate
        show(
            f"round {result.rounds + 1}, {done:,} events ({100 * done // events}%), "
            f"{rate:,.0f}/s, {left:,.0f} s left"
        )

    return report


def _print(result: SoakResult, args: argparse.Namespace) -> None:
    d = result.deadlines
    rate = result.events / max(result.seconds, 1e-9)
    print(
        f"{result.policy}: {result.verdict}: {result.events:,} events, "
        f"{result.rounds} machines, {result.seconds:.1f} s ({rate:,.0f}/s)"
    )
    print(
        f"deadlines  armed {d['armed']:,} = acknowledged {d['acknowledged']:,} + "
        f"withdrawn {d['withdrawn']:,} + moved {d['moved']:,} + open {d['open']:,}; "
        f"expired {d['expired']:,}, lost {d['lost']:,}"
    )
    faults = ", ".join(f"{name} {n:,}" for name, n in result.faults.items() if n)
    print(f"faults     {faults or 'none'}")
    struck = f"{result.boundaries} of {result.n_steps} steps of the table"
    print(f"struck at  {struck}; {result.points:,} points")
    checks = ", ".join(f"{name} {n:,}" for name, n in sorted(result.checked.items()))
    print(f"checked    {checks}")
    print(f"spurious acknowledges (allowed, counted): {result.spurious_acks:,}")
    if result.violation is not None:
        v = result.violation
        where = f"round {v['round']}, cycle {v['cyc']:,}: {v['machine']}"
        print(f"BROKEN     {v['invariant']} {v['clause']}: {where}")
        print(f"again with {_again(args, v['round'])}", file=sys.stderr)


def _again(args: argparse.Namespace, number: int) -> str:
    """Return the command that runs one round again, with all that decides it."""
    words = ["pyemu soak", f"--seed {args.seed} --first {number} --rounds 1"]
    for name in ("policy", "events", "faults", "mean_cyc", "profile", "gic", "pcpus"):
        value = getattr(args, name)
        if value is not None:
            words.append(f"--{name.replace('_', '-')} {shlex.quote(value)}")
    if args.vhe is not None:
        words.append("--vhe" if args.vhe else "--nvhe")
    return " ".join(words)
