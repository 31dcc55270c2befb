"""Without end: ``python -m tests.differential.nightly [first seed]``.

Prints a line a minute, and every difference, shrunk, with the lines that replay it.
Ends by Ctrl-C; exit status 1 if anything differed.
"""

from __future__ import annotations

import sys
import time
from itertools import count

from .cases import random_case
from .compare import difference, report


def main(first: int) -> int:
    """Run seeds upwards from `first`."""
    found, begun = 0, time.monotonic()
    said = begun
    seed = first
    try:
        for seed in count(first):
            case = random_case(seed)
            if difference(case):
                found += 1
                print(report(case, seed), flush=True)
            if time.monotonic() - said > 60:
                said = time.monotonic()
                rate = (seed - first) / (said - begun)
                print(
                    f"{seed - first} programs, {found} differ, {rate:.0f}/s", flush=True
                )
    except KeyboardInterrupt:
        print(f"{seed - first} programs, {found} differ")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**6))
