"""``pyemu policies``: list, show, diff, and new, which writes an editable file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .. import policy as policies
from ..errors import ConfigError, unknown_name
from .options import print_json

__all__ = ["add", "main"]

ACTIONS: Final = ("list", "show", "diff", "new")


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("policies", help="list, show NAME, diff A B, new NAME")
    parser.add_argument("action", nargs="?", default="list", metavar="|".join(ACTIONS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="name or TOML file")
    parser.add_argument("--from", dest="base", default="lazy", metavar="P")
    parser.add_argument("-o", "--output", metavar="FILE", help="where new writes")
    parser.add_argument("--force", action="store_true", help="overwrite that file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Do one action; return the exit code."""
    action, names = args.action, args.names
    if action not in ACTIONS:
        raise unknown_name("policies", action, ACTIONS)
    wanted = {"list": 0, "show": 1, "diff": 2, "new": 1}[action]
    if len(names) != wanted:
        words = f"{wanted} name{'s' if wanted != 1 else ''} after {action!r}"
        raise ConfigError(f"policies {action}", names, words)
    if action == "list":
        _list(args.json)
    elif action == "show":
        one = policies.load_policy(names[0])
        if args.json:
            print_json({"schema": 1, "policies": [_plain(one)]})
        else:
            print(policies.show(one))
    elif action == "diff":
        first, second = (policies.load_policy(name) for name in names)
        print(policies.diff(first, second))
    else:
        _new(args, names[0])
    return 0


def _list(as_json: bool) -> None:
    rows = policies.policies_list()
    if as_json:
        keys = ("name", "versions", "title")
        plain = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json({"schema": 1, "policies": plain})
        return
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    for name, versions, title in rows:
        print(f"{name:<{widths[0]}}  {versions:<{widths[1]}}  {title}")


def _plain(policy: policies.Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "versions": policy.versions,
        "title": policy.title,
        "switches": sorted(policy.switches),
        "hooks": {
            hook: [str(step) for step in steps] for hook, steps in policy.hooks.items()
        },
    }


def _new(args: argparse.Namespace, name: str) -> None:
    """Write a copy of a policy under a new name: to a file, or to stdout."""
    if name in policies.names():
        raise ConfigError("policies new", name, "a name that is not shipped")
    base = policies.load_policy(args.base)
    mine = replace(base, name=name, title=f"{name}: edited from {base.name}")
    if args.output is None:
        sys.stdout.write(policies.to_toml(mine))
        return
    if Path(args.output).exists() and not args.force:
        raise ConfigError("--output", args.output, "a new file, or --force")
    policies.save(mine, args.output)
    print(f"wrote {args.output}")
