"""Runs the vCPU threads' state machines over a file, record by record."""

from __future__ import annotations

from collections.abc import Mapping

from . import fields
from .model import Event
from .segments import VcpuThread

__all__ = ["route"]


def route(
    events: list[Event],
    breaks: list[tuple[int, int | None]],
    threads: Mapping[int, int],
) -> dict[int, VcpuThread]:
    """Run every thread's state machine over the file; return them by pid."""
    machines = {pid: VcpuThread(pid, vcpu) for pid, vcpu in threads.items()}
    cpu_of: dict[int, int] = {}
    waiting = list(breaks)
    for event in events:
        while waiting and waiting[0][0] <= event.line:
            line, cpu = waiting.pop(0)
            for pid, machine in machines.items():
                if cpu is None or cpu_of.get(pid, cpu) == cpu:
                    machine.reset(line, "records missing")
        own = machines.get(event.pid)
        if event.name == "sched_switch":
            switch = fields.sched_switch(event.args)
            if switch is None:
                continue
            if switch[0] in machines:
                machines[switch[0]].switched_out(event, switch[1])
            if switch[2] in machines:
                cpu_of[switch[2]] = event.cpu
                machines[switch[2]].switched_in(event)
            continue
        if event.name in ("sched_wakeup", "sched_waking"):
            woken = machines.get(fields.wakeup_pid(event.args) or -1)
            if woken is not None and woken is not own:
                woken.woken(event)
        if own is not None:
            cpu_of[event.pid] = event.cpu
            own.feed(event)
    for machine in machines.values():
        machine.finish()
    return machines
