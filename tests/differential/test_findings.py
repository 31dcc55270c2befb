"""Machines on which the core was wrong once, as the reference model found them.

Each is the shrunk replay of a seed; what it was about is in its name.
"""

import pytest

from .cases import Case
from .compare import difference

UNIT = {"pcpus": 1, "profile": "unit"}
FOUND = {
    "a deadline written by a trapped CNTP access is in the horizon": Case(
        "eager", ((), (("timer_set", 1, 1),)), ((), ()), UNIT
    ),
    "a trapped CNTP access runs its kernel code with interrupts on": Case(
        "lazy",
        ((("irq_on",), ("timer_set", 221), ("hvc", 0), ("timer_ctl", True, False, 1)),),
        ((),),
        {"pcpus": 1, "profile": "icount"},
    ),
    "UIE is for a full set of list registers only": Case(
        "lazy",
        (
            (
                *(("timer_set", 611), ("timer_set", 116, 1), ("sgi", 6, 0)),
                *(("hvc", 1578), ("timer_cval", 0), ("emit", "cactiver", 3, 0)),
                *(
                    ("hvc", 0),
                    ("timer_ctl", True, True),
                    ("timer_ctl", False, False, 1),
                ),
            ),
        ),
        ((),),
        {**UNIT, "list_registers": 2},
    ),
    "a callback asks the counter at the end of its recheck": Case(
        "lazy",
        (
            (
                *(("timer_set", 300), ("irq_on",), ("timer_tval", 9), ("hvc", 0)),
                *(("timer_set", 262, 1), ("timer_set", 97, 1)),
            ),
        ),
        ((("count", 0), ("timer_next", 90, 1)),),
        {"pcpus": 1, "profile": "icount"},
    ),
    "a cancelled hrtimer leaves no interrupt behind": Case(
        "lazy-commit",
        ((("timer_set", 348, 1), ("mmio_user", 1941, 532, 852), ("sgi_others", 7)),),
        ((),),
        {"pcpus": 1, "profile": "xgene-gicv2"},
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_once_wrong_now_right(what):
    """Core and reference agree."""
    assert not difference(FOUND[what])
