"""Rules of results: names, sums, percentiles, saving, and every way to print one."""

import json

import numpy as np
import pytest

from pyemu import _ffi, report
from pyemu.collect import KVM_NAMES, guard_text, primitive_names
from pyemu.comparison import Comparison, metric
from pyemu.errors import ConfigError, TraceError
from pyemu.explain import explain, rows
from pyemu.policy.prims import PRIMS
from pyemu.result import REASONS, Histogram, Result

COUNTERS = [
    KVM_NAMES.get(name, name)
    for name in _ffi.enum("counter", "PYEMU_C_")
    if name != "count"
]


def make(policy="lazy", hvc=4, ctl_writes=8):
    """Return a result made by hand: hvc HVC exits and one vtimer exit."""
    n = len(REASONS)
    lows = _ffi.hist_lows()
    count = np.zeros(n, dtype="u8")
    count[REASONS.index("HVC64")], count[0] = hvc, 1
    hist = np.zeros((2 + 2 * n, lows.size), dtype="u8")
    hist[0][100] = 3
    vcpus = np.zeros(1, dtype=_ffi.dtype("vcpu_stats"))
    vcpus["guest_cyc"], vcpus["switch_cyc"], vcpus["handling_cyc"] = 1000, 50, 20
    vcpus["exits"][0] = count
    prim_count = np.zeros(len(PRIMS), dtype="u8")
    prim_count[PRIMS["cntv_ctl_w0"].index] = ctl_writes
    prim_count[PRIMS["g_insn"].index] = 5
    counters = np.arange(len(COUNTERS) + 1, dtype="u8")
    meta = {
        "input": "demo",
        "policy": policy,
        "gic": "v3",
        "vhe": True,
        "seed": 0,
        "profile": "unit",
        "stop": "done",
        "host_s": 0.5,
        "cpu_hz": 10**9,
        "counter_names": [*COUNTERS, "exits"],
        "hook_names": ["enter", "abort"],
        "steps": [[PRIMS["cntv_ctl_w0"].index, 1, 1, 0]],
        "guards": ["", "loaded"],
        **primitive_names(),
    }
    arrays = {
        "reason_count": count,
        "reason_handled": count,
        "reason_guest_cyc": count * np.uint64(200),
        "reason_handling_cyc": count * np.uint64(14),
        "reason_min_cyc": np.where(count > 0, 10, 0).astype("u8"),
        "reason_max_cyc": np.where(count > 0, 30, 0).astype("u8"),
        "hist": hist,
        "hist_low_cyc": lows,
        "prim_count": prim_count,
        "step_count": np.array([ctl_writes], dtype="u8"),
        "cost_cyc": np.full(len(PRIMS), 3, dtype="u4"),
        "counters": counters,
        "vcpus": vcpus,
        "pcpus": np.zeros(1, dtype=_ffi.dtype("pcpu_stats")),
    }
    return Result(meta, arrays)


def test_totals_and_names():
    """EPMC is exits per million guest cycles; exits add up; ops sum primitives."""
    res = make()
    assert res.n_exits == 5 == sum(res.exits.values())
    assert res.epmc == 5000.0
    assert res.exits["HVC64"] == 4
    assert res.exits["DABT_LOW"] == 0
    assert res.ops["cntv_ctl_w"] == 8
    assert res.components["timer"] == {"ops": 8, "cyc": 24}
    assert res.switch_cyc_per_exit == 10.0
    assert res.overhead == 0.07
    assert "hvc_exit_stat" in res.counters
    for name in (
        "guest_entries",
        "vcpu_load",
        "vcpu_put",
        "timer_block",
        "vgic_inject",
    ):
        assert name in res.counters


def test_reason_names_follow_the_core_s_order():
    """REASONS is enum pyemu_reason, one name each."""
    built = [name for name in _ffi.enum("reason", "PYEMU_X_") if name != "count"]
    plain = [name.lower().replace("/", "_") for name in REASONS]
    assert plain == built or len(plain) == len(built) == 14


def test_results_are_immutable():
    """Arrays are read-only, attributes frozen."""
    res = make()
    with pytest.raises(ValueError, match="read-only"):
        res.arrays["counters"][0] = 1
    with pytest.raises(AttributeError):
        res.meta = {}


def test_percentiles_are_upper_ends_of_buckets():
    """Exact below 32 cycles; none without samples; out of range refused."""
    lows = _ffi.hist_lows()
    counts = np.zeros(lows.size, dtype="u8")
    empty = Histogram(counts.copy(), lows)
    assert empty.p(50) is None
    counts[5], counts[7] = 99, 1
    hist = Histogram(counts, lows)
    assert hist.p(50, 99, 99.9, 100) == (5, 5, 7, 7)
    with pytest.raises(ConfigError):
        hist.p(101)
    with pytest.raises(ConfigError, match="did you mean 'HVC64'"):
        make().handling("HVC6")


