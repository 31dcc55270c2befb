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
from importlib import import_module
from typing import Final

from ..errors import PyemuError, TraceError
from ..version import VERSION

__all__ = ["main", "parser"]

OK, CHECK_FAILED, USAGE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3, 130
VERBS: Final = (
    "run",
    "compare",
    "validate",
    "profile",
    "explore",
    "soak",
    "bugs",
    "guest",
    "microbench",
    "calibrate",
    "loads",
    "policies",
    "profiles",
    "study",
)


def parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of one verb's.

    A verb's module is imported only where it is needed: start-up is a good part of a
    short run.
    """
    top = argparse.ArgumentParser(
        prog="pyemu",
        description="Emulates the timer and world switch of KVM on arm64 hosts.",
    )
    top.add_argument("--version", action="version", version=f"pyemu {VERSION}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in (verb,) if verb in VERBS else VERBS:
        import_module(f".{name}", __package__).add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Examples
    --------
    >>> main(["run", "--load", "no-such-load"])
    2
    """
    try:
        argv = sys.argv[1:] if argv is None else list(argv)
        args = parser(argv[0] if argv else None).parse_args(argv)
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
