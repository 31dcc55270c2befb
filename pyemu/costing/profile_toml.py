"""Writes a profile as the TOML file that `costs.CostModel.from_toml` reads."""

from __future__ import annotations

import json
import os

from ..costs import CostModel, Row
from ..files import write_whole

__all__ = ["save", "to_toml"]


def _quote(text: str) -> str:
    """Return a basic TOML string: JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _cycles(row: Row) -> str:
    if set(row.cyc) == {""}:
        return str(row.cyc[""])
    return "{ " + ", ".join(f"{key} = {cyc}" for key, cyc in row.cyc.items()) + " }"


def to_toml(model: CostModel) -> str:
    """Return the file's text; numbers of one source stand together.

    Examples
    --------
    >>> from pyemu import costs
    >>> to_toml(costs.get("unit")).splitlines()[0]
    'name = "unit"'
    """
    lines = [
        f"name = {_quote(model.name)}",
        f"title = {_quote(model.title)}",
        f"cpu_hz = {model.cpu_hz}",
        f"cntfrq_hz = {model.cntfrq_hz}",
        f"gic = {_quote(model.gic)}",
        f"vhe = {str(model.vhe).lower()}",
        f"clock = {_quote(model.clock)}",
    ]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in model.rows():
        groups.setdefault((row.tag, row.source), []).append(row)
    for (tag, source), rows in groups.items():
        lines += ["", "[[costs]]", f"tag = {_quote(tag)}", f"source = {_quote(source)}"]
        lines += ["[costs.cyc]", *(f"{row.name} = {_cycles(row)}" for row in rows)]
    return "\n".join(lines) + "\n"


def save(model: CostModel, path: str | os.PathLike[str]) -> None:
    """Write a profile; the file appears complete or stays as it was.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    write_whole(path, to_toml(model))
