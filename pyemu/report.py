"""Other shapes of a result: perf's exact layout, CSV, and the profile by vCPU or time.

`profile` answers where exits come from: by reason, by vCPU, by pCPU, or over time in
windows of host cycles that `sample` took while the machine ran.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .errors import ConfigError, unknown_name
from .machine import Machine
from .result import REASONS, Result
from .summary import align, headline
from .units import parse_int

__all__ = ["BY", "perf_compat", "profile", "profile_json", "sample", "to_csv"]

BY: Final = ("reason", "vcpu", "pcpu")
TOP: Final = 16
BAR: Final = 40


def perf_compat(result: Result) -> str:
    """Return perf kvm stat's layout: names 20 wide, times in microseconds.

    The times are guest residency, which is what arm64's tool prints.
    """
    us = 1e6 / result.meta["cpu_hz"]
    merged: dict[str, list[float]] = {}
    for name, one in result.reasons.items():
        if one["count"]:
            entry = merged.setdefault(name.split("/")[0], [0, 0.0])
            entry[0] += one["count"]
            entry[1] += one["guest_cyc"] * us
    total = sum(entry[1] for entry in merged.values())
    lines = ["", "", "Analyze events for all VMs, all VCPUs:", ""]
    columns = [("VM-EXIT", 20), ("Samples", 10), ("Samples%", 9), ("Time%", 9)]
    columns += [("Min Time", 11), ("Max Time", 11), ("Avg time", 16)]
    lines += [" ".join(name.rjust(width) for name, width in columns), ""]
    for name, (count, time) in sorted(merged.items(), key=lambda kv: -kv[1][0]):
        low, high = _residency_range(result, name)
        share = 100 * time / total if total else 0.0
        lines.append(
            f"{name:>20} {count:>10.0f} {100 * count / result.n_exits:>8.2f}% "
            f"{share:>8.2f}% {low * us:>9.2f}us {high * us:>9.2f}us "
            f"{time / count:>9.2f}us ( +-{0:>7.2f}% )"
        )
    lines += ["", f"Total Samples:{result.n_exits}, Total events handled "]
    lines[-1] += f"time:{total:.2f}us."
    return "\n".join([*lines, ""])


def _residency_range(result: Result, name: str) -> tuple[int, int]:
    hists = [result.residency(one) for one in REASONS if one.split("/")[0] == name]
    used = [hist for hist in hists if hist.n]
    if not used:
        return 0, 0
    lows = [int(hist.low_cyc[np.flatnonzero(hist.counts)[0]]) for hist in used]
    return min(lows), max(hist.p(100) for hist in used)


def to_csv(results: list[Result]) -> str:
    """Return one line a policy and reason: counts, EPMC, guest and handling cycles."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["input", "policy", "reason", "exits", "epmc", "guest_cyc", "handling_cyc"])
    for result in results:
        scale = 1e6 / result.guest_cyc if result.guest_cyc else 0.0
        for name, one in result.reasons.items():
            row = [result.meta["input"], result.policy, name, one["count"]]
            row += [one["count"] * scale, one["guest_cyc"], one["handling_cyc"]]
            write(row)
    return out.getvalue()


def window_of(by: str) -> int | None:
    """Return the window of ``window=1e6`` in host cycles, None for the other views.

    Raises
    ------
    ConfigError
        For an unknown view or an empty window.
    """
    name, equals, text = by.partition("=")
    if name == "window":
        size = parse_int("--by window", text) if equals else 0
        if size < 1:
            raise ConfigError("--by", by, "window=CYCLES, at least 1")
        return size
    if by not in BY:
        raise unknown_name("--by", by, [*BY, "window=CYCLES"])
    return None


def sample(
    window_cyc: int, series: list[tuple[int, int, int]]
) -> Callable[[Machine], list[tuple[int, int]]]:
    """Return a balancer that moves nothing and notes exits and guest cycles.

    `series` receives ``(end_cyc, exits, guest_cyc)`` of every window.
    """
    last = [0, 0]

    def look(machine: Machine) -> list[tuple[int, int]]:
        stats = machine.vcpu_stats()
        now = [int(stats["exits"].sum()), int(stats["guest_cyc"].sum())]
        begun = now[0] < last[0] or now[1] < last[1]  # statistics were reset
        exits, guest = (now[i] if begun else now[i] - last[i] for i in range(2))
        series.append((machine.now_cyc, exits, guest))
        last[:] = now
        return []

    whole_cyc = window_cyc
    if whole_cyc < 1:
        raise ConfigError("window", window_cyc, "at least 1 cycle")
    return look


def profile_json(result: Result, by: str) -> list[dict[str, Any]]:
    """Return the rows of a profile as plain values.

    Raises
    ------
    ConfigError
        For an unknown view, or windows of a run that took none.
    """
    window = window_of(by)
    if window is not None:
        if "windows" not in result.arrays:
            words = "a run profiled with --by window (a saved run has no windows)"
            raise ConfigError("--by", by, words)
        keys = ("end_cyc", "exits", "guest_cyc")
        rows: list[dict[str, Any]] = [
            {key: int(value) for key, value in zip(keys, row, strict=True)}
            for row in result.arrays["windows"]
        ]
    elif by == "reason":
        rows = [
            {"reason": name, "exits": one["count"], **one}
            for name, one in result.reasons.items()
            if one["count"]
        ]
        for row in rows:
            del row["count"], row["handled"]
    elif by == "vcpu":
        rows = _vcpu_rows(result)
    else:
        rows = _pcpu_rows(result)
    for row in rows:
        if "exits" in row:
            guest = result.guest_cyc if by == "reason" else row["guest_cyc"]
            row["epmc"] = row["exits"] * 1e6 / guest if guest else 0.0
    return rows


def _vcpu_rows(result: Result) -> list[dict[str, Any]]:
    stats = result.arrays["vcpus"]
    rows = []
    for index, one in enumerate(stats):
        keys = ("guest_cyc", "handling_cyc", "switch_cyc", "loads", "pcpu")
        top = int(one["exits"].argmax())
        rows.append(
            {
                "vcpu": index,
                "exits": int(one["exits"].sum()),
                **{key: int(one[key]) for key in keys},
                "top_reason": REASONS[top] if one["exits"][top] else "-",
            }
        )
    return sorted(rows, key=lambda row: (-row["exits"], row["vcpu"]))


def _pcpu_rows(result: Result) -> list[dict[str, Any]]:
    keys = result.arrays["pcpus"].dtype.names or ()
    return [
        {"pcpu": index, **{key: int(one[key]) for key in keys}}
        for index, one in enumerate(result.arrays["pcpus"])
    ]


def profile(result: Result, by: str = "reason") -> str:
    """Return the profile as a table: EPMC and cycles, the top vCPUs, bars over time."""
    rows = profile_json(result, by)
    left_out = max(0, len(rows) - TOP) if by in ("vcpu", "pcpu") else 0
    shown = rows[: len(rows) - left_out]
    lines = [headline(result), ""]
    if not shown:
        return "\n".join([*lines, "no exits"])
    table = [list(shown[0])]
    peak = max((row.get("epmc", 0.0) for row in shown), default=0.0)
    if window_of(by) is not None:
        table[0].append("")
    for row in shown:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        if window_of(by) is not None:
            bar = "#" * round(BAR * row["epmc"] / peak) if peak else ""
            cells.append(bar.ljust(BAR))
        table.append(cells)
    lines.append(align(table))
    if left_out:
        lines.append(f"... and {left_out} more")
    lines.append(f"EPMC overall {result.epmc:.2f}, {result.n_exits} exits")
    return "\n".join(lines)
