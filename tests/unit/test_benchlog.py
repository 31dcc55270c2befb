"""What a micro-bench log may say, and how one that cannot be used is refused."""

import pytest

from pyemu.cli import main
from pyemu.costing.benchlog import read_log
from pyemu.errors import TraceError

HEAD = (
    "Timer Frequency 25000000 Hz (Output in microseconds)\n\n"
    "name              total ns            avg ns\n" + "-" * 50 + "\n"
)
ROWS = {
    "hvc": 306,
    "mmio_read_user": 1683,
    "mmio_read_vgic": 451,
    "eoi": 14,
    "ipi": 1926,
    "timer_10ms": 902,
}


def text(rows=ROWS, head=HEAD):
    return head + "".join(
        f"{k}   {v * 65536.0}   {float(v)}\n" for k, v in rows.items()
    )


@pytest.fixture
def log(tmp_path):
    def write(content):
        path = tmp_path / "bench.log"
        path.write_text(content)
        return str(path)

    return write


def test_a_log_as_the_test_prints_it(log):
    """hyp_call is hvc; rows without a value are named, never used."""
    said = (
        text().replace("hvc ", "hyp_call ") + "ipi_hw test skipped\nlpi test skipped\n"
    )
    got = read_log(log(said + "EXIT: STATUS=1\n"))
    assert got.rows_ns == ROWS
    assert got.cntfrq_hz == 25_000_000
    assert got.ignored == {"ipi_hw": "test skipped", "lpi": "test skipped"}


def test_a_measured_lpi_is_not_modelled(log):
    got = read_log(log(text({**ROWS, "lpi": 2179})))
    assert "lpi" not in got.rows_ns
    assert got.ignored == {"lpi": "not modelled"}


def test_ticks_become_ns_by_the_counter(log):
    """25 MHz: 40 ns a tick. Without the frequency the log means nothing."""
    rows = {"hvc": 8, "mmio_read_vgic": 11}
    ticks = text(rows, HEAD.replace(" ns", " ticks"))
    assert read_log(log(ticks)).rows_ns == {"hvc": 320, "mmio_read_vgic": 440}
    bare = "\n".join(line for line in ticks.splitlines() if "Frequency" not in line)
    with pytest.raises(TraceError, match=r"averages in ticks.*--cntfrq-hz"):
        read_log(log(bare))
    assert read_log(log(bare), cntfrq_hz=10**8).rows_ns["hvc"] == 80


@pytest.mark.parametrize(
    ("head", "ns"),
    [
        ("name  total ticks  avg(ticks)\n", 320),
        ("name  total ns  avg us\n", 8000),
        ("INFO: micro-bench: name  total (ns)  avg (ns)\n", 8),
    ],
)
def test_units_stand_in_the_header(log, head, ns):
    said = f"Timer Frequency 25000000 Hz\n{head}hvc 80.0 8.0\n"
    assert read_log(log(said)).rows_ns == {"hvc": ns}


def test_a_header_without_a_unit_is_refused(log):
    with pytest.raises(TraceError, match="log:1: a header without a unit"):
        read_log(log("name  total  avg\nhvc 80.0 8.0\n"))


def test_two_runs_are_told_apart(log):
    second = {name: value * 2 for name, value in ROWS.items()}
    path = log(text() + text(second))
    with pytest.raises(TraceError, match=r"bench.log:1[0-9]: holds 2 runs.*--run"):
        read_log(path)
    assert read_log(path, run=1).rows_ns == ROWS
    assert read_log(path, run=2).rows_ns == second
    with pytest.raises(TraceError, match="no run 3: it holds 2"):
        read_log(path, run=3)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"hvc": 0}, r":5: hvc took 0: it was not measured; .*--ignore hvc"),
        ({**ROWS, "eoi": 0}, "eoi took 0"),
        ({"hvc": 10**9}, "from 0.5 ns to 10 ms"),
        ({**ROWS, "timer_10ms": 10_000_902}, "the 10 ms themselves taken off"),
        ({**ROWS, "mmio_read_user": 100}, "less than the hypercall's 306"),
        ({**ROWS, "mmio_read_vgic": 200}, "less than the hypercall's 306"),
        ({**ROWS, "eoi": 400}, "eoi = 400 ns is more than a hypercall"),
        ({"hvc": float("nan")}, "nan is no time"),
        ({"hvc": float("inf")}, "inf is no time"),
        ({"hvc": -3}, "-3.0 is no time"),
        ({}, "no row of micro-bench"),
    ],
)
def test_absurd_logs_are_refused_by_name(log, rows, words):
    with pytest.raises(TraceError, match=words):
        read_log(log(text(rows)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("  VM-EXIT    Samples  Samples%\n  WFx  601194  93%\n", "perf kvm stat"),
        ("vcpu0-1 [000] 1.000001: kvm_entry: PC: 0x0\n", "an ftrace recording"),
    ],
)
def test_other_records_of_a_machine_are_named(log, content, words):
    with pytest.raises(TraceError, match=f"{words}.*needed is a micro-bench log"):
        read_log(log(content))


def test_rows_can_be_left_out(log):
    got = read_log(log(text({**ROWS, "eoi": 0})), ignore=("eoi",))
    assert "eoi" not in got.rows_ns
    assert got.ignored["eoi"] == "left out"


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"\xff\xfe hello\n", b"hvc\n"])
def test_what_is_no_log_is_refused(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(TraceError):
        read_log(str(path))
    with pytest.raises(TraceError, match="no readable log"):
        read_log(str(tmp_path / "missing"))
    with pytest.raises(TraceError, match="no readable log"):
        read_log(str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ([], 2, "a micro-bench log"),
        (["no-such.log"], 3, "no readable log"),
        (["LOG", "--policy", "v7.3"], 2, "policy"),
        (["LOG", "--base", "n1-altra"], 2, "did you mean"),
        (["LOG", "--ignore", "hcv"], 2, "did you mean 'hvc'"),
        (["LOG", "--cpu-hz", "fast"], 2, "--cpu-hz"),
        (["LOG", "-o", "/no/such/folder/x.toml"], 2, "a writable file"),
        (["EOI"], 3, "no parameter can be identified from eoi: needed is hvc"),
        (["LOG", "--leave-one-out"], 2, "no LOG"),
    ],
)
def test_the_command_names_what_is_wrong(tmp_path, capsys, argv, code, words):
    (tmp_path / "LOG").write_text(text({"hvc": 306}))
    (tmp_path / "EOI").write_text(text({"eoi": 14}))
    argv = [str(tmp_path / one) if one in ("LOG", "EOI") else one for one in argv]
    assert main(["calibrate", *argv]) == code
    assert words in capsys.readouterr().err
