"""What a step of a kernel flow does: one method a primitive, as pyemu_api.h words it.

``k("cntv_ctl_w0")`` charges the primitive, applies it, and takes host interrupts if
they are on: that is how a flow of sections 3 to 5 is written down here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .inject import inject
from .pcpu import PTIMER, VTIMER

if TYPE_CHECKING:
    from .pcpu import Pcpu
    from .vcpu import Vcpu


class Kernel:
    """A vCPU's kernel code on the pCPU where it runs."""

    def __init__(self, pcpu: Pcpu, vcpu: Vcpu, *, one_piece: bool = False) -> None:
        self.pcpu, self.vcpu, self.machine = pcpu, vcpu, pcpu.machine
        self.one_piece = one_piece  # a callback: time is noticed when it is over
        self.at = pcpu.now  # when the step began: the count it decides by

    def __call__(self, prim: str) -> None:
        """Perform one step."""
        self.at = self.pcpu.now
        self.pcpu.charge(prim)
        effect = getattr(self, f"do_{prim}", None)
        if effect is not None:
            effect()
        if prim in ("handle", "eret"):
            return  # handler and guest follow at once
        if not self.one_piece:
            self.pcpu.interrupts()

    def record(self, kind: str, sub: object, arg: int = 0) -> None:
        """Write a trace record about this vCPU."""
        self.pcpu.record(kind, self.vcpu, sub, arg)

    # facts that flows ask about

    @property
    def in_kernel(self) -> bool:
        """The interrupt controller is the kernel's; user space's is not modelled."""
        return True

    @property
    def vhe(self) -> bool:
        """The host runs at EL2."""
        return self.machine.setup.vhe

    @property
    def gicv3(self) -> bool:
        """GICv3 host."""
        return self.machine.setup.gicv3

    def vact_v(self) -> bool:
        """27 is virtually active (map_is_active)."""
        return self.vcpu.vgic.irqs[VTIMER].active

    def vact_p(self) -> bool:
        """30 is virtually active."""
        return self.vcpu.vgic.irqs[PTIMER].active

    # virtual timer registers

    def do_cntv_ctl_r(self) -> None:
        self.vcpu.vtimer.ctl = self.pcpu.cntv.ctl

    def do_cntv_cval_r(self) -> None:
        self.vcpu.vtimer.cval = self.pcpu.cntv.cval

    def do_cntv_ctl_w0(self) -> None:
        self.pcpu.cntv.ctl = 0

    def do_cntv_cval_w(self) -> None:
        self.pcpu.cntv.cval = self.vcpu.vtimer.cval

    def do_cntv_ctl_w(self) -> None:
        self.pcpu.cntv.ctl = self.vcpu.vtimer.ctl

    def do_cntvoff_w(self) -> None:
        self.pcpu.cntv.offset = self.vcpu.cntvoff

    def do_cntvoff_w0(self) -> None:
        self.pcpu.cntv.offset = 0

    def do_cntp_ctl_r(self) -> None:
        self.vcpu.ptimer.ctl = self.pcpu.cntp.ctl

    def do_cntp_cval_r(self) -> None:
        self.vcpu.ptimer.cval = self.pcpu.cntp.cval

    def do_cntp_ctl_w0(self) -> None:
        self.pcpu.cntp.ctl = 0

    def do_cntp_cval_w(self) -> None:
        self.pcpu.cntp.cval = self.vcpu.ptimer.cval

    def do_cntp_ctl_w(self) -> None:
        self.pcpu.cntp.ctl = self.vcpu.ptimer.ctl

    # should_fire: FIRE, and CHANGED against the level

    def decide(self, fire: bool, level: bool) -> None:
        self.vcpu.fire, self.vcpu.changed = fire, fire != level

    def do_eval_v(self) -> None:
        self.decide(self.vcpu.vtimer.fires(self.at), self.vcpu.level_v)

    def do_eval_v_hw(self) -> None:
        self.decide(self.pcpu.cntv.fires(self.at), self.vcpu.level_v)

    def do_eval_v_ctl(self) -> None:
        self.decide(self.pcpu.cntv.can_fire(), self.vcpu.level_v)

    def do_eval_p(self) -> None:
        self.decide(self.vcpu.ptimer.fires(self.at), self.vcpu.level_p)

    def do_eval_p_hw(self) -> None:
        self.decide(self.pcpu.cntp.fires(self.at), self.vcpu.level_p)

    def set_level(self, intid: int, level: bool) -> None:
        if intid == VTIMER:
            self.vcpu.level_v = level
        else:
            self.vcpu.level_p = level
        self.record("level", intid, int(level))

    def do_level_v(self) -> None:
        self.set_level(VTIMER, self.vcpu.fire)

    def do_level_v_set(self) -> None:
        self.set_level(VTIMER, True)

    def do_level_v_clear(self) -> None:
        self.set_level(VTIMER, False)

    def do_level_p(self) -> None:
        self.set_level(PTIMER, self.vcpu.fire)

    def do_level_p_set(self) -> None:
        self.set_level(PTIMER, True)

    def do_level_p_clear(self) -> None:
        self.set_level(PTIMER, False)

    def do_inject_v(self) -> None:
        inject(self.pcpu, self.vcpu, VTIMER, self.vcpu.level_v)

    def do_inject_p(self) -> None:
        inject(self.pcpu, self.vcpu, PTIMER, self.vcpu.level_p)

    def do_inject_v_fire(self) -> None:
        inject(self.pcpu, self.vcpu, VTIMER, self.vcpu.fire)

    def do_save_ctl_isr(self) -> None:
        self.vcpu.vtimer.ctl = self.pcpu.cntv.ctl

    # physical active state

    def do_act_either(self) -> None:
        self.vcpu.act = self.vcpu.level_v or self.vact_v()

    def do_act_vact(self) -> None:
        self.vcpu.act = self.vact_v()

    def do_act_level(self) -> None:
        self.vcpu.act = self.vcpu.level_v

    def do_act_either_p(self) -> None:
        self.vcpu.act = self.vcpu.level_p or self.vact_p()

    def do_active_set_v(self) -> None:
        self.pcpu.gic.irqs[VTIMER].active = True

    def do_active_clear_v(self) -> None:
        self.pcpu.gic.irqs[VTIMER].active = False

    def do_active_set_p(self) -> None:
        self.pcpu.gic.irqs[PTIMER].active = True

    def do_active_clear_p(self) -> None:
        self.pcpu.gic.irqs[PTIMER].active = False

    def do_cache_set(self) -> None:
        self.vcpu.cleared = True

    def do_cache_clear(self) -> None:
        self.vcpu.cleared = False

    def do_loaded_set(self) -> None:
        self.vcpu.loaded = True
        self.record("restore", 0, self.vcpu.vtimer.cval)

    def do_loaded_clear(self) -> None:
        self.vcpu.loaded = False
        self.record("save", 0, self.vcpu.vtimer.cval)

    def do_enabled_set(self) -> None:
        self.vcpu.enabled = True
        self.vcpu.vgic.irqs[VTIMER].hw = True
        self.vcpu.vgic.irqs[PTIMER].hw = self.machine.setup.direct_ptimer

    def do_running_set(self) -> None:
        self.pcpu.running = self.vcpu

    def do_running_clear(self) -> None:
        self.pcpu.running = None

    # soft timers

    def earliest(self) -> int | None:
        timers = (self.vcpu.vtimer, self.vcpu.ptimer)
        skips = "bg_skips_active" in self.machine.policy.switches
        active = (self.vact_v(), self.vact_p())
        times = [
            t.deadline(self.at)
            for t, busy in zip(timers, active, strict=True)
            if t.can_fire() and not (skips and busy)
        ]
        return min(times, default=None)

    def startable(self, at: int) -> int:
        """When an hrtimer for a deadline expires: no sooner than the clock can."""
        setup = self.machine.setup
        return max(
            at, self.pcpu.now + setup.cost["hrtimer_arm"] + setup.hrtimer_min_cyc
        )

    def arm_pt(self) -> None:
        self.vcpu.pt_deadline = self.startable(self.vcpu.ptimer.deadline(self.pcpu.now))
        self.vcpu.pt_pcpu = self.pcpu
        self.machine.counters["pt_start"] += 1
        self.pcpu.charge("hrtimer_arm")

    def cancel_pt(self) -> None:
        if self.vcpu.pt_deadline is not None:
            self.vcpu.pt_deadline = None
            self.pcpu.charge("hrtimer_cancel")

    def do_bg_arm(self) -> None:
        at = self.earliest()
        if at is None:
            return
        self.vcpu.bg_deadline = self.startable(at)
        self.vcpu.bg_pcpu = self.pcpu
        self.machine.counters["bg_start"] += 1
        self.pcpu.charge("hrtimer_arm")

    def do_bg_cancel(self) -> None:
        if self.vcpu.bg_deadline is not None:
            self.vcpu.bg_deadline = None
            self.pcpu.charge("hrtimer_cancel")

    def do_pt_emulate(self) -> None:
        timer = self.vcpu.ptimer
        if timer.can_fire() and not timer.due(self.at):
            self.arm_pt()
        else:
            self.cancel_pt()

    def do_pt_arm(self) -> None:
        if self.vcpu.ptimer.can_fire():
            self.arm_pt()

    def do_pt_cancel(self) -> None:
        self.cancel_pt()

    def do_bg_recheck(self) -> None:
        at = self.earliest()
        self.vcpu.fire = at is not None and at <= self.pcpu.now  # read in the step
        if at is not None and not self.vcpu.fire:
            self.do_bg_arm()

    def do_pt_recheck(self) -> None:
        timer = self.vcpu.ptimer
        self.vcpu.fire = timer.due(self.pcpu.now)  # the delta alone, 4.12
        if not self.vcpu.fire:
            self.arm_pt()

    def do_work(self) -> None:
        self.pcpu.charge("work_delay")
        self.machine.sched.wake_vcpu(self.pcpu, self.vcpu)

    def do_wake(self) -> None:
        self.machine.sched.wake_vcpu(self.pcpu, self.vcpu)

    # vgic

    def do_vgic_flush(self) -> None:
        n = self.vcpu.vgic.flush(
            self.machine.setup.lrs, self.machine.policy.switches, self.gicv3
        )
        self.pcpu.charge("populate", n)

    def do_vgic_restore(self) -> None:
        vif, vgic = self.vcpu.vif, self.vcpu.vgic
        vif.lrs, vif.enabled = vgic.used, True
        vif.uie, vif.npie = vgic.uie, vgic.npie
        self.pcpu.charge("vgic_if_w", 2)  # HCR, APR
        self.pcpu.charge("lr_w", len(vif.lrs))

    def do_vgic_save(self) -> None:
        vif = self.vcpu.vif
        self.pcpu.charge("vgic_if_r", 2)  # APR, ELRSR
        self.pcpu.charge("lr_r", sum(lr.valid() for lr in vif.lrs))
        self.pcpu.charge("lr_w", len(vif.lrs))  # zero
        self.pcpu.charge("vgic_if_w")  # HCR := 0
        vif.lrs, vif.enabled = [], False

    def do_vgic_sync(self) -> None:
        self.pcpu.charge("fold", len(self.vcpu.vgic.used))
        for irq in self.vcpu.vgic.fold(self.machine.policy.switches):
            self.sample(irq)
        self.vcpu.vgic.prune()

    def sample(self, irq) -> None:
        """Line level := the timer's output; low: ICACTIVER (2.4, 4.16)."""
        virtual = irq.intid == VTIMER
        line = self.pcpu.line_v if virtual else self.pcpu.line_p
        self.pcpu.charge("eval_v_hw" if virtual else "eval_p_hw")
        irq.line_level = line.raw  # as it was last noticed
        if not irq.line_level:
            self.pcpu.charge(
                "active_clear_v" if irq.intid == VTIMER else "active_clear_p"
            )
            self.pcpu.gic.irqs[irq.intid].active = False

    def sample_enabled(self, irq) -> None:
        """5.3 (B29): the level may have dropped while the irq was disabled.

        Only an irq that was high and is not in service gives up its physical active
        state; any other never had it for this level.
        """
        was_high = irq.line_level
        virtual = irq.intid == VTIMER
        self.pcpu.charge("eval_v_hw" if virtual else "eval_p_hw")
        irq.line_level = (self.pcpu.line_v if virtual else self.pcpu.line_p).raw
        if was_high and not irq.line_level and not irq.active:
            self.pcpu.charge("active_clear_v" if virtual else "active_clear_p")
            self.pcpu.gic.irqs[irq.intid].active = False

    def do_vmcr_r(self) -> None:
        self.vcpu.vmcr_pmr = self.vcpu.vif.pmr

    def do_vgic_reset_v(self) -> None:
        irq = self.vcpu.vgic.irqs[VTIMER]
        irq.line_level = irq.latch = irq.active = False

    # control

    def do_requests(self) -> None:
        self.vcpu.request = False

    def do_preempt_off(self) -> None:
        self.pcpu.preempt_count += 1

    def do_preempt_on(self) -> None:
        self.pcpu.preempt_count -= 1
        self.machine.sched.preempt_point(self.pcpu)

    def do_irq_off(self) -> None:
        self.pcpu.irq_off = True

    def do_irq_on(self) -> None:
        self.pcpu.irq_off = False

    def do_irq_save(self) -> None:
        self.pcpu.save_irqs()

    def do_irq_restore(self) -> None:
        self.pcpu.restore_irqs()

    def do_run_loop(self) -> None:
        self.machine.sched.cond_resched(self.pcpu)

    def do_pending(self) -> None:
        aware = "pending_pmr" in self.machine.policy.switches
        if self.vcpu.vgic.pending_irq(aware):
            self.vcpu.wake_found = True

    def do_wake_if(self) -> None:
        self.vcpu.wake_found = True
