"""docs/verdicts.md: what its liveness table and its notes say is so."""

from pathlib import Path

import pytest

import pyemu as pe
from pyemu.explore import CYCLES
from tests.explore.verdicts import AT_ONCE, LATE

DOC = Path(__file__).parents[2] / "docs" / "verdicts.md"


def rows():
    """Yield policy and words of the liveness table."""
    table = DOC.read_text(encoding="utf-8").partition("## Liveness")[2]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("|") and not line.startswith("|-") and cells[0] != "policy":
            yield cells[0], dict(zip(CYCLES, cells[1:], strict=True))


def broken(policy, number, alphabet=AT_ONCE, **machine):
    """Return whether the invariant is, every state seen."""
    found = pe.explore(policy, alphabet=alphabet, invariants=[number], **machine)
    assert found.invariant or found.reason.startswith("every reachable state seen")
    return bool(found.invariant)


@pytest.mark.parametrize(("name", "words"), list(rows()), ids=str)
def test_liveness_table(name, words):
    """Every cell, with lines that reach the GIC at once."""
    assert {n for n in CYCLES if broken(name, n)} == {
        n for n, word in words.items() if word == "x"
    }


@pytest.mark.parametrize("number", [2, 15])
def test_late_lines_of_6_1(number):
    """I2 and I15: B44."""
    assert broken("v6.1", number, LATE)


def test_pending_pmr_closes_b43():
    """I12: v6.1 has the switch."""
    assert broken(pe.policy.get("v6.1").with_switch("pending_pmr", False), 12)


def test_pending_sets_active_closes_b09():
    """I4: v6.1 with the load of 4.16 to 4.18."""
    clears = pe.policy.get("v6.1")
    at = next(i for i, s in enumerate(clears.steps("load")) if s.prim == "act_either")
    step = clears.steps("load")[at]
    assert broken(
        clears.replaced(f"load:{at}", pe.policy.Step("act_vact", step.guard)), 4
    )


def test_user_space_irqchip_of_the_commit():
    """I10: nobody deactivates, because of B02; 4.15.0 does."""
    commit, lazy = pe.policy.get("lazy-commit"), pe.policy.get("lazy")
    assert broken(commit, 10, user_irqchip=True)
    assert not broken(lazy, 10, user_irqchip=True)
    loads = commit.with_hook("first_run", lazy.steps("first_run"))
    assert not broken(loads, 10, user_irqchip=True)
