"""``pyemu profiles``: the cost profiles, their sources, and published rows beside."""

from __future__ import annotations

import argparse
from typing import Any

from .. import costs
from ..costing import check
from ..errors import ConfigError
from ..progress import stages
from ..summary import align
from ..units import format_hz
from .options import print_json

__all__ = ["add", "main"]


def add(verbs: Any) -> None:
    """Register the verb."""
    parser = verbs.add_parser("profiles", help="list, show, check against publications")
    parser.add_argument(
        "action", nargs="?", default="list", metavar="list|show|check|NAME"
    )
    parser.add_argument("name", nargs="?", help="name or TOML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(main=main)


def main(args: argparse.Namespace) -> int:
    """List, show or check; return the exit code."""
    if args.action == "check":
        return _check(args)
    name = args.name if args.action in ("list", "show") else args.action
    models = [costs.get(one) for one in ([name] if name else costs.names())]
    if args.json:
        plain = [_plain(model, detail=bool(name)) for model in models]
        print_json({"schema": 1, "profiles": plain})
    elif name:
        print(_show(models[0]))
    else:
        width = max(len(model.name) for model in models)
        for model in models:
            print(f"{model.name:<{width}}  {_head(model)}")
    return 0


def _check(args: argparse.Namespace) -> int:
    if args.name is not None:
        costs.get(args.name)
    rows = check.check(args.name, stages("profiles check"))
    if not rows:
        words = "a profile that publications stand beside; or none, for all"
        raise ConfigError("profiles check", args.name, words)
    if args.json:
        print_json({"schema": 1, "rows": [one.to_json() for one in rows]})
    else:
        print(check.table(rows))
    return 0


def _head(model: costs.CostModel) -> str:
    mode = "VHE" if model.vhe else "nVHE"
    clock = f"{format_hz(model.cpu_hz)}, CNTFRQ {format_hz(model.cntfrq_hz)}"
    return f"{clock}, GIC{model.gic} {mode}: {model.title}"


def _show(model: costs.CostModel) -> str:
    table = [["primitive", "cycles", "tag"]]
    sources: dict[str, int] = {}
    for row in model.rows():
        number = sources.setdefault(row.source, len(sources) + 1)
        cycles = ", ".join(f"{k} {v}" if k else str(v) for k, v in row.cyc.items())
        table.append([row.name, cycles, f"{row.tag} [{number}]"])
    tags = sorted({row.tag for row in model.rows()})
    lines = [f"{model.name}: {_head(model)}", f"clock: {model.clock}", "", align(table)]
    lines += ["", *(f"{tag:>4}  {costs.TAGS[tag]}" for tag in tags), ""]
    lines += [f"[{number}] {source}" for source, number in sources.items()]
    return "\n".join(lines)


def _plain(model: costs.CostModel, *, detail: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": model.name,
        "title": model.title,
        "cpu_hz": model.cpu_hz,
        "cntfrq_hz": model.cntfrq_hz,
        "gic": model.gic,
        "vhe": model.vhe,
        "sha": model.sha,
    }
    if detail:
        out["costs"] = [
            {"name": r.name, "cyc": dict(r.cyc), "tag": r.tag, "source": r.source}
            for r in model.rows()
        ]
    return out
