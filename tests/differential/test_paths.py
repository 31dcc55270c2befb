"""The compiled path variants against the plain step interpreter, their oracle."""

import pytest

import pyemu as pe

from .programs import machine, outcome

SEEDS = range(12)


@pytest.mark.parametrize("policy", pe.policy.names())
@pytest.mark.parametrize("seed", SEEDS)
def test_path_variants_and_step_interpreter_agree(policy, seed):
    """Equal trace hash, counters, operation counts and cycles, for every policy."""
    fast = outcome(machine(policy, seed))
    plain = outcome(machine(policy, seed, plain=True))
    assert plain == fast, f"seed {seed}, policy {policy}"


@pytest.mark.parametrize("seed", SEEDS)
def test_same_seed_same_bytes(seed):
    """Two machines of one description write the same trace."""
    assert outcome(machine("lazy", seed)) == outcome(machine("lazy", seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_tracing_changes_nothing(seed):
    """With the trace off every count is the same."""
    on = outcome(machine("lazy", seed))
    off = outcome(machine("lazy", seed, trace=0))
    for key in ("stop", "ops", "counters", "exits", "vcpus", "pcpus"):
        assert on[key] == off[key], f"seed {seed}: {key}"
