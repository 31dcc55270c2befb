"""The bug museum: real kernel bugs, each with the search that finds it.

What they are is data/bugs.toml, after docs/semantics.md section 6; how they are found
is `bug_hunts`. Commits are those whose page or patch was read.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from ..errors import unknown_name
from .bug_hunts import HUNTS, SMALL, Hunt
from .registry import get
from .table import Policy

__all__ = ["BUGS", "CONTROL", "SMALL", "SUSPECTS", "Bug", "bug"]

CONTROL: Final = ("B19",)  # nothing is lost: the negative control
SUSPECTS: Final = ("B12", "B13", "B44", "B49")  # derived, not confirmed by a commit


@dataclass(frozen=True)
class Bug:
    """One bug.

    Attributes
    ----------
    id, title, commit
        Number of section 6, what the fix says, its commit ("" if not read).
    symptom, steps
        What a user sees, and how it comes about.
    breaks
        Invariants that it breaks.
    hunt
        How it is found; None if the model cannot express it.
    why
        Why there is no hunt, or what it decided about a suspect.
    """

    id: str
    title: str
    commit: str
    symptom: str
    steps: tuple[str, ...]
    breaks: tuple[int, ...]
    hunt: Hunt | None
    why: str

    def _hunt(self) -> Hunt:
        if self.hunt is None:
            raise unknown_name("bug with a hunt", self.id, HUNTS)
        return self.hunt

    def repaired(self) -> Policy:
        """Return the policy without the bug.

        Raises
        ------
        ConfigError
            For a bug that is not expressible.
        """
        hunt = self._hunt()
        base = get(hunt.base)
        return base if hunt.prepare is None else hunt.prepare(base)

    def broken(self) -> Policy:
        """Return the policy with the bug.

        Raises
        ------
        ConfigError
            For a bug that is not expressible.
        """
        hunt = self._hunt()
        edited = hunt.edit(self.repaired())
        return edited.renamed(f"{hunt.base}+{self.id}", self.title)


def _read() -> dict[str, Bug]:
    path = resources.files("pyemu") / "data" / "bugs.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        number: Bug(
            number,
            said["title"],
            said.get("commit", ""),
            said["symptom"],
            tuple(said["steps"]),
            tuple(said["breaks"]),
            HUNTS.get(number),
            said.get("why", ""),
        )
        for number, said in table.items()
    }


BUGS: Final[dict[str, Bug]] = _read()


def bug(number: str) -> Bug:
    """Return an entry of the museum.

    Raises
    ------
    ConfigError
        For an unknown number.
    """
    if number.upper() not in BUGS:
        raise unknown_name("bug", number, BUGS)
    return BUGS[number.upper()]
