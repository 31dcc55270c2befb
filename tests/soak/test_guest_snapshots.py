"""The snapshot law for machine code guests, and files that are not theirs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import pyemu as pe
from pyemu.cli import main
from pyemu.guest.keep import checked

from ..guests.debian_kernel import Unavailable, kernel
from .continue_guest import answer, machine, phases_of

HERE = Path(__file__).with_name("continue_guest.py")
CASES = [  # image, policy, vCPUs, cut, end: host cycles
    ("eager-vs-lazy", "eager", 1, 60_000, 10**7),
    ("linux-6.1-pingpong-g3", "lazy", 2, 181_000, 10**7),
    ("linux-6.1-tick-g3", "v6.1", 1, 700_000, 3 * 10**6),
    ("linux-6.1-spi-g2", "lazy-fixed", 1, 91_234, 10**7),
    ("linux-6.1-exits-g2", "lazy", 1, 123_457, 10**7),
]


def first_half(case, path):
    """Run whole, saving at the cut; return what the second half showed."""
    image, policy, vcpus, cut, end = case
    with machine(image, policy, vcpus) as m:
        phases = phases_of(m)
        m.bus.outcomes[0].console.on_line.append(phases.line)
        stop = m.run(until_cyc=cut)
        assert stop.reason == "limit"
        notes = {"phases": json.loads(json.dumps(phases.state()))}
        pe.save_snapshot(replace(m.snapshot(), notes=notes), path)
        return answer(m, phases, m.n_events, end)


def second_half(case, path, **env):
    """Run it in another process, from the file."""
    image, policy, vcpus, _, end = case
    argv = [sys.executable, "-m", "tests.soak.continue_guest", image, policy]
    argv += [str(vcpus), str(path), str(end)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **env},
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_guest_goes_on_in_another_process(case, tmp_path):
    """run(n+k) is run(n), to disk, another process, run(k): all that can be seen.

    Translated or interpreted there: no translation is in the file.
    """
    path = tmp_path / "guest.snap"
    mine = json.loads(json.dumps(first_half(case, path)))
    assert mine["records"] > 20
    for jit in ("1", "0") if case is CASES[0] else ("1",):
        theirs = second_half(case, path, PYEMU_JIT=jit)
        if jit == "0":  # the record says how it was made
            assert theirs.pop("state") != ""
            theirs["state"] = mine["state"]
        assert theirs == mine


def test_a_kernel_goes_on_in_the_middle_of_its_boot(tmp_path):
    """Debian's kernel, two vCPUs: saved while it boots, powered off elsewhere."""
    pytest.importorskip("libfdt")
    try:
        image = str(kernel())
    except Unavailable as exc:
        pytest.skip(f"no Debian kernel: {exc}")
    case = (image, "lazy", 2, 300_000_000, 10**11)
    path = tmp_path / "linux.snap"
    mine = json.loads(json.dumps(first_half(case, path)))
    assert mine["stop"] == "done"
    assert "Power down" in mine["console"]
    assert path.stat().st_size < 256 << 20
    assert second_half(case, path) == mine


def test_another_guest_is_refused_by_name(tmp_path):
    """Another image, other registers, another policy: what differs is named."""
    path = tmp_path / "guest.snap"
    first_half(CASES[0], path)
    for image, policy, field in (
        ("linux-6.1-tick-g3", "eager", "load"),
        ("eager-vs-lazy", "lazy", "policy"),
    ):
        with (
            machine(image, policy, 1) as m,
            pytest.raises(pe.StateError, match=rf"snapshot\.{field}"),
        ):
            m.restore(pe.load_snapshot(path))


WRONG = [
    (("vms",), [], "vms"),
    (("vms", 0, "console"), "%%", "console"),
    (("vms", 0, "console"), 7, "console"),
    (("vms", 0, "handed_on"), 10**6, "handed_on"),
    (("vms", 0, "results"), [[32, 0]], "results"),
    (("vms", 0, "results"), [[0]], "results"),
    (("vms", 0, "exit_code"), -1, "exit_code"),
    (("vms", 0, "devices"), [], "devices"),
    (("vms", 0, "gic"), {}, "gic"),
    (("vms", 0, "gic", "enabled"), 1, "gic"),
    (("vms", 0, "gic", "facts"), [[0, 4096, "group", 1]], "gic"),
    (("vms", 0, "gic", "facts"), [[0, 40, "group", 2]], "gic"),
    (("vms", 0, "gic", "facts"), [[0, 40, [], 1]], "gic"),
    (("vms", 0, "gic", "interfaces"), [], "gic"),
    (("region",), "QUJD", "region"),
]


@pytest.mark.parametrize(("where", "value", "name"), WRONG)
def test_devices_that_cannot_be_are_refused_by_name(where, value, name, tmp_path):
    """What a file says of consoles and controllers is checked before it is used."""
    image, policy, vcpus, cut, _ = CASES[2]
    with machine(image, policy, vcpus) as m:
        m.run(until_cyc=cut)
        state = json.loads(json.dumps(dict(m.snapshot().devices)))
        assert checked(m, state)["vms"][0]["exit_code"] is None
        inner = state
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        before = m.core.snapshot()
        with pytest.raises(pe.StateError, match=rf"snapshot\.devices.*{name}"):
            m.restore(replace(m.snapshot(), devices=state))
        assert (m.core.snapshot() == before).all()


def run(capsys, *words):
    """Run ``pyemu guest run`` with --json; return its object without host times."""
    assert main(["guest", "run", *words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    said.pop("mips")
    return said


def test_the_command_saves_and_resumes(capsys, tmp_path):
    """--snapshot where --until stops it, --resume to the end: the same report."""
    image = ["eager-vs-lazy", "--reg", "x3=300", "--policy", "eager"]
    path, console = str(tmp_path / "half.snap"), str(tmp_path / "console")
    whole = run(capsys, *image, "--console", console)
    half = run(capsys, *image, "--until", "60000", "--snapshot", path)
    assert (whole["stop"], half["stop"]) == ("done", "limit")
    assert run(capsys, *image, "--resume", path, "--console", console) == whole
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    assert main(["guest", "run", *image, "--resume", path]) != 0
    assert "checksum" in capsys.readouterr().err
    assert main(["guest", "run", *image, "--resume", "absent.snap"]) == 3
    nowhere = str(tmp_path / "absent" / "x.snap")
    assert main(["guest", "run", *image, "--snapshot", nowhere]) == 3


def test_a_prompt_that_is_cut_is_found_by_who_resumes(tmp_path):
    """The console's text comes back whole: `until` sees across the cut."""
    image, policy, vcpus, cut, _ = CASES[2]
    with machine(image, policy, vcpus) as m:
        m.run(until_cyc=cut)
        m.bus.outcomes[0].console.put_back(b"one\nlog", 4)
        pe.save_snapshot(m.snapshot(), tmp_path / "x.snap")
    with machine(image, policy, vcpus) as m:
        m.restore(pe.load_snapshot(tmp_path / "x.snap"))
        console, lines = m.bus.outcomes[0].console, []
        console.on_line.append(lines.append)
        console.until = b"login:"
        for byte in b"in:\n":
            console.put(byte)
        assert console.found
        assert lines == [b"login:\n"]
