"""kvm-unit-tests find the known bugs of the kernels that policies stand for.

`PYEMU_KUT_DIR` names a built kvm-unit-tests; without it all of this is skipped. A line
that fails here fails under that kernel, too: the number is the bug's in semantics.md 6.
"""

import os
import re
from pathlib import Path

import pytest

import pyemu as pe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("PYEMU_KUT_DIR" not in os.environ, reason="no kvm-unit-tests"),
]
# B08: a physical timer that expires while the vCPU sleeps raises no interrupt.
B08 = {"ptimer-busy-loop: interrupt received after TVAL/WFI"}
# B29: a level that fell while disabled at the GIC is delivered when it is enabled.
B29 = {
    "vtimer-busy-loop: no interrupt when timer is disabled",
    "vtimer-busy-loop: interrupt signal no longer pending",
}
BUGS = {
    "v4.4": set(),
    "eager": set(),
    "lazy": B08,
    "lazy-fixed": set(),
    "v4.18": B08 | B29,
    "v5.2": B29,
    "v6.12": set(),
}


def run(name, append="", *, vcpus=1, pcpus=1, gic="v3", policy="v6.1", initrd=None):
    """Run one program; return its report lines by word, and its exit status."""
    pytest.importorskip("libfdt")
    image = Path(os.environ["PYEMU_KUT_DIR"]) / "arm" / f"{name}.flat"
    host = pe.Host(pcpus=pcpus, gic=gic, profile="icount")
    more = {"append": append, "initrd": initrd, "policy": policy, "host": host}
    with pe.Guest(image, board="virt", vcpus=vcpus, **more) as guest:
        stop = guest.run(until_cyc=3 * 10**10)
        text = guest.console.decode()
    assert stop.reason == "done", text
    lines = {
        word: set(re.findall(rf"^{word}: (?:{name}: )?(.*)$", text, re.M))
        for word in ("PASS", "FAIL", "SKIP")
    }
    status = re.search(r"^EXIT: STATUS=(\d+)", text, re.M)
    return lines, int(status[1])


@pytest.mark.parametrize("policy", BUGS)
def test_the_timers_fail_where_that_kernel_does(policy):
    """18 lines on GICv3; each bug by its lines, and none where it is repaired."""
    lines, status = run("timer", policy=policy)
    assert lines["FAIL"] == BUGS[policy]
    assert len(lines["PASS"]) == 18 - len(BUGS[policy])
    assert status == (3 if BUGS[policy] else 1)


@pytest.mark.parametrize(
    ("vcpus", "pcpus", "gic"), [(4, 4, "v3"), (8, 3, "v2"), (20, 4, "v3")]
)
def test_psci_with_cpu_on_from_everywhere(vcpus, pcpus, gic, tmp_path):
    """The test that its own errata list keeps from old kernels: one CPU_ON wins."""
    (tmp_path / "env").write_text("ERRATA_6c7a5dce22b3=y\n", encoding="utf-8")
    lines, status = run(
        *("psci", ""),
        vcpus=vcpus,
        pcpus=pcpus,
        gic=gic,
        initrd=str(tmp_path / "env"),
    )
    assert (lines["FAIL"], lines["SKIP"], status) == (set(), set(), 1)
    assert {"cpu-on", "cpu-off", "affinity-info-on"} <= lines["PASS"]


@pytest.mark.parametrize(("vcpus", "pcpus", "gic"), [(8, 3, "v2"), (20, 4, "v3")])
@pytest.mark.parametrize("policy", ["eager", "lazy"])
def test_sgis_among_more_vcpus_than_pcpus(vcpus, pcpus, gic, policy):
    """Self, a list, everybody else; under the host's scheduler."""
    lines, status = run(
        *("gic", "ipi"), vcpus=vcpus, pcpus=pcpus, gic=gic, policy=policy
    )
    assert (lines["FAIL"], len(lines["PASS"]), status) == (set(), 3, 1)
