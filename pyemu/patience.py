"""Long calls into the core that Ctrl-C must be able to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["patiently"]

T = TypeVar("T")


def patiently(
    work: Callable[[], T],
    interrupt: Callable[[], None],
    tells: Callable[[T], bool] = lambda _: False,
) -> T:
    """Return what `work` returns; Ctrl-C meanwhile calls `interrupt` and waits on.

    Python hears a signal only between two of its own instructions, so that the call
    runs in another thread. From a thread that is not the main one it is just made.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, unless `tells` says that the result itself speaks of it.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    pressed = False
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(work)
        while not job.done():
            try:
                wait([job])
            except KeyboardInterrupt:
                pressed = True
                interrupt()
    if pressed and not tells(job.result()):
        raise KeyboardInterrupt
    return job.result()
