"""Every line shape of every tool gives the same recording."""

from __future__ import annotations

import gzip
import importlib.util
import io
import sys
from collections import Counter
from pathlib import Path

import pytest

from pyemu.trace import read_trace

_MAKE = Path(__file__).parent / "traces" / "make.py"
_spec = importlib.util.spec_from_file_location("trace_shapes_make", _MAKE)
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)


def read(text: str, **options):
    return read_trace(io.StringIO(text), **options)


@pytest.mark.parametrize("shape", make.SHAPES)
def test_every_shape_gives_the_same_counts(shape):
    rec = read(make.render(shape))
    assert rec.exits == {"HVC64": 2, "WFx": 2, "IRQ": 1, "DABT_LOW": 1}
    assert rec.n_sleeps == 2
    assert (rec.n_loads, rec.n_puts, rec.n_user) == (4, 4, 2)
    assert Counter(e.where for e in rec.expiries) == {"asleep": 2, "guest": 1}
    assert rec.n_host_vtimer_irqs == 1
    assert rec.cntfrq_hz == 62_500_000
    assert rec.vhe is True
    assert rec.handler_rule == "inside"
    assert list(rec.vcpus) == [0]


@pytest.mark.parametrize("shape", make.SHAPES)
def test_every_shape_gives_the_same_guest_time(shape):
    """Guest runs are 50 + 2 * 20 + 900 + 30 + 10 us in every shape."""
    assert read(make.render(shape)).guest.raw_ns == 1_030_000


def test_deadlines_of_sleeps_are_exact_to_the_tick():
    rec = read(make.render("raw"))
    exact = [e for e in rec.expiries if e.where == "asleep"]
    assert [e.cval_ticks for e in exact] == [62_500, 162_500]
    assert [e.deadline_ns - make.T0 for e in exact] == [1_000_000, 2_600_000]
    assert rec.k.ns == make.T0
    assert rec.k.method == "sleeps"
    assert tuple(rec.arms) == (2, 1)


def test_six_digit_stamps_are_announced_and_nine_digit_ones_are_not():
    assert "resolution" in {i.code for i in read(make.render("ftrace5")).issues}
    assert "resolution" not in {i.code for i in read(make.render("perf-ns")).issues}


def test_gzip_plain_bytes_and_stdin_are_alike(tmp_path, monkeypatch):
    text = make.render("ftrace5").encode()
    plain, packed = tmp_path / "a.txt", tmp_path / "b"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    stdin = io.TextIOWrapper(io.BytesIO(text))
    monkeypatch.setattr(sys, "stdin", stdin)
    wanted = read(text.decode()).exits
    for source in (plain, str(packed), io.BytesIO(text), "-"):
        assert read_trace(source).exits == wanted


def test_a_handler_after_the_exit_is_used_only_if_the_whole_file_has_it_there():
    lines = make.render("trace-cmd-t").splitlines(keepends=True)
    at = next(i for i, s in enumerate(lines) if "name=kvm guest vtimer" in s)
    exit_at = next(i for i, s in enumerate(lines) if "kvm_exit" in s and "IRQ:" in s)
    block = lines[at:exit_at]
    moved = [*lines[:at], lines[exit_at], *block, *lines[exit_at + 1 :]]
    stamps = [line.split("]")[1].split(":")[0] for line in lines[at : exit_at + 1]]
    for i, stamp in enumerate(stamps):
        head, rest = moved[at + i].split("]", 1)
        moved[at + i] = f"{head}]{stamp}:{rest.split(':', 1)[1]}"
    rec = read("".join(moved))
    assert rec.handler_rule == "after"
    assert rec.exits_by_kind["IRQ/vtimer"] == 1


def test_the_report_names_what_is_unknown():
    text = read(make.render("ftrace5")).report()
    for words in ("lost unknown", "1 GHz assumed", "GIC version unproved", "K "):
        assert words in text
