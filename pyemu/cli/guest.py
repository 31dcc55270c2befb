"""``pyemu guest``: machine code guests; ``run IMAGE`` runs one, ``list`` what ships."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from .._ffi_code import CodeCore
from ..config import VM, Host
from ..errors import ConfigError
from ..guest import board, machine_code
from ..machine import Machine
from ..result import Result
from ..units import parse_int
from .options import chosen_policies, print_json

__all__ = ["add", "main"]

LIMIT_S: Final = 60  # emulated seconds, unless --until says otherwise


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("guest", help="run machine code guests")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list shipped images and boards")
    listing.set_defaults(main=show)
    run = actions.add_parser("run", help="run a flat image on a board")
    option = run.add_argument
    option("image", help="a shipped image (pyemu guest list) or a flat binary")
    option("--board", default="vmm", metavar="B", help="name or TOML file")
    option("--policy", default="lazy", metavar="P", help="policy name or TOML file")
    option("--vcpus", default="1", metavar="N", help="vCPUs of the guest")
    option("--pcpus", metavar="N", help="physical CPUs; default: as many as vCPUs")
    option("--gic", choices=("v2", "v3"), help="interrupt controller version")
    mode = run.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    option("--mem", metavar="BYTES", help="RAM, such as 512M, instead of the board's")
    option(
        "--reg",
        metavar="xN=V",
        action="append",
        default=[],
        dest="regs",
        help="start value of a register, a number or vcpu, vcpus, gic",
    )
    option("--until", metavar="CYCLES", help="stop at this host cycle")
    option("--profile", default="icount", metavar="P", help="cost profile")
    option("--seed", default="0", metavar="S", help="seed of what is drawn at random")
    option("--json", action="store_true", help="print one JSON object")
    option("--console", metavar="FILE", help="write the guest's console here")
    run.set_defaults(main=main)


def show(_args: argparse.Namespace) -> int:
    """List images and boards; return the exit code."""
    print("images: " + ", ".join(machine_code.images()))
    for name in board.names():
        print(f"board {name:<8} {board.get(name).title}")
    return 0


def _regs(texts: list[str]) -> dict[str, int | str]:
    out: dict[str, int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError("--reg", text, "xN=VALUE, such as x3=1000")
        word = value in board.WORDS
        out[name] = value if word else parse_int(f"--reg {name}", value)
    return out


def _bytes(text: str) -> int:
    """Return ``512M`` in bytes: K, M and G are powers of 1024."""
    shift = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper())
    number = text if shift is None else text[:-1]
    return parse_int("--mem", number) << (shift or 0)


def _machine(args: argparse.Namespace) -> Machine:
    vcpus = parse_int("--vcpus", args.vcpus)
    load = machine_code.load(
        args.image,
        board=args.board,
        regs=_regs(args.regs),
        vcpus=vcpus,
        mem_bytes=None if args.mem is None else _bytes(args.mem),
    )
    pcpus = vcpus if args.pcpus is None else parse_int("--pcpus", args.pcpus)
    return Machine(
        Host(pcpus=pcpus, profile=args.profile, gic=args.gic, vhe=args.vhe),
        [VM(vcpus=vcpus)],
        policy=chosen_policies(args.policy)[0],
        load=load,
        seed=parse_int("--seed", args.seed),
    )


def main(args: argparse.Namespace) -> int:
    """Run it; return the exit code."""
    with _machine(args) as machine:
        limit = LIMIT_S * machine.blueprint.clock.cpu_hz
        end = limit if args.until is None else parse_int("--until", args.until)
        stop = machine.run(until_cyc=end)
        outcome = machine.bus.outcomes[0]
        result = machine.region or machine.result(args.image)
        insns = sum(CodeCore(machine.core).insns(v.index) for v in machine.vcpus)
        mips = insns / machine.host_s / 1e6 if machine.host_s else 0.0
    if args.console:
        Path(args.console).write_bytes(bytes(outcome.console))
    elif outcome.console and not args.json:
        sys.stdout.write(outcome.console.decode(errors="replace"))
    if args.json:
        print_json(_plain(result, outcome.results, insns, round(mips, 3)))
    else:
        print(result)
        print(f"\n{insns} guest instructions, {mips:.1f} MIPS, stopped: {stop.reason}")
        for slot, value in sorted(outcome.results.items()):
            print(f"result {slot:<2} {value}")
        if outcome.exit_code is not None:
            print(f"exit code {outcome.exit_code}")
    return 130 if stop.reason == "interrupted" else 0


def _plain(
    result: Result, results: dict[int, int], insns: int, mips: float
) -> dict[str, Any]:
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
        "results": {str(slot): value for slot, value in sorted(results.items())},
    }
