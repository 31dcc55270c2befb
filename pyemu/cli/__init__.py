"""The command line: one file a verb, all thin."""

from __future__ import annotations

import os

# numpy starts a thread a processor for linear algebra, of which there is next to none.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .entry import main

__all__ = ["main"]
