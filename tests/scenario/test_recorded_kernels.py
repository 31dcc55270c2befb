"""Counts recorded from real kernels: the guest as machine code and as op programs.

The recordings, their tolerances and reasons are the package's (pyemu validate).
"""

import pytest

from pyemu.validation import Change, choose, load_set, validate

SET = load_set("eager-vs-lazy")
CASES = [case for case in choose(SET) if not case.shown]
LATER = [case for case in choose(load_set("linux-6.1")) if not case.shown]
SLOW = {"e", "f", "F", "g"}  # seconds each


def misses(case, change):
    return {
        row.name: (row.recorded, row.low, row.high)
        for row in validate(case, change).misses
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_op_programs_give_the_recorded_counts(case):
    """Every register access, interrupt, load and injection of the recording."""
    assert not misses(case, Change(ops=True))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.scenario.name not in SLOW],
    ids=lambda case: case.label,
)
def test_the_recorded_guest_gives_the_recorded_counts(case):
    """The recorder's own binary, as machine code; what it reports, too."""
    assert not misses(case, Change())


@pytest.mark.slow
@pytest.mark.parametrize("scenario", sorted(SLOW))
def test_the_recorded_guest_at_phases(scenario):
    """The scenarios whose counts depend on the phase against the host tick."""
    bad = {
        case.label: misses(case, Change())
        for case in CASES
        if case.scenario.name == scenario
    }
    assert not {label: found for label, found in bad.items() if found}


@pytest.mark.parametrize("case", LATER, ids=lambda case: case.label)
def test_6_1_guests_give_the_recorded_counts(case):
    """Exits, interrupts, blocks, scheduling and every register access, VHE and nVHE."""
    assert not misses(case, Change())
