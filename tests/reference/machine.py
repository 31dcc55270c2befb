"""The whole machine: pCPUs, threads, and the loop that runs them."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable

from .counter import Counter
from .pcpu import NEVER, PTIMER, VTIMER, Pcpu
from .prims import Kernel
from .runloop import PowerOff, user_exit
from .sched import Sched
from .setup import Setup
from .thread import Thread
from .vcpu import Vcpu


class Done(BaseException):
    """Every vCPU is off, or the limit is reached."""


class Machine:
    """A reference machine; `run` fills `trace`, `prims` and `counters`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.policy = setup.policy
        self.counter = Counter(setup.cpu_hz, setup.cntfrq_hz)
        self.trace: list[tuple] = []
        self.prims: Tally[str] = Tally()
        self.counters: Tally[str] = Tally()
        self.until = NEVER
        self.stop = "limit"
        self.sched = Sched(self)
        self.pcpus = [Pcpu(self, i) for i in range(setup.pcpus)]
        self.vcpus = [
            Vcpu(i, one, self.counter, setup.cntvoff_ticks[one.vm])
            for i, one in enumerate(setup.vcpus)
        ]
        self.threads = []
        for vcpu in self.vcpus:
            one = vcpu.setup
            home = self.pcpus[one.pcpu]
            self.threads.append(
                Thread(self, vcpu.index, home, one.weight, one.start_cyc, vcpu)
            )
        for number, task in enumerate(setup.tasks):
            home, index = self.pcpus[task.pcpu], len(self.vcpus) + number
            self.threads.append(
                Thread(self, index, home, task.weight, task.start_cyc, task=task)
            )

    def pcpu_of(self, vcpu: Vcpu) -> Pcpu:
        """Where a vCPU's thread is."""
        return self.threads[vcpu.index].pcpu

    def hrtimers(self, pcpu: Pcpu) -> list[tuple[int, Callable[[Pcpu], None]]]:
        """Soft timers armed on a pCPU: deadline and what expires."""
        out = []
        for vcpu in self.vcpus:
            if vcpu.bg_deadline is not None and vcpu.bg_pcpu is pcpu:
                out.append((vcpu.bg_deadline, self.expiry(vcpu, "bg")))
            if vcpu.pt_deadline is not None and vcpu.pt_pcpu is pcpu:
                out.append((vcpu.pt_deadline, self.expiry(vcpu, "pt")))
        for thread in self.threads:
            if thread.wake_at is not None and thread.pcpu is pcpu:
                out.append((thread.wake_at, self.task_wake(thread)))
        return out

    def expiry(self, vcpu: Vcpu, which: str) -> Callable[[Pcpu], None]:
        """The callback of a vCPU's soft timer."""

        def expire(pcpu: Pcpu) -> None:
            setattr(vcpu, f"{which}_deadline", None)
            self.counters[f"{which}_expire"] += 1
            pcpu.record("hrtimer", vcpu, 0 if which == "bg" else 1)
            before = vcpu.fire, vcpu.changed, vcpu.act
            hook = getattr(self.policy, f"{which}_expire")
            hook(Kernel(pcpu, vcpu, one_piece=True))
            vcpu.fire, vcpu.changed, vcpu.act = before

        return expire

    def task_wake(self, thread: Thread) -> Callable[[Pcpu], None]:
        """A task's sleep is over."""

        def expire(pcpu: Pcpu) -> None:
            thread.wake_at = None
            self.sched.wake(pcpu, thread)

        return expire

    def next_outside(self, pcpu: Pcpu) -> int:
        """Outside interrupts are not modelled yet."""
        return NEVER

    # services to the vCPU thread

    def spend(self, vcpu: Vcpu, cyc: int) -> None:
        """Thread time that interrupts stretch."""
        while cyc > 0:
            pcpu = self.pcpu_of(vcpu)
            step = min(cyc, pcpu.next_event() - pcpu.now)
            pcpu.charge("extra", step)
            cyc -= step
            pcpu.interrupts()

    def user_exit(self, vcpu: Vcpu, user_cyc: int, after_cyc: int) -> None:
        """Out to user space and back."""
        user_exit(self, vcpu, user_cyc, after_cyc)

    def power_off(self, vcpu: Vcpu) -> None:
        """The program has ended."""
        pcpu = self.pcpu_of(vcpu)
        vcpu.off = True
        pcpu.record("off", vcpu, 0)
        if all(one.off for one in self.vcpus):
            self.stop = "done"
            raise Done
        pcpu.guest = pcpu.running = pcpu.loaded_vcpu = None
        for intid, timer in ((VTIMER, pcpu.cntv), (PTIMER, pcpu.cntp)):
            timer.ctl = 0
            pcpu.gic.irqs[intid].active = False
        pcpu.irq_off, pcpu.preempt_count = False, 0
        vcpu.bg_deadline = vcpu.pt_deadline = None
        raise PowerOff

    def check_limit(self, pcpu: Pcpu) -> None:
        """Stop at the limit."""
        if pcpu.now >= self.until:
            raise Done

    # the host

    def run(self, until_cyc: int) -> None:
        """Run until every vCPU is off or the cycle is reached."""
        self.until = until_cyc
        try:
            self.schedule(self.pcpus[0])
        except Done:
            pass
        finally:
            for thread in self.threads:
                if thread.coroutine is not None:
                    thread.coroutine.kill()

    def schedule(self, pcpu: Pcpu) -> None:
        """The pCPU's life: interrupts, pick, run; idle when there is nothing."""
        while True:
            pcpu.interrupts()
            thread = self.sched.pick(pcpu)
            if thread is None:
                self.idle(pcpu)
                continue
            if pcpu.idle:
                self.leave_idle(pcpu)
            self.sched.account(pcpu)
            pcpu.resched = False
            pcpu.charge("sched_switch")
            self.counters["sched_switches"] += 1
            pcpu.record("switch", thread, 0, thread.index)
            pcpu.current = thread
            thread.since, thread.ran = pcpu.now, 0
            if thread.task is not None:
                self.run_task(pcpu, thread)
            else:
                thread.coroutine.resume()
                if thread.coroutine.done:
                    thread.runnable = False
            self.sched.account(pcpu)
            pcpu.current = None

    def idle(self, pcpu: Pcpu) -> None:
        """Nothing runs: the way into idle, then time passes up to the next event."""
        if not pcpu.idle:
            pcpu.idle = True
            pcpu.charge("idle_enter")
            return
        at = pcpu.next_event()
        if at >= min(self.until, NEVER):
            pcpu.now = self.until
            raise Done
        pcpu.advance(at - pcpu.now)

    def leave_idle(self, pcpu: Pcpu) -> None:
        """Idle ends; the tick goes on at its next multiple."""
        pcpu.charge("idle_exit")
        pcpu.idle = pcpu.tick_stopped = False
        period = self.setup.tick_cyc
        while period and pcpu.tick_at <= pcpu.now:
            pcpu.tick_at += period

    def run_task(self, pcpu: Pcpu, thread: Thread) -> None:
        """A host task computes until it sleeps or is preempted."""
        task = thread.task
        while thread.left > 0:
            pcpu.interrupts()
            if pcpu.resched:
                return
            step = min(thread.left, pcpu.next_event() - pcpu.now)
            pcpu.advance(step)
            thread.left -= step
        thread.runnable = False
        thread.wake_at = pcpu.now + max(task.off_cyc, self.setup.hrtimer_min_cyc)
        thread.left = task.on_cyc
