"""Ctrl-C while the core runs: a flag, so that the partial result is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ctrl_c"]


class _Pressed(list[bool]):
    """The flag as the signal's handler; an enclosing one hears of it, too."""

    def __init__(self) -> None:
        super().__init__([False])
        self.around: Any = None

    def __call__(self, number: int, frame: Any) -> None:
        self[0] = True
        if isinstance(self.around, _Pressed):
            self.around(number, frame)


@contextmanager
def ctrl_c() -> Iterator[list[bool]]:
    """Turn SIGINT into ``flag[0]`` for a while, in the main thread only.

    May be nested, as a row of runs is around each run: every flag is set.
    """
    pressed = _Pressed()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    pressed.around = signal.signal(signal.SIGINT, pressed)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, pressed.around or signal.SIG_DFL)
