"""``pyemu validate``: recorded kernels beside the emulator, count for count."""

from __future__ import annotations

import argparse
from typing import Any, Final

from ..config import whole
from ..errors import ConfigError
from ..progress import meter
from ..units import parse_int
from ..validation import (
    Case,
    Change,
    RecordedSet,
    choose,
    load_set,
    order,
    set_names,
    validate,
)
from ..validation.report import listing, order_text, plain, plain_order, text
from .options import print_json

__all__ = ["add", "main"]

DEFAULT_SET: Final = "eager-vs-lazy"
ORDER_SET: Final = "linux-6.1"


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("validate", help="compare with recorded kernels")
    option = parser.add_argument
    option(
        "--set",
        dest="sets",
        metavar="NAME",
        help="recorded set: " + ", ".join(set_names()) + "; default: both, or the "
        "first with --scenario",
    )
    option("--scenario", metavar="S", help="one scenario of the set")
    option("--policy", metavar="P", help="policy or recorded kernel")
    option("--config", metavar="C", help="recorded machine, such as nvhe-gic3-smp1")
    option("--gic", choices=("v2", "v3"), help="interrupt controller version")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    option("--iters", metavar="N", help="iterations of the guest")
    option("--period", metavar="TICKS", help="timer period of the guest")
    option("--vcpus", metavar="N", help="vCPUs of the guest")
    option("--migrate-us", metavar="US", help="move vCPUs this often; 0 never")
    option("--profile", metavar="P", help="cost profile instead of the recorder's")
    option("--seed", default="0", metavar="S", help="seed of what is drawn at random")
    option("--ops", action="store_true", help="run the op programs, not the binary")
    option("--order", action="store_true", help="align the order of events instead")
    option("--list", action="store_true", help="list scenarios and machines")
    option("-v", "--verbose", action="store_true", help="every row, not misses only")
    option("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def _change(args: argparse.Namespace) -> Change:
    def number(name: str, low: int = 1) -> int | None:
        given, option = getattr(args, name), "--" + name.replace("_", "-")
        if given is None:
            return None
        return whole(option, parse_int(option, given), low, 2**32)

    return Change(
        iters=number("iters"),
        period=number("period"),
        vcpus=number("vcpus"),
        migrate_us=number("migrate_us", 0),
        profile=args.profile,
        ops=args.ops,
        seed=parse_int("--seed", args.seed),
    )


def main(args: argparse.Namespace) -> int:
    """Compare; 1 if a judged count lies outside its room."""
    names = [args.sets] if args.sets else [DEFAULT_SET]
    if not args.sets and not args.scenario and not args.config:
        names = set_names()
    sets = [load_set(name) for name in names]
    if args.list:
        print("\n".join(listing(data) for data in sets))
        return 0
    if args.order:
        return _order(args)
    change = _change(args)
    verdicts = []
    for data in sets:
        cases = _cases(args, data)
        for case in cases:
            verdict = validate(
                case, change, meter(case.label), every_phase=len(cases) == 1
            )
            verdicts.append(verdict)
            if not args.json:
                print(text(verdict, every=args.verbose or len(cases) == 1), flush=True)
    missed = [verdict for verdict in verdicts if verdict.misses]
    if args.json:
        print_json(plain(verdicts))
    else:
        judged = [v for v in verdicts if v.rows and not v.case.shown]
        print(f"{len(judged)} recorded runs judged, {len(missed)} with a miss")
    return 1 if missed else 0


def _cases(args: argparse.Namespace, data: RecordedSet) -> list[Case]:
    return choose(
        data,
        scenario=args.scenario,
        policy=args.policy,
        config=args.config,
        gic=args.gic,
        vhe=args.vhe,
    )


def _order(args: argparse.Namespace) -> int:
    """Align recorded with emulated event sequences; a report, without a verdict."""
    data = load_set(args.sets or ORDER_SET)
    known = order.recorded_order(data.name)
    cases = [c for c in _cases(args, data) if (c.config.name, c.scenario.name) in known]
    if not cases:
        words = "a run whose order was recorded: " + ", ".join(
            f"{config} {scenario}" for config, scenario in known
        )
        raise ConfigError("--scenario", args.scenario, words)
    found = [(case, order.align_case(case)) for case in cases]
    if args.json:
        print_json({"schema": 1, "order": [plain_order(*one) for one in found]})
    else:
        print(order_text(found))
    return 0
