"""``pyemu run``: one policy, one table; ``-o`` keeps the run."""

from __future__ import annotations

import argparse
from typing import Any

from .. import report
from ..explain import explain
from ..result import Result
from ..run import run
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
from .recorded import compare_recording

__all__ = ["add", "main", "show"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("run", help="run one policy and print its table")
    add_input(parser)
    parser.add_argument("--policy", metavar="P", help="policy name or TOML file")
    add_run(parser)
    add_output(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write a run file")
    parser.add_argument("--perf-compat", action="store_true", help="perf's layout")
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Run it; return the exit code."""
    where = kind_of(args.input) if args.input else None
    if where and where.kind == "trace":
        policies = chosen_policies(args.policy or "lazy")
        return compare_recording(args, where.path, policies)
    if where and where.kind == "run":
        return show(args, Result.load(where.path))
    scenario = scenario_of(args, where.path if where else None)
    policy = args.policy or (None if scenario.policies else "lazy")
    chosen = chosen_policies(policy, scenario)[0]
    result = run(chosen, scenario.load, **settings_of(scenario, chosen.name))
    return show(args, result)


def show(args: argparse.Namespace, result: Result) -> int:
    """Print one result as asked."""
    if args.output:
        result.save(args.output)
    if args.json:
        print_json({"schema": 1, "runs": [result.to_json()]})
    elif args.csv:
        print(report.to_csv([result]), end="")
    elif args.perf_compat:
        print(report.perf_compat(result))
    else:
        print(result)
    if args.explain and not args.json:
        print("\n" + explain(result, args.explain))
    return 130 if result.meta["stop"] == "interrupted" else 0
