"""A schedulable thread: a vCPU's or a host task's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .coroutine import Coroutine
from .runloop import load, put, vcpu_thread

if TYPE_CHECKING:
    from .machine import Machine
    from .pcpu import Pcpu
    from .setup import TaskSetup
    from .vcpu import Vcpu


HOG = 2**62  # a task that never sleeps


class Thread:
    """What the scheduler knows."""

    def __init__(
        self,
        machine: Machine,
        index: int,
        pcpu: Pcpu,
        weight: int,
        start_cyc: int,
        vcpu: Vcpu | None = None,
        task: TaskSetup | None = None,
    ) -> None:
        self.machine, self.index, self.pcpu, self.weight = machine, index, pcpu, weight
        self.vcpu, self.task = vcpu, task
        self.runnable = start_cyc == 0
        self.wake_at = None if self.runnable else start_cyc
        self.vruntime = self.ran = self.since = 0
        self.put_away = False
        self.left = (task.on_cyc if task.off_cyc else HOG) if task else 0
        self.coroutine = Coroutine(lambda: vcpu_thread(machine, vcpu)) if vcpu else None

    def leave_cpu(self) -> None:
        """Put the vCPU if it is loaded, give the pCPU up, load it when back."""
        vcpu, machine = self.vcpu, self.machine
        assert vcpu is not None and self.coroutine is not None
        loaded = self.pcpu.loaded_vcpu is vcpu
        saved = self.pcpu.preempt_count, self.pcpu.irq_off
        self.pcpu.irq_off = True  # the sched-out notifier
        if loaded:
            put(machine, vcpu, scheduled=True)
        self.pcpu.irq_off = False
        if vcpu.sleeping:
            self.pcpu.record("sleep", vcpu, 0)
            self.runnable = False
        self.coroutine.suspend()
        self.pcpu.preempt_count, self.pcpu.irq_off = saved
        if loaded:
            load(machine, vcpu, scheduled=True)
        else:
            self.pcpu.interrupts()
