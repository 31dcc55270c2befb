"""Recordings under ``pyemu compare``: the report, the self-check, then the tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..comparison import Comparison, metric
from ..config import whole
from ..explain import explain
from ..progress import meter
from ..replaying import runner
from ..result import Result
from ..scenario import apply_set
from ..trace import Recording, ReplayComparison, read_trace, replay_compare, shipped
from ..units import parse_int
from .options import print_json

__all__ = ["compare_recording", "compare_shipped"]


def _host_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the host that the flags change."""
    data: dict[str, Any] = {"host": {}}
    for one in args.sets:
        apply_set(data, one if one.startswith("host.") else f"host.{one}")
    changes: dict[str, Any] = data["host"]
    flags = {"gic": args.gic, "vhe": args.vhe, "profile": args.profile}
    return {**changes, **{key: v for key, v in flags.items() if v is not None}}


def _seed(args: argparse.Namespace) -> int:
    number = 0 if args.seed is None else parse_int("--seed", args.seed)
    return whole("seed", number, 0, 2**64 - 1)


def compare_shipped(args: argparse.Namespace, policies: Sequence[Any]) -> int:
    """Replay the shipped recordings; return the exit code."""
    return _compare(args, [one.load() for one in shipped()], policies)


def compare_recording(
    args: argparse.Namespace, path: str, policies: Sequence[Any]
) -> int:
    """Replay a trace file; return the exit code."""
    changes = _host_changes(args)
    recording = read_trace(
        path,
        cpu_hz=changes.get("cpu_hz"),
        cntfrq_hz=changes.get("cntfrq_hz"),
        gic=args.gic,
    )
    return _compare(args, [recording], policies)


def _compare(
    args: argparse.Namespace, recordings: Sequence[Recording], policies: Sequence[Any]
) -> int:
    by_name = {policy.name: policy for policy in policies}
    run = runner(
        by_name, _host_changes(args), seed=_seed(args), progress=meter("replay")
    )
    done = [replay_compare(one, list(by_name), run) for one in recordings]
    if args.json:
        runs = [one.to_json() for replay in done for one in replay.results.values()]
        checks = [replay.check.to_json() for replay in done]
        print_json({"schema": 1, "runs": runs, "checks": checks})
    else:
        print("\n\n".join(_text(args, replay) for replay in done))
    results = [one for replay in done for one in replay.results.values()]
    if any(one.meta["stop"] == "interrupted" for one in results):
        return 130
    return 0 if all(replay.ok for replay in done) else 1


def _text(args: argparse.Namespace, replay: ReplayComparison) -> str:
    parts = [replay.text()]
    if replay.ok:
        results = tuple(replay.results.values())
        parts += [str(Comparison(results)), _plainly(results)]
        parts += [explain(one, args.explain) for one in results if args.explain]
    return "\n\n".join(parts)


def _plainly(results: tuple[Result, ...]) -> str:
    """Say in words what the tables show."""
    lines = ["In words:"]
    for one in results:
        per_entry = metric(one, "timer_writes_per_entry")
        lines.append(
            f"  {one.policy}: {one.n_exits} exits (EPMC {one.epmc:.2f}), "
            f"{per_entry:.2f} CTL+CVAL+CNTVOFF writes an entry, "
            f"{one.counters['host_vtimer_irq']} host vtimer interrupts, "
            f"{one.switch_cyc_per_exit:.0f} world-switch cycles an exit"
        )
    first = results[0]
    for other in results[1:]:
        exits = other.n_exits - first.n_exits
        cyc = other.switch_cyc - first.switch_cyc
        lines.append(
            f"  {other.policy} against {first.policy}: {exits:+d} exits, {cyc:+d} "
            f"world-switch cycles ({cyc / max(1, first.n_exits):+.1f} an exit). "
            "The difference is in what an exit costs, not in how many there are."
        )
    return "\n".join(lines)
