"""EAGER, Linux up to 4.14: section 3, flow by flow."""

from __future__ import annotations

from .pcpu import Pcpu
from .prims import Kernel
from .switch import load_vgic, put_vgic, to_guest, to_host


class Eager:
    """Save and restore the timer on every world switch; memory is the truth."""

    forwards = False  # 3.5: the flag is not set, eoi does DIR
    switches = frozenset({"hw_bit", "ioctl_loads", "inject_request"})

    # 3.1

    def enter(self, k: Kernel) -> bool:
        """Run-loop top to ERET; False if the entry was refused."""
        k("run_loop")
        k("requests")
        k("preempt_off")
        self.timer_flush(k)
        if k.vcpu.vgic.ap_list:
            k("vgic_flush")
        k("irq_off")
        k("check_signal")
        k("mode_in")
        k("check_requests")
        if k.vcpu.request:
            return False
        to_guest(k, self.hyp_restore)
        return True

    def abort(self, k: Kernel) -> None:
        """Step 5, refused: both syncs."""
        k("mode_out")
        k("irq_on")
        self.timer_sync(k)
        if k.vcpu.vgic.ap_list:
            k("vgic_sync")
        k("preempt_on")

    def exit(self, k: Kernel) -> None:
        """Steps 7 to 10: timer sync before vgic sync."""
        to_host(k, self.hyp_save)
        k("mode_out")
        k("irq_on")
        self.timer_sync(k)
        if k.vcpu.vgic.ap_list:
            k("vgic_sync")
        k("preempt_on")
        k("handle")

    # 3.2b: should_fire from memory; a change forgets the cleared cache

    def fires_v(self, k: Kernel) -> bool:
        if k.vcpu.vtimer.can_fire():
            k("cntpct_r")
        k("eval_v")
        return k.vcpu.fire

    def fires_p(self, k: Kernel) -> bool:
        if k.vcpu.ptimer.can_fire():
            k("cntpct_r")
        k("eval_p")
        return k.vcpu.fire

    def update_state(self, k: Kernel) -> None:
        """Levels follow should_fire; the vgic is told of changes."""
        self.fires_v(k)
        if k.vcpu.changed:
            k("level_v")
            k("cache_clear")
            k("inject_v")
        self.fires_p(k)
        if k.vcpu.changed:
            k("level_p")
            k("inject_p")

    def timer_flush(self, k: Kernel) -> None:
        """3.2."""
        if not k.vcpu.enabled:
            return
        self.update_state(k)
        ptimer = k.vcpu.ptimer
        fired = k.vcpu.fire  # update_state asked the physical timer last
        if ptimer.can_fire():
            k("cntpct_r")
            if not fired:
                k("cntpct_r")
                k("cntpct_r")
                k("pt_arm")
        k("act_level" if k.vcpu.level_v else "act_either")
        if k.vcpu.act:
            k("active_set_v")
            k("cache_clear")
        elif not k.vcpu.cleared:
            k("active_clear_v")
            k("cache_set")

    def timer_sync(self, k: Kernel) -> None:
        """3.4: disarm, then update_state; no hardware access."""
        if k.vcpu.pt_deadline is not None:
            k("pt_cancel")
        if k.vcpu.enabled:
            self.update_state(k)

    # 3.3

    def hyp_restore(self, k: Kernel) -> None:
        if not k.vhe:
            k("cnthctl_r")
            k("cnthctl_w_guest")
        if k.vcpu.enabled:
            k("cntvoff_w")
            k("cntv_cval_w")
            k("isb")
            k("cntv_ctl_w")

    def hyp_save(self, k: Kernel) -> None:
        if k.vcpu.enabled:
            k("cntv_ctl_r")
            k("cntv_cval_r")
        k("cntv_ctl_w0")
        if not k.vhe:
            k("cnthctl_r")
            k("cnthctl_w_host")
        k("cntvoff_w0")

    # 3.5: only a warning

    def vtimer_isr(self, pcpu: Pcpu) -> None:
        pcpu.charge("isr_vtimer")

    def ptimer_isr(self, pcpu: Pcpu) -> None:
        """No direct physical timer."""

    # 3.6

    def block(self, k: Kernel) -> None:
        """If neither fires and one can: the hrtimer for the earliest."""
        if self.fires_v(k) or self.fires_p(k):
            return
        can_v, can_p = k.vcpu.vtimer.can_fire(), k.vcpu.ptimer.can_fire()
        if can_v:
            k("cntpct_r")
        if can_p:
            k("cntpct_r")
        if can_v or can_p:
            k("bg_arm")

    def unblock(self, k: Kernel) -> None:
        if k.vcpu.bg_deadline is not None:
            k("bg_cancel")

    def check(self, k: Kernel) -> None:
        """check_block: pending interrupt, or a timer that should fire."""
        k("pending")
        for fires in (self.fires_v, self.fires_p):
            if not k.vcpu.wake_found and fires(k):
                k("wake_if")

    def bg_expire(self, k: Kernel) -> None:
        """The expiry changes no timer or vgic state: it queues the work."""
        k("bg_recheck")
        if k.vcpu.fire:
            k("work")

    # 3.9

    def pt_expire(self, k: Kernel) -> None:
        k("pt_recheck")
        if k.vcpu.fire:
            k("work")

    def pt_trap(self, k: Kernel) -> None:
        """Memory only; the next flush sees it."""

    # 3.7, 4.1

    def load(self, k: Kernel) -> None:
        k("running_set")
        load_vgic(k)

    def put(self, k: Kernel) -> None:
        put_vgic(k)
        k("running_clear")
        k("cache_clear")

    def first_run(self, k: Kernel) -> None:
        k("enabled_set")
