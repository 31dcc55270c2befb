"""The self-check fails loudly, names the row, and lets no comparison through."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyemu.errors import ConfigError
from pyemu.trace import Row, check_result, replay_compare, self_check, shipped_recording


@pytest.fixture(scope="module")
def boot():
    return shipped_recording("lx_boot_1v").load()


def perfect(rec, work, **changes):
    pairs = rec.n_puts
    counters = {
        "mmio_exit_user": 992,
        "vcpu_sleep": rec.n_sleeps,
        "expiries": len(rec.expiries),
        "host_vtimer_irq": rec.n_host_vtimer_irqs,
        "vcpu_load": rec.n_loads,
        "vcpu_put": pairs,
    }
    ops = {
        **{"cntv_ctl_w": 2 * pairs, "cntv_cval_w": pairs, "cntvoff_w": 2 * pairs},
        **{"cntp_ctl_w": 2 * pairs, "cntp_cval_w": pairs, "cntkctl_w": pairs},
    }
    exits = dict(work.expected_exits)
    irq = exits.pop("IRQ")
    exits |= {"IRQ/vtimer": 243, "IRQ/tick": irq - 243}
    counters.update({k: v for k, v in changes.items() if k in counters})
    exits.update({k: v for k, v in changes.items() if k in exits})
    return SimpleNamespace(
        exits=exits,
        counters=counters,
        ops=ops,
        epmc=16.7,
        wall_cyc=changes.get("wall_cyc", work.wall_cyc),
        guest_cyc=work.guest_cyc,
    )


def runner(rec, **changes):
    calls = []

    def run(policy, workload, *, mode):
        calls.append((policy, mode))
        return perfect(rec, workload, **changes)

    run.calls = calls
    return run


def test_a_faithful_replay_passes(boot):
    run = runner(boot)
    check = self_check(boot, run)
    assert check.ok
    assert run.calls == [("v6.1", "as-recorded")]
    assert "17548" not in check.text()
    for words in ("expiries", "host vtimer IRQs", "vcpu puts", "timer writes"):
        assert words in check.text()
    writes = next(row for row in check.rows if row.name == "timer writes")
    assert (writes.recorded, writes.replayed) == (9_405, 9_405)


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({"HVC64": 22}, "exits HVC64"),
        ({"SYS64": 69}, "exits SYS64"),
        ({"IRQ/tick": 280}, "exits IRQ"),
        ({"expiries": 283}, "expiries"),
        ({"host_vtimer_irq": 258}, "host vtimer IRQs"),
        ({"vcpu_sleep": 38}, "sleeps"),
        ({"mmio_exit_user": 993}, "user MMIO exits"),
        ({"vcpu_put": 1_000}, "vcpu puts"),
        ({"wall_cyc": 1_230_500_000}, "wall cycles"),
    ],
)
def test_each_row_fails_beyond_its_tolerance_and_stops_the_comparison(
    boot, changes, row
):
    run = runner(boot, **changes)
    out = replay_compare(boot, ["eager", "lazy"], run)
    assert not out.ok
    assert row in out.check.failed
    assert "FAILED" in out.check.text()
    assert out.results == {}
    assert len(run.calls) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"expiries": 291},
        {"host_vtimer_irq": 249},
        {"IRQ/tick": 272},
        {"wall_cyc": 1_220_000_000},
        {"vcpu_put": 1_040},
    ],
)
def test_each_row_passes_within_its_tolerance(boot, changes):
    work = boot.to_workload("as-recorded")
    assert check_result(boot, work, perfect(boot, work, **changes)).ok


def test_a_sound_recording_is_compared_in_corrected_mode(boot):
    run = runner(boot)
    out = replay_compare(boot, ["eager", "lazy"], run)
    assert out.ok
    assert list(out.results) == ["eager", "lazy"]
    assert run.calls[1:] == [("eager", "corrected"), ("lazy", "corrected")]
    assert "Self-check" in out.text()
    assert out.check.to_json()["ok"] is True


@pytest.mark.parametrize("policies", [[], ["eager", "eager"]])
def test_no_policy_and_one_twice_are_refused(boot, policies):
    with pytest.raises(ConfigError, match="polic"):
        replay_compare(boot, policies, runner(boot))


def test_tolerances_say_what_they_are():
    assert Row("a", 1, 1).tolerance == "exact"
    assert Row("a", 1, 1, 2.0, 2).tolerance == "+-2 % or +-2"
    assert not Row("a", 100, 103, 2.0, 2).ok
    assert Row("a", 20, 22, 2.0, 2).ok
