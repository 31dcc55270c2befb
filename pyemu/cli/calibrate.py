"""``pyemu calibrate``: a profile from the log of a real micro-bench."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..costing import leave_one_out, profile_toml
from ..costing.benchlog import BenchLog, read_log
from ..costing.calibrate import Calibration, calibrate
from ..costing.fit import NOISE
from ..costing.operations import HARNESSES, MICROBENCH
from ..costing.recordings import read_recordings
from ..costing.spans import PERF_TIMES, Spans
from ..errors import ConfigError, unknown_name
from ..policy import load_policy
from ..progress import stages
from ..summary import align
from ..units import parse_int
from .microbench import add_machine
from .options import print_json

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("calibrate", help="fit a profile to a micro-bench log")
    add = parser.add_argument
    add(
        "log", nargs="?", metavar="LOG", help="what kvm-unit-tests' micro-bench printed"
    )
    add(
        "recordings",
        nargs="*",
        metavar="RECORDING",
        help="of the same machine: perf kvm stat report, ftrace text (one of each)",
    )
    add("--perf-times", choices=PERF_TIMES, help="what perf's table times (guest)")
    add("-o", "--output", metavar="FILE", help="write the profile (TOML)")
    add_machine(parser)
    add("--harness", choices=HARNESSES, default="lean", help="turn of its loop (lean)")
    add("--base", metavar="P", help="profile to scale (the nearest)")
    add("--name", help="name of the new profile (the file's)")
    add("--run", metavar="N", help="which run, if the log holds several")
    add("--ignore", metavar="ROW", action="append", default=[], help="leave a row out")
    add("--cpu-hz", metavar="HZ", help="the machine's CPU clock")
    add("--cntfrq-hz", metavar="HZ", help="its counter, if the log does not say")
    add("--leave-one-out", action="store_true", help="predict each published machine")
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """Fit and report; return the exit code."""
    if args.leave_one_out:
        if args.log or args.output:
            words = "no LOG and no -o beside --leave-one-out"
            raise ConfigError("calibrate", args.log or args.output, words)
        found = leave_one_out.left_out(stages("leave-one-out"))
        if args.json:
            print_json({"schema": 1, "machines": [one.to_json() for one in found]})
        else:
            print(leave_one_out.table(found))
        return 0
    if not args.log:
        raise ConfigError("calibrate LOG", None, "a micro-bench log")
    for row in args.ignore:
        if row not in MICROBENCH:
            raise unknown_name("--ignore", row, MICROBENCH)
    cpu_hz = parse_int("--cpu-hz", args.cpu_hz) if args.cpu_hz else 0
    log = read_log(
        args.log,
        run=parse_int("--run", args.run) if args.run else None,
        cntfrq_hz=parse_int("--cntfrq-hz", args.cntfrq_hz) if args.cntfrq_hz else 0,
        cpu_hz=cpu_hz,
        ignore=tuple(args.ignore),
    )
    spans = read_recordings(args.recordings, args.perf_times or "guest")
    if args.perf_times and "perf" not in spans.record_ns:
        words = "a table of perf kvm stat among the recordings"
        raise ConfigError("--perf-times", args.perf_times, words)
    one = _fit(args, log, spans, cpu_hz)
    if args.output:
        profile_toml.save(one.model, args.output)
    if args.json:
        more = {"ignored": log.ignored, "profile": args.output}
        print_json({"schema": 1, **one.to_json(), **more})
    else:
        print(_report(one, log))
        if args.output:
            print(f"\nwritten: {args.output}")
    return 0


def _fit(
    args: argparse.Namespace, log: BenchLog, spans: Spans, cpu_hz: int
) -> Calibration:
    gic = args.gic or "v3"
    show = stages("calibrate")
    if show is not None:
        show("runs of the operations")
    return calibrate(
        log.rows_ns,
        policy=load_policy(args.policy),
        gic=gic,
        vhe=gic == "v3" if args.vhe is None else args.vhe,
        harness=args.harness,
        base=args.base,
        name=args.name or Path(args.output or args.log).stem,
        what=" and ".join(
            [f"micro-bench log {Path(args.log).name}"]
            + [Path(path).name for path in args.recordings]
        ),
        cpu_hz=cpu_hz,
        cntfrq_hz=log.cntfrq_hz,
        spans=spans,
    )


def _report(one: Calibration, log: BenchLog) -> str:
    mode = "VHE" if one.model.vhe else "nVHE"
    policy = one.fit.setting.policy
    name = policy if isinstance(policy, str) else policy.name
    rows = [["row", "log ns", "emulated ns", "90 %", ""]]
    for row, (ns, low, high) in one.rows_ns.items():
        measured = one.fit.measured_ns.get(row)
        if measured is None:
            rows.append(
                [row, "-", f"{ns:,.1f}", f"{low:,.0f} - {high:,.0f}", "predicted"]
            )
        else:
            off = f"fitted, {100 * (ns / measured - 1):+.1f} %"
            rows.append([row, f"{measured:,.1f}", f"{ns:,.1f}", "", off])
    emulated = one.fit.span_ns()
    for span in one.fit.spans:
        off = f"fitted, {100 * (emulated[span.name] / span.ns - 1):+.1f} %"
        figures = [f"{span.ns:,.1f}", f"{emulated[span.name]:,.1f}"]
        rows.append([span.name, *figures, "", off])
    groups = [["group", "factor", "90 %", "identified by", ""]]
    for group in one.parameters:
        wide = f"{group.low:.2f} - {group.high:.2f}"
        by = group.by if group.identified else f"no: {group.by} would tell"
        if group.by == "no row":
            by = "no: no row of micro-bench tells"
        groups.append([group.name, f"{group.factor:.2f}", wide, by, group.about])
    lines = [
        f"base: {one.base}, under {name}, GIC{one.model.gic} {mode}",
        f"prior: {one.fit.prior.words}",
        *("", align(rows), "", align(groups)),
    ]
    for row, measured in one.fit.measured_ns.items():
        miss = one.rows_ns[row][0] / measured - 1
        if row != "eoi" and abs(miss) > 3 * NOISE[row]:
            words = "the model cannot make it agree with the other rows"
            lines.append(f"{row}: off by {100 * miss:+.0f} %, {words}")
    for tracer, (ns, low, high) in one.fit.record_ns.items():
        lines.append(f"{tracer}: a record cost {ns:.0f} ns ({low:.0f} to {high:.0f})")
    for span in one.fit.spans:
        miss = emulated[span.name] / span.ns - 1
        if abs(miss) > 3 * span.noise:
            words = "the model cannot make it agree with the other rows"
            lines.append(f"{span.name}: off by {100 * miss:+.0f} %, {words}")
    for row, why in {**log.ignored, **one.unused}.items():
        lines.append(f"{row}: not used ({why or 'no value'})")
    return "\n".join(lines)
