"""The search gives the same result whatever number of threads shares its work."""

import numpy as np
import pytest

import pyemu as pe
from pyemu.explore import CYCLES, Prepared, get_policy

SMALL = (
    *("step", "guest", "tick", "sched_in", "preempt", "line_assert", "line_retire"),
    *("ctl_on", "ctl_off", "cval_past", "ack", "eoi", "mask", "unmask", "wfi"),
)
THREADS = (1, 2, 5)


def facts(found):
    """Everything but the time it took."""
    said = found.to_dict()
    return {k: v for k, v in said.items() if not k.endswith(("seconds", "_per_s"))}


@pytest.mark.parametrize("reduce", [True, False])
def test_a_whole_search_does_not_depend_on_the_number_of_threads(reduce):
    """States, steps, depth, verdict: of a search that ends."""
    found = [
        pe.explore("lazy-fixed", alphabet=SMALL, reduce=reduce, threads=n)
        for n in THREADS
    ]
    assert facts(found[0]) == facts(found[1]) == facts(found[2])
    assert found[0].states > 100


def test_a_finding_does_not_depend_on_the_number_of_threads():
    """The same shortest way, row for row, and as many states seen before it."""
    found = [pe.explore("lazy", invariants=[7], threads=n) for n in THREADS]
    assert found[0].invariant == 7
    for other in found[1:]:
        assert facts(other) == facts(found[0])
        np.testing.assert_array_equal(other.rows, found[0].rows)


def test_a_bound_is_reached_at_the_same_state_by_any_number_of_threads():
    """max_states stops after a state, not after a chunk."""
    found = [pe.explore("v6.1", max_states=12_345, threads=n) for n in THREADS]
    assert facts(found[0]) == facts(found[1]) == facts(found[2])
    assert found[0].verdict == "partial"


def test_a_liveness_finding_does_not_depend_on_the_number_of_threads():
    """The recorded graph is the same one."""
    found = [pe.explore("v4.4", invariants=[2], threads=n, depth=14) for n in (1, 3)]
    assert facts(found[0]) == facts(found[1])


@pytest.mark.parametrize("threads", [0, 65, -1])
def test_a_number_of_threads_out_of_range_is_refused(threads):
    """The error names value, field and range."""
    with pytest.raises(pe.ConfigError, match=r"explore\.threads.*1.*64"):
        pe.explore("lazy", threads=threads)


def test_a_helper_of_another_machine_is_refused():
    """Its states would be those of another machine."""
    with (
        Prepared(get_policy("lazy"), {}, {}) as one,
        Prepared(get_policy("lazy"), {"lrs": 2}, {}) as other,
        Prepared(get_policy("v6.1"), {}, {}) as third,
    ):
        for helper in (other, third, one):
            with pytest.raises(pe.ConfigError, match="helper 0"):
                one.searcher.help([helper.searcher])


@pytest.mark.parametrize("policy", ["lazy-fixed", "lazy", "v4.4", "v6.1"])
def test_liveness_judged_side_by_side_is_liveness_judged_one_by_one(policy):
    """What holds by threads is what the search with a counterexample says."""
    for number in CYCLES:
        with Prepared(get_policy(policy), {}, {}, [*SMALL, "hvc"], CYCLES) as run:
            run.searcher.help([run.another() for _ in range(2)])
            assert run.searcher.safety()["end"] == 0
            holds = run.searcher.hold(list(CYCLES))
            broken = run.searcher.cycles(number)["invariant"] == number
        assert broken == (number not in holds)


def test_a_safety_invariant_is_not_judged_as_liveness():
    """By name."""
    with Prepared(get_policy("lazy"), {}, {}, SMALL) as run:
        run.searcher.safety()
        with pytest.raises(pe.ConfigError, match="liveness"):
            run.searcher.hold([3])
