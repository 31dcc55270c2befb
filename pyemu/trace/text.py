"""Reads trace text of any tool into records, one regular expression a line.

Accepted shapes: ftrace files (4 or 5 flag characters, with or without tgid), trace-cmd
report (with and without flags, ``-t``, ``-R``, ``--ts-diff``) and perf script (us or
``--ns``). The timestamp is located, columns are never counted.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from ..errors import TraceError
from .model import Event, Issue

__all__ = ["Source", "parse_text", "read_source"]

MAX_LINE: Final = 8192
_RECORD: Final = re.compile(
    r"\[(\d{1,6})\]\s+(?:([.\dA-Za-z#]{4,6})\s+)?(\d{1,20})(?:\.(\d{6,9}))?:\s+"
    r"(?:\(\+[\d.]+\)\s+)?(?:([A-Za-z]\w*):)?([A-Za-z]\w*):(?:\s|$)"
)
_OTHER: Final = re.compile(
    r"\[\d{1,6}\]\s+(?:[.\dA-Za-z#]{4,6}\s+)?\d{1,20}(?:\.\d+)?:"
)
_WHO: Final = re.compile(r"(.*?)[-\s]\s*(?:\d+/)?(\d{1,10})\s*(?:\(\s*[-\d]+\))?\s*$")
_LOST: Final = re.compile(
    r"LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|\blost (\d+) (?:events|chunks)",
    re.IGNORECASE,
)
_ENTRIES: Final = re.compile(r"entries-in-buffer/entries-written:\s*(\d+)/(\d+)")
_NOISE: Final = re.compile(
    r"^\s*($|#|cpus=\d|version\s*=|CPU \d+ is empty|trace:|\.\.\.)"
)
_MAGIC: Final = (
    (b"\x17\x08Dtracing", "a trace.dat file: convert it, trace-cmd report -t -N -R"),
    (b"PERFILE2", "a perf.data file: convert it, perf script --ns"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: decompress it first"),
    (b"\xfd7zXZ", "xz-compressed: decompress it first"),
    (b"BZh", "bzip2-compressed: decompress it first"),
)


@dataclass(slots=True)
class Source:
    """Everything the text itself says.

    Attributes
    ----------
    events
        Records in file order.
    breaks
        File lines after which records are missing: (line, cpu or None).
    resolution_ns
        1000 for 6-digit stamps, 1 for 9-digit and integer ones.
    functions
        Function-tracer lines, skipped.
    """

    path: str
    events: list[Event] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    breaks: list[tuple[int, int | None]] = field(default_factory=list)
    resolution_ns: int = 1
    functions: int = 0
    buffer: tuple[int, int] | None = None


def _slurp(source: Any) -> tuple[str, bytes | str]:
    """Return a printable name and the raw content of a path, stream or ``-``."""
    if source == "-":
        return "<stdin>", sys.stdin.buffer.read()
    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            return str(source), path.read_bytes()
        except OSError as exc:
            raise TraceError(source, exc.strerror or str(exc)) from None
    if hasattr(source, "read"):
        content = source.read()
        if isinstance(content, (bytes, str)):
            return str(getattr(source, "name", "<stream>")), content
    raise TraceError(source, "expected a path, '-' or a readable stream")


def read_source(source: str | Path | IO[bytes] | IO[str]) -> Source:
    """Read and parse a trace; gzip is recognised by its content.

    Raises
    ------
    TraceError
        Unreadable, truncated, binary, foreign or empty input.
    """
    name, content = _slurp(source)
    if isinstance(content, bytes):
        for magic, words in _MAGIC:
            if content.startswith(magic):
                raise TraceError(name, words)
        if content.startswith(b"\x1f\x8b"):
            content = _gunzip(name, content)
        content = content.decode("utf-8", "replace")
    return parse_text(content, name)


def _gunzip(name: str, content: bytes) -> bytes:
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read()
    except EOFError:
        raise TraceError(name, "truncated: the gzip stream ends early") from None
    except (OSError, zlib.error) as exc:
        raise TraceError(name, f"damaged gzip stream: {exc}") from None


def _time_ns(whole: str, fraction: str | None) -> int:
    if fraction is None:
        return int(whole)
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def parse_text(text: str, name: str = "<text>") -> Source:
    """Parse trace text into records.

    Raises
    ------
    TraceError
        Empty, foreign (no line is a trace record) or cut off.

    Examples
    --------
    >>> text = "CPU 0/KVM-71 [001] d..1. 5.000001: kvm_entry: PC: 0x80"
    >>> event = parse_text(text).events[0]
    >>> event.comm, event.pid, event.cpu, event.ts_ns, event.name, event.args
    ('CPU 0/KVM', 71, 1, 5000001000, 'kvm_entry', 'PC: 0x80')
    """
    out = Source(name)
    lines = text.split("\n")
    junk: list[int] = []
    last: dict[int, int] = {}
    whos: dict[str, tuple[str, int] | None] = {}
    digits: set[int] = set()
    for number, line in enumerate(lines, 1):
        found = _RECORD.search(line) if len(line) <= MAX_LINE else None
        if found is None or line[0] == "#":
            if not _other_line(out, line, number):
                junk.append(number)
            continue
        cpu, _, whole, fraction, _, event = found.groups()
        prefix = line[: found.start()]
        who = whos.get(prefix, 0)
        if who == 0:
            match = _WHO.match(prefix)
            who = (match[1].strip(), int(match[2])) if match else None
            whos[prefix] = who
        if not isinstance(who, tuple):
            junk.append(number)
            continue
        comm, pid = who
        ts, core = _time_ns(whole, fraction), int(cpu)
        if ts < last.get(core, 0):
            words = f"time runs backwards on CPU {core}: state dropped"
            out.issues.append(Issue("time-backwards", words, number))
            out.breaks.append((number, core))
        last[core] = ts
        digits.add(len(fraction or ""))
        args = line[found.end() :].strip()
        out.events.append(Event(number, ts, core, pid, comm, event, args))
    _judge(out, lines, junk, digits)
    return out


def _other_line(out: Source, line: str, number: int) -> bool:
    """Account for a line that is no record; False if nothing explains it."""
    if len(line) > MAX_LINE:
        return False
    lost = _LOST.search(line)
    if lost is not None:
        count = next(group for group in lost.groups() if group is not None)
        cpu = re.search(r"CPU:\s*(\d{1,6})", line)
        out.breaks.append((number, int(cpu[1]) if cpu else None))
        words = f"{count} records lost: state dropped, restarted at the next kvm_entry"
        out.issues.append(Issue("lost-events", words, number))
        return True
    entries = _ENTRIES.search(line)
    if entries is not None:
        out.buffer = (int(entries[1]), int(entries[2]))
    if _NOISE.match(line):
        return True
    if _OTHER.search(line):
        out.functions += 1
        return True
    return False


def _judge(out: Source, lines: list[str], junk: list[int], digits: set[int]) -> None:
    """Refuse what is no usable trace; note what is merely odd."""
    if not any(line.strip() for line in lines):
        raise TraceError(out.path, "empty")
    if not out.events and not out.functions:
        if junk:
            words = "not a trace: expected ftrace, trace-cmd report or perf script text"
            raise TraceError(out.path, words, junk[0])
        raise TraceError(out.path, "no trace records: only a header", len(lines))
    cut = max((n for n, line in enumerate(lines, 1) if line.strip()), default=0)
    if junk and junk[-1] == cut:
        raise TraceError(out.path, "truncated: the last line is no whole record", cut)
    if junk:
        words = f"{len(junk)} lines are no trace records and were skipped"
        out.issues.append(Issue("foreign-lines", words, junk[0]))
    _judge_buffer(out, cut)
    if 6 in digits:
        out.resolution_ns = 1000
        words = (
            "timestamps have 6 digits, so every time is +-1 us: record with "
            "trace-cmd report -t -N or perf script --ns for nanoseconds"
        )
        out.issues.append(Issue("resolution", words))
    if out.functions:
        words = f"{out.functions} function-tracer lines skipped; their cost stays in"
        out.issues.append(Issue("function-tracer", words))


def _judge_buffer(out: Source, cut: int) -> None:
    """Compare the ftrace header's entry counts with what the file holds."""
    if out.buffer is None:
        return
    kept, written = out.buffer
    held = len(out.events) + out.functions
    if held < kept:
        words = f"truncated: the header promises {kept} records, {held} are here"
        raise TraceError(out.path, words, cut)
    if written > kept:
        words = (
            f"{written - kept} of {written} records were overwritten in the ring "
            "buffer before the file was read: the beginning is missing"
        )
        out.issues.append(Issue("lost-events", words))
