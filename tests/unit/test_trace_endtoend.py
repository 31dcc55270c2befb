"""The shipped recordings, replayed by the core: the self-check and the known ratios."""

from __future__ import annotations

import pytest

from pyemu.replaying import runner
from pyemu.trace import replay_compare, shipped_recording

WRITES = ("cntv_ctl_w", "cntv_cval_w", "cntvoff_w")
POLICIES = ("eager", "lazy", "v4.18", "v6.1")


@pytest.fixture(scope="module", params=["lx_boot_1v", "lx_roi_1v"])
def compared(request):
    rec = shipped_recording(request.param).load()
    return replay_compare(rec, POLICIES, runner({}, {}))


def test_the_self_check_passes(compared):
    assert compared.check.failed == []


def test_expiries_and_host_interrupts_are_the_recordings(compared):
    rows = {row.name: row for row in compared.check.rows}
    for name in ("expiries", "host vtimer IRQs"):
        assert rows[name].replayed == rows[name].recorded


def test_register_traffic_per_entry_and_per_pair(compared):
    """VHE: eager 5 writes an entry, lazy 5 a load/put pair, v4.18 4 a pair."""
    for name, per_entry, per_pair in (
        ("eager", 5, 0),
        ("lazy", 0, 5),
        ("v4.18", 0, 4),
    ):
        result = compared.results[name]
        writes = sum(result.ops[op] for op in WRITES)
        entries = result.counters["guest_entries"]
        wanted = per_entry * entries + per_pair * result.counters["vcpu_load"]
        assert abs(writes - wanted) <= 5


def test_host_vtimer_interrupts_by_policy(compared):
    counts = {name: r.counters for name, r in compared.results.items()}
    assert counts["eager"]["host_vtimer_irq"] == 0
    for name in ("lazy", "v4.18"):
        assert counts[name]["host_vtimer_irq"] == counts[name]["expiries"]


def test_exits_differ_by_a_few_ticks_only(compared):
    exits = [result.n_exits for result in compared.results.values()]
    assert max(exits) - min(exits) <= 15
