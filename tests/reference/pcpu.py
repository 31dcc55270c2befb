"""One physical CPU: clock, timers, GIC, and the interrupts it takes in the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gic import SPURIOUS, Gic, Irq
from .timer import Line, Timer

if TYPE_CHECKING:
    from .machine import Machine
    from .thread import Thread
    from .vcpu import Vcpu

NEVER = 2**62
HOST_TIMER, MAINTENANCE, VTIMER, PTIMER = 26, 25, 27, 30


class Pcpu:
    """Hardware state and the host's interrupt context."""

    def __init__(self, machine: Machine, index: int) -> None:
        self.machine, self.index = machine, index
        setup = machine.setup
        self.now = 0
        self.cntv = Timer(machine.counter)
        self.cntp = Timer(machine.counter)
        self.line_v = Line(setup.line_assert_cyc, setup.line_retire_cyc)
        self.line_p = Line(setup.line_assert_cyc, setup.line_retire_cyc)
        self.gic = Gic(setup.eoimode1)
        self.gic.irqs = {
            VTIMER: Irq(lambda: self.line_v.seen),
            PTIMER: Irq(lambda: self.line_p.seen),
            HOST_TIMER: Irq(self.host_timer_line),
            MAINTENANCE: Irq(self.maintenance_line),
        }
        self.running: Vcpu | None = None  # kvm's per-cpu pointer
        self.guest: Vcpu | None = None  # whose virtual interface is live
        self.loaded_vcpu: Vcpu | None = None  # whose thread this is, for records
        self.current: Thread | None = None
        self.resched = self.in_user = False
        self.irq_off = False
        self.irq_stack: list[bool] = []
        self.preempt_count = self.min_vruntime = 0
        self.in_isr = False
        self.acked = SPURIOUS
        self.idle = self.tick_stopped = True
        phase, period = setup.tick_phase_cyc, setup.tick_cyc
        self.tick_at = (phase or period) if period else NEVER
        self.noted = {VTIMER: False, PTIMER: False}

    # lines

    def host_timer_line(self) -> bool:
        """The host's own timer: tick or an hrtimer is due."""
        return self.host_deadline() <= self.now

    def host_deadline(self) -> int:
        """When the host timer next fires."""
        tick = self.tick_at if self.ticks() else NEVER
        return min([tick, *(at for at, _ in self.machine.hrtimers(self))])

    def ticks(self) -> bool:
        """The periodic tick runs: nohz stops it once it has come while idle."""
        if self.current is not None or not self.machine.setup.nohz_idle:
            return True
        return not self.tick_stopped

    def maintenance_line(self) -> bool:
        """HCR.En and a maintenance condition."""
        return self.guest is not None and self.guest.vif.maintenance()

    def retimed(self) -> None:
        """Bring lines up to the present; note an expiry of the virtual timer."""
        for timer, line in ((self.cntv, self.line_v), (self.cntp, self.line_p)):
            line.set(timer.fires(self.now), self.now)
        for intid, timer, line in (
            (VTIMER, self.cntv, self.line_v),
            (PTIMER, self.cntp, self.line_p),
        ):
            if line.raw and not self.noted[intid] and self.loaded_vcpu is not None:
                self.note_expiry(self.loaded_vcpu, intid, timer.cval)
            self.noted[intid] = line.raw

    def note_expiry(self, vcpu: Vcpu, intid: int, cval: int) -> None:
        """An output rose; a deadline of the virtual timer counts once."""
        if intid == VTIMER and not vcpu.expiry_noted:
            vcpu.expiry_noted = True
            self.machine.counters["expiries"] += 1
        self.record("expiry", vcpu, intid, cval)

    def next_event(self) -> int:
        """The next cycle at which a line can change by itself."""
        times = [self.host_deadline(), self.machine.next_outside(self)]
        for timer, line in ((self.cntv, self.line_v), (self.cntp, self.line_p)):
            if timer.can_fire() and not timer.due(self.now):
                times.append(timer.deadline(self.now))
            if line.change_at is not None:
                times.append(line.change_at)
        later = [at for at in times if at > self.now]
        return min(later, default=NEVER)

    # time

    def charge(self, prim: str, n: int = 1) -> None:
        """One primitive: counted, and it takes its time."""
        self.machine.prims[prim] += n
        self.advance(self.machine.setup.cost[prim] * n)

    def advance(self, cyc: int) -> None:
        """Time passes; what it brings is noticed at the next `retimed`."""
        self.now += cyc
        self.machine.check_limit(self)

    def record(self, kind: str, vcpu: Vcpu | None, sub: object, arg: int = 0) -> None:
        """Write a trace record."""
        who = None if vcpu is None else vcpu.index
        self.machine.trace.append((kind, self.now, self.index, who, sub, arg))

    # host interrupts (2.2)

    def save_irqs(self) -> None:
        """local_irq_save."""
        self.irq_stack.append(self.irq_off)
        self.irq_off = True

    def restore_irqs(self) -> None:
        """local_irq_restore."""
        self.irq_off = self.irq_stack.pop()

    def interrupts(self) -> None:
        """Take what the GIC signals, if the host has interrupts on."""
        self.retimed()
        while not self.irq_off and not self.in_isr and self.gic.candidate() is not None:
            self.in_isr = True
            self.exception()
            self.in_isr = False
            self.machine.sched.after_interrupt(self)

    def exception(self) -> None:
        """gic_handle_irq: until the acknowledge returns 1023."""
        first = True
        while True:
            self.entry_hook()
            if self.acked == SPURIOUS:
                self.machine.counters["spurious_irq"] += first
                return
            first = False
            self.handle(self.acked)
            self.exit_hook(self.acked)

    def entry_hook(self) -> None:
        """Acknowledge, priority drop: EOIR before the handler."""
        self.acked = self.gic.ack()  # what is pending as the read begins
        self.charge("iar_r")
        self.record("irq", self.running, min(self.acked, 255), self.acked)
        self.retimed()
        if self.acked == SPURIOUS:
            return
        if self.machine.setup.gicv3:
            self.step("dsb")
        self.step("eoir_w")
        self.gic.eoi(self.acked)
        self.step("isb")

    def step(self, prim: str) -> None:
        """A step of interrupt context: interrupts are off, time is noticed."""
        self.charge(prim)
        self.retimed()

    def exit_hook(self, intid: int) -> None:
        """irq_eoi of the EOImode-1 chip: DIR unless forwarded to a vCPU."""
        if self.gic.eoimode1 and not self.forwarded(intid):
            self.step("dir_w")
            self.gic.deactivate(intid)
            if self.machine.setup.gicv3:
                self.step("isb")

    def forwarded(self, intid: int) -> bool:
        """Is it a timer PPI that the policy's kernel forwards?"""
        return (
            self.machine.setup.forwarded
            and self.machine.policy.forwards
            and intid in (VTIMER, PTIMER)
        )

    def handle(self, intid: int) -> None:
        """The flow handler of one interrupt."""
        counters = self.machine.counters
        if intid == VTIMER:
            counters["host_vtimer_irq"] += 1
            self.machine.policy.vtimer_isr(self)
        elif intid == PTIMER:
            counters["host_ptimer_irq"] += 1
            self.machine.policy.ptimer_isr(self)
        elif intid == HOST_TIMER:
            self.host_timer()
        else:
            self.charge("isr_ipi" if intid < 16 else "isr_device")

    def host_timer(self) -> None:
        """The host's timer handler: expired hrtimers, then the tick."""
        machine = self.machine
        machine.counters["host_timer_irq"] += 1
        self.charge("isr_timer")
        while True:
            due = [one for one in machine.hrtimers(self) if one[0] <= self.now]
            if not due:
                break
            _, expire = min(due, key=lambda one: one[0])
            self.charge("isr_hrtimer")
            expire(self)
        if self.tick_at <= self.now and self.ticks():
            machine.counters["host_tick_irq"] += 1
            self.tick_stopped = self.current is None
            self.charge("isr_tick")
            while self.tick_at <= self.now:
                self.tick_at += machine.setup.tick_cyc
            machine.sched.tick(self)
        self.retimed()
