"""The bug museum: each bug is found, the policy beside it is clean in that search."""

import json

import pytest

from pyemu.cli import main
from pyemu.cli.bugs import hunt
from pyemu.policy.bugs import BUGS, CONTROL

# Found with the whole alphabet, the repaired policy clean as deep.
WHOLE = set(
    "B01 B02 B04 B05 B10 B12 B13 B18 B24 B26 B27 B32 B33 B44 B49".split()  # noqa: SIM905
)
HUNTED = [one for one in BUGS.values() if one.hunt]


def test_the_museum_has_all_46_numbers():
    """B01 to B44, B48, B49."""
    numbers = [*range(1, 45), 48, 49]
    assert list(BUGS) == [f"B{n:02d}" for n in numbers]


def test_at_most_12_are_not_expressible_and_say_why():
    """Every other one has a hunt; each has its steps and its symptom."""
    left = [one for one in BUGS.values() if not one.hunt]
    assert len(left) <= 12
    assert all(one.why for one in left)
    assert all(one.steps and one.symptom for one in BUGS.values())


@pytest.mark.parametrize("one", HUNTED, ids=lambda one: one.id)
def test_bug_is_found_and_its_repair_is_clean(one):
    """Both searches use the same bounds, alphabet and invariants, and end."""
    found = hunt(one)
    assert found["repaired_clean"], found["repaired_reason"]
    if one.id in CONTROL:
        assert found["verdict"] == "control"
        return
    assert found["verdict"] == "found"
    assert int(found["invariant"][1:]) in one.breaks
    assert found["trace"]
    assert found["whole_alphabet"] == (one.id in WHOLE), found["whole_says"]


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
    assert main(["bugs", "hunt", "B41"]) == 0
    assert "not-expressible" in capsys.readouterr().out
    assert main(["bugs", "show", "B99"]) == 2
