"""Ctrl-C and SIGTERM while the core runs: a flag, so that a partial result is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["ctrl_c"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ctrl_c() -> Iterator[list[bool]]:
    """Turn SIGINT and SIGTERM into ``flag[0]`` for a while, in the main thread only."""
    pressed = [False]
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def on_signal(_number: int, _frame: Any) -> None:
        pressed[0] = True

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
