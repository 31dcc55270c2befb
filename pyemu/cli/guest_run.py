"""``pyemu guest run``: a machine code guest, its console, its report."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .._ffi_code import CodeCore
from ..config import VM, Host
from ..debug import Guest
from ..debug.server import serve
from ..errors import ConfigError, GuestError, TraceError
from ..guest import machine_code
from ..guest.board import WORDS
from ..guest.console import Console
from ..guest.phases import Phases
from ..machine import Machine
from ..progress import meter
from ..result import Result
from ..snapshot_file import load_file, save_file
from ..units import parse_int
from .options import chosen_policies, print_json

__all__ = ["main"]

LIMIT_S: Final = 60  # emulated seconds, unless --until says otherwise


def _regs(texts: list[str]) -> dict[str, int | str]:
    out: dict[str, int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError("--reg", text, "xN=VALUE, such as x3=1000")
        word = value in WORDS
        out[name] = value if word else parse_int(f"--reg {name}", value)
    return out


def _bytes(text: str) -> int:
    """Return ``512M`` in bytes: K, M and G are powers of 1024."""
    shift = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper())
    number = text if shift is None else text[:-1]
    return parse_int("--mem", number) << (shift or 0)


def _file(option: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise TraceError(
            path, f"no readable file for {option}: {exc.strerror}"
        ) from exc


def _limit(text: str | None) -> tuple[int | None, bytes]:
    """Return ``--until`` as a cycle or as a text to wait for."""
    if text is None:
        return None, b""
    if not text:
        raise ConfigError("--until", text, "a text or a host cycle")
    try:
        return parse_int("--until", text), b""
    except ConfigError:
        return None, text.encode()


def _machine(args: argparse.Namespace) -> Machine:
    vcpus = parse_int("--vcpus", args.vcpus)
    boot = machine_code.Boot(
        None if args.initrd is None else machine_code.initrd_bytes(args.initrd),
        args.append,
        _file("--dtb", args.dtb),
    )
    load = machine_code.load(
        args.image,
        board=args.board,
        regs=_regs(args.regs),
        vcpus=vcpus,
        mem_bytes=None if args.mem is None else _bytes(args.mem),
        boot=boot,
    )
    pcpus = vcpus if args.pcpus is None else parse_int("--pcpus", args.pcpus)
    return Machine(
        Host(pcpus=pcpus, profile=args.profile, gic=args.gic, vhe=args.vhe),
        [VM(vcpus=vcpus)],
        policy=chosen_policies(args.policy)[0],
        load=load,
        seed=parse_int("--seed", args.seed),
    )


def _insns(machine: Machine) -> int:
    code = CodeCore(machine.core)
    return sum(code.insns(vcpu.index) for vcpu in machine.vcpus)


@contextmanager
def _shown(console: Console, path: str | None, live: bool) -> Iterator[None]:
    """Hand the console on, line by line as it comes: to a file, or to stdout."""
    if path is not None:
        try:
            with Path(path).open("wb") as out:
                console.on_line.append(_writer(out))
                yield
                console.flush()
        except OSError as exc:
            raise TraceError(path, f"no writable console: {exc.strerror}") from exc
        return
    if live:
        console.on_line.append(_print)
    yield
    console.flush()


def _writer(out: Any) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        out.write(line)
        out.flush()

    return write


def _print(line: bytes) -> None:
    sys.stdout.write(line.decode(errors="replace"))
    sys.stdout.flush()


def _progress(machine: Machine, args: argparse.Namespace) -> None:
    """Show MIPS and EPMC on a terminal, unless the console itself is there."""
    if args.json or args.console is not None:
        machine.progress = meter(Path(args.image).name, facts=lambda: _facts(machine))


def _facts(machine: Machine) -> str:
    result = machine.result()
    mips = _insns(machine) / machine.host_s / 1e6 if machine.host_s else 0.0
    return f"{mips:.0f} MIPS, EPMC {result.epmc:.1f}"


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Make SIGTERM end the run as Ctrl-C does, with its report."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _interrupt(_number: int, _frame: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def main(args: argparse.Namespace) -> int:
    """Run it and report, whatever ended it; return the exit code."""
    until_cyc, text = _limit(args.until)
    failure = None
    with _machine(args) as machine:
        console = machine.bus.outcomes[0].console
        console.until = text
        phases = Phases(lambda: (machine.result(args.image), _insns(machine)))
        console.on_line.append(phases.line)
        _resume(args.resume, machine, phases)
        _progress(machine, args)
        if until_cyc is None:
            until_cyc = LIMIT_S * machine.blueprint.clock.cpu_hz
        guest = Guest.of(machine, args.symbols)
        reason = "guest error"
        with _sigterm_as_ctrl_c(), _shown(console, args.console, not args.json):
            try:
                reason = _run(guest, args.gdb, until_cyc)
                _save(args.snapshot, machine, phases)
            except GuestError as exc:
                failure = exc
        _report(args, guest, phases, reason)
    if failure is not None:
        raise failure
    return 130 if reason == "interrupted" else 0


def _resume(path: str | None, machine: Machine, phases: Phases) -> None:
    """Continue a saved machine; its phases go on, too."""
    if path is None:
        return
    try:
        snapshot = load_file(path)
    except OSError as exc:
        raise TraceError(path, f"no readable snapshot: {exc.strerror}") from exc
    machine.restore(snapshot)
    if "phases" in snapshot.notes:
        phases.put_back(snapshot.notes["phases"])


def _save(path: str | None, machine: Machine, phases: Phases) -> None:
    """Save it; a line that is not complete is handed on by whoever resumes."""
    if path is None:
        return
    snapshot = replace(machine.snapshot(), notes={"phases": phases.state()})
    try:
        save_file(snapshot, path)
    except OSError as exc:
        raise TraceError(path, f"no writable snapshot: {exc.strerror}") from exc


def _run(guest: Guest, port: str | None, until_cyc: int) -> str:
    """Run it, or let gdb do so; return why it ended."""
    if port is not None:
        number = parse_int("--gdb", port)
        how = serve(guest, number, until_cyc=until_cyc, listening=_announce)
        if how != "detach":
            return {"gone": "gdb client gone", "kill": "killed by gdb"}.get(how, how)
    return guest.run(until_cyc=until_cyc).reason


def _announce(port: int) -> None:
    print(f"gdb: target remote 127.0.0.1:{port}", file=sys.stderr, flush=True)


def _report(
    args: argparse.Namespace, guest: Guest, phases: Phases, reason: str
) -> None:
    machine = guest.machine
    outcome = machine.bus.outcomes[0]
    result = machine.region or machine.result(args.image)
    insns = _insns(machine)
    mips = insns / machine.host_s / 1e6 if machine.host_s else 0.0
    by_phase = phases.to_json()
    if args.json:
        results = {str(slot): value for slot, value in sorted(outcome.results.items())}
        shown = _plain(result, insns, round(mips, 3))
        shown["results"] = {**results, **({"phases": by_phase} if by_phase else {})}
        shown |= {"stop": reason, "exit_code": outcome.exit_code}
        if args.symbols:
            shown["by_symbol"] = guest.report().by_symbol()
        print_json(shown)
        return
    print(result)
    print(f"\n{insns} guest instructions, {mips:.1f} MIPS, stopped: {reason}")
    for name, counts in by_phase.items():
        exits = ", ".join(f"{key} {n}" for key, n in counts["exits"].items() if n)
        print(f"phase {name:<12} EPMC {counts['epmc']:8.1f}: {exits}")
    for slot, value in sorted(outcome.results.items()):
        print(f"result {slot:<2} {value}")
    if args.symbols:
        print(f"\n{guest.report().table()}")
    if outcome.exit_code is not None:
        print(f"exit code {outcome.exit_code}")


def _plain(result: Result, insns: int, mips: float) -> dict[str, Any]:
    """Return the object that ``--json`` prints; counts are of the measured region."""
    guest_cyc = result.guest_cyc
    return {
        "schema": 1,
        "mips": mips,
        "epmc": result.n_exits * 1e6 / guest_cyc if guest_cyc else None,
        "guest_insns": insns,
        "exits": dict(result.exits),
        "ops": dict(result.ops),
        "counters": dict(result.counters),
    }
