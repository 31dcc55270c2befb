"""``pyemu study``: eager against lazy over rates and machines, written down."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..progress import stages
from ..study import markdown, study, write
from .options import print_json

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    words = "eager or lazy: gain, losses and the break-even line"
    parser = verbs.add_parser("study", help=words)
    add = parser.add_argument
    add("-o", "--output", metavar="DIR", help="write eager-vs-lazy.md and its plots")
    add("--no-plots", action="store_true", help="no plots: needs no matplotlib")
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Run the study; return the exit code."""
    folder = None if args.output is None else Path(args.output)
    if folder is not None:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as exc:
            raise ConfigError(
                "study -o", args.output, f"a folder, or a new one ({exc.strerror})"
            ) from exc
    found = study(stages("study"))
    if folder is not None:
        for path in write(found, folder, pictures=not args.no_plots):
            if not args.json:
                print(path)
    if args.json:
        print_json({"schema": 1, **found.to_json()})
    elif folder is None:
        print(markdown(found, pictures=False), end="")
    return 0
