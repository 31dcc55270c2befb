"""The snapshot law as behaviour, and files that must be refused by name."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pyemu as pe
from pyemu.snapshot_file import FIXED_BYTES, FORMAT, VERSION, parse

from .continue_run import answer, machine

HERE = Path(__file__).with_name("continue_run.py")
CASES = [
    ("eager", 11, False),
    ("lazy-fixed", 12, True),
    ("lazy", 13, False),
    ("v6.12", 14, True),
    ("v4.16", 15, False),
]


@pytest.mark.parametrize(("policy", "seed", "faults"), CASES)
def test_run_save_load_elsewhere_run_is_run(policy, seed, faults, tmp_path):
    """run(n+k) is run(n), to disk, another process, run(k): same bytes."""
    n, k = 7_000_000 + seed * 1237, 5_000_000
    path = tmp_path / "half.snap"
    with machine(policy, seed, faults=faults) as m:
        m.run(until_cyc=n)
        pe.save_snapshot(m.snapshot(), path)
        mine = answer(m, m.n_events, n + k)
    argv = [policy, str(seed), str(int(faults)), str(path), str(n + k)]
    done = subprocess.run(
        [sys.executable, str(HERE), *argv], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(mine))
    assert mine["records"] > 100


def small(policy="eager", **host):
    """A machine for files."""
    return pe.Machine(
        pe.Host(profile="unit", gic="v3", vhe=True, **host),
        policy=policy,
        load=pe.loads.get("hvc-loop", n=100),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of one file."""
    path = tmp_path_factory.mktemp("snap") / "one.snap"
    with small() as m:
        m.run(until_cyc=10_000)
        pe.save_snapshot(m.snapshot(), path)
    assert [one.name for one in path.parent.iterdir()] == ["one.snap"]
    return path.read_bytes()


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"policy": "lazy"}, "policy"),
        ({"tick_hz": 100}, "host"),
        ({"pcpus": 2}, "host"),
    ],
)
def test_another_machine_or_policy_is_refused_by_name(saved, other, field):
    """What differs is named; the machine goes on as it was."""
    with small(**other) as m:
        m.run(until_cyc=5000)
        with pytest.raises(pe.StateError, match=rf"snapshot\.{field}"):
            m.restore(parse(saved))
        assert m.run().reason == "done"


def test_other_loads_and_profiles_are_refused_by_name(saved):
    """The program and the costs belong to the description."""
    load = pe.loads.get("hvc-loop", n=101)
    host = pe.Host(profile="unit", gic="v3", vhe=True)
    with (
        pe.Machine(host, policy="eager", load=load) as m,
        pytest.raises(pe.StateError, match=r"snapshot\.load"),
    ):
        m.restore(parse(saved))
    cost = {"trap": 3}
    load = pe.loads.get("hvc-loop", n=100)
    with (
        pe.Machine(host, policy="eager", load=load, cost_override=cost) as m,
        pytest.raises(pe.StateError, match=r"snapshot\.profile"),
    ):
        m.restore(parse(saved))


def sealed(header, blob):
    """A file with a right checksum around whatever it says."""
    text = json.dumps(header).encode()
    body = FORMAT + VERSION.to_bytes(4, "little") + len(text).to_bytes(8, "little")
    body += text + blob
    return body + hashlib.sha256(body).digest()


def opened(data):
    """Header and blob of a file."""
    size = int.from_bytes(data[FIXED_BYTES - 8 : FIXED_BYTES], "little")
    header = json.loads(data[FIXED_BYTES : FIXED_BYTES + size])
    return header, data[FIXED_BYTES + size : -32]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("api_version", 3),
        ("api_version", "4"),
        ("blob_bytes", 0),
        ("key", []),
        ("key", {"policy": 1}),
        ("now_cyc", -1),
        ("now_cyc", 1.5),
        ("now_cyc", 2**70),
        ("online", [1]),
        ("online", None),
        ("paused", {}),
        ("paused", [-1]),
        ("cntvoff_ticks", ["0"]),
        ("affinity", [0]),
        ("periods", True),
        ("devices", []),
        ("notes", None),
    ],
)
def test_a_wrong_field_is_named(saved, field, value):
    """Even with a right checksum; a missing one likewise."""
    header, blob = opened(saved)
    with pytest.raises(pe.StateError, match=field):
        parse(sealed({**header, field: value}, blob))
    header.pop(field)
    with pytest.raises(pe.StateError, match=field):
        parse(sealed(header, blob))


def test_damage_is_found_wherever_it_is(saved):
    """Cut off anywhere, one bit turned anywhere, another file altogether."""
    for cut in {0, 1, 14, 15, 18, 19, 26, 27, 60, len(saved) // 2, len(saved) - 1}:
        with pytest.raises(pe.StateError, match=r"format|length|version|checksum"):
            parse(saved[:cut])
    for at in range(0, len(saved), max(1, len(saved) // 97)):
        wrong = bytearray(saved)
        wrong[at] ^= 1 << at % 8
        with pytest.raises(pe.StateError):
            parse(bytes(wrong))
    for foreign in (b"", b"PK\x03\x04" + bytes(100), saved[1:], saved + b"x"):
        with pytest.raises(pe.StateError):
            parse(foreign)


def test_numbers_that_do_not_fit_the_machine_are_refused(saved):
    """Lists of another length than the machine's, times before its own."""
    header, blob = opened(saved)
    for field, value in (
        ("online", [True, True]),
        ("affinity", []),
        ("affinity", [[7]]),
        ("paused", [5]),
        ("cntvoff_ticks", []),
    ):
        with small() as m:
            with pytest.raises(pe.StateError, match=field):
                m.restore(parse(sealed({**header, field: value}, blob)))
            assert m.run().reason == "done"


def test_a_file_is_written_whole_or_not_at_all(saved, tmp_path):
    """The old file stays if the new one cannot be written; nothing is left beside."""
    path = tmp_path / "kept.snap"
    path.write_bytes(b"old")
    snapshot = parse(saved)
    broken = type(snapshot)(**{**vars(snapshot), "online": (object(),)})
    with pytest.raises(TypeError):
        pe.save_snapshot(broken, path)
    with pytest.raises(OSError, match="absent"):
        pe.save_snapshot(snapshot, tmp_path / "absent" / "x.snap")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.snap"]
