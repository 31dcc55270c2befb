"""``pyemu loads``: the library of loads and their parameters."""

from __future__ import annotations

import argparse
from typing import Any

from ..guest import loads
from .options import print_json

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("loads", help="list loads, or show one's parameters")
    parser.add_argument("action", nargs="?", default="list", metavar="list|show|NAME")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """List or show; return the exit code."""
    name = args.name if args.action in ("list", "show") else args.action
    chosen = [name] if name else loads.names()
    if args.json:
        print_json({"schema": 1, "loads": [_plain(one) for one in chosen]})
    elif name:
        print(loads.show(name))
    else:
        rows = [(one, loads.entry(one).doc) for one in chosen]
        width = max(len(one) for one in chosen)
        print("\n".join(f"{one:<{width}}  {doc}" for one, doc in rows))
    return 0


def _plain(name: str) -> dict[str, Any]:
    entry = loads.entry(name)
    params = {
        key: {"default": spec.default, "doc": spec.doc}
        for key, spec in entry.params.items()
    }
    shape = {"vcpus": entry.vcpus, "pcpus": entry.pcpus}
    return {"name": entry.name, "doc": entry.doc, **shape, "params": params}
