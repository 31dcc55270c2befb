"""Telling a vCPU's vgic about an interrupt, and the vCPU about its vgic (2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pcpu import Pcpu
    from .vcpu import Vcpu


def inject(pcpu: Pcpu, vcpu: Vcpu, intid: int, level: bool, source: int = 0) -> None:
    """kvm_vgic_inject_irq: only a change of a level, only a rise of an edge."""
    machine = pcpu.machine
    pcpu.charge("vgic_inject")
    if intid >= 16:
        machine.counters["vgic_inject"] += 1
    pcpu.record("inject", vcpu, intid, int(level))
    if vcpu.vgic.set_line(intid, level, source):
        notify(pcpu, vcpu)


def notify(pcpu: Pcpu, vcpu: Vcpu) -> None:
    """Make the request (4.13) and kick: wake a sleeper, never oneself."""
    machine = pcpu.machine
    if "inject_request" in machine.policy.switches:
        vcpu.request = True
    machine.sched.wake_vcpu(pcpu, vcpu)
