"""kvm-unit-tests pass, or fail where the kernel of the policy fails them too."""

import pytest

from . import kut

POLICIES = ("eager", "lazy", "v4.18", "v6.1")
CASES = [
    (suite, policy, gic)
    for suite in kut.SUITES
    for policy in POLICIES
    for gic in ("v2", "v3")
    if gic == "v2" or suite[:2] not in kut.ONLY_V2
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "policy", "gic"),
    CASES,
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_every_line_passes(suite, policy, gic):
    """But for the known bugs of that kernel; PSCI's one SKIP is its own."""
    where = kut.folder()
    if where is None:
        pytest.skip("PYEMU_KUT_DIR names no kvm-unit-tests")
    pytest.importorskip("libfdt")
    got = kut.run(where, suite, policy, gic)
    known = kut.KNOWN.get(policy, {})
    assert {(suite[0], line) for line in got.failed} == {
        (name, line) for name, line in known if name == suite[0]
    }, got.text
    assert got.passed
    assert all(suite[0] == "psci" for _ in got.skipped)
    assert got.status == (3 if got.failed else 1)


@pytest.mark.heavy
@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_micro_bench_runs_to_its_end(gic):
    """Its rows are times of exits; what needs an ITS is skipped by itself."""
    where = kut.folder()
    if where is None:
        pytest.skip("PYEMU_KUT_DIR names no kvm-unit-tests")
    pytest.importorskip("libfdt")
    got = kut.run(where, ("micro-bench", "", 2), "lazy", gic)
    assert got.status == 1
    for row in ("hyp_call", "mmio_read_user", "mmio_read_vgic", "eoi", "ipi"):
        assert f"\n{row} " in got.text
