"""The bug museum: each edit is found, the policy beside it is not accused."""

import json

import pytest

from pyemu.cli import main
from pyemu.cli.bugs import hunt
from pyemu.policy.bugs import BUGS

HUNTED = [one for one in BUGS.values() if one.edit]


def test_the_museum_has_all_46_numbers():
    """B01 to B44, B48, B49."""
    numbers = [*range(1, 45), 48, 49]
    assert list(BUGS) == [f"B{n:02d}" for n in numbers]


@pytest.mark.parametrize("one", HUNTED, ids=lambda one: one.id)
def test_bug_is_found_and_its_repair_is_not(one):
    """Both searches use the same bounds, alphabet and invariants."""
    found = hunt(one)
    assert found["verdict"] == "found"
    assert int(found["invariant"][1:]) in one.invariants
    assert found["repaired_verdict"] == "partial"
    assert found["repaired_reason"].startswith("every reachable state seen")
    assert found["trace"]


def test_command_line(capsys):
    """List, show, hunt, and an unknown number."""
    assert main(["bugs"]) == 0
    assert "36e5cfd410ad" in capsys.readouterr().out
    assert main(["bugs", "show", "b44"]) == 0
    assert "active_clear_v" in capsys.readouterr().out
    assert main(["bugs", "hunt", "B43", "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["bugs"]
    assert (said["id"], said["verdict"]) == ("B43", "found")
    assert main(["bugs", "hunt", "B19"]) == 0
    assert "control" in capsys.readouterr().out
    assert main(["bugs", "show", "B99"]) == 2
