"""States that differ by the names of vCPUs or of pCPUs only are one (docs/explorer.md).

Held against the search that tells them apart: the same verdict, the same length of
the shortest way, and neither more states nor fewer than the number of names allows.
"""

import pytest

import pyemu as pe
from pyemu.explore import SAFETY, Prepared, get_policy
from pyemu.mutants import mutants

HOST = ("step", "guest", "tick", "sched_in", "preempt", "line_assert", "line_retire")
GUEST = ("ctl_on", "cval_past", "ack", "eoi", "unmask", "wfi")
TINY = ("step", "guest", "tick", "sched_in", "preempt", "ctl_on", "cval_past", "wfi")
SIZES = ((2, 1), (1, 2), (2, 2))


def both(policy, **kwargs):
    """The search with symmetry, and the one that keeps all names."""
    kwargs = {"invariants": SAFETY, "alphabet": HOST + GUEST, **kwargs}
    return [pe.explore(policy, symmetry=on, **kwargs) for on in (True, False)]


def steps_to(found):
    """Choices on the way to a finding."""
    return found.depth if found.invariant else None


@pytest.mark.parametrize(("vcpus", "pcpus"), SIZES)
@pytest.mark.parametrize("policy", ["eager", "lazy", "lazy-commit", "lazy-fixed"])
def test_symmetry_changes_no_verdict(policy, vcpus, pcpus):
    """Bounded by depth: what is found, by which invariant, how deep."""
    one, all_names = both(policy, vcpus=vcpus, pcpus=pcpus, depth=34)
    assert one.verdict == all_names.verdict
    assert (one.invariant, one.clause) == (all_names.invariant, all_names.clause)
    assert steps_to(one) == steps_to(all_names)


LAMED = list(mutants(get_policy("lazy-fixed"), ("load", "put", "exit")))[::3]


@pytest.mark.parametrize("mutant", LAMED, ids=lambda m: m.text)
def test_symmetry_changes_no_verdict_of_a_mutant(mutant):
    """Every third change to load, put or exit: two vCPUs on one pCPU find it alike."""
    try:
        broken = mutant.of(get_policy("lazy-fixed"))
    except pe.ConfigError:
        pytest.skip("no policy any more")
    one, all_names = both(broken, vcpus=2, pcpus=1, depth=26)
    assert (one.verdict, one.invariant) == (all_names.verdict, all_names.invariant)
    assert steps_to(one) == steps_to(all_names)


@pytest.mark.parametrize("policy", ["eager", "v4.4"])
@pytest.mark.parametrize(("vcpus", "pcpus"), SIZES)
def test_the_states_by_symmetry_are_all_states_without_their_names(
    vcpus, pcpus, policy
):
    """Of a search that ends: not one class of states is lost, and none is new."""
    makings = (get_policy(policy), {"vcpus": vcpus, "pcpus": pcpus}, {}, TINY, SAFETY)
    with (
        Prepared(*makings) as every,
        Prepared(*makings, symmetry=True) as some,
        Prepared(*makings, symmetry=True) as judge,
    ):
        all_names, one = every.search(), some.search()
        assert all_names.ended
        assert one.ended
        assert every.searcher.orbits(judge.searcher) == one.states < all_names.states


def test_a_timeline_keeps_the_names_of_its_vcpus():
    """A pCPU's running vCPU changes by scheduling only, whatever packing has done."""
    found = pe.explore("lazy-commit", vcpus=2, pcpus=2, invariants=SAFETY)
    assert found.invariant
    sched_in = pe._ffi.enum("action", "PYEMU_A_")["sched_in"]
    preempt = pe._ffi.enum("action", "PYEMU_A_")["preempt"]
    cur = {}
    for row in found.rows:
        pcpu, now = int(row["pcpu"]), int(row["cur"])
        if pcpu in cur and now not in (cur[pcpu], 0xFFFFFFFF):
            assert int(row["action"]) in (sched_in, preempt)
        cur[pcpu] = now


def test_liveness_follows_in_a_pass_over_all_names():
    """Both passes are told: fairness is that of a vCPU with its name."""
    found = pe.explore(
        "lazy-fixed", vcpus=2, alphabet=("step", "sched_in", "guest", "hvc")
    )
    assert found.ended
    assert found.safety_pass is not None
    assert found.safety_pass.states < found.states
    assert found.to_dict()["safety_pass"]["states"] == found.safety_pass.states


def test_liveness_with_symmetry_is_refused():
    """By name: the core would mix up which vCPU waits."""
    with pytest.raises(pe.ConfigError, match="symmetry"):
        Prepared(get_policy("lazy"), {"vcpus": 2}, {}, symmetry=True)
