"""Follows what happens after a WFx exit until the vCPU runs again."""

from __future__ import annotations

from .model import Block, TimerSample

__all__ = ["BlockTracker"]

BG_FUNCTION = "kvm_bg_timer_expire"


class BlockTracker:
    """Collects one `Block` at a time for one vCPU thread."""

    def __init__(self) -> None:
        self.done: list[Block] = []
        self._open: Block | None = None

    @property
    def slept(self) -> bool:
        """A block is open and its thread was switched out."""
        return self._open is not None and self._open.out_ns is not None

    def begin(self, ts_ns: int) -> Block:
        """Open a block: a WFx exit."""
        self._open = Block(ts_ns)
        self.done.append(self._open)
        return self._open

    def end(self, ts_ns: int) -> None:
        """Close the block: the guest is entered again."""
        block = self._open
        if block is not None and block.wake_ns is None:
            block.wake_ns = ts_ns
        self._open = None

    def out(self, ts_ns: int) -> None:
        """Note that the thread went to sleep."""
        if self._open is not None and self._open.out_ns is None:
            self._open.out_ns = ts_ns

    def wake(self, ts_ns: int) -> None:
        """Note that somebody woke the thread."""
        if self._open is not None and self._open.wake_ns is None:
            self._open.wake_ns = ts_ns

    def woke(self, polled: bool) -> None:
        """Note a ``kvm_vcpu_wakeup``: by polling or after a wait."""
        if self._open is not None:
            self._open.polled = polled

    def saved(self, sample: TimerSample) -> None:
        """Note a timer context saved while blocked: the earliest armed one counts."""
        block = self._open
        if block is None or not sample.armed:
            return
        if block.cval_ticks is None or sample.cval_ticks < block.cval_ticks:
            block.cval_ticks = sample.cval_ticks

    def armed(self, timer: tuple[str, str, int | None]) -> None:
        """Note an hrtimer started by this thread while blocked."""
        _, function, soft_ns = timer
        known = BG_FUNCTION in function or not function.startswith(("kvm_", "tick_"))
        if self.slept and self._open is not None and known:
            self._open.soft_ns = soft_ns

    def fired(self, ts_ns: int) -> None:
        """Note that the virtual timer's level rose while blocked."""
        if self._open is not None:
            self._open.cause = "timer"
