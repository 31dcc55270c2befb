"""``pyemu microbench``: kvm-unit-tests' micro-bench in the emulator."""

from __future__ import annotations

import argparse
from typing import Any, Final

from .. import costs
from .. import policy as policies
from ..config import DEFAULT_PROFILE
from ..costing.microbench import microbench
from ..costing.operations import HARNESSES, Setting
from ..progress import stages
from ..units import parse_int
from .options import print_json

__all__ = ["DEFAULT_POLICY", "add", "add_machine", "main", "setting_of"]

DEFAULT_POLICY: Final = "v6.12"


def add(verbs: Any) -> None:
    """Register the verb."""
    words = "run kvm-unit-tests' micro-bench operations"
    parser = verbs.add_parser("microbench", help=words)
    parser.add_argument("--profile", default=DEFAULT_PROFILE, help="cost profile")
    add_machine(parser)
    add = parser.add_argument
    add("--harness", choices=HARNESSES, default="lean", help="turn of its loop (lean)")
    parser.add_argument("--n", metavar="N", help="repetitions of every operation")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which kernel and which kind of machine."""
    add = parser.add_argument
    add("--policy", default=DEFAULT_POLICY, help=f"kernel ({DEFAULT_POLICY})")
    add("--gic", choices=("v2", "v3"), help="interrupt controller version")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")


def setting_of(args: argparse.Namespace, profile: costs.CostModel) -> Setting:
    """Return where to measure."""
    policy = policies.load_policy(args.policy)
    return Setting(profile, policy, args.gic, args.vhe, None, args.harness)


def main(args: argparse.Namespace) -> int:
    """Run it; return the exit code."""
    n = None if args.n is None else parse_int("--n", args.n)
    setting = setting_of(args, costs.get(args.profile))
    bench = microbench(setting, n, stages("microbench"))
    if args.json:
        print_json({"schema": 1, **bench.to_json()})
    else:
        print(bench)
    return 0