def test_json_is_plain_and_complete():
    """One object a run, numbers as numbers, no NaN."""
    got = json.loads(json.dumps(make().to_json(), allow_nan=False))
    for key in ("input", "policy", "gic", "vhe", "epmc", "exits", "ops", "counters"):
        assert key in got
    assert got["ops"]["cntv_ctl_w"] == 8


def test_run_files_need_no_pickle(tmp_path):
    """What is saved loads equal; foreign and cut files are named errors."""
    res, path = make(), tmp_path / "run.npz"
    res.save(path)
    again = Result.load(path)
    assert again.to_json() == res.to_json()
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:200])
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", a=np.zeros(1))
    for name in ("cut.npz", "text.npz", "other.npz", "none.npz"):
        with pytest.raises(TraceError, match=name):
            Result.load(tmp_path / name)


def test_the_table_starts_with_perf_s_columns():
    """Names and order of perf kvm stat, then EPMC; both times are there."""
    text = str(make())
    assert text.startswith("Analyze events for all VMs, all VCPUs:")
    head = next(line for line in text.splitlines() if "VM-EXIT" in line)
    assert head.split()[:4] == ["VM-EXIT", "Samples", "Samples%", "EPMC"]
    assert "Avg guest(cyc)" in head
    assert "Total Samples:5, EPMC 5000.00" in text
    assert len(repr(make())) < 100


def test_perf_layout_has_perf_s_widths():
    """Twenty columns of name, microseconds, the totals line."""
    text = report.perf_compat(make())
    assert "             VM-EXIT    Samples  Samples%     Time%" in text
    assert "Total Samples:5, Total events handled time:1.00us." in text


def test_compare_shows_differences():
    """Baseline first; delta and by_reason give the numbers behind the table."""
    both = Comparison((make("eager", ctl_writes=16), make("lazy")))
    assert both.delta("cntv_ctl_w") == [0.0, -8.0]
    assert [one["count"] for one in both.by_reason("HVC64")] == [4, 4]
    assert both["lazy"].policy == "lazy"
    assert [run["policy"] for run in both.to_json()["runs"]] == ["eager", "lazy"]
    text = str(both)
    assert "cntv_ctl_w" in text
    assert "-50.00%" in text
    with pytest.raises(ConfigError, match="did you mean 'epmc'"):
        metric(make(), "epcm")
    with pytest.raises(ConfigError, match="reason"):
        both.by_reason("HVC")
    with pytest.raises(ConfigError, match="policy"):
        both["lasy"]
    with pytest.raises(ConfigError, match="at least one"):
        Comparison(())


def test_explain_names_primitive_place_and_cycles():
    """Steps by hook and guard; machine primitives beside; totals add up."""
    res = make()
    found = rows(res)
    assert [(row.where, row.primitive, row.cyc) for row in found] == [
        ("enter", "cntv_ctl_w0", 24),
        ("machine", "g_insn", 15),
    ]
    text = explain(res, "cntv_ctl_w")
    assert "8 operations, 24 cycles" in text
    assert "loaded" in text
    assert "5 exits" in explain(res, "epmc")
    assert "4 exits" in explain(res, "HVC64")
    for name in ("timer", "cntv_ctl_w0", "switch_cyc", "all", "isb"):
        assert explain(res, name)
    with pytest.raises(ConfigError, match="did you mean 'cntv_ctl_w'"):
        explain(res, "cntv_ctl_ww")


def test_profiles_by_reason_vcpu_and_pcpu():
    """Each view has rows; windows exist only for runs that took them."""
    res = make()
    for by in report.BY:
        assert report.profile_json(res, by)
        assert "EPMC overall" in report.profile(res, by)
    with pytest.raises(ConfigError, match="no windows"):
        report.profile_json(res, "window=1e6")
    for by in ("window=0", "window", "window=x", "vpcu"):
        with pytest.raises(ConfigError):
            report.profile_json(res, by)
    assert report.window_of("window=1e6") == 10**6


def test_csv_has_a_line_a_reason():
    """Header and every split reason."""
    lines = report.to_csv([make()]).splitlines()
    assert len(lines) == 1 + len(REASONS)


def test_guards_read_as_words():
    """Conjunction, negation, always."""
    assert guard_text(0, 0, 0) == ""
    assert guard_text(3, 2, 0) == "~enabled & loaded"
    assert guard_text(3, 3, 1) == "~(enabled & loaded)"
