"""The shipped recordings say what other tools and the register logs said of them."""

from __future__ import annotations

import time
from collections import Counter
from importlib import resources

import pytest

from pyemu.errors import ConfigError
from pyemu.trace import read_trace, shipped, shipped_recording


@pytest.fixture(scope="module")
def loaded():
    return {one.name: one.load() for one in shipped()}


@pytest.mark.parametrize("name", ["lx_boot_1v", "lx_roi_1v"])
def test_counts_are_the_recordings_own(loaded, name):
    rec, counts = loaded[name], shipped_recording(name).meta["counts"]
    exits = rec.exits
    found = {
        "exits": rec.n_exits,
        "expiries": len(rec.expiries),
        "host_vtimer_irq": rec.n_host_vtimer_irqs,
        "vcpu_load": rec.n_loads,
        "vcpu_put": rec.n_puts,
        "user_exits": rec.n_user,
        "sleeps": rec.n_sleeps,
        "preemptions": len(rec.preemptions),
        "irq_exits": exits["IRQ"],
        "dabt_low": exits["DABT_LOW"],
        "iabt_low": exits["IABT_LOW"],
        "sys64": exits.get("SYS64", 0),
        "hvc64": exits["HVC64"],
        "wfx": exits["WFx"],
    }
    assert found == counts


@pytest.mark.parametrize(("name", "percent"), [("lx_boot_1v", 0.1), ("lx_roi_1v", 0.1)])
def test_corrected_guest_time_meets_the_register_log(loaded, name, percent):
    rec, truth = loaded[name], shipped_recording(name).meta["truth"]["guest_ns"]
    assert abs(rec.guest.corrected_ns / truth - 1) < percent / 100
    assert rec.guest.low_ns < truth < rec.guest.high_ns


def test_lx_boot_figures(loaded):
    rec = loaded["lx_boot_1v"]
    assert round(rec.guest.raw_ns / 1e6, 2) == 1048.03
    assert round(rec.epmc_raw, 2) == 16.74
    assert abs(rec.epmc - 17.07) < 0.02
    low, high = rec.epmc_range
    assert round(low, 2) == 16.95
    assert 17.1 < high < 17.2
    assert tuple(rec.arms) == (57, 236)
    where = Counter(expiry.where for expiry in rec.expiries)
    assert where == {"guest": 243, "asleep": 39, "host": 8}
    assert (rec.k.method, rec.k.n) == ("sleeps", 39)
    assert rec.handler_rule == "inside"
    kinds = rec.exits_by_kind
    assert kinds["DABT_LOW/user"] == 992
    assert kinds["DABT_LOW/gic"] == 93
    assert kinds["DABT_LOW/stage2"] + kinds["IABT_LOW/stage2"] == 15_828
    assert (kinds["IRQ/tick"], kinds["IRQ/vtimer"]) == (262, 243)


def test_lx_roi_arms(loaded):
    assert tuple(loaded["lx_roi_1v"].arms) == (48, 28)


@pytest.mark.parametrize("name", ["lx_boot_1v", "lx_roi_1v"])
def test_cntfrq_tick_and_vhe_are_found_without_being_told(name):
    path = resources.files("pyemu") / "data" / "recordings" / f"{name}.trace.gz"
    rec = read_trace(path)
    assert rec.cntfrq_hz == 62_500_000
    assert rec.tick.hz == 250
    assert rec.vhe is True
    assert {"cpu-hz", "gic"} <= {issue.code for issue in rec.issues}


def test_overhead_can_be_switched_off_and_given(loaded):
    one = shipped_recording("lx_roi_1v")
    off = one.load(overhead=0)
    assert off.guest.corrected_ns == off.guest.raw_ns
    given = one.load(overhead=700)
    assert given.overhead.run_ns == 1200
    assert given.guest.corrected_ns < off.guest.corrected_ns


def test_an_unknown_recording_suggests_a_name():
    with pytest.raises(ConfigError, match="lx_boot_1v"):
        shipped_recording("lx_boot_1")


def test_reading_the_longest_is_not_quadratic(loaded):
    """67,596 records; far from 2 s here, the bound only catches a wrong algorithm."""
    start = time.perf_counter()
    shipped_recording("lx_boot_1v").load()
    assert time.perf_counter() - start < 20
