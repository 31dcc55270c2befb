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
]
ONLY_V2 = {("gic", "mmio")}  # GICD_ITARGETSR, which a GICv3 does not have
NO_IRQ = "interrupt received after TVAL/WFI"
EARLY = ("no interrupt when timer is disabled", "interrupt signal no longer pending")
# Lines that fail under the kernel too: its bug by the number in semantics.md 6.
KNOWN = {
    "lazy": {("timer", f"ptimer-busy-loop: {NO_IRQ}"): "B07, B08"},
    "v4.18": {
        ("timer", f"ptimer-busy-loop: {NO_IRQ}"): "B07, B08",
        **{("timer", f"vtimer-busy-loop: {line}"): "B29" for line in EARLY},
    },
}


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


def run(where: Path, suite: tuple[str, str, int], policy: str, gic: str) -> Lines:
    """Run a suite on board virt."""
    name, args, vcpus = suite
    load = machine_code.load(
        str(where / "arm" / f"{name}.flat"),
        vcpus=vcpus,
        boot=machine_code.Boot(append=args),
    )
    host = pe.Host(pcpus=vcpus, profile="icount", gic=gic)
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
