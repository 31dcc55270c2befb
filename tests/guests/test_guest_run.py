"""``pyemu guest run``: console, limits, signals, phases; always with its report."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pyemu.cli import main

UART = 0x0900_0000
NO_TREE = ["--reg", "x0=0"]  # these guests read none


def flat(tmp_path, *words):
    """Write a flat image of instruction words."""
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    return str(path)


def printing(text):
    """Return instructions that send a text to the UART."""
    words = [0xD2A12001]  # mov x1, #0x9000000
    for char in text:
        words += [0x52800000 | ord(char) << 5, 0x39000020]  # mov w0, #c; strb w0, [x1]
    return words


OFF = [0xD2800100, 0xF2B08000, 0xD4000002]  # PSCI SYSTEM_OFF by HVC
LOOP = 0x14000000  # b .


def test_the_console_goes_to_stdout_and_to_a_file(tmp_path, capsys):
    """The same bytes."""
    image = flat(tmp_path, *printing("hello\nworld"), *OFF)
    assert main(["guest", "run", image, *NO_TREE]) == 0
    assert capsys.readouterr().out.startswith("hello\nworld")
    out = tmp_path / "console"
    assert main(["guest", "run", image, *NO_TREE, "--console", str(out)]) == 0
    assert out.read_bytes() == b"hello\nworld"
    assert not capsys.readouterr().out.startswith("hello")


def test_a_run_stops_at_a_text(tmp_path, capsys):
    """The guest loops for ever after it."""
    image = flat(tmp_path, *printing("login: "), LOOP)
    assert main(["guest", "run", image, *NO_TREE, "--until", "login:", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stop"] == "text"


def test_a_run_stops_at_a_cycle(tmp_path, capsys):
    """A number is a host cycle."""
    image = flat(tmp_path, LOOP)
    assert main(["guest", "run", image, *NO_TREE, "--until", "1e6", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["stop"] == "limit"
    assert 0 < data["guest_insns"] <= 10**6


def test_phases_are_counted_apart(tmp_path, capsys):
    """Two hypercalls before the line, one and SYSTEM_OFF after it."""
    call = 0xD4000002
    image = flat(tmp_path, call, call, *printing("init: phase one\n"), call, *OFF)
    assert main(["guest", "run", image, *NO_TREE, "--json"]) == 0
    phases = json.loads(capsys.readouterr().out)["results"]["phases"]
    assert list(phases) == ["boot", "one"]
    assert phases["boot"]["exits"]["HVC64"] == 2
    assert phases["one"]["exits"]["HVC64"] == 2
    total = phases["boot"]["epmc_by_reason"]["HVC64"] * phases["boot"]["guest_cyc"]
    assert round(total / 1e6) == 2


def test_an_access_to_nothing_still_gives_a_report(tmp_path, capsys):
    """str w0, [x1] where the board has no device."""
    image = flat(tmp_path, 0xB9000020)
    argv = ["guest", "run", image, *NO_TREE, "--reg", "x1=0x0f000000", "--json"]
    assert main(argv) == 2
    out = capsys.readouterr()
    assert "0xf000000" in out.err
    assert json.loads(out.out)["stop"] == "guest error"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--initrd", "/no/such/file"], "no readable initrd"),
        (["--dtb", "/no/such/file"], "no readable file for --dtb"),
        (["--mem", "12Q"], "--mem"),
        (["--until", ""], "--until"),
        (["--vcpus", "9", "--gic", "v2"], "at most 8 vCPUs"),
        (["--console", "/no/such/dir/file"], "no writable console"),
    ],
)
def test_bad_options_are_refused_by_name(tmp_path, capsys, more, words):
    """Usage errors exit with 2, unusable files with 3."""
    image = flat(tmp_path, *OFF)
    assert main(["guest", "run", image, *NO_TREE, *more]) in (2, 3)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_its_report(tmp_path, number):
    """The console file is complete, the report is there, the code is 130."""
    image = flat(tmp_path, *printing("begun\nhalf"), LOOP)
    out = tmp_path / "console"
    argv = [sys.executable, "-m", "pyemu", "guest", "run", image, *NO_TREE]
    argv += ["--json", "--console", str(out), "--until", "1e15"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        deadline = time.monotonic() + 30
        while not (out.exists() and out.read_bytes()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert out.read_bytes() == b"begun\n"  # a line as soon as it is complete
        os.kill(child.pid, number)
        said, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert json.loads(said)["stop"] == "interrupted"
    assert out.read_bytes() == b"begun\nhalf"
