"""Reads the log of kvm-unit-tests' micro-bench, and refuses what it cannot mean."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import TraceError
from .operations import MICROBENCH

__all__ = ["BenchLog", "check_rows", "read_log"]

NAMES: Final = {"hyp_call": "hvc", **{name: name for name in MICROBENCH}}
OTHER: Final = ("ipi_hw", "lpi")
MOST_BYTES: Final = 2**24
LEAST_NS: Final = 0.5
MOST_NS: Final = 10_000_000.0
_WORDS: Final = "|".join([*NAMES, *OTHER])
_ROW: Final = re.compile(rf"(?:^|[\s:])({_WORDS})\s+(\S+)(?:\s+(\S+))?\s*$")
_SAID: Final = re.compile(rf"(?:^|[\s:])({_WORDS})\b(.*)$")
_HEAD: Final = re.compile(r"(?:^|[\s:])name\b.*\b(?:avg|average|total)\b", re.I)
_UNIT: Final = re.compile(r"\b(ns|us|ticks|cycles)\b", re.I)
_HZ: Final = re.compile(r"Timer Frequency\s+(\d+)\s*Hz", re.I)
_PLACE: Final = "give the row a value, or take its line out"


@dataclass
class BenchLog:
    """What one run of the micro-bench printed.

    Attributes
    ----------
    rows_ns
        Average ns by row; ``hyp_call`` is ``hvc``.
    lines
        Line of each row, from 1.
    cntfrq_hz
        The counter's frequency, if the log says it.
    ignored
        Rows that nothing is fitted to (``lpi``, ``ipi_hw``), and rows without a value.
    """

    rows_ns: dict[str, float] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    cntfrq_hz: int = 0
    ignored: dict[str, str] = field(default_factory=dict)


def _text(path: str) -> list[str]:
    try:
        raw = Path(path).read_bytes()[: MOST_BYTES + 1]
    except OSError as exc:
        raise TraceError(path, f"no readable log ({exc.strerror or exc})") from exc
    if len(raw) > MOST_BYTES:
        raise TraceError(path, f"more than {MOST_BYTES} bytes: no micro-bench log")
    if b"\0" in raw:
        raise TraceError(path, "binary data: the text that micro-bench prints")
    return raw.decode("utf-8", "replace").splitlines()


def _number(path: str, text: str, line: int) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0:
        raise TraceError(path, f"{text} is no time: {_PLACE}", line)
    return value


def _name_what_it_is(path: str, lines: list[str]) -> None:
    """Refuse two other records of a machine by name: they stand beside a log."""
    text = "\n".join(lines)
    table = "VM-EXIT" in text and "Samples" in text
    if table or "kvm_entry:" in text or "kvm_exit:" in text:
        name = "a table of perf kvm stat" if table else "an ftrace recording"
        words = (
            f"{name} alone: hypercall, MMIO and EOI as a whole are not in it; needed "
            "is a micro-bench log before it (calibrate LOG RECORDING)"
        )
        raise TraceError(path, words)


def _split(path: str, lines: list[str]) -> list[list[tuple[int, str]]]:
    """Return the numbered lines of each run: a row that comes again begins one."""
    runs: list[list[tuple[int, str]]] = [[]]
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        found = _ROW.search(line)
        name = NAMES.get(found[1], found[1]) if found else ""
        if name and name in seen:
            runs.append([])
            seen = set()
        if name:
            seen.add(name)
        runs[-1].append((number, line))
    if not any(_ROW.search(line) for line in lines):
        _name_what_it_is(path, lines)
        words = "no row of micro-bench: lines such as 'hvc 26738688.0 408.0'"
        raise TraceError(path, words)
    return runs


def _chosen(
    path: str, lines: list[str], run: int | None
) -> tuple[int, list[tuple[int, str]]]:
    runs = _split(path, lines)
    if run is not None and not 1 <= run <= len(runs):
        raise TraceError(path, f"no run {run}: it holds {len(runs)} (--run)")
    if run is None and len(runs) > 1:
        line = runs[1][0][0]
        words = f"holds {len(runs)} runs, the second from here: choose one with --run"
        raise TraceError(path, words, line)
    return len(runs), runs[(run or 1) - 1]


def _unit(path: str, line: str, number: int) -> str:
    """Return the unit of the averages: the last one the header names."""
    found: list[str] = _UNIT.findall(line)
    if not found:
        words = "a header without a unit: ns, us, ticks or cycles beside avg"
        raise TraceError(path, words, number)
    return found[-1].lower()


def _scale(path: str, unit: str, hz: int, line: int) -> float:
    """Return ns a unit.

    Raises
    ------
    TraceError
        For ticks without the counter's frequency.
    """
    if unit == "ns":
        return 1.0
    if unit == "us":
        return 1e3
    if hz == 0:
        what = "the counter's" if unit == "ticks" else "the CPU's"
        flag = "--cntfrq-hz" if unit == "ticks" else "--cpu-hz"
        raise TraceError(path, f"averages in {unit}: {what} frequency, {flag}", line)
    return 1e9 / hz


def read_log(
    path: str,
    *,
    run: int | None = None,
    cntfrq_hz: int = 0,
    cpu_hz: int = 0,
    ignore: tuple[str, ...] = (),
) -> BenchLog:
    """Read one run of a log.

    Parameters
    ----------
    path
        Text file.
    run
        Which run, from 1, if the log holds several.
    cntfrq_hz, cpu_hz
        For averages in ticks or in cycles; a log in ticks may name the first itself.
    ignore
        Rows to leave out.

    Raises
    ------
    TraceError
        Names the line, and what would be needed.
    """
    lines = _text(path)
    n_runs, chosen = _chosen(path, lines, run)
    log = BenchLog(cntfrq_hz=cntfrq_hz)
    for line in lines:
        found = _HZ.search(line)
        if found and not log.cntfrq_hz:
            log.cntfrq_hz = int(found[1])
    unit, unit_line = "ns", 1
    for number, line in enumerate(lines[: chosen[-1][0]], 1):
        if _HEAD.search(line):
            unit, unit_line = _unit(path, line, number), number
    hz = cpu_hz if unit == "cycles" else log.cntfrq_hz
    scale = _scale(path, unit, hz, unit_line)
    for number, line in chosen:
        _take(path, log, (number, line), scale, ignore)
    if n_runs == 1 and not log.rows_ns:
        raise TraceError(path, "every row is left out: at least hvc has to stay")
    check_rows(path, log.rows_ns, log.lines)
    return log


def _take(
    path: str,
    log: BenchLog,
    numbered: tuple[int, str],
    scale: float,
    ignore: tuple[str, ...],
) -> None:
    number, line = numbered
    found = _ROW.search(line)
    value = _number(path, found[3] or found[2], number) if found else None
    if found is None or value is None:
        said = _SAID.search(line)
        if said and NAMES.get(said[1], said[1]) not in log.rows_ns:
            log.ignored[NAMES.get(said[1], said[1])] = " ".join(said[2].split())
        return
    name = NAMES.get(found[1], found[1])
    if name in ignore:
        log.ignored[name] = "left out"
    elif name in OTHER:
        log.ignored[name] = "not modelled"
    elif value == 0:
        words = f"{name} took 0: it was not measured; leave it out with --ignore {name}"
        raise TraceError(path, words, number)
    else:
        log.rows_ns[name] = value * scale
        log.lines[name] = number


def check_rows(
    path: str, rows: Mapping[str, float], lines: Mapping[str, int] | None = None
) -> None:
    """Refuse figures no machine has.

    Raises
    ------
    TraceError
        Names the row and the range, or the row it contradicts.
    """
    at = lines or {}
    for name, ns in rows.items():
        if not LEAST_NS <= ns <= MOST_NS:
            words = f"{name} = {ns:g} ns: from {LEAST_NS} ns to {MOST_NS / 1e6:g} ms"
            if name == "timer_10ms":
                words += ", the 10 ms themselves taken off"
            raise TraceError(path, words, at.get(name))
    hvc = rows.get("hvc")
    for name in ("mmio_read_vgic", "mmio_read_user", "ipi", "timer_10ms"):
        if hvc is not None and name in rows and rows[name] < 0.9 * hvc:
            words = (
                f"{name} = {rows[name]:g} ns is less than the hypercall's {hvc:g}, "
                "which it contains: are the columns what they seem?"
            )
            raise TraceError(path, words, at.get(name))
    eoi = rows.get("eoi")
    if hvc is not None and eoi is not None and eoi > hvc:
        words = f"eoi = {eoi:g} ns is more than a hypercall: an EOI does not trap"
        raise TraceError(path, words, at.get("eoi"))
