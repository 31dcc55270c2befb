"""The text of one result: perf-kvm-stat's columns first, then EPMC and percentiles.

``Time`` is handling time: from the exit to the next entry. Guest residency, which is
what arm64's perf kvm stat calls time, has its own columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .units import format_cyc

__all__ = ["align", "headline", "summary"]

_COLUMNS = (
    *("VM-EXIT", "Samples", "Samples%", "EPMC", "Time%"),
    *("Min(cyc)", "Max(cyc)", "Avg(cyc)", "p99(cyc)", "Guest%", "Avg guest(cyc)"),
)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as right-aligned columns, two spaces apart.

    Examples
    --------
    >>> print(align([["a", "10"], ["bcd", "2"]]))
      a  10
    bcd   2
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def headline(result: Any) -> str:
    """Return the first line: what ran where."""
    meta = result.meta
    mode = "VHE" if meta["vhe"] else "nVHE"
    n_vcpus, n_pcpus = len(result.arrays["vcpus"]), len(result.arrays["pcpus"])
    return (
        f"Analyze events for all VMs, all VCPUs:   {meta['input']} · policy "
        f"{meta['policy']} · {meta['profile']} · GIC{meta['gic']} {mode} · "
        f"{n_vcpus} vCPU / {n_pcpus} pCPU · {format_cyc(result.guest_cyc)} guest · "
        f"seed {meta['seed']}"
    )


def _row(result: Any, name: str, one: dict[str, int], totals: tuple[int, ...]) -> Any:
    exits, handling, guest = totals
    count = one["count"]
    p99 = result.handling(name).p(99)
    return [
        name,
        str(count),
        f"{100 * count / exits:.2f}%",
        f"{count * 1e6 / result.guest_cyc if result.guest_cyc else 0.0:.2f}",
        f"{100 * one['handling_cyc'] / handling if handling else 0.0:.2f}%",
        str(one["min_cyc"]),
        str(one["max_cyc"]),
        f"{one['handling_cyc'] / max(1, one['handled']):.1f}",
        "-" if p99 is None else str(p99),
        f"{100 * one['guest_cyc'] / guest if guest else 0.0:.2f}%",
        f"{one['guest_cyc'] / count:.1f}",
    ]


def _latency_line(name: str, hist: Any) -> str:
    if hist.n == 0:
        return f"{name} latency (cycles): none"
    p50, p90, p99, p999, top = hist.p(50, 90, 99, 99.9, 100)
    return (
        f"{name} latency (cycles): p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p999}  "
        f"max {top}  (of {hist.n})"
    )


def _share(cyc: int, guest_cyc: int) -> str:
    share = 100 * cyc / guest_cyc if guest_cyc else 0.0
    return f"{format_cyc(cyc)} ({share:.2f}% of guest)"


def summary(result: Any) -> str:
    """Return the table, the totals, latencies, register traffic and speed."""
    reasons = {key: one for key, one in result.reasons.items() if one["count"]}
    handling = sum(one["handling_cyc"] for one in reasons.values())
    guest = sum(one["guest_cyc"] for one in reasons.values())
    totals = (result.n_exits, handling, guest)
    order = sorted(reasons, key=lambda name: -reasons[name]["count"])
    rows = [list(_COLUMNS)] + [
        _row(result, name, reasons[name], totals) for name in order
    ]
    counters, meta = result.counters, result.meta
    lines = [headline(result), "", align(rows), ""]
    lines.append(
        f"Total Samples:{result.n_exits}, EPMC {result.epmc:.2f}, handling "
        f"{_share(result.handling_cyc, result.guest_cyc)}, world switch "
        f"{_share(result.switch_cyc, result.guest_cyc)}, "
        f"{result.switch_cyc_per_exit:.1f} cyc/exit, guest "
        f"{format_cyc(result.guest_cyc)}, idle {format_cyc(result.idle_cyc)}"
    )
    lines.append(
        _latency_line("Timer", result.timer_latency) + f"  lost {counters['lost']}"
    )
    lines.append(_latency_line("Injection", result.injection_latency))
    lines.append(
        f"Host interrupts: vtimer {counters['host_vtimer_irq']}, timer "
        f"{counters['host_timer_irq']} (tick {counters['host_tick_irq']}), spurious "
        f"{counters['spurious_irq']};  vcpu load/put {counters['vcpu_load']}"
        f"/{counters['vcpu_put']}, entries {counters['guest_entries']}"
    )
    seconds = meta.get("host_s") or 0.0
    if seconds > 0:
        lines.append(
            f"Sim: {seconds:.3f} s host, {result.guest_cyc / seconds / 1e6:.0f} guest "
            f"Mcycles/s, {result.n_exits / seconds / 1e3:.0f} kexits/s"
        )
    if meta.get("stop") == "interrupted":
        lines.append("Interrupted: the numbers cover the run up to that point.")
    return "\n".join(lines)
