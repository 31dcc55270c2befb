"""Outside bytes are read or refused with a PyemuError, nothing else (a few seeds)."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyemu as pe

from .targets import (
    READERS,
    SNAPSHOT_HEADER,
    TARGETS,
    attempt,
    sealed,
    snapshot_blob,
    snapshot_machine,
)

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


def test_a_snapshots_fields_are_refused_by_name():
    """The core names what it does not believe, and goes on as it was."""
    named = set()
    for at in range(0, 400, 8):
        good, used, _ = snapshot_blob(code=False)
        blob = np.frombuffer(good, np.uint8).copy()
        word = max(SNAPSHOT_HEADER, 4 * used[at % len(used)])
        blob[word : word + 4] = 0xFD
        with snapshot_machine(code=False) as m:
            m.run(until_cyc=1_000)
            before = m.core.snapshot()
            try:
                m.core.restore(sealed(blob))
            except pe.StateError as exc:
                named.add(str(exc).rpartition("snapshot")[2][:9])
                assert (m.core.snapshot() == before).all()
    assert len(named) >= 5, named
