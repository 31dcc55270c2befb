"""Files beside a micro-bench log: a table of perf kvm stat, an ftrace recording."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import TraceError
from ..trace import read_trace
from .perfstat import is_table, read_table
from .spans import Spans, from_perf, from_trace

__all__ = ["kind_of", "read_recordings"]

LOOKED_AT: Final = 2**20


def kind_of(path: str) -> str:
    """Return ``"perf"``, ``"ftrace"`` or empty: what a file's beginning shows.

    Raises
    ------
    TraceError
        If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LOOKED_AT)
    except OSError as exc:
        raise TraceError(path, f"no readable file ({exc.strerror or exc})") from exc
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = zlib.decompressobj(wbits=31).decompress(raw, LOOKED_AT)
        except (zlib.error, gzip.BadGzipFile):
            return "ftrace"  # its reader names the damage
    text = raw.decode("utf-8", "replace")
    if is_table(text):
        return "perf"
    return "ftrace" if "kvm_entry:" in text or "kvm_exit:" in text else ""


def read_recordings(paths: Sequence[str], perf_times: str = "guest") -> Spans:
    """Return the rows that recordings of the log's machine give.

    Raises
    ------
    TraceError
        Names file, line and field; two recordings of one sort; none at all.
    """
    out, seen = Spans(), dict[str, str]()
    for path in paths:
        kind = kind_of(path)
        if kind in seen:
            words = f"a second {kind} recording beside {seen[kind]}: one of each sort"
            raise TraceError(path, words)
        seen[kind] = path
        if kind == "perf":
            text = Path(path).read_text("utf-8", "replace")
            out.add(from_perf(read_table(path, text), perf_times))
        elif kind == "ftrace":
            out.add(from_trace(read_trace(path)))
        else:
            words = (
                "neither a table of perf kvm stat report nor ftrace text with "
                "kvm_entry and kvm_exit"
            )
            raise TraceError(path, words)
    return out
