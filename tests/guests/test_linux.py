"""An unmodified Debian kernel boots to the shipped init and powers off."""

import re
import shutil
import subprocess
import time
from importlib import resources
from typing import NamedTuple

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import machine_code
from pyemu.guest.phases import Phases

from .debian_kernel import Unavailable, kernel

PHASES = [
    *("boot", "timer-storm", "nanosleep", "ping-pong", "fork-loop", "hypercalls"),
    "power-off",
]
LIMIT_S = 40
PROGRAM = resources.files("pyemu") / "data" / "initrd" / "phases"


class Boot(NamedTuple):
    """What a boot gave; `cpu_s` is processor time of the host, seconds."""

    text: str
    phases: dict
    insns: int
    result: pe.Result
    cpu_s: float


def boot(policy="lazy", gic="v3", vcpus=1, append=None, pcpus=None):
    """Boot to power off; by default with a pCPU a vCPU."""
    pytest.importorskip("libfdt")
    try:
        image = str(kernel())
    except Unavailable as exc:
        pytest.skip(f"no Debian kernel: {exc}")
    with_init = machine_code.Boot(machine_code.initrd_bytes("phases"), append)
    load = machine_code.load(image, vcpus=vcpus, boot=with_init)
    host = pe.Host(pcpus=pcpus or vcpus, profile="icount", gic=gic)
    with pe.Machine(host, [pe.VM(vcpus=vcpus)], policy=policy, load=load) as machine:
        console = machine.bus.outcomes[0].console
        code = CodeCore(machine.core)

        def insns():
            return sum(code.insns(i) for i in range(vcpus))

        phases = Phases(lambda: (machine.result(), insns()))
        console.on_line.append(phases.line)
        begun = time.process_time()
        stop = machine.run(until_cyc=10**11)
        took_s = time.process_time() - begun
        text = bytes(console).decode().replace("\r\n", "\n")
        assert stop.reason == "done", text[-2000:]
        return Boot(text, phases.to_json(), insns(), machine.result(), took_s)


CASES = [
    (policy, gic, vcpus)
    for vcpus in (1, 2, 4, 8)
    for gic in ("v2", "v3")
    for policy in ("eager", "lazy", "v6.1")
]
# Every configuration is run by the table of the README; here a choice of them.
FEW = [("lazy", "v3", 1), ("eager", "v2", 2), ("v6.1", "v3", 4)]
MARKED = [
    case if case in FEW else pytest.param(*case, marks=pytest.mark.heavy)
    for case in CASES
]


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "gic", "vcpus"), MARKED)
def test_linux_boots_to_init_and_powers_off(policy, gic, vcpus):
    """Within 40 s of processor time, every vCPU up, no complaint of init or kernel."""
    done = boot(policy, gic, vcpus)
    text = done.text
    assert re.findall(r"^init: (.*)$", text, re.M) == [
        f"phase {name}" for name in PHASES[1:]
    ]
    assert text.rstrip().endswith("reboot: Power down")
    assert f"SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs={vcpus}," in text
    if vcpus > 1:
        assert f"smp: Brought up 1 node, {vcpus} CPUs" in text
    for word in ("Call trace", "BUG:", "WARNING:", "Oops", "stall", "lockup"):
        assert word not in text
    assert list(done.phases) == PHASES
    assert all(one["guest_insns"] > 0 for one in done.phases.values())
    assert 8e8 < done.insns < 1.3e9
    for name in ("lost", "bad_deactivate", "host_oops"):
        assert done.result.counters[name] == 0
    assert done.cpu_s < LIMIT_S


@pytest.mark.slow
def test_the_console_is_the_same_every_time():
    """And so are the instructions, with two vCPUs."""
    first, second = boot(vcpus=2), boot(vcpus=2)
    assert first.text == second.text
    assert first.insns == second.insns
    assert first.phases == second.phases


@pytest.mark.slow
def test_more_vcpus_than_pcpus_boot_too():
    """The host's scheduler preempts and moves them."""
    done = boot(vcpus=4, pcpus=2)
    assert "smp: Brought up 1 node, 4 CPUs" in done.text
    assert done.text.rstrip().endswith("reboot: Power down")
    assert done.result.counters["lost"] == 0


def test_the_shipped_init_is_made_from_its_source(tmp_path):
    """Byte for byte, with the command in the source, where the compiler is present."""
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None:
        pytest.skip("no aarch64-linux-gnu-gcc here")
    source = PROGRAM.with_suffix(".c")
    command = re.search(r"(aarch64-linux-gnu-gcc[^/]*)\*/", source.read_text())[1]
    flags = command.replace("*", " ").split()[1:]
    made = tmp_path / "init"
    subprocess.run([compiler, *flags, str(source), "-o", str(made)], check=True)
    shipped, built = PROGRAM.read_bytes(), made.read_bytes()
    if _output(compiler, "-dumpversion").strip() == "12":
        assert built == shipped
    assert built[:20] == shipped[:20]
    listing = _output("aarch64-linux-gnu-objdump", "-d", str(PROGRAM))
    assert "svc" in listing
    operands = [line.split("\t", 3)[-1] for line in listing.splitlines()]
    assert not re.search(r"\b[vdsqhb]\d+\b", "\n".join(operands))  # no FP registers


def _output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
