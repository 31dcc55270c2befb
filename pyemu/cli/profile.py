"""``pyemu profile``: where exits come from, by reason, vCPU, pCPU or over time."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from .. import report
from ..errors import ConfigError
from ..result import Result
from ..run import run
from ..scheduling import Periodic
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

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("profile", help="EPMC by reason, vCPU, pCPU or window")
    add_input(parser)
    parser.add_argument("--policy", metavar="P", help="policy name or TOML file")
    parser.add_argument(
        "--by",
        default="reason",
        metavar="VIEW",
        help="reason, vcpu, pcpu or window=CYCLES (default: reason)",
    )
    add_run(parser)
    add_output(parser)
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Profile; return the exit code."""
    window = report.window_of(args.by)
    where = kind_of(args.input) if args.input else None
    if where and where.kind == "trace":
        words = "a scenario, a run file or --load (compare reads traces)"
        raise ConfigError("input", args.input, words)
    if where and where.kind == "run":
        result = Result.load(where.path)
    else:
        result = _run(args, where.path if where else None, window)
    if args.json:
        rows = report.profile_json(result, args.by)
        one = {**result.to_json(), "profile": {"by": args.by, "rows": rows}}
        print_json({"schema": 1, "runs": [one]})
    else:
        print(report.profile(result, args.by))
    return 130 if result.meta["stop"] == "interrupted" else 0


def _run(args: argparse.Namespace, path: str | None, window: int | None) -> Result:
    scenario = scenario_of(args, path)
    policy = args.policy or (None if scenario.policies else "lazy")
    chosen = chosen_policies(policy, scenario)[0]
    settings = settings_of(scenario, chosen.name)
    if window is None:
        return run(chosen, scenario.load, **settings)
    series: list[tuple[int, int, int]] = []
    settings["balancer"] = Periodic(report.sample(window, series), window)
    result = run(chosen, scenario.load, **settings)
    rows = np.array(series, dtype=np.uint64).reshape(-1, 3)
    return replace(result, arrays={**result.arrays, "windows": rows})
