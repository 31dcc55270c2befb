"""The order of events against recorded traces, and how sequences are aligned."""

import pytest

from pyemu.cli import main
from pyemu.validation import choose, load_set
from pyemu.validation.order import align, align_case, recorded_order

SET = load_set("linux-6.1")
# Edits a thousand events, at most; what remains is explained by `validate --order`.
MOST = {
    ("vhe-gic3-smp1", "hvc_far"): 1,
    ("vhe-gic3-smp1", "mmio_tick1ms"): 14,
    ("vhe-gic3-smp1", "spi_wfi_far"): 22,
    ("vhe-gic3-smp1", "edge_1ms"): 6.1,
    ("vhe-gic3-smp1", "pp_wfi_tick1ms_1p"): 55,
    ("vhe-gic3-smp1", "mtick4_wfi_1ms_1p"): 140,
    ("nvhe-gic3-smp1", "hvc_far"): 1,
    ("nvhe-gic3-smp1", "mmio_far"): 4.8,
}


@pytest.mark.parametrize("key", recorded_order("linux-6.1"), ids=" ".join)
def test_events_come_in_the_recorded_order(key):
    """kvm_entry and _exit, saves, restores, levels, interrupts, wake-ups, switches."""
    case = choose(SET, config=key[0], scenario=key[1])[0]
    found = align_case(case)
    assert found.per_1000 <= MOST.get(key, 0), found.first


def test_an_alignment_counts_what_either_side_lacks():
    found = align(list("abcdef"), list("abxdf"))
    assert (found.prefix, found.edits) == (2, 3)
    assert dict(found.missing) == {"c": 1, "e": 1}
    assert dict(found.extra) == {"x": 1}
    assert found.first == "after a, b: recorded c, emulated x"


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("", "ab", 2), ("ab", "abc", 1)],
)
def test_alignments_at_the_ends(left, right, edits):
    found = align(list(left), list(right))
    assert found.edits == edits
    assert bool(found.first) == bool(edits)


def test_sequences_with_nothing_in_common_end_at_the_limit():
    found = align(["a"] * 2000, ["b"] * 2000)
    assert found.edits == 800
    assert not found.missing


def test_every_recorded_order_belongs_to_a_recorded_run():
    for config, scenario in recorded_order("linux-6.1"):
        assert ("6.1", config, scenario) in SET.rows


def test_a_run_without_recorded_order_is_named(capsys):
    assert main(["validate", "--order", "--scenario", "gicd_far"]) == 2
    assert "tick_wfi_1ms" in capsys.readouterr().err
    assert main(["validate", "--order", "--set", "eager-vs-lazy"]) == 2
    assert "linux-6.1" in capsys.readouterr().err
