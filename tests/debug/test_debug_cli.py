"""``pyemu guest run``: ``--symbols`` and ``--gdb``; the report comes in every case."""

import json
import re
import signal
import socket
import subprocess
import sys

import pytest

from pyemu.cli import main
from pyemu.debug.packet import frame

RUN = ["guest", "run", "eager-vs-lazy", "--reg", "x1=97", "--reg", "x3=10"]


@pytest.fixture
def symbols(tmp_path):
    """Return a symbol file that cuts the shipped guest into pieces."""
    path = tmp_path / "System.map"
    lines = [f"{0x8000_0000 + 64 * n:x} T piece{n}" for n in range(64)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_symbols_bring_exits_by_function(symbols, capsys):
    """In JSON and as a table; what the exits add up to."""
    argv = [*RUN, "--symbols", str(symbols)]
    assert main([*argv, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert sum(row["exits"] for row in data["by_symbol"]) >= 10
    assert {"symbol", "exits", "guest_cyc", "handling_cyc"} == set(data["by_symbol"][0])
    assert main(argv) == 0
    assert re.search(r"symbol +exits +guest_cyc", capsys.readouterr().out)
    assert main([*RUN, "--symbols", "/no/such/file"]) == 3
    assert "/no/such/file" in capsys.readouterr().err


def started(*more):
    """Start a run that waits for gdb; return the process and its port."""
    argv = [sys.executable, "-m", "pyemu", *RUN, "--gdb", "0", "--json", *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(argv, **pipes)
    line = process.stderr.readline()
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found, line
    return process, int(found[1])


def ended(process):
    """Return what the run has printed, and its exit code."""
    out, _ = process.communicate(timeout=60)
    return json.loads(out), process.returncode


def test_a_client_that_leaves_ends_the_run_with_its_report():
    """Nothing hangs; the stop says why."""
    process, port = started()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(frame(b"s"))
        assert line.recv(100)
    data, code = ended(process)
    assert (data["stop"], code) == ("gdb client gone", 0)
    assert data["guest_insns"] == 1


def test_after_a_detach_the_guest_runs_to_its_end():
    """As if nobody had looked."""
    process, port = started()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(frame(b"Z0,80000010,4") + frame(b"D"))
        data, code = ended(process)
    assert (data["stop"], code, data["exits"]["HVC64"]) == ("done", 0, 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_wait_for_a_client(number):
    """Ctrl-C before anybody came: the report, exit code 130."""
    process, _ = started()
    process.send_signal(number)
    data, code = ended(process)
    assert (data["stop"], code) == ("interrupted", 130)


def test_ports_are_checked(capsys):
    """By option, before anything runs."""
    assert main([*RUN, "--gdb", "70000"]) == 2
    assert main([*RUN, "--gdb", "x"]) == 2
    assert "--gdb" in capsys.readouterr().err
