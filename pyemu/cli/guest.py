"""``pyemu guest``: machine code guests; ``run IMAGE`` runs one, ``list`` what ships."""

from __future__ import annotations

import argparse
from typing import Any

from ..guest import board, machine_code
from .guest_run import main

__all__ = ["add", "show"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("guest", help="run machine code guests")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list shipped images and boards")
    listing.set_defaults(main=show)
    run = actions.add_parser("run", help="run an image on a board")
    _machine(run)
    _software(run)
    _output(run)
    run.set_defaults(main=main)


def _machine(run: argparse.ArgumentParser) -> None:
    option = run.add_argument
    option("--board", metavar="B", help="name or TOML file; default virt")
    option("--policy", default="lazy", metavar="P", help="policy name or TOML file")
    option("--vcpus", default="1", metavar="N", help="vCPUs of the guest")
    option("--pcpus", metavar="N", help="physical CPUs; default: as many as vCPUs")
    option("--gic", choices=("v2", "v3"), help="interrupt controller version")
    mode = run.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=None)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    option("--mem", metavar="BYTES", help="RAM, such as 512M, instead of the board's")
    option("--profile", default="icount", metavar="P", help="cost profile")
    option("--seed", default="0", metavar="S", help="seed of what is drawn at random")


def _software(run: argparse.ArgumentParser) -> None:
    option = run.add_argument
    option(
        "image",
        help="a shipped image (pyemu guest list), a flat binary, an ELF file or an "
        "arm64 Linux Image, also inside gzip or EFI-zboot",
    )
    option(
        "--reg",
        metavar="xN=V",
        action="append",
        default=[],
        dest="regs",
        help="start value of a register, a number or vcpu, vcpus, gic, dtb",
    )
    option("--initrd", metavar="FILE", help="initial RAM disk, shipped or a file")
    option("--append", metavar="TEXT", help="kernel command line")
    option("--dtb", metavar="FILE", help="device tree instead of the board's own")


def _output(run: argparse.ArgumentParser) -> None:
    option = run.add_argument
    option(
        "--until",
        metavar="TEXT|CYCLES",
        help="stop when the console shows this, or, a number, at this host cycle",
    )
    option(
        "--symbols",
        metavar="FILE",
        action="append",
        default=[],
        help="ELF file or nm output, FILE@OFFSET where it is loaded elsewhere: report "
        "exits and cycles by function",
    )
    option("--gdb", metavar="PORT", help="let a gdb on this machine drive the guest")
    option("--snapshot", metavar="FILE", help="save the machine where the run stops")
    words = "go on from a snapshot of the same guest, host and policy"
    option("--resume", metavar="FILE", help=words)
    option("--json", action="store_true", help="print one JSON object")
    option("--console", metavar="FILE", help="write the guest's console here")


def show(_args: argparse.Namespace) -> int:
    """List images and boards; return the exit code."""
    print("images: " + ", ".join(machine_code.images()))
    print("initial RAM disks: " + ", ".join(machine_code.initrds()))
    for name in board.names():
        print(f"board {name:<8} {board.get(name).title}")
    return 0
