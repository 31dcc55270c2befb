"""Progress on long runs: one line on stderr, only if it is a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from .units import format_cyc

__all__ = ["meter", "stages"]

FIRST_S, EVERY_S = 2.0, 0.5


def meter(
    label: str,
    until_guest_cyc: int = 0,
    out: TextIO | None = None,
    facts: Callable[[], str] | None = None,
) -> Callable[[Any], None] | None:
    """Return a callable for `Machine.progress`, or None where nobody looks.

    It stays silent for the first two seconds. ``TERM=dumb`` counts as no terminal.
    `facts` says what else to show.
    """
    stream = sys.stderr if out is None else out
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return None
    begun = time.monotonic()
    last = begun + FIRST_S - EVERY_S

    def show(stop: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY_S and stop.reason == "limit":
            return
        last = now
        share = ""
        if until_guest_cyc:
            share = f" {100 * stop.guest_cyc / until_guest_cyc:.0f}%"
        text = (
            f"\r{label}:{share} {format_cyc(stop.guest_cyc)} guest, "
            f"{stop.exits} exits, {now - begun:.0f} s "
        ) + (f"({facts()}) " if facts else "")
        stream.write(text)
        stream.flush()

    return show


def stages(label: str, out: TextIO | None = None) -> Callable[[str], None] | None:
    """Return a callable that shows what is being done now, None where nobody looks."""
    stream = sys.stderr if out is None else out
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return None

    def show(what: str) -> None:
        stream.write(f"\r\x1b[K{label}: {what}\r")
        stream.flush()

    return show
