"""kvm-unit-tests pass, or fail where the kernel of the policy fails them too."""

import pytest

from . import kut

POLICIES = ("eager", "lazy", "v4.18", "v6.1")
CASES = [
    (suite, policy, gic)
    for suite in kut.SUITES
    for policy in (kut.TIMER_BUGS if suite[0] == "timer" else POLICIES)
    for gic in ("v2", "v3")
    if gic == "v2" or suite[:2] not in kut.ONLY_V2
]


@pytest.fixture
def where():
    """Where they are built, else a skip."""
    pytest.importorskip("libfdt")
    folder = kut.folder()
    if folder is None:
        pytest.skip("PYEMU_KUT_DIR names no kvm-unit-tests")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "policy", "gic"),
    CASES,
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_every_line_passes(where, suite, policy, gic):
    """But for the known bugs of that kernel; PSCI's one SKIP is its own."""
    got = kut.run(where, suite, policy, gic)
    known = kut.TIMER_BUGS[policy] if suite[0] == "timer" else set()
    assert set(got.failed) == known, got.text
    assert got.passed
    if suite[0] == "timer":
        assert len(got.passed) == kut.TIMER_LINES - len(known)
    assert all(suite[0] == "psci" for _ in got.skipped)
    assert got.status == (3 if got.failed else 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vcpus", "pcpus", "gic"), [(4, 4, "v3"), (8, 3, "v2"), (20, 4, "v3")]
)
def test_psci_with_cpu_on_from_everywhere(where, vcpus, pcpus, gic):
    """The test that its own errata list keeps from old kernels: one CPU_ON wins."""
    suite = ("psci", "", vcpus)
    got = kut.run(where, suite, "v6.1", gic, pcpus=pcpus, initrd=kut.ERRATA)
    assert (got.failed, got.skipped, got.status) == ([], [], 1)
    assert {"cpu-on", "cpu-off", "affinity-info-on"} <= set(got.passed)


@pytest.mark.slow
@pytest.mark.parametrize(("vcpus", "pcpus", "gic"), [(8, 3, "v2"), (20, 4, "v3")])
@pytest.mark.parametrize("policy", ["eager", "lazy"])
def test_sgis_among_more_vcpus_than_pcpus(where, vcpus, pcpus, gic, policy):
    """Self, a list, everybody else; under the host's scheduler."""
    got = kut.run(where, ("gic", "ipi", vcpus), policy, gic, pcpus=pcpus)
    assert (got.failed, len(got.passed), got.status) == ([], 3, 1)


@pytest.mark.heavy
@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_micro_bench_runs_to_its_end(where, gic):
    """Its rows are times of exits; what needs an ITS is skipped by itself."""
    got = kut.run(where, ("micro-bench", "", 2), "lazy", gic)
    assert got.status == 1
    for row in ("hyp_call", "mmio_read_user", "mmio_read_vgic", "eoi", "ipi"):
        assert f"\n{row} " in got.text
