"""Ctrl-C ends a search within a second, and says how far it got."""

import os
import signal
import threading
import time

import pytest

import pyemu as pe
from pyemu.mutants import check


@pytest.fixture
def ctrl_c():
    """Press Ctrl-C after a while, though whoever runs the tests may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, press)
    timer.start()
    yield pressed
    timer.cancel()
    timer.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_gives_a_partial_verdict_within_a_second(ctrl_c, threads):
    """A search of a minute: what has been seen is kept."""
    found = pe.explore("lazy-fixed", threads=threads)
    assert time.monotonic() - ctrl_c[0] < 1.0
    assert (found.verdict, found.reason) == ("partial", "interrupted")
    assert found.states > 1000


def test_ctrl_c_ends_a_row_of_searches(ctrl_c):
    """Mutants are many searches: the first one that hears it ends them all."""
    with pytest.raises(KeyboardInterrupt):
        check(pe.policy.get("lazy-fixed"))
    assert time.monotonic() - ctrl_c[0] < 1.0
