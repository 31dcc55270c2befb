"""kvm-unit-tests for arm64, built by whoever wants them run: `PYEMU_KUT_DIR`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pyemu as pe
from pyemu.guest import machine_code

# File, arguments, vCPUs: the suites of its arm/unittests.cfg for timer, GIC and CPU.
SUITES = [
    ("selftest", "setup smp=2 mem=512", 2),
    ("selftest", "smp", 4),
    ("selftest", "vectors-kernel", 1),
    ("selftest", "vectors-user", 1),
    ("timer", "", 1),
    ("gic", "ipi", 4),
    ("gic", "active", 4),
    ("gic", "mmio", 4),
    ("psci", "", 4),
    ("cache", "", 1),
    ("debug", "bp", 1),
    ("debug", "wp", 1),
    ("debug", "ss", 1),
    ("spinlock-test", "", 4),
]
ONLY_V2 = {("gic", "mmio")}  # GICD_ITARGETSR, which a GICv3 does not have
# A physical timer that expires while the vCPU sleeps raises no interrupt.
B08 = {"ptimer-busy-loop: interrupt received after TVAL/WFI"}
# A level that fell while disabled at the GIC is delivered when it is enabled.
B29 = {
    "vtimer-busy-loop: no interrupt when timer is disabled",
    "vtimer-busy-loop: interrupt signal no longer pending",
}
# Lines of `timer` that fail under the kernel, too, by its bugs in semantics.md 6.
TIMER_BUGS: dict[str, set[str]] = {
    "v4.4": set(),
    "eager": set(),
    "lazy": B08,
    "lazy-fixed": set(),
    "v4.18": B08 | B29,
    "v5.2": B29,
    "v6.1": set(),
    "v6.12": set(),
}
TIMER_LINES = 18
# psci skips CPU_ON from everywhere where its errata list does not say that the kernel
# has 6c7a5dce22b3; KVM before it could hang. Told so, it runs it.
ERRATA = b"ERRATA_6c7a5dce22b3=y\n"


class Lines(NamedTuple):
    """Report lines of a suite, without the word in front; `status` is EXIT's."""

    passed: list[str]
    failed: list[str]
    skipped: list[str]
    status: int | None
    text: str


def folder() -> Path | None:
    """Return where built tests are, None if nobody says so."""
    named = os.environ.get("PYEMU_KUT_DIR")
    return Path(named) if named else None


def run(
    where: Path,
    suite: tuple[str, str, int],
    policy: str,
    gic: str,
    *,
    pcpus: int = 0,
    initrd: bytes | None = None,
) -> Lines:
    """Run a suite on board virt; 0 pCPUs: as many as vCPUs."""
    name, args, vcpus = suite
    load = machine_code.load(
        str(where / "arm" / f"{name}.flat"),
        vcpus=vcpus,
        boot=machine_code.Boot(initrd, args),
    )
    host = pe.Host(pcpus=pcpus or vcpus, profile="icount", gic=gic)
    with pe.Machine(host, [pe.VM(vcpus=vcpus)], policy=policy, load=load) as machine:
        machine.run(until_cyc=3 * 10**10)
        text = bytes(machine.bus.outcomes[0].console).decode()
    status = re.search(r"^EXIT: STATUS=(\d+)", text, re.M)

    def lines(word: str) -> list[str]:
        return re.findall(rf"^{word}: (?:{name}: )?(.*)$", text, re.M)

    return Lines(
        *(lines("PASS"), lines("FAIL"), lines("SKIP")),
        int(status[1]) if status else None,
        text,
    )
