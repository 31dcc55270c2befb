"""The table of perf kvm stat: read, or refused by line and field."""

import pytest

from pyemu.cli import main
from pyemu.costing.perfstat import read_table
from pyemu.costing.recordings import read_recordings
from pyemu.costing.spans import from_perf
from pyemu.errors import TraceError

# As mainline perf prints it beside a run of micro-bench.
TABLE = """
Analyze events for all VMs, all VCPUs:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

               HVC64      65536    49.50%     9.10%      0.25us     11.20us      0.27us ( +-   0.05% )
            DABT_LOW      65600    49.55%     9.30%      0.25us     12.34us      0.28us ( +-   0.06% )
                 IRQ       1200     0.91%    81.50%      0.31us   9998.10us    132.10us ( +-   9.11% )
                 WFx         64     0.05%     0.10%      1.20us     20.30us      3.10us ( +-   7.00% )

Total Samples:132400, Total events handled time:194514.26us.

"""  # noqa: E501
HVC = "65536    49.50%     9.10%      0.25us     11.20us      0.27us"


def test_a_table_as_perf_prints_it():
    rows = {row.reason: row for row in read_table("x", TABLE)}
    assert list(rows) == ["HVC64", "DABT_LOW", "IRQ", "WFx"]
    hvc = rows["HVC64"]
    assert (hvc.samples, hvc.low_us, hvc.high_us) == (65536, 0.25, 11.2)
    assert (hvc.mean_us, hvc.line) == (0.27, 6)


def test_guest_times_hold_the_switch_where_runs_are_alike():
    """kvm_entry to kvm_exit: a loop's runs are one like the other, others are not."""
    got = from_perf(read_table("x", TABLE))
    assert [one.name for one in got.rows] == [
        "HVC64 run (perf)",
        "DABT_LOW/gic run (perf)",
    ]
    assert all(one.run and one.records == 1 for one in got.rows)
    assert set(got.unused) == {"IRQ (perf)", "WFx (perf)"}
    mixed = read_table("x", TABLE.replace("11.20us      0.27us", "11.20us      6.27us"))
    assert "the guest's own work" in from_perf(mixed).unused["HVC64 (perf)"]


def test_host_times_say_what_a_hypercall_takes():
    """kvm_exit to kvm_entry: only a hypercall is one kind of work."""
    got = from_perf(read_table("x", TABLE), "host")
    assert [one.name for one in got.rows] == ["HVC64 exit to entry (perf)"]
    assert "mixes user space" in got.unused["DABT_LOW (perf)"]
    assert "sleep" in got.unused["WFx (perf)"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (HVC, HVC.replace("65536", "many"), ":6: Samples = 'many': expected a whole"),
        (HVC, HVC.replace("65536", "0"), ":6: Samples = 0: from 1"),
        (HVC, HVC.replace("49.50%", "49.50"), ":6: Samples% = '49.50': expected"),
        (HVC, HVC.replace("9.10%", "910.0%"), ":6: Time% = 910.0%: from 0"),
        (HVC, HVC.replace("0.25us", "0.25ms"), ":6: Min Time = '0.25ms': expected"),
        (HVC, HVC.replace("0.25us", "nanus"), ":6: Min Time = 'nanus'"),
        (HVC, HVC.replace("11.20us", "-1us"), ":6: Max Time = '-1us'"),
        (HVC, HVC.replace("0.27us", "99.00us"), ":6: Avg time = 99us: outside Min"),
        (HVC, "65536", ":6: 2 fields: expected a reason"),
        ("  HVC64", "  64HVC", ":6: VM-EXIT = '64HVC': an exit reason"),
        ("WFx", "IRQ", ":9: VM-EXIT = IRQ: twice"),
        ("Total Samples:132400", "Total Samples:132401", ":11: .*one is missing"),
        ("Total Samples:132400", "Total Samples:x", ":11: Samples = 'x'"),
        (TABLE[TABLE.index("Total") :], "", ":9: cut off: no line 'Total Samples:'"),
        ("VM-EXIT ", "Event ", "no table with VM-EXIT"),
    ],
)
def test_bad_tables_are_refused_by_line_and_field(old, new, words):
    assert old in TABLE
    with pytest.raises(TraceError, match=words):
        read_table("x", TABLE.replace(old, new))


def test_one_recording_of_each_sort(tmp_path):
    path = tmp_path / "perf.txt"
    path.write_text(TABLE)
    with pytest.raises(TraceError, match="a second perf recording beside"):
        read_recordings([str(path), str(path)])
    (tmp_path / "both").write_text(TABLE + TABLE)
    with pytest.raises(TraceError, match=":16: a second table"):
        read_recordings([str(tmp_path / "both")])
    (tmp_path / "other").write_text("hello\n")
    with pytest.raises(TraceError, match="neither a table of perf kvm stat"):
        read_recordings([str(tmp_path / "other")])
    with pytest.raises(TraceError, match="no readable file"):
        read_recordings([str(tmp_path / "none")])


def test_the_command_needs_a_table_for_its_option(tmp_path, capsys):
    log = tmp_path / "log"
    log.write_text("hvc 1.0 306.0\n")
    assert main(["calibrate", str(log), "--perf-times", "host"]) == 2
    assert "a table of perf kvm stat" in capsys.readouterr().err
