"""The same world switch as SimPy processes.

`run` has equal accounting: it interprets the same compiled table, counts every
primitive and charges its cost. `run_lean` is what a quick script would be: three plain
counters and two timeouts a switch.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from .flow import Flow

__all__ = ["Lean", "run", "run_lean"]


def _vcpu(env: simpy.Environment, flow: Flow, n: int) -> Generator[Any, Any, None]:
    """One vCPU thread; two timeouts a switch, as few as the model can do with."""
    for _ in range(n):
        yield env.timeout(flow.guest())
        before = flow.now_cyc
        flow.run("exit")
        flow.run("enter")
        yield env.timeout(flow.now_cyc - before)


def run(flow: Flow, n: int) -> Flow:
    """Run `n` world switches of one vCPU; its clock and SimPy's agree at the end."""
    env = simpy.Environment()
    env.process(_vcpu(env, flow, n))
    start_cyc = flow.now_cyc
    env.run()
    if env.now != flow.now_cyc - start_cyc:
        raise AssertionError(f"{env.now} cycles by SimPy, {flow.now_cyc} by the flow")
    return flow


@dataclass
class Lean:
    """Plain counters of the lean model."""

    exits: int = 0
    guest_cyc: int = 0
    switch_cyc: int = 0


def _lean(
    env: simpy.Environment, out: Lean, n: int, guest_cyc: int, switch_cyc: int
) -> Generator[Any, Any, None]:
    for _ in range(n):
        yield env.timeout(guest_cyc)
        out.guest_cyc += guest_cyc
        yield env.timeout(switch_cyc)
        out.switch_cyc += switch_cyc
        out.exits += 1


def run_lean(n: int, guest_cyc: int, switch_cyc: int) -> Lean:
    """Run `n` switches that all cost the same."""
    env = simpy.Environment()
    out = Lean()
    env.process(_lean(env, out, n, guest_cyc, switch_cyc))
    env.run()
    return out
