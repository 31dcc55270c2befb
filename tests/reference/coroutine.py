"""A thread of control that can stop in the middle and be continued later.

vCPU threads are preempted anywhere in the kernel. Python threads that hand one baton
to each other say that most plainly: only one of them ever runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Unwind(BaseException):
    """Thrown into a suspended coroutine to end it."""


class Coroutine:
    """Runs `body` a piece at a time."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.body = body
        self.done = False
        self.error: BaseException | None = None
        self.killed = False
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Run it until it suspends or ends."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def suspend(self) -> None:
        """Give control back; called from inside."""
        self._back.release()
        self._go.acquire()
        if self.killed:
            raise Unwind

    def kill(self) -> None:
        """End a suspended coroutine."""
        if self._thread is None or self.done:
            return
        self.killed = True
        self._go.release()
        self._thread.join()

    def _main(self) -> None:
        try:
            self.body()
        except Unwind:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self._back.release()
