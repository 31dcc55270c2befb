"""What no trace is, is refused by name and line; a gap is never bridged."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyemu.errors import ConfigError, PyemuError, TraceError
from pyemu.trace import read_trace

_MAKE = Path(__file__).parent / "traces" / "make.py"
_spec = importlib.util.spec_from_file_location("trace_bad_make", _MAKE)
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

GOOD = make.render("ftrace5")


def read(text, **options):
    stream = io.BytesIO(text) if isinstance(text, bytes) else io.StringIO(text)
    return read_trace(stream, **options)


@pytest.mark.parametrize("text", ["", "\n\n", "   \n"])
def test_an_empty_file_is_refused(text):
    with pytest.raises(TraceError, match="empty"):
        read(text)


def test_a_foreign_file_names_its_first_line():
    with pytest.raises(TraceError, match="not a trace") as info:
        read("#!/bin/sh\n\necho hello\n")
    assert info.value.line == 3


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x17\x08Dtracing6\0", "trace-cmd report"),
        (b"PERFILE2\0\0", "perf script"),
        (b"\x28\xb5\x2f\xfdxx", "zstd"),
    ],
)
def test_binary_formats_say_how_to_convert(start, words):
    with pytest.raises(TraceError, match=words):
        read(start)


def test_a_header_without_records_is_refused():
    with pytest.raises(TraceError, match="only a header"):
        read("# tracer: nop\n#\n")


def test_a_trace_without_kvm_is_refused():
    line = "bash-1 [000] d.... 1.000001: sched_wakeup: comm=a pid=2 prio=1\n"
    with pytest.raises(TraceError, match="no kvm_entry"):
        read(line)


@pytest.mark.parametrize("cut", [200, 2000, 5000])
def test_a_truncated_gzip_is_refused(cut):
    packed = gzip.compress(GOOD.encode() * 20)
    with pytest.raises(TraceError, match=r"truncated|damaged"):
        read(packed[: len(packed) - min(cut, len(packed) - 30)])


def test_a_damaged_gzip_is_refused():
    packed = bytearray(gzip.compress(GOOD.encode()))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(TraceError, match=r"damaged|truncated"):
        read(bytes(packed))


def test_a_file_cut_inside_a_line_is_refused_with_its_line():
    text = make.render("perf-us")
    cut = text.rindex("[001]") + 8
    with pytest.raises(TraceError, match="truncated") as info:
        read(text[:cut])
    assert info.value.line == text[:cut].count("\n") + 1


def test_fewer_records_than_the_header_promises_is_refused():
    lines = GOOD.splitlines(keepends=True)
    with pytest.raises(TraceError, match="header promises"):
        read("".join(lines[:-3]))


def test_overwritten_records_are_named():
    n = GOOD.split("entries-written: ")[1].split("/")[0]
    rec = read(GOOD.replace(f"{n}/{n}", f"{n}/{int(n) + 50}"))
    assert any(i.code == "lost-events" and "50 of" in i.text for i in rec.issues)


def _with(line: str, before: str) -> tuple[str, int]:
    lines = make.render("trace-cmd-t").splitlines(keepends=True)
    at = next(i for i, text in enumerate(lines) if before in text)
    return "".join([*lines[:at], line, *lines[at:]]), at + 1


@pytest.mark.parametrize(
    "line", ["CPU:1 [LOST 345 EVENTS]\n", "CPU:1 [345 EVENTS DROPPED]\n"]
)
def test_lost_events_end_a_stretch_and_nothing_crosses_it(line):
    text, number = _with(line, "kvm_wfx_arm64")
    rec = read(text)
    lost = [i for i in rec.issues if i.code == "lost-events"]
    assert [i.line for i in lost] == [number]
    assert "345" in lost[0].text
    stretches = [seg.stretch for seg in rec.vcpus[0].segments]
    assert stretches == sorted(stretches)
    assert len(set(stretches)) == 2
    last = [seg for seg in rec.vcpus[0].segments if seg.stretch == 0][-1]
    assert last.next_ns is None


def test_lost_events_of_another_cpu_do_not_matter():
    text, _ = _with("CPU:0 [LOST 3 EVENTS]\n", "kvm_wfx_arm64")
    assert {seg.stretch for seg in read(text).vcpus[0].segments} == {0}


def test_time_running_backwards_is_named_and_ends_a_stretch():
    line = "       CPU 0/KVM-71    [001]  4.000000000: kvm_wfx_arm64: x\n"
    text, number = _with(line, "name=kvm guest vtimer")
    rec = read(text)
    found = [i for i in rec.issues if i.code == "time-backwards"]
    assert [i.line for i in found] == [number]
    assert len({seg.stretch for seg in rec.vcpus[0].segments}) == 2
    assert all(seg.guest_ns >= 0 for seg in rec.vcpus[0].segments)


@pytest.mark.parametrize("missing", ["kvm_exit: TRAP: HSR_EC: 0x0024", "kvm_entry"])
def test_a_missing_entry_or_exit_is_a_gap_with_its_line(missing):
    lines = make.render("trace-cmd-t").splitlines(keepends=True)
    hits = [i for i, line in enumerate(lines) if missing in line]
    del lines[hits[len(hits) // 2]]
    rec = read("".join(lines))
    gaps = [i for i in rec.issues if i.code == "gap"]
    assert len(gaps) == 1
    assert gaps[0].line is not None


def test_two_vms_are_refused_and_a_map_chooses_one():
    text = make.render("trace-cmd-t")
    other = text.replace("-71 ", "-99 ").replace("pid=71", "pid=99")
    other = other.replace("[001]", "[000]")
    both = text + other.replace("cpus=2\n", "")
    with pytest.raises(TraceError, match="71 and 99 both run vCPU 0"):
        read(both)
    assert read(both, vcpu_map={99: 0}).n_exits == 6


def test_an_unknown_vcpu_thread_asks_for_a_map():
    lines = [
        "foo-1 [000] 1.000000001: kvm_entry: PC: 0x1",
        "foo-1 [000] 1.000000901: kvm_exit: TRAP: HSR_EC: 0x0016 (HVC64), PC: 0x1",
        "bar-2 [001] 1.000001001: kvm_entry: PC: 0x1",
        "bar-2 [001] 1.000001901: kvm_exit: TRAP: HSR_EC: 0x0016 (HVC64), PC: 0x1",
    ]
    text = "\n".join(lines) + "\n"
    with pytest.raises(TraceError, match="vcpu_map"):
        read(text)
    assert set(read(text, vcpu_map={1: 0, 2: 1}).vcpus) == {0, 1}


def test_counters_at_their_end_are_no_deadline():
    text = make.render("trace-cmd-t").replace("0xf424", "0xffffffffffffffff")
    rec = read(text, cntfrq_hz=62_500_000)
    assert rec.k.ns == make.T0
    assert rec.n_exits == 6
    assert len(rec.to_workload().programs) == 1


def test_a_clock_at_2_64_does_not_overflow():
    shift = 2**64 - 1 - 10**9
    out = []
    for line in make.render("integer").splitlines():
        head, rest = line.split(".... ", 1)
        stamp, tail = rest.split(":", 1)
        out.append(f"{head}.... {int(stamp) - make.T0 + shift}:{tail}")
    rec = read("\n".join(out) + "\n", cntfrq_hz=62_500_000)
    assert rec.guest.raw_ns == 1_030_000


def test_a_span_that_does_not_fit_is_refused():
    lines = make.render("integer").splitlines()
    head = lines[-1].split(".... ")[0]
    far = 2**63
    lines += [
        f"{head}.... {far}: kvm_entry: PC: 0x1",
        f"{head}.... {far + 10}: kvm_exit: TRAP: HSR_EC: 0x0016 (HVC64), PC: 0x1",
    ]
    rec = read("\n".join(lines) + "\n", cntfrq_hz=62_500_000)
    with pytest.raises(TraceError, match="does not fit"):
        rec.to_workload()


def test_a_recording_without_counter_rate_cannot_be_replayed():
    text = "\n".join(
        [
            "vcpu0-1 [000] 1.000000001: kvm_entry: PC: 0x1",
            "vcpu0-1 [000] 1.000000901: kvm_exit: TRAP: HSR_EC: 0x0016 (HVC64), PC: 1",
            "",
        ]
    )
    rec = read(text)
    assert {"cntfrq-unknown", "no-timer-state"} <= {i.code for i in rec.issues}
    with pytest.raises(TraceError, match="cntfrq_hz"):
        rec.to_workload()
    assert len(read(text, cntfrq_hz=10**9).to_workload().programs) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"gic": "v5"},
        {"cpu_hz": 0},
        {"cpu_hz": 2.5},
        {"cntfrq_hz": -1},
        {"overhead": "some"},
        {"overhead": -1},
        {"overhead": True},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError):
        read(GOOD, **options)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="mode"):
        read(GOOD).to_workload("both")


def test_a_missing_file_and_a_wrong_type_are_refused():
    with pytest.raises(TraceError, match="No such file"):
        read_trace("/nonexistent/trace.txt")
    with pytest.raises(TraceError, match="expected a path"):
        read_trace(42)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_give_an_error_of_ours(data):
    with contextlib.suppress(PyemuError):
        read(data)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 60),
    st.text(max_size=20),
    st.booleans(),
)
def test_a_mutated_trace_is_read_or_refused_never_worse(at, length, text, header):
    body = GOOD[:at] + text + GOOD[at + length :]
    if header:
        body = "\n".join(s for s in body.split("\n") if not s.startswith("#"))
    with contextlib.suppress(PyemuError):
        rec = read(body, cntfrq_hz=62_500_000)
        rec.report()
        for mode in ("corrected", "as-recorded"):
            work = rec.to_workload(mode)
            assert all(int(table.min()) > 0 for table in work.tables)
