"""``pyemu explore``: search a policy's every interleaving on a small machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..explore import QUIRKS, Exploration, explore
from ..mutants import check
from ..policy.reach import load_reachable
from ..progress import stages
from ..units import parse_int
from .options import print_json

__all__ = ["EXIT", "add", "main"]

EXIT: Final = {"clean": 0, "violated": 1, "partial": 4}


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("explore", help="prove a policy on a small machine")
    add_one = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--policy", metavar="P", help="name or TOML file")
    what.add_argument("--mutants", metavar="P", help="which of its steps matter")
    add_one("--hooks", metavar="A,B", help="mutants of these hooks only")
    add_one("--vcpus", default="1", metavar="N", help="1 or 2")
    add_one("--pcpus", default="1", metavar="N", help="1 or 2")
    add_one("--lrs", default="4", metavar="N", help="list registers")
    add_one("--gic", choices=("v2", "v3"), default="v3")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--vhe", dest="vhe", action="store_true", default=True)
    mode.add_argument("--nvhe", dest="vhe", action="store_false")
    add_one("--user-irqchip", action="store_true", help="vCPU 0: a VM without a vgic")
    add_one("--quirk", action="append", default=[], help=f"host: {', '.join(QUIRKS)}")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--depth", metavar="N", help="at most so many choices")
    bound.add_argument("--exhaust", action="store_true", help="no bound (the default)")
    add_one("--max-states", default="200000000", metavar="N")
    add_one("--memory", default="8", metavar="GIB", help="bound of the visited set")
    add_one("--alphabet", metavar="A,B", help="a smaller alphabet: never clean")
    add_one("--invariants", metavar="I1,I10", help="only these")
    add_one("--threads", metavar="N", help="default: one for each CPU")
    add_one("--no-reduce", action="store_true", help="keep and interleave every step")
    add_one("--no-symmetry", action="store_true", help="tell vCPUs and pCPUs apart")
    add_one("--json", action="store_true", help="print one JSON object")
    add_one("--emit-test", metavar="FILE", help="write a finding as a pytest file")
    parser.set_defaults(main=main)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [n.strip() for n in text.split(",") if n.strip()]


def main(args: argparse.Namespace) -> int:
    """Explore; 0 clean, 1 violated, 4 partial. Mutants: 0."""
    if args.mutants is not None:
        return _mutants(args)
    found = explore(
        load_reachable(args.policy),
        vcpus=parse_int("--vcpus", args.vcpus),
        pcpus=parse_int("--pcpus", args.pcpus),
        lrs=parse_int("--lrs", args.lrs),
        gic=args.gic,
        vhe=args.vhe,
        user_irqchip=args.user_irqchip,
        quirks=args.quirk,
        depth=None if args.depth is None else parse_int("--depth", args.depth),
        max_states=parse_int("--max-states", args.max_states),
        max_bytes=parse_int("--memory", args.memory) * 2**30,
        alphabet=_names(args.alphabet),
        invariants=_names(args.invariants),
        reduce=not args.no_reduce,
        symmetry=not args.no_symmetry,
        threads=None if args.threads is None else parse_int("--threads", args.threads),
    )
    if args.emit_test is not None:
        _emit(args, found)
    if args.json:
        print_json(found.to_dict())
    else:
        _print(found)
    return EXIT[found.verdict]


def _mutants(args: argparse.Namespace) -> int:
    """Drop each step, swap each pair, and say what became of each mutant."""
    said = check(load_reachable(args.mutants), _names(args.hooks), stages("mutants"))
    if args.json:
        print_json(said)
        return 0
    for row in said["mutants"]:
        why = f"{row['invariant']}: {row['clause']}" if "clause" in row else ""
        print(f"{row['verdict']:<10} {row['mutant']}\n{'':<10} {why or row['reason']}")
    print(", ".join(f"{verdict}: {n}" for verdict, n in said["counts"].items()))
    return 0


def _print(found: Exploration) -> None:
    if found.invariant:
        print(found.timeline() + "\n")
    if found.safety_pass is not None:
        first = found.safety_pass
        print(f"safety by symmetry: {first.states:,} states, {first.seconds:.2f} s")
    rate = found.states / found.seconds if found.seconds else 0.0
    print(
        f"{found.policy}: {found.verdict}: {found.reason}\n"
        f"{found.states:,} states kept, {found.transitions:,} steps, depth "
        f"{found.depth}, {found.seconds:.2f} s ({rate:,.0f} states/s), "
        f"{found.bytes_per_state:.0f} bytes a state"
    )


_SHAPE: Final = ("user_irqchip", "quirks")
_TEST = '''"""Found by pyemu explore: {clause}."""

import pyemu as pe


def test_{name}():
    """The policy must not break I{number} any more."""
    policy = pe.policy.load_policy({policy!r})
    found = pe.explore(
        policy,
        vcpus={vcpus},
        pcpus={pcpus},
        lrs={lrs},
        gic={gic!r},
        vhe={vhe},
        user_irqchip={user_irqchip},
        quirks={quirks},
        alphabet={names},
        invariants=[{number}],
        max_states={states},
    )
    assert not found.invariant, found.timeline()
'''


def _emit(args: argparse.Namespace, found: Exploration) -> None:
    """Write the finding as a test that fails until the policy is repaired."""
    if not found.invariant:
        raise ConfigError("--emit-test", args.emit_test, "a finding to write")
    bounds, alphabet = found.bounds, found.alphabet
    text = _TEST.format(
        clause=found.clause,
        name="".join(c if c.isalnum() else "_" for c in found.policy),
        number=found.invariant,
        policy=args.policy,
        states=found.states * 2,
        names=alphabet["actions"] + alphabet["guest"],
        **{k: bounds[k] for k in ("vcpus", "pcpus", "lrs", "gic", "vhe", *_SHAPE)},
    )
    Path(args.emit_test).write_text(text, encoding="utf-8")
