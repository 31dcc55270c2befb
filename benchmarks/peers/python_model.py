"""The plain Python reference: the table interpreted in a loop, no event queue."""

from __future__ import annotations

from .flow import Flow

__all__ = ["run"]


def run(flow: Flow, n: int) -> Flow:
    """Run `n` world switches and return the flow with its counters."""
    for _ in range(n):
        flow.guest()
        flow.run("exit")
        flow.run("enter")
    return flow
