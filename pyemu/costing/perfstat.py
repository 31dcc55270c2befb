"""Reads the table that ``perf kvm stat report`` prints on arm64."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import TraceError

__all__ = ["PerfRow", "is_table", "read_table"]

FIELDS: Final = ("Samples", "Samples%", "Time%", "Min Time", "Max Time", "Avg time")
MOST_US: Final = 1e12
MOST_SAMPLES: Final = 2**53
_HEAD: Final = re.compile(r"^\W*VM-EXIT\s+Samples\s+Samples%\s+Time%\s+Min Time\s")
_TOTAL: Final = re.compile(r"^\W*Total Samples:\s*(\S+?),")
_COUNT: Final = re.compile(r"\d{1,16}")
_SHARE: Final = re.compile(r"\d{1,3}(\.\d+)?%")
_TIME: Final = re.compile(r"\d{1,13}(\.\d+)?us")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class PerfRow:
    """One exit reason: how often, and how long in us.

    Attributes
    ----------
    reason
        As printed: ``HVC64``, ``DABT_LOW``, ``IRQ``, ...
    line
        Its line, from 1.
    """

    reason: str
    samples: int
    low_us: float
    high_us: float
    mean_us: float
    line: int


def is_table(text: str) -> bool:
    """Tell whether a text has such a table."""
    return any(_HEAD.match(line) for line in text.splitlines())


def _field(path: str, line: int, name: str, text: str) -> float:
    """Return one field's number.

    Raises
    ------
    TraceError
        Names the field and what it may be.
    """
    share, count = name.endswith("%"), name == "Samples"
    form = _COUNT if count else _SHARE if share else _TIME
    words = "a whole number" if count else "a number and %" if share else "a time in us"
    if form.fullmatch(text) is None:
        raise TraceError(path, f"{name} = {text!r}: expected {words}", line)
    value = float(text.rstrip("%us"))
    most = MOST_SAMPLES if count else 100.5 if share else MOST_US
    if value > most or (count and value < 1):
        low = 1 if count else 0
        raise TraceError(path, f"{name} = {text}: from {low} to {most:g}", line)
    return value


def _row(path: str, line: int, text: str) -> PerfRow:
    words = text.split("(", maxsplit=1)[0].split()
    if len(words) != 1 + len(FIELDS):
        expected = ", ".join(FIELDS)
        raise TraceError(
            path, f"{len(words)} fields: expected a reason, {expected}", line
        )
    if _NAME.fullmatch(words[0]) is None:
        raise TraceError(path, f"VM-EXIT = {words[0]!r}: an exit reason", line)
    values = [
        _field(path, line, name, word)
        for name, word in zip(FIELDS, words[1:], strict=True)
    ]
    samples, _, _, low, high, mean = values
    if not low <= mean + 0.005 or not mean <= high + 0.005:
        raise TraceError(
            path,
            f"Avg time = {mean:g}us: outside Min {low:g}us and Max {high:g}us",
            line,
        )
    return PerfRow(words[0], int(samples), low, high, mean, line)


def read_table(path: str, text: str) -> list[PerfRow]:
    """Return the rows of the one table in a text.

    Raises
    ------
    TraceError
        Names the line and the field; a table cut off, or two of them.

    Examples
    --------
    >>> text = '''
    ... VM-EXIT  Samples  Samples%  Time%  Min Time  Max Time  Avg time
    ... HVC64 65536 100.00% 100.00% 0.31us 9.12us 0.33us ( +-   0.10% )
    ... Total Samples:65536, Total events handled time:21626.88us.
    ... '''
    >>> read_table("x", text)[0].mean_us
    0.33
    """
    rows: dict[str, PerfRow] = {}
    head = total = 0
    said = "0"
    for number, line in enumerate(text.splitlines(), 1):
        found = _TOTAL.match(line)
        if _HEAD.match(line):
            if head:
                raise TraceError(path, "a second table: give one at a time", number)
            head = number
        elif head and not total and found:
            total, said = number, found[1]
        elif head and not total and line.strip(" #\t"):
            row = _row(path, number, line.strip().lstrip("#"))
            if row.reason in rows:
                raise TraceError(path, f"VM-EXIT = {row.reason}: twice", number)
            rows[row.reason] = row
    if not head:
        raise TraceError(path, f"no table with VM-EXIT, {', '.join(FIELDS)}")
    if not total:
        words = "cut off: no line 'Total Samples:' after the rows"
        raise TraceError(path, words, max([head, *(row.line for row in rows.values())]))
    here = sum(row.samples for row in rows.values())
    if _field(path, total, "Samples", said) != here:
        words = f"Total Samples:{said}, the rows have {here}: one is missing"
        raise TraceError(path, words, total)
    return list(rows.values())
