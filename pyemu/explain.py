"""Where a metric comes from: which primitive, in which hook, how many cycles.

Steps of the policy's tables are counted one by one; primitives that only the machine
executes (list registers, interrupt handlers, guest operations) have one row each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .comparison import METRICS
from .errors import unknown_name
from .result import Result
from .summary import align

__all__ = ["Row", "explain", "rows"]

NO_CYCLES: Final = ("ipi_latency", "work_delay")  # flight times, spent by no pCPU


@dataclass(frozen=True)
class Row:
    """One source of a metric: where it stands, how often, what it cost."""

    where: str
    primitive: str
    component: str
    guard: str
    count: int
    cost_cyc: int
    switch: bool

    @property
    def cyc(self) -> int:
        """Cycles in all."""
        return self.count * self.cost_cyc


def rows(result: Result) -> list[Row]:
    """Return every step and every dynamic primitive that was executed."""
    meta, arrays = result.meta, result.arrays
    names, components = meta["prim_names"], meta["prim_components"]
    left = [int(count) for count in arrays["prim_count"]]
    out = []
    for step, done in zip(meta["steps"], arrays["step_count"], strict=True):
        prim, guard, switch, hook = step
        left[prim] -= int(done)
        if done:
            where = meta["hook_names"][hook]
            cost = int(arrays["cost_cyc"][prim])
            out.append(
                Row(
                    *(where, names[prim], components[prim], meta["guards"][guard]),
                    *(int(done), cost, bool(switch)),
                )
            )
    for prim, count in enumerate(left):
        if count > 0 and names[prim] not in NO_CYCLES:
            cost = int(arrays["cost_cyc"][prim])
            out.append(
                Row("machine", names[prim], components[prim], "", count, cost, False)
            )
    return out


def _chooser(result: Result, metric: str) -> Callable[[Row], bool]:
    """Return which rows a metric is made of."""
    meta = result.meta
    by_op: dict[str, set[str]] = {name: set() for name in meta["op_names"]}
    for name, ops in zip(meta["prim_names"], meta["prim_ops"], strict=True):
        for op in ops:
            by_op[op].add(name)
    if metric in by_op:
        return lambda row: row.primitive in by_op[metric]
    if metric in meta["prim_components"]:
        return lambda row: row.component == metric
    if metric in meta["prim_names"]:
        return lambda row: row.primitive == metric
    if metric in ("switch_cyc", "switch_cyc_per_exit"):
        return lambda row: row.switch
    if metric in ("handling_cyc", "overhead", "all"):
        return lambda row: not row.primitive.startswith("g_")
    known = [*by_op, *sorted(set(meta["prim_components"])), *METRICS, "all"]
    raise unknown_name("--explain", metric, known)


def explain(result: Result, metric: str) -> str:
    """Return the sources of a metric as a table, the dearest first.

    Raises
    ------
    ConfigError
        For a metric that is no op, component, primitive or total.
    """
    if metric in ("epmc", "n_exits", *result.exits, *result.reasons):
        return _explain_exits(result, metric)
    wanted = _chooser(result, metric)
    found = sorted(
        (row for row in rows(result) if wanted(row)),
        key=lambda row: (-row.cyc, -row.count, row.where),
    )
    exits = max(1, result.n_exits)
    table: list[list[str]] = [
        ["where", "primitive", "component", "if", "times", "per exit", "cyc each"]
    ]
    table[0] += ["cycles", "cyc/exit"]
    for row in found:
        table.append(
            [
                *(row.where, row.primitive, row.component, row.guard or "always"),
                *(str(row.count), f"{row.count / exits:.3f}", str(row.cost_cyc)),
                *(str(row.cyc), f"{row.cyc / exits:.1f}"),
            ]
        )
    count, cyc = sum(r.count for r in found), sum(r.cyc for r in found)
    head = (
        f"{metric} under {result.policy}: {count} operations, {cyc} cycles, "
        f"{count / exits:.3f} operations and {cyc / exits:.1f} cycles an exit"
    )
    return head + "\n" + align(table) if found else head


def _explain_exits(result: Result, metric: str) -> str:
    """Show how many exits each reason gives."""
    reasons = {
        name: one
        for name, one in result.reasons.items()
        if one["count"]
        and (
            metric in ("epmc", "n_exits")
            or name.split("/")[0] == metric
            or name == metric
        )
    }
    scale = 1e6 / result.guest_cyc if result.guest_cyc else 0.0
    table = [["reason", "exits", "EPMC", "guest cyc", "handling cyc"]]
    for name, one in sorted(reasons.items(), key=lambda item: -item[1]["count"]):
        cells: list[Any] = [name, one["count"], f"{one['count'] * scale:.3f}"]
        cells += [one["guest_cyc"], one["handling_cyc"]]
        table.append([str(cell) for cell in cells])
    total = sum(one["count"] for one in reasons.values())
    head = f"{metric} under {result.policy}: {total} exits, {total * scale:.3f} EPMC"
    return head + "\n" + align(table)
