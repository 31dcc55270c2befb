"""Several results of one input side by side: values, differences, what moved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from .errors import ConfigError, unknown_name
from .result import Result
from .summary import align, headline

__all__ = ["METRICS", "Comparison", "metric"]

METRICS: Final = (
    *("epmc", "n_exits", "guest_cyc", "handling_cyc", "switch_cyc", "idle_cyc"),
    *("switch_cyc_per_exit", "overhead"),
)
_TIMER_WRITES: Final = ("cntv_ctl_w", "cntv_cval_w", "cntvoff_w")


def metric(result: Result, name: str) -> float:
    """Return a metric by name: a total, a counter, an op, or ``p99`` of the latency.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    if name in METRICS:
        return float(getattr(result, name))
    if name in result.ops:
        return float(result.ops[name])
    if name in result.counters:
        return float(result.counters[name])
    if name in ("timer_p50", "timer_p99"):
        value = result.timer_latency.p(int(name[-2:]))
        return float("nan") if value is None else float(value)
    if name == "timer_writes_per_entry":
        entries = result.counters["guest_entries"]
        writes = sum(result.ops[op] for op in _TIMER_WRITES)
        return writes / entries if entries else 0.0
    known = [*METRICS, *result.ops, *result.counters, "timer_p50", "timer_p99"]
    raise unknown_name("metric", name, [*known, "timer_writes_per_entry"])


@dataclass(frozen=True)
class Comparison:
    """Results in the order of the policies; the first is the baseline."""

    results: tuple[Result, ...]

    def __post_init__(self) -> None:
        """Refuse a comparison of nothing."""
        if not self.results:
            raise ConfigError("compare", [], "at least one result")

    def __getitem__(self, policy: str) -> Result:
        """Return the result of a policy by name."""
        for result in self.results:
            if result.policy == policy:
                return result
        raise unknown_name("policy", policy, [r.policy for r in self.results])

    def delta(self, name: str) -> list[float]:
        """Return a metric's difference from the baseline, one number a policy."""
        base = metric(self.results[0], name)
        return [metric(result, name) - base for result in self.results]

    def by_reason(self, reason: str) -> list[dict[str, int]]:
        """Return count and cycles of one split reason, one a policy."""
        for result in self.results[:1]:
            if reason not in result.reasons:
                raise unknown_name("reason", reason, result.reasons)
        return [result.reasons[reason] for result in self.results]

    def to_json(self) -> dict[str, Any]:
        """Return the runs in order, as ``{"schema": 1, "runs": [...]}``."""
        return {"schema": 1, "runs": [result.to_json() for result in self.results]}

    def __str__(self) -> str:
        """Return metrics, register traffic and reasons as tables."""
        first = self.results[0]
        names = [r.policy for r in self.results]
        title = headline(first).split(":   ", 1)[1].replace(f"policy {names[0]} · ", "")
        parts = [f"Compare {', '.join(names)}:   {title}", ""]
        parts += [_table(self.results, _metric_rows(self.results)), ""]
        ops = [name for name in first.ops if any(r.ops[name] for r in self.results)]
        rows = [(name, [float(r.ops[name]) for r in self.results]) for name in ops]
        parts += ["Register accesses by the host:", _table(self.results, rows, True)]
        parts += ["", "Cycles by component:"]
        parts += [_table(self.results, _component_rows(self.results)), ""]
        parts += ["Exits by reason, and host cycles spent on them:"]
        parts += [_table(self.results, _reason_rows(self.results))]
        return "\n".join(parts)


_Rows = list[tuple[str, list[float]]]


def _metric_rows(results: tuple[Result, ...]) -> _Rows:
    names = (
        *("epmc", "n_exits", "guest_cyc", "handling_cyc", "switch_cyc"),
        *("switch_cyc_per_exit", "guest_entries", "vcpu_load", "host_vtimer_irq"),
        *("host_timer_irq", "vgic_inject", "timer_writes_per_entry"),
        *("timer_p50", "timer_p99", "lost"),
    )
    return [(name, [metric(r, name) for r in results]) for name in names]


def _by_change(rows: _Rows) -> _Rows:
    return sorted(rows, key=lambda row: -max(abs(v - row[1][0]) for v in row[1]))


def _component_rows(results: tuple[Result, ...]) -> _Rows:
    names = list(results[0].components)
    rows = [
        (name, [float(r.components[name]["cyc"]) for r in results]) for name in names
    ]
    return _by_change([row for row in rows if any(row[1])])


def _reason_rows(results: tuple[Result, ...]) -> _Rows:
    rows = []
    for name in results[0].reasons:
        counts = [float(r.reasons[name]["count"]) for r in results]
        cycles = [float(r.reasons[name]["handling_cyc"]) for r in results]
        if any(counts):
            rows.append((f"{name} exits", counts))
            rows.append((f"{name} cyc", cycles))
    return _by_change(rows)


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if value == int(value):
        return str(int(value))
    return f"{value:.3f}"


def _table(results: tuple[Result, ...], rows: _Rows, per_exit: bool = False) -> str:
    """Return ``metric A B delta delta%``, with per-exit columns on demand."""
    head = ["metric", *(r.policy for r in results)]
    if per_exit:
        head += [f"{r.policy}/exit" for r in results]
    if len(results) > 1:
        head += [x for r in results[1:] for x in (f"Δ {r.policy}", "Δ%")]
    lines = [head]
    for name, values in rows:
        line = [name, *(_number(value) for value in values)]
        if per_exit:
            exits = [max(1, r.n_exits) for r in results]
            line += [f"{v / n:.3f}" for v, n in zip(values, exits, strict=True)]
        for value in values[1:]:
            change = value - values[0]
            share = f"{100 * change / values[0]:+.2f}%" if values[0] else "-"
            sign = "+" if change > 0 else ""
            line += [sign + _number(change), "-" if math.isnan(change) else share]
        lines.append(line)
    return align(lines)
