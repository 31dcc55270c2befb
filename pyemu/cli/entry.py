"""The entry point: verbs, and what each kind of failure exits with.

0 is success, 1 a failed check, 2 usage or an impossible description, 3 an input file
that cannot be used, 4 a partial verdict, 130 Ctrl-C. Results go to stdout, everything
else to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from ..errors import PyemuError, TraceError
from ..version import VERSION
from . import (
    bugs,
    calibrate,
    compare,
    explore,
    guest,
    loads,
    microbench,
    policies,
    profile,
    profiles,
    run,
    soak,
    study,
    validate,
)

__all__ = ["main", "parser"]

OK, CHECK_FAILED, USAGE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3, 130
VERBS: Final = (
    run,
    compare,
    validate,
    profile,
    explore,
    soak,
    bugs,
    guest,
    microbench,
    calibrate,
    loads,
    policies,
    profiles,
    study,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="pyemu",
        description="Emulates the timer and world switch of KVM on arm64 hosts.",
    )
    top.add_argument("--version", action="version", version=f"pyemu {VERSION}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Examples
    --------
    >>> main(["run", "--load", "no-such-load"])
    2
    """
    try:
        args = parser().parse_args(argv)
    except SystemExit as exc:  # argparse has printed its message
        return exc.code if isinstance(exc.code, int) else USAGE
    try:
        code: int = args.main(args)
        sys.stdout.flush()
        return code
    except TraceError as exc:
        print(f"pyemu: {exc}", file=sys.stderr)
        return BAD_INPUT
    except PyemuError as exc:
        print(f"pyemu: {exc}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader has gone; nothing must be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
