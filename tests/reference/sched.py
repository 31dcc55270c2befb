"""The host scheduler (2.5): the smallest vruntime, checked at ticks and wake-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .machine import Machine
    from .pcpu import Pcpu
    from .thread import Thread
    from .vcpu import Vcpu

NICE_0 = 1024


class Sched:
    """Run queues of all pCPUs."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def on(self, pcpu: Pcpu) -> list[Thread]:
        """Runnable threads of a pCPU, the current one among them."""
        threads = self.machine.threads
        return [t for t in threads if t.pcpu is pcpu and t.runnable]

    def account(self, pcpu: Pcpu) -> None:
        """Charge the current thread for its time so far."""
        thread = pcpu.current
        if thread is not None:
            thread.vruntime += (pcpu.now - thread.since) * NICE_0 // thread.weight
            thread.ran += pcpu.now - thread.since
            thread.since = pcpu.now
        queue = [t.vruntime for t in self.on(pcpu)]
        pcpu.min_vruntime = max(pcpu.min_vruntime, min(queue, default=0))

    def pick(self, pcpu: Pcpu) -> Thread | None:
        """The smallest vruntime."""
        return min(self.on(pcpu), key=lambda t: (t.vruntime, t.index), default=None)

    def tick(self, pcpu: Pcpu) -> None:
        """The current one ran its slice, or ran a bit and is far ahead (2.5)."""
        setup, thread = self.machine.setup, pcpu.current
        queue = self.on(pcpu)
        if thread is None or len(queue) < 2:
            return
        self.account(pcpu)
        slice_cyc = max(setup.sched_latency_cyc // len(queue), setup.sched_min_gran_cyc)
        least = min(t.vruntime for t in queue if t is not thread)
        if thread.ran > slice_cyc or (
            thread.ran >= setup.sched_min_gran_cyc
            and thread.vruntime - least > slice_cyc
        ):
            pcpu.resched = True

    def wake_vcpu(self, pcpu: Pcpu, vcpu: Vcpu) -> None:
        """Kick: a sleeping vCPU thread becomes runnable, another is left alone."""
        thread = self.machine.threads[vcpu.index]
        if vcpu.sleeping:
            vcpu.sleeping = False
            self.machine.counters["halt_wakeup"] += 1
            self.wake(pcpu, thread)
        elif vcpu.on_wait_queue:
            vcpu.woken = True

    def wake(self, pcpu: Pcpu, thread: Thread) -> None:
        """try_to_wake_up: place it, and preempt if it is far behind."""
        setup = self.machine.setup
        pcpu.charge("wakeup")
        self.machine.counters["wakeups"] += 1
        pcpu.record("wake", thread, 0)
        self.account(pcpu)
        floor = max(pcpu.min_vruntime - setup.sched_sleeper_cyc, 0)
        thread.vruntime = max(thread.vruntime, floor)
        thread.runnable = True
        current = pcpu.current
        gran = setup.sched_wakeup_gran_cyc
        if current is None or current.vruntime - thread.vruntime > gran:
            pcpu.resched = True

    # where a thread may be exchanged

    def after_interrupt(self, pcpu: Pcpu) -> None:
        """Return from an interrupt: a kernel with CONFIG_PREEMPT switches here."""
        self.preempt_point(pcpu)

    def preempt_point(self, pcpu: Pcpu) -> None:
        """preempt_enable() or interrupt return."""
        if self.machine.setup.preempt_full or pcpu.in_user:
            self.cond_resched(pcpu)

    def cond_resched(self, pcpu: Pcpu) -> None:
        """Switch if asked to and allowed to."""
        thread = pcpu.current
        if (
            pcpu.resched
            and thread is not None
            and thread.vcpu is not None
            and not pcpu.in_isr
            and not pcpu.irq_off
            and pcpu.preempt_count == 0
        ):
            self.machine.counters["preempted"] += pcpu.loaded_vcpu is thread.vcpu
            thread.leave_cpu()

    def yield_to_others(self, pcpu: Pcpu) -> None:
        """WFE: let another thread run, if there is one."""

    def sleep(self, vcpu: Vcpu) -> None:
        """Sleep on the wait queue until woken."""
        thread = self.machine.threads[vcpu.index]
        vcpu.sleeping = True
        vcpu.waiting = True
        thread.leave_cpu()
        vcpu.waiting = False
