"""Writes the README's tables of real guests.

python -m tests.guests.linux_table           # rewrites README.md, a few minutes

kvm-unit-tests' table is left as it is where `PYEMU_KUT_DIR` names none.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyemu.comparison import metric

from . import kut
from .debian_kernel import kernel
from .test_linux import boot
from .test_qemu import APPEND, qemu_command

README = Path(__file__).resolve().parents[2] / "README.md"
POLICIES = ("eager", "lazy", "v6.1")
VCPUS = (1, 2, 4, 8)
EXITS = ("IRQ/vtimer", "IRQ/tick", "IRQ/kick", "WFx", "HVC64", "SYS64", "DABT_LOW")


def _row(cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _head(cells):
    return [_row(cells), "|---" * len(cells) + "|"]


def _us(done, percent):
    cyc = done.result.timer_latency.p(percent)
    return f"{cyc * 1e6 / done.result.meta['cpu_hz']:.1f}"


def linux_row(policy, gic, vcpus, done):
    """Return one run: exits by reason, rates, latency, speed."""
    result = done.result
    switch = result.switch_cyc * 1e6 / result.guest_cyc
    return _row(
        [
            *(policy, gic, vcpus),
            *(f"{result.exits[name]:,}" for name in EXITS),
            f"{result.epmc:.1f}",
            f"{metric(result, 'timer_writes_per_entry'):.2f}",
            f"{switch:,.0f}",
            f"{_us(done, 50)} / {_us(done, 99)}",
            f"{done.insns / done.cpu_s / 1e6:.0f}",
        ]
    )


def phase_rows(policy, done):
    """Return a run's phases: exits per million guest cycles, in all and by reason."""
    for name, counts in done.phases.items():
        rates = counts["epmc_by_reason"]
        cells = [f"{rates[reason]:.1f}" for reason in EXITS]
        yield _row([name, policy, f"{counts['epmc']:.1f}", *cells])


def linux_tables(say=print):
    """Return both tables of the Linux boot."""
    latency = ("timer p50 / p99 us", "MIPS")
    columns = (*EXITS, "EPMC", "writes/entry", "switch cyc/Mcyc", *latency)
    runs = _head(["policy", "GIC", "vCPUs", *columns])
    phases = _head(["phase", "policy", "EPMC", *EXITS])
    for gic in ("v2", "v3"):
        for vcpus in VCPUS:
            for policy in POLICIES:
                begun = time.monotonic()
                done = boot(policy, gic, vcpus)
                runs.append(linux_row(policy, gic, vcpus, done))
                say(f"{gic} {vcpus} {policy}: {time.monotonic() - begun:.0f} s")
                if (gic, vcpus) == ("v3", 2):
                    phases += phase_rows(policy, done)
    words = (
        f"Guest: Debian's `{kernel().name}`, `--initrd phases`, costs `icount`, nVHE; "
        "writes/entry: CTL + CVAL + CNTVOFF by the host a guest entry; MIPS: of "
        "processor time, on a shared machine."
    )
    between = "Exits per million guest cycles by phase, GICv3, 2 vCPUs:"
    return "\n".join([words, "", *runs, "", between, "", *phases])


def _cpu_s(argv):
    """Run a command; return its processor time, seconds."""
    before = os.times()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def beside_qemu(rounds=5):
    """Return processor times of the same boot, both programs, rounds interleaved."""
    with tempfile.TemporaryDirectory() as name:
        theirs = qemu_command(Path(name), kernel())
        ours = [sys.executable, "-m", "pyemu", "guest", "run", str(kernel()), "--json"]
        ours += ["--initrd", "phases", "--append", APPEND]
        pairs = [(_cpu_s(ours), _cpu_s(theirs)) for _ in range(rounds)]
    ours_s, theirs_s = (
        statistics.median(column) for column in zip(*pairs, strict=True)
    )
    return (
        f"Reset to power off without the phases, processor time, medians of {rounds} "
        f"interleaved rounds: {ours_s:.2f} s, Python's start included; QEMU `-icount "
        f"shift=0,sleep=off`, same Image and init: {theirs_s:.2f} s."
    )


def kut_table(where):
    """Return a row a suite: report lines that pass, fail, are skipped."""
    lines = _head(["kvm-unit-tests", *(f"{p}, GIC{g}" for p, g in _columns())])
    for suite in kut.SUITES:
        cells = []
        for policy, gic in _columns():
            if gic == "v3" and suite[:2] in kut.ONLY_V2:
                cells.append("GICv2 only")
                continue
            got = kut.run(where, suite, policy, gic)
            counts = {"pass": got.passed, "fail": got.failed, "skip": got.skipped}
            cells.append(
                ", ".join(f"{len(n)} {word}" for word, n in counts.items() if n)
            )
        lines.append(_row([f"{suite[0]} {suite[1]}".strip(), *cells]))
    return "\n".join(lines)


def _columns():
    return [(policy, gic) for policy in POLICIES for gic in ("v2", "v3")]


def _put(text, name, table):
    pattern = rf"(<!-- table:{name} -->\n).*?(<!-- table:end -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.S)


def main():
    """Rewrite the tables between their markers: write beside, then rename."""
    tables = linux_tables()
    if shutil.which("qemu-system-aarch64"):
        tables += f"\n\n{beside_qemu()}"
    text = _put(README.read_text(encoding="utf-8"), "linux", tables)
    where = kut.folder()
    if where is not None:
        text = _put(text, "kut", kut_table(where))
    beside = README.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, README)


if __name__ == "__main__":
    main()
