"""Ctrl-C while the core runs: a flag, so that the partial result is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ctrl_c"]


@contextmanager
def ctrl_c() -> Iterator[list[bool]]:
    """Turn SIGINT into ``flag[0]`` for a while, in the main thread only."""
    pressed = [False]
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def on_signal(_number: int, _frame: Any) -> None:
        pressed[0] = True

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
