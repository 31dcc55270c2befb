"""LAZY, Linux 4.15.0: section 4, flow by flow."""

from __future__ import annotations

from .eager import Eager
from .pcpu import Pcpu
from .prims import Kernel
from .switch import at_el2, load_vgic, put_vgic, to_guest, to_host


class Lazy(Eager):
    """The hardware keeps the timer; it moves in load, put and around blocking."""

    forwards = True
    switches = frozenset({"hw_bit", "ioctl_loads", "inject_request"})

    # 4.2

    def enter(self, k: Kernel) -> bool:
        k("run_loop")
        k("requests")
        k("preempt_off")
        k("irq_off")
        if k.vcpu.vgic.ap_list:
            k("vgic_flush")
        k("check_signal")
        k("mode_in")
        k("check_requests")
        if k.vcpu.request:
            return False
        to_guest(k, self.enable_traps)
        return True

    def abort(self, k: Kernel) -> None:
        k("mode_out")
        self.timer_sync(k)
        if k.vcpu.vgic.ap_list:
            k("vgic_sync")
        k("irq_on")
        k("preempt_on")

    def exit(self, k: Kernel) -> None:
        to_host(k, self.disable_traps)
        k("mode_out")
        if k.vcpu.vgic.ap_list:
            k("vgic_sync")
        self.timer_sync(k)
        k("irq_on")
        k("preempt_on")
        k("handle")

    def enable_traps(self, k: Kernel) -> None:
        if not k.vhe:
            k("cnthctl_r")
            k("cnthctl_w_guest")

    def disable_traps(self, k: Kernel) -> None:
        if not k.vhe:
            k("cnthctl_r")
            k("cnthctl_w_host")

    # 4.3

    def timer_sync(self, k: Kernel) -> None:
        if not k.vcpu.level_v:
            return
        k("cntv_ctl_r")
        k("cntv_cval_r")
        if self.fires_v(k):
            return
        k("inject_v_fire")
        k("act_vact")
        if not k.vcpu.act:
            k("active_clear_v")
        k("level_v_clear")

    # 4.4

    def vtimer_isr(self, pcpu: Pcpu) -> None:
        vcpu = pcpu.running
        pcpu.charge("isr_vtimer")
        if vcpu is None or vcpu.level_v:
            return
        k = Kernel(pcpu, vcpu)
        before = vcpu.fire, vcpu.changed, vcpu.act
        k("eval_v_hw")
        if vcpu.fire:
            k("inject_v_fire")
            k("level_v_set")
        vcpu.fire, vcpu.changed, vcpu.act = before

    # 4.6, 4.7

    def timer_load(self, k: Kernel) -> None:
        if not k.vcpu.enabled:
            return
        k("act_either")
        k("active_set_v" if k.vcpu.act else "active_clear_v")
        at_el2(k, "cntvoff_w")
        self.restore(k)
        self.emulate(k)

    def restore(self, k: Kernel) -> None:
        k("irq_save")
        if not k.vcpu.loaded:
            k("cntv_cval_w")
            k("isb")
            k("cntv_ctl_w")
            k("loaded_set")
        k("irq_restore")

    def save(self, k: Kernel) -> None:
        k("irq_save")
        if k.vcpu.loaded:
            k("cntv_ctl_r")
            k("cntv_cval_r")
            k("cntv_ctl_w0")
            k("isb")
            k("loaded_clear")
        k("irq_restore")

    def emulate(self, k: Kernel) -> None:
        if k.vcpu.ptimer.can_fire():
            k("cntpct_r")
        k("pt_emulate")

    def load(self, k: Kernel) -> None:
        k("running_set")
        load_vgic(k)
        self.timer_load(k)

    def put(self, k: Kernel) -> None:
        if k.vcpu.enabled:
            self.save(k)
            if k.vcpu.pt_deadline is not None:
                k("pt_cancel")
            at_el2(k, "cntvoff_w0")
        put_vgic(k)
        k("running_clear")

    def first_run(self, k: Kernel) -> None:
        k("enabled_set")
        k("preempt_off")
        self.timer_load(k)
        k("preempt_on")

    # 4.8

    def block(self, k: Kernel) -> None:
        self.save(k)
        super().block(k)

    def unblock(self, k: Kernel) -> None:
        if k.vcpu.enabled:
            self.restore(k)
        super().unblock(k)

    def check(self, k: Kernel) -> None:
        k("pending")
        vcpu = k.vcpu
        for level in (vcpu.level_v, vcpu.level_p):
            if not vcpu.wake_found and level:
                k("wake_if")
        if not vcpu.wake_found and not vcpu.loaded and self.fires_v(k):
            k("wake_if")
        if not vcpu.wake_found and self.fires_p(k):
            k("wake_if")

    # 4.12

    def pt_expire(self, k: Kernel) -> None:
        k("pt_recheck")
        if k.vcpu.fire:
            k("level_p_set")
            k("inject_p")

    def pt_trap(self, k: Kernel) -> None:
        if not k.vcpu.enabled:
            return
        self.fires_v(k)
        if k.vcpu.changed:  # compared when it was evaluated
            k("level_v")
            k("inject_v")
        self.fires_p(k)
        if k.vcpu.changed:
            k("level_p")
            k("inject_p")
        self.emulate(k)
