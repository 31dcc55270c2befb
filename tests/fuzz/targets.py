"""What is fuzzed: each target takes a seed and may raise nothing but PyemuError.

Text and file targets mutate a small corpus; targets of the core draw structures near
the edges of what is allowed. Used by CI (a few seeds), by ``python -m tests.fuzz``
(without end), and under ASan and UBSan (tests/c/test_sanitizers.py).
"""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

import pyemu as pe
from pyemu import _ffi, costs, scenario
from pyemu._ffi_explore import Explorer
from pyemu._ffi_soak import set_faults
from pyemu.assemble import resolve, set_policy
from pyemu.costing.perfstat import read_table
from pyemu.costing.spans import from_perf
from pyemu.explore import explore
from pyemu.guest import board, machine_code
from pyemu.guest.ops import U32, op_dtype
from pyemu.guest.workload import Start, Workload
from pyemu.policy.table import Compiled
from pyemu.policy.toml_io import parse as parse_policy
from pyemu.policy.toml_io import to_toml
from pyemu.snapshot_file import parse as parse_snapshot

CORPUS = Path(__file__).parent / "corpus"
EDGES = (0, 1, 2, 3, 7, 15, 16, 27, 31, 32, 95, 127, 128, 255, 256, 2**16 - 1)
EDGES += (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (b"0", b"-1", b"nan", b"inf", b"1e999", b"9" * 30, b"true", b"[]", b"{}")
WORDS += (b'""', b"\x00", b"\xff\xfe", b"\n", b"=", b"[[", b"'", b"\xe2\x80\xa8")
UNIT = pe.Host(profile="unit", gic="v3", vhe=True, tick_hz=0)
UNTIL_CYC = 200_000


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Return bytes with one to four of the usual accidents."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(out) + 1)
        to = min(len(out), at + rng.randrange(1, 40))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at:to]
        elif kind == 2:
            out[at:at] = out[at:to]
        elif kind == 3:
            out[at:at] = rng.choice(WORDS)
        elif kind == 4:
            lines = bytes(out).split(b"\n")
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[a]
            out = bytearray(b"\n".join(lines))
        else:
            words = bytes(out).split(b" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            out = bytearray(b" ".join(words))
    return bytes(out)


@contextlib.contextmanager
def as_file(data: bytes, suffix: str):
    """Bytes as a file on disk, for readers that take paths."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzzed{suffix}"
        path.write_bytes(data)
        yield str(path)


def shipped(folder: str, name: str) -> bytes:
    """Return a data file of the package."""
    return (resources.files("pyemu") / "data" / folder / name).read_bytes()


def read_trace(data: bytes) -> None:
    """The importer of ftrace text, and the replay of what it lets through."""
    recording = pe.read_trace(io.BytesIO(data))
    for mode in ("corrected", "as-recorded"):
        recording.to_workload(mode)


def read_perf(data: bytes) -> None:
    """A table of perf kvm stat, and the rows of a fit that it gives."""
    rows = read_table("perf.txt", data.decode("utf-8", "replace"))
    for times in ("guest", "host"):
        for row in from_perf(rows, times).rows:
            assert row.ns > 0 and row.noise > 0


def read_scenario(data: bytes) -> None:
    """A scenario file and the machine it describes."""
    with as_file(data, ".toml") as path:
        read = scenario.read(path)
        if read.host.pcpus <= 8 and sum(vm.n_vcpus for vm in read.vms) <= 64:
            resolve(read.host, read.vms, "eager", load=pe.loads.get("hvc-loop", n=3))


def read_policy(data: bytes) -> None:
    """A policy file, and a short run under what it lets through."""
    with _machine(parse_policy(data.decode(errors="replace"))) as m:
        m.run(until_cyc=UNTIL_CYC)


def read_board(data: bytes) -> None:
    """A board file."""
    with as_file(data, ".toml") as path:
        board.get(path)


def read_profile(data: bytes) -> None:
    """A cost profile."""
    with as_file(data, ".toml") as path:
        costs.get(path)


def read_npz(data: bytes) -> None:
    """A run file, and everything that is shown of it."""
    with as_file(data, ".npz") as path:
        loaded = pe.Result.load(path)
        str(loaded), loaded.to_json()


def read_snapshot(data: bytes) -> None:
    """A snapshot file, and the machine that loads it."""
    found = parse_snapshot(data)
    with _machine() as m:
        m.restore(found)
        m.run(until_cyc=UNTIL_CYC)


def _run_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        pe.run("eager", pe.loads.get("hvc-loop", n=20), host=UNIT).save(path)
        return path.read_bytes()


def _snapshot_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.snap"
        with _machine() as m:
            m.run(until_cyc=20_000)
            pe.save_snapshot(m.snapshot(), path)
        return path.read_bytes()


def _machine(policy: pe.Policy | str = "lazy") -> pe.Machine:
    return pe.Machine(UNIT, policy=policy, load=pe.loads.get("tick-wfi", n=5))


# Each entry that takes a file: a good one, and what reads it.
READERS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], None]]] = {
    "trace": (cache((CORPUS / "trace.txt").read_bytes), read_trace),
    "perf": (cache((CORPUS / "perf.txt").read_bytes), read_perf),
    "scenario_toml": (cache((CORPUS / "scenario.toml").read_bytes), read_scenario),
    "policy_toml": (
        cache(lambda: to_toml(pe.policy.get("lazy")).encode()),
        read_policy,
    ),
    "board_toml": (cache(lambda: shipped("boards", "vmm.toml")), read_board),
    "profile_toml": (cache(lambda: shipped("profiles", "unit.toml")), read_profile),
    "npz": (cache(_run_file), read_npz),
    "snapshot": (cache(_snapshot_file), read_snapshot),
}


def ops(rng: random.Random) -> None:
    """Op arrays of any content: C validates each op, then they run."""
    n = rng.randrange(1, 24)
    made = np.zeros(n, dtype=op_dtype())
    for row in made:
        row["op"] = rng.randrange(54) if rng.random() < 0.95 else rng.randrange(256)
        row["flags"] = rng.choice((0, 0, 0, 1, 255))
        row["a"] = rng.choice((0, 0, 1, 27, 30, *EDGES[:16]))
        row["b"] = rng.choice((0, n - 1, n, rng.randrange(n), *EDGES[:19]))
        row["c"] = rng.choice((0, 1, rng.randrange(5000), *EDGES))
    if rng.random() < 0.8:
        made[-1] = (0, 0, 0, 0, 0)
    table = np.array([rng.choice(EDGES) for _ in range(rng.randrange(4))], np.uint64)
    tables = (table,) if table.size else ()
    irq = rng.choice((U32, 0, n - 1, n))
    starts = tuple(
        Start(0, rng.choice((0, 0, n - 1, n)), irq, rng.random() < 0.8)
        for _ in range(rng.randrange(1, 3))
    )
    work = Workload((made,), tables, starts, finite=False)
    vms = [pe.VM(vcpus=len(starts))]
    host = UNIT.with_(pcpus=len(starts), gic=rng.choice(("v2", "v3")))
    policy = rng.choice(("eager", "lazy", "v6.12"))
    with pe.Machine(host, vms, policy=policy, load=work, trace=100) as m:
        m.run(until_cyc=UNTIL_CYC)
        m.result()


def tables(rng: random.Random) -> None:
    """Policy tables as numbers: steps anywhere, guards of any bits."""
    base = resolve(UNIT, [pe.VM()], "lazy", load=pe.loads.get("tick-wfi", n=5))
    steps = [list(step) for step in base.compiled.steps]
    guards = [list(guard) for guard in base.compiled.guards]
    start = list(base.compiled.hook_start)
    switches = base.compiled.switches
    for _ in range(rng.randrange(1, 6)):
        kind = rng.randrange(5)
        if kind == 0:
            rng.choice(steps)[rng.randrange(4)] = rng.choice((*EDGES[:14], 40, 60, 90))
        elif kind == 1:
            guard = rng.choice(guards[1:])
            guard[rng.randrange(2)] = rng.choice((*EDGES, 1 << rng.randrange(64)))
        elif kind == 2:
            start[rng.randrange(len(start))] = rng.randrange(len(steps) + 2)
        elif kind == 3:
            a, b = rng.randrange(len(steps)), rng.randrange(len(steps))
            steps[a][:3], steps[b][:3] = steps[b][:3], steps[a][:3]
        else:
            switches = rng.choice(EDGES)
    made = Compiled(
        [tuple(map(int, one)) for one in steps],
        start,
        [(mask, want, bool(inverted)) for mask, want, inverted in guards],
        switches,
    )
    core = base.create()
    try:
        set_policy(core, made)
        core.run(UNTIL_CYC, 0, 0)
    finally:
        core.close()


def explorer(rng: random.Random) -> None:
    """The explorer's bounds, as Python takes them and as the core does."""
    if rng.random() < 0.5:
        explore(
            rng.choice(("eager", "lazy")),
            vcpus=rng.choice(EDGES[:4]),
            pcpus=rng.choice(EDGES[:4]),
            lrs=rng.choice(EDGES[:6]),
            depth=rng.choice((0, 1, 2, -1)),
            max_states=rng.choice((0, 1, 200, -1)),
            max_bytes=rng.choice((0, 1, 2**20)),
            invariants=[rng.choice((1, 2, 6, 0, 99))],
        )
        return
    made = {
        name: rng.choice(EDGES)
        for name in ("actions", "guest", "invariants", "max_depth", "reduce")
    }
    made = {**made, "max_depth": made["max_depth"] % 2**32, "reduce": 1}
    made |= {"max_states": rng.choice((0, 1, 200)), "max_bytes": rng.choice(EDGES[:20])}
    m = _machine()
    x = Explorer(m.core, made)
    try:
        x.safety()
    finally:
        x.close()


def faults(rng: random.Random) -> None:
    """A fault plan of any numbers."""
    plan = {name: rng.choice(EDGES) for name in ("seed", "mean_cyc", "overdue_cyc")}
    plan |= {name: rng.choice(EDGES) % 2**32 for name in ("kinds", "ask_every")}
    plan["mean_cyc"] = rng.choice((plan["mean_cyc"], 500, 5000))
    plan["kinds"] = rng.choice((plan["kinds"], rng.randrange(2**12)))
    host = UNIT.with_(pcpus=2)
    load = pe.loads.get("sgi-wfi", n=40)
    with pe.Machine(host, [pe.VM(vcpus=2)], policy="lazy", load=load) as m:
        set_faults(m.core, plan)
        for _ in range(6):
            m.run(until_cyc=UNTIL_CYC)


def core_config(rng: random.Random) -> None:
    """The core's own configuration: every field at its edges."""
    base = resolve(UNIT, [pe.VM()], "lazy", load=pe.loads.get("hvc-loop", n=5))
    config = base.core_config(1, 0)
    layout = _ffi.dtype("config").fields
    for name in rng.sample(sorted(config), rng.randrange(1, 4)):
        size = layout[name][0].itemsize
        small = name in ("n_pcpus", "n_vcpus", "n_tasks", "n_vms")
        config[name] = rng.choice(EDGES[:15] if small else EDGES) % 2 ** (8 * size)
    _ffi.Core(config).close()


SNAPSHOT_HEADER = 40  # of the core's own: magic, version, bytes, policy, checksum
WORD = 2**64 - 1


def sealed(blob: np.ndarray) -> np.ndarray:
    """The core's snapshot with the checksum that its body now has."""
    body = blob[SNAPSHOT_HEADER : blob.size - blob.size % 8].view(np.uint64)
    total = blob.size - SNAPSHOT_HEADER
    for word in body.tolist():  # splitmix64, one word after the other
        mixed = (total ^ word) + 0x9E3779B97F4A7C15 & WORD
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & WORD
        total = mixed ^ mixed >> 31
    blob[SNAPSHOT_HEADER - 8 : SNAPSHOT_HEADER].view(np.uint64)[0] = total
    return blob


CPUS = (250_000, 227_400)  # pCPUs to run queues, counted from the state's end, bytes


@cache
def snapshot_blob(code: bool) -> tuple[bytes, list[int], list[int]]:
    """A snapshot in the middle of a run, and the 32-bit words in it that are set.

    Those of threads and CPUs, and every 50th of the rest.
    """
    with snapshot_machine(code) as m:
        m.run(until_cyc=60_000)
        blob, most = m.core.snapshot(), m.core.bytes_used()
    used = np.flatnonzero(blob[: blob.size - blob.size % 4].view(np.uint32))
    first, last = ((most - before) // 4 for before in CPUS)
    near = (used >= first) & (used < last)
    assert near.sum() > 100
    return blob.tobytes(), used[near].tolist(), used[~near][::50].tolist()


def snapshot_machine(code: bool) -> pe.Machine:
    if code:
        load = machine_code.load("eager-vs-lazy", regs={"x3": 50})
        return pe.Machine(pe.Host(profile="unit"), policy="lazy", load=load)
    load = pe.loads.get("sgi-wfi", n=200)
    host = UNIT.with_(pcpus=2, tick_hz=1000)
    return pe.Machine(host, [pe.VM(vcpus=2)], policy="lazy", load=load)


def snapshot_state(rng: random.Random) -> None:
    """A snapshot's own fields at their edges, under a right checksum."""
    code = rng.random() < 0.3
    good, near, far = snapshot_blob(code)
    blob = np.frombuffer(good, np.uint8).copy()
    for _ in range(rng.randrange(1, 4)):
        word = rng.choice(near if rng.random() < 0.8 else far)
        where = max(SNAPSHOT_HEADER, 4 * word + rng.randrange(-8, 9))
        size = rng.choice((1, 2, 4, 8))
        at = where // size * size
        value = rng.choice(EDGES) % 2 ** (8 * size)
        blob[at : at + size] = np.frombuffer(value.to_bytes(size, "little"), np.uint8)
    with snapshot_machine(code) as m:
        m.core.restore(sealed(blob))
        m.run(until_cyc=UNTIL_CYC)


STRUCTURES = (ops, tables, explorer, faults, core_config, snapshot_state)
TARGETS = (*READERS, *(one.__name__ for one in STRUCTURES))


def attempt(name: str, seed: int) -> bool:
    """Try one input; True if it was let through. Any other exception is a finding."""
    rng = random.Random(f"{name} {seed}")
    try:
        if name in READERS:
            good, reader = READERS[name]
            reader(mutate(rng, good()))
        else:
            {one.__name__: one for one in STRUCTURES}[name](rng)
    except pe.PyemuError:
        return False
    return True
