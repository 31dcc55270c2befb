"""The guest: one operation after the other, until something stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .handle import DISTRIBUTOR, write_timer
from .pcpu import HOST_TIMER, MAINTENANCE, PTIMER, VTIMER
from .setup import Op

if TYPE_CHECKING:
    from .machine import Machine
    from .pcpu import Pcpu
    from .timer import Timer
    from .vcpu import Vcpu

IRQ_REASON = {
    VTIMER: "irq_vtimer",
    PTIMER: "irq_ptimer",
    HOST_TIMER: "irq_tick",
    MAINTENANCE: "irq_maint",
}
TRAPS = {
    "hvc": "hvc64",
    "smc": "smc64",
    "sysreg": "sys64",
    "mmio_kernel": "dabt_kernel",
    "mmio_user": "dabt_user",
    "wfe": "wfx",
}


def run_guest(machine: Machine, pcpu: Pcpu, vcpu: Vcpu) -> tuple[str, Op | None]:
    """Run until an exit; its reason and the operation that trapped."""
    pcpu.retimed()
    while True:
        if not vcpu.masked and vcpu.vif.winner() and vcpu.setup.vector is not None:
            pcpu.charge("g_vector")
            vcpu.return_pc, vcpu.pc, vcpu.masked = vcpu.pc, vcpu.setup.vector, True
        pcpu.retimed()
        reason = irq_reason(pcpu)
        if reason is not None:
            return reason, None
        op = vcpu.setup.ops[vcpu.pc]
        if op.name == "end":
            machine.power_off(vcpu)
        reason = trap_reason(machine, pcpu, vcpu, op)
        if reason is not None:
            if not op.name.startswith("timer_"):
                pcpu.charge("g_insn")
            vcpu.pc += 1
            return reason, op
        Untrapped(machine, pcpu, vcpu).run(op)


def irq_reason(pcpu: Pcpu) -> str | None:
    """What a physical interrupt's exit is called; of several, a timer's first.

    Maintenance only when it is alone: its line falls with HCR.En during the exit, so
    that the host acknowledges the other one (2.3).
    """
    if pcpu.gic.candidate() is None:
        return None
    for intid in (VTIMER, PTIMER):
        if pcpu.gic.wanted(intid):
            return IRQ_REASON[intid]
    wanted = [i for i in pcpu.gic.irqs if i != MAINTENANCE and pcpu.gic.wanted(i)]
    intid = min(wanted, default=MAINTENANCE)
    return IRQ_REASON.get(intid, "irq_kick" if intid < 16 else "irq_device")


def trap_reason(machine: Machine, pcpu: Pcpu, vcpu: Vcpu, op: Op) -> str | None:
    """Why this operation leaves the guest, if it does."""
    if op.name in TRAPS:
        return TRAPS[op.name]
    if op.name in DISTRIBUTOR:
        return "dabt_kernel"
    if op.name == "sgi":
        return "sys64" if machine.setup.gicv3 else "dabt_kernel"
    if op.name == "fault":
        return "iabt_low" if op.flags & 1 else "dabt_fault"
    if op.name == "wfi" and not (vcpu.vif.winner() or pcpu.gic.candidate()):
        return "wfx"
    if op.name.startswith("timer_") and op.a == 1:
        return None if machine.setup.direct_ptimer else "sys64"
    return None


class Untrapped:
    """Operations that stay in the guest."""

    def __init__(self, machine: Machine, pcpu: Pcpu, vcpu: Vcpu) -> None:
        self.machine, self.pcpu, self.vcpu = machine, pcpu, vcpu

    def run(self, op: Op) -> None:
        """Do one operation; compute may stop at an event and be continued."""
        if op.name == "compute":
            self.compute(op)
            return
        self.vcpu.pc += 1
        if op.name.startswith("timer_"):
            self.timer(op)
            return
        effect = getattr(self, f"op_{op.name}")
        if op.name == "mark":
            effect(op)
            self.pcpu.charge("g_insn")
        else:
            self.cost(op)
            effect(op)
            if op.name in ("ack", "eoi", "dir"):
                self.pcpu.charge("g_insn")

    def cost(self, op: Op) -> None:
        prim = {"ack": "g_ack", "eoi": "g_eoi", "dir": "g_eoi"}.get(op.name, "g_insn")
        self.pcpu.charge(prim)

    def compute(self, op: Op) -> None:
        vcpu, pcpu = self.vcpu, self.pcpu
        left = vcpu.compute_left or op.c
        step = min(left, pcpu.next_event() - pcpu.now)
        pcpu.advance(step)
        vcpu.compute_left = left - step
        if vcpu.compute_left == 0:
            vcpu.pc += 1

    def timer(self, op: Op) -> None:
        hw = self.pcpu.cntp if op.a else self.pcpu.cntv
        self.pcpu.charge("g_sysreg")
        write_timer(self.pcpu, self.vcpu, hw, op, self.machine)
        if op.a == 0:
            self.new_deadline(hw)
        self.pcpu.record("timer_write", self.vcpu, op.a, hw.cval)
        self.pcpu.retimed()
        if op.a == 0 and self.pcpu.line_v.raw and not self.vcpu.expiry_noted:
            self.vcpu.expiry_noted = True  # the line was high already
            self.machine.counters["expiries"] += 1

    def new_deadline(self, hw: Timer) -> None:
        """Each write of the virtual timer ends one deadline and may begin another."""
        counters = self.machine.counters
        counters["deadlines_withdrawn"] += self.vcpu.armed
        self.vcpu.expiry_noted = False
        self.vcpu.armed = hw.can_fire()
        counters["deadlines_armed"] += self.vcpu.armed

    def op_ack(self, op: Op) -> None:
        lr = self.vcpu.vif.ack()
        self.vcpu.iar = 1023 if lr is None else lr.intid
        self.pcpu.record("ack", self.vcpu, min(self.vcpu.iar, 255), self.vcpu.iar)
        if self.vcpu.iar == VTIMER:
            self.machine.counters["ticks_acked"] += 1
            self.machine.counters["guest_spurious"] += not self.pcpu.line_v.raw
            if self.pcpu.line_v.raw:
                self.machine.counters["deadlines_acked"] += self.vcpu.armed
                self.vcpu.armed = False

    def op_eoi(self, op: Op) -> None:
        vif = self.vcpu.vif
        if self.vcpu.iar >= 1020:
            return
        self.pcpu.record("eoi", self.vcpu, self.vcpu.iar)
        vif.drop()
        if vif.eoimode == 0:
            self.deactivate()

    def op_dir(self, op: Op) -> None:
        if self.vcpu.vif.eoimode == 1:
            self.deactivate()

    def deactivate(self) -> None:
        lr = self.vcpu.vif.find_active(self.vcpu.iar)
        if lr is None:
            return
        lr.active = False
        if lr.hw:
            if not self.pcpu.gic.deactivate(lr.intid):
                self.machine.counters["bad_deactivate"] += 1
            self.pcpu.record("deactivate", self.vcpu, lr.intid)

    def op_irq_on(self, op: Op) -> None:
        self.vcpu.masked = False

    def op_irq_off(self, op: Op) -> None:
        self.vcpu.masked = True

    def op_eret(self, op: Op) -> None:
        self.vcpu.pc, self.vcpu.masked = self.vcpu.return_pc, False

    def op_pmr(self, op: Op) -> None:
        self.vcpu.vif.pmr = op.c

    def op_eoimode(self, op: Op) -> None:
        self.vcpu.vif.eoimode = op.c

    def op_wfi(self, op: Op) -> None:
        """Something is pending: completes at once."""

    def op_sev(self, op: Op) -> None:
        """No effect."""

    def op_mark(self, op: Op) -> None:
        self.pcpu.record("mark", self.vcpu, 0, op.c)

    def op_count(self, op: Op) -> None:
        self.vcpu.regs[op.a] = (self.vcpu.regs[op.a] + op.c) % 2**64

    def op_jump(self, op: Op) -> None:
        self.vcpu.pc = op.b

    def op_if_intid(self, op: Op) -> None:
        if self.vcpu.iar != op.a:
            self.vcpu.pc = op.b

    def op_until(self, op: Op) -> None:
        if self.vcpu.regs[op.a] < op.c:
            self.vcpu.pc = op.b

    def op_wait_reg(self, op: Op) -> None:
        if self.vcpu.regs[op.a] < op.c + self.vcpu.regs[7]:
            self.vcpu.pc = op.b

    def op_loop(self, op: Op) -> None:
        self.vcpu.regs[op.a] += 1
        if self.vcpu.regs[op.a] < op.c:
            self.vcpu.pc = op.b
        else:
            self.vcpu.regs[op.a] = 0
