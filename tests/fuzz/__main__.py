"""Without end: ``python -m tests.fuzz [target ...] [--from SEED]``; Ctrl-C ends it.

Prints the seed of every finding; exit status 1 if there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from itertools import count

from .targets import TARGETS, attempt


def main() -> int:
    """Try seed after seed on every target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", nargs="*", default=list(TARGETS))
    parser.add_argument("--from", dest="first", type=int, default=10**6)
    parser.add_argument("--seeds", type=int, help="so many, instead of no end")
    args = parser.parse_args()
    found, said, seed = 0, time.monotonic(), args.first
    try:
        for seed in count(args.first):
            if args.seeds is not None and seed - args.first >= args.seeds:
                break
            for target in args.target:
                try:
                    attempt(target, seed)
                except Exception:
                    found += 1
                    print(f"FOUND {target} {seed}", flush=True)
                    traceback.print_exc(limit=-3)
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"{seed - args.first} seeds, {found} findings", flush=True)
    except KeyboardInterrupt:
        pass
    print(f"{seed - args.first} seeds, {found} findings")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
