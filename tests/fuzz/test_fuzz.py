"""Outside bytes are read or refused with a PyemuError, nothing else (a few seeds)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyemu as pe

from .targets import READERS, TARGETS, attempt

SEEDS = 25

# Findings of the fuzzer that were bugs; each seed failed before its fix.
FOUND = [("explorer", 21)]


@pytest.mark.parametrize("target", TARGETS)
def test_bad_input_is_refused_by_name(target):
    """Any other exception, or a crash, is a finding: fix it and keep its seed."""
    for seed in range(SEEDS):
        attempt(target, seed)


@pytest.mark.parametrize("target", READERS)
def test_good_input_is_let_through(target):
    """The corpus itself is what the readers take."""
    good, reader = READERS[target]
    reader(good())


@pytest.mark.parametrize("target", READERS)
def test_spliced_bytes_are_refused_by_name(target):
    """Any bytes, alone and in the place of some of a good file."""
    good, reader = READERS[target]

    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(st.binary(max_size=60), st.floats(0, 1), st.integers(0, 200))
    def splice(data, where, gone):
        at = int(where * len(good()))
        for whole in (data, good()[:at] + data + good()[at + gone :]):
            with contextlib.suppress(pe.PyemuError):
                reader(whole)

    splice()


@pytest.mark.parametrize(("target", "seed"), FOUND)
def test_findings_stay_fixed(target, seed):
    """A number out of range is a ConfigError, whichever bound it is."""
    attempt(target, seed)
