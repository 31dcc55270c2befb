"""The core against the reference model: equal traces, primitives and counters.

Two thousand random machines on one pCPU. A difference is shrunk and printed as a few
lines that replay it; ``python -m tests.differential.nightly`` goes on without end.
"""

import pytest

from .bridge import reference_answer, setup_of
from .cases import DIRECT, UNTIL_CYC, Case, random_case
from .compare import difference, report, shrink

SEEDS, CHUNK = 2_000, 100


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_core_and_reference_write_the_same_trace(first):
    """Every trace record, primitive count and counter, for CHUNK random machines."""
    for seed in range(first, first + CHUNK):
        case = random_case(seed)
        if difference(case):
            pytest.fail(report(case, seed))


@pytest.mark.parametrize("seed", range(20))
def test_the_flows_written_out_are_the_tables(seed):
    """Eager and lazy as Python flows do what their tables do, the core aside."""
    for policy in DIRECT:
        m = random_case(seed, (policy,)).machine()
        with m:
            flows, table = setup_of(m), setup_of(m, table=True)
        one = reference_answer(flows, UNTIL_CYC)
        two = reference_answer(table, UNTIL_CYC)
        assert one == two, f"seed {seed}, policy {policy}"


def test_a_difference_is_found_and_shrunk(monkeypatch):
    """With one reference flow broken, the report is short and replays."""
    from ..reference.lazy import Lazy  # noqa: PLC0415

    monkeypatch.setattr(Lazy, "timer_sync", lambda self, k: None)
    broken = [random_case(seed, ("lazy",)) for seed in range(12)]
    case = next(one for one in broken if difference(one))
    small = shrink(case)
    assert difference(small)
    assert sum(map(len, small.main)) <= 8
    assert eval(repr(small), {"Case": Case}) == small
