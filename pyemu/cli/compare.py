"""``pyemu compare``: policies side by side on one input, the same for all.

Without an argument it replays the two shipped recordings of a Linux guest, which is
the comparison pyemu was made for.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from ..comparison import Comparison, metric
from ..errors import ConfigError
from ..explain import explain
from ..report import to_csv
from ..result import Result
from ..run import compare
from .options import (
    add_input,
    add_output,
    add_run,
    chosen_policies,
    kind_of,
    print_json,
    scenario_of,
    settings_of,
)
from .recorded import compare_recording, compare_shipped

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("compare", help="run policies side by side")
    add_input(parser, many=True)
    parser.add_argument("--policies", metavar="A,B", help="in order; A is the baseline")
    add_run(parser)
    add_output(parser)
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument(
        "--fail",
        metavar="METRIC:PERCENT%",
        action="append",
        default=[],
        help="exit with 1 if a policy is worse than the baseline by more",
    )
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Compare; return the exit code."""
    limits = [_limit(text) for text in args.fail]
    inputs = [kind_of(path) for path in args.input]
    kinds = {one.kind for one in inputs}
    if kinds == {"run"}:
        done = Comparison(tuple(Result.load(one.path) for one in inputs))
        return _show(args, done, limits)
    if len(inputs) > 1:
        words = "one scenario or trace, or several run files"
        raise ConfigError("input", args.input, words)
    if not inputs and not args.load:
        _refuse_without_load(args)
        return compare_shipped(args, chosen_policies(args.policies))
    if kinds == {"trace"}:
        policies = chosen_policies(args.policies)
        return compare_recording(args, inputs[0].path, policies)
    scenario = scenario_of(args, inputs[0].path if inputs else None)
    policies = chosen_policies(args.policies, scenario)
    settings = settings_of(scenario, "compare")
    return _show(args, compare(policies, scenario.load, **settings), limits)


def _refuse_without_load(args: argparse.Namespace) -> None:
    """Refuse options that size a load: a recording has its own length."""
    for name in ("n", "guest_cyc", "until_cyc"):
        if getattr(args, name) is not None:
            option = "--" + name.replace("_", "-")
            raise ConfigError(option, getattr(args, name), "with --load or a scenario")


def _limit(text: str) -> tuple[str, float]:
    """Read ``epmc:1%``."""
    name, _, share = text.partition(":")
    try:
        limit = float(share.rstrip("%"))
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise ConfigError("--fail", text, "METRIC:PERCENT%, such as epmc:1%")
    return name, limit


def _show(
    args: argparse.Namespace, done: Comparison, limits: list[tuple[str, float]]
) -> int:
    """Print the comparison and check the limits."""
    worse = []
    for name, share in limits:
        base = metric(done.results[0], name)
        for result in done.results[1:]:
            value = metric(result, name)
            if value > base + abs(base) * share / 100:
                worse.append(f"{name}: {result.policy} {value:g}, baseline {base:g}")
    if args.json:
        print_json(done.to_json())
    elif args.csv:
        print(to_csv(list(done.results)), end="")
    else:
        print(done)
        for result in done.results if args.explain else ():
            print("\n" + explain(result, args.explain))
    for line in worse:
        print(f"check failed: {line}", file=sys.stderr)
    if any(result.meta["stop"] == "interrupted" for result in done.results):
        return 130
    return 1 if worse else 0
