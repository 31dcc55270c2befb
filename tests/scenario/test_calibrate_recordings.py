"""Recordings beside a micro-bench log: what they add to a fit, and what they cannot."""

import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from pyemu import costs
from pyemu.cli import main
from pyemu.costing.calibrate import calibrate
from pyemu.costing.leave_one_out import INPUTS
from pyemu.costing.microbench import rows_ns
from pyemu.costing.operations import Setting, measure_cyc
from pyemu.costing.parameters import PARAMETERS, scaled
from pyemu.costing.spans import Span, Spans, from_trace
from pyemu.costing.traced import TRACED, traced_cyc
from pyemu.trace.shipped import shipped_recording

BASE = "n1-altra-gicv3"
FACTORS = dict(zip(PARAMETERS, (1.4, 1.7, 1.2, 0.9, 1.3, 1.5, 0.8, 1.3), strict=True))
RECORD_NS = 300.0
# The recorded host's kvm-unit-tests: tracepoints in the kernel, none written.
LOG = "hvc 1 1573\nmmio_read_user 1 8754\nmmio_read_vgic 1 2838\n"


@pytest.fixture(scope="module")
def hidden():
    """A machine that is N1 with every group scaled by a known factor."""
    base = costs.get(BASE)
    logs = np.log([FACTORS[name] for name in PARAMETERS])
    return Setting(base, "v6.12", "v3", True, scaled(base, "v3", True, logs))


def spans_of(setting, kinds=tuple(TRACED)):
    """What an exact tracer would have recorded there, its records' cost in it."""
    rows = []
    for kind in kinds:
        pair = traced_cyc(kind, setting)
        for run, cyc in zip((False, True), pair, strict=True):
            n = 1.0 if run else 3.0
            ns = cyc * 1e9 / setting.model.cpu_hz + n * RECORD_NS
            if cyc:
                rows.append(Span(kind, run, ns, 0.03, n, 1000, "ftrace"))
    return Spans(rows, {"ftrace": (650.0, 0.7)})


@pytest.mark.parametrize("policy", ["eager", "lazy", "v6.12"])
@pytest.mark.parametrize("vhe", [False, True])
def test_the_two_spans_of_an_exit_are_all_of_it(policy, vhe):
    """Exit to entry and entry to exit add up to a turn, but for its guest code."""
    setting = Setting("icount", policy, "v3", vhe)
    for kind, row in (("HVC64", "hvc"), ("DABT_LOW/user", "mmio_read_user")):
        out, run = traced_cyc(kind, setting)
        assert out > 0 and run > 0
        assert out + run == pytest.approx(measure_cyc(row, setting, 64), abs=2)


def test_eager_takes_no_interrupt_of_the_timer():
    assert traced_cyc("IRQ/vtimer", Setting("icount", "eager", "v3", False)) == (0, 0)
    assert traced_cyc("IRQ/vtimer", Setting("icount", "lazy", "v3", False))[0] > 500


def test_a_recording_tells_the_interrupt_path(hidden):
    """Without timer_10ms the log leaves it open; a recording of ticks does not."""
    log = rows_ns(hidden, INPUTS)
    k = PARAMETERS.index("interrupt")
    bare = calibrate(log, policy="v6.12", base=BASE)
    more = calibrate(log, policy="v6.12", base=BASE, spans=spans_of(hidden))
    assert not bare.parameters[k].identified
    assert more.parameters[k].identified
    assert more.parameters[k].by == "IRQ/vtimer exit to entry (ftrace)"
    assert more.parameters[k].factor == pytest.approx(FACTORS["interrupt"], rel=0.15)
    assert more.fit.log_sd[k] < bare.fit.log_sd[k] / 1.5
    for group in more.parameters:
        if group.identified and group.name != "guest_gic":
            assert group.factor == pytest.approx(FACTORS[group.name], rel=0.15)


def test_the_cost_of_a_record_is_found(hidden):
    """First guess 650 ns, wide; really 300: rows of one and of three records tell."""
    one = calibrate(
        rows_ns(hidden, INPUTS), policy="v6.12", base=BASE, spans=spans_of(hidden)
    )
    ns, low, high = one.fit.record_ns["ftrace"]
    assert ns == pytest.approx(RECORD_NS, rel=0.1)
    assert low < RECORD_NS < high
    for name, emulated in one.fit.span_ns().items():
        measured = {row.name: row.ns for row in one.fit.spans}[name]
        assert emulated == pytest.approx(measured, rel=0.05), name


def test_rows_a_policy_never_comes_by_are_left_out(hidden):
    eager = replace(hidden, policy="eager", vhe=False)
    one = calibrate(
        rows_ns(eager, INPUTS),
        **{"policy": "eager", "vhe": False, "base": BASE},
        spans=spans_of(hidden, ("HVC64", "IRQ/vtimer")),
    )
    words = one.unused["IRQ/vtimer exit to entry (ftrace)"]
    assert "takes no such interrupt" in words
    assert all(row.kind == "HVC64" for row in one.fit.spans)


def test_a_real_recording_gives_rows_and_says_what_it_cannot_tell():
    """A Linux guest's boot on 6.1: its own work, and page faults, are in most runs."""
    got = from_trace(shipped_recording("lx_boot_1v").load())
    rows = {one.name: one for one in got.rows}
    assert set(rows) == {
        "DABT_LOW/user exit to entry (ftrace)",
        "DABT_LOW/gic exit to entry (ftrace)",
        "HVC64 exit to entry (ftrace)",
        "IRQ/vtimer exit to entry (ftrace)",
    }
    hvc = rows["HVC64 exit to entry (ftrace)"]
    assert hvc.records == 2  # kvm_exit, kvm_hvc_arm64
    assert 300 < hvc.ns - 2 * got.record_ns["ftrace"][0] < 1500
    assert "page fault" in got.unused["DABT_LOW/stage2 (ftrace)"]
    assert "own work" in got.unused["HVC64 run (ftrace)"]
    assert "sleep" in got.unused["WFx (ftrace)"]


def test_the_command_takes_both(tmp_path, capsys):
    """The recorded host's log, its boot trace, and a table in perf's format."""
    log, perf, trace = (tmp_path / name for name in ("k.log", "perf.txt", "boot.gz"))
    log.write_text(LOG)
    perf.write_text(
        "VM-EXIT Samples Samples% Time% Min Time Max Time Avg time\n"
        "HVC64 65536 100.00% 100.00% 1.28us 9.90us 1.30us ( +- 0.05% )\n"
        "Total Samples:65536, Total events handled time:85196.80us.\n"
    )
    folder = resources.files("pyemu")
    trace.write_bytes((folder / "data/recordings/lx_boot_1v.trace.gz").read_bytes())
    out = tmp_path / "mine.toml"
    argv = [str(log), str(trace), str(perf), "--policy", "v6.1", "--base", "icount"]
    assert main(["calibrate", *argv, "-o", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "HVC64 run (perf)" in found["spans"]
    assert 400 < found["record_ns"]["ftrace"]["ns"] < 900
    for name, row in found["spans"].items():
        assert row["emulated"] == pytest.approx(row["measured"], rel=0.25), name
    assert "WFx (ftrace)" in found["unused"]
    source = costs.get(out).costs["trap"].source
    assert "boot.gz" in source and "perf.txt" in source
