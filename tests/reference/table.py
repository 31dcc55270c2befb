"""Any policy as a table: hooks of guarded primitives, given as plain data.

A step is ``(primitive, {flag: wanted, ...}, inverted)``: it runs if every flag has the
wanted value (or, inverted, if not). What a flag means is in `Flags`, as
csrc/pyemu_api.h words enum pyemu_flag; everything else is `prims`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .pcpu import PTIMER, VTIMER, Pcpu
from .prims import Kernel

Step = tuple[str, Mapping[str, bool], bool]


class Flags:
    """The flag word of a vCPU on a pCPU, computed when asked for."""

    def __init__(self, k: Kernel) -> None:
        self.k, self.vcpu, self.pcpu = k, k.vcpu, k.pcpu
        self.setup = k.machine.setup

    def value(self, name: str) -> bool:
        """One flag."""
        vcpu, pcpu, setup = self.vcpu, self.pcpu, self.setup
        simple = {
            "vhe": setup.vhe,
            "gicv3": setup.gicv3,
            "user_irqchip": False,
            "forwarded": setup.forwarded,
            "direct_p": setup.direct_ptimer,
            "eoimode1": setup.eoimode1,
            "sync": True,
            "signal": False,
            "running": pcpu.running is not None,
            "spurious": pcpu.acked == 1023,
            "resched": pcpu.resched,
            "pirq": pcpu.gic.candidate() is not None,
        }
        if name in simple:
            return simple[name]
        own = {
            "req": "request",
            "wake": "wake_found",
            "powered_off": "off",
        }
        if hasattr(vcpu, own.get(name, name)):
            return bool(getattr(vcpu, own.get(name, name)))
        return self.derived(name)

    def derived(self, name: str) -> bool:
        """Flags that follow from larger state."""
        vcpu, pcpu, now = self.vcpu, self.pcpu, self.pcpu.now
        timers = {
            "can_v": vcpu.vtimer,
            "due_v": vcpu.vtimer,
            "can_p": vcpu.ptimer,
            "due_p": vcpu.ptimer,
            "hcan_v": pcpu.cntv,
            "hdue_v": pcpu.cntv,
            "hcan_p": pcpu.cntp,
            "hdue_p": pcpu.cntp,
        }
        if name in timers:
            timer = timers[name]
            return timer.can_fire() if "can" in name else timer.due(now)
        return {
            "vact_v": vcpu.vgic.irqs[VTIMER].active,
            "vact_p": vcpu.vgic.irqs[PTIMER].active,
            "line_v": vcpu.vgic.irqs[VTIMER].line_level,
            "ap": bool(vcpu.vgic.ap_list),
            "lrs": bool(vcpu.vgic.used or vcpu.vif.lrs),
            "bg_armed": vcpu.bg_deadline is not None,
            "pt_armed": vcpu.pt_deadline is not None,
        }[name]


class Table:
    """A policy that walks its hooks."""

    def __init__(
        self,
        hooks: Mapping[str, Sequence[Step]],
        switches: frozenset[str],
    ) -> None:
        self.hooks, self.switches = hooks, switches
        exits = hooks.get("irq_exit", ())
        self.forwards = any("ack_forwarded" in guard for _, guard, _ in exits)

    def walk(self, k: Kernel, hook: str) -> bool:
        """Run a hook; False if it was refused by check_requests."""
        flags = Flags(k)
        for prim, guard, inverted in self.hooks.get(hook, ()):
            holds = all(flags.value(name) == want for name, want in guard.items())
            if holds == inverted:
                continue
            k(prim)
            if prim == "check_requests" and k.vcpu.request:
                return False
        return True

    def enter(self, k: Kernel) -> bool:
        return self.walk(k, "enter")

    def vtimer_isr(self, pcpu: Pcpu) -> None:
        self.isr(pcpu, "vtimer_isr")

    def ptimer_isr(self, pcpu: Pcpu) -> None:
        self.isr(pcpu, "ptimer_isr")

    def isr(self, pcpu: Pcpu, hook: str) -> None:
        """A handler acts on the running vCPU; without one only its own code runs."""
        vcpu = pcpu.running
        if vcpu is None:
            pcpu.charge("isr_vtimer")
            return
        before = vcpu.fire, vcpu.changed, vcpu.act
        self.walk(Kernel(pcpu, vcpu), hook)
        vcpu.fire, vcpu.changed, vcpu.act = before

    def __getattr__(self, hook: str):
        if hook.startswith("_"):
            raise AttributeError(hook)
        return lambda k: self.walk(k, hook)
