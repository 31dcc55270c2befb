"""kvm_vcpu_block: halt polling, then sleep until something is pending (2.5, 3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .prims import Kernel

if TYPE_CHECKING:
    from .machine import Machine
    from .vcpu import Vcpu


def block(machine: Machine, vcpu: Vcpu) -> None:
    """Return when the vCPU has something to do."""
    policy, setup = machine.policy, machine.setup
    machine.counters["vcpu_block"] += 1
    machine.pcpu_of(vcpu).charge("block_path")
    begun = machine.pcpu_of(vcpu).now
    if vcpu.halt_poll_cyc and setup.halt_poll_max_cyc:
        machine.counters["halt_attempted_poll"] += 1
        if poll(machine, vcpu, begun):
            machine.counters["halt_successful_poll"] += 1
            adjust(machine, vcpu, machine.pcpu_of(vcpu).now - begun)
            return
    machine.pcpu_of(vcpu).record("block", vcpu, 0)
    machine.pcpu_of(vcpu).interrupts()
    machine.counters["timer_block"] += 1
    policy.block(Kernel(machine.pcpu_of(vcpu), vcpu))
    slept = False
    while True:
        vcpu.on_wait_queue, vcpu.woken = True, False  # prepare_to_swait
        if check(machine, vcpu):
            break
        if not vcpu.woken:  # a wake-up since then makes schedule() return
            machine.counters["vcpu_sleep"] += not slept
            machine.sched.sleep(vcpu)
        slept = True
    vcpu.on_wait_queue = False
    machine.pcpu_of(vcpu).record("unblock", vcpu, int(slept))
    policy.unblock(Kernel(machine.pcpu_of(vcpu), vcpu))
    adjust(machine, vcpu, machine.pcpu_of(vcpu).now - begun)


def charge(machine: Machine, vcpu: Vcpu, prim: str) -> None:
    """Thread code, interrupts on."""
    pcpu = machine.pcpu_of(vcpu)
    pcpu.charge(prim)
    pcpu.interrupts()


def check(machine: Machine, vcpu: Vcpu) -> bool:
    """kvm_vcpu_check_block."""
    vcpu.wake_found = False
    machine.policy.check(Kernel(machine.pcpu_of(vcpu), vcpu))
    return vcpu.wake_found


def poll(machine: Machine, vcpu: Vcpu, begun: int) -> bool:
    """Ask again and again for halt_poll_cyc, loaded, while nobody else can run."""
    end = begun + vcpu.halt_poll_cyc
    machine.pcpu_of(vcpu).interrupts()
    while True:
        machine.counters["poll_iterations"] += 1
        charge(machine, vcpu, "poll_iter")
        if check(machine, vcpu):
            return True
        pcpu = machine.pcpu_of(vcpu)
        if pcpu.now >= end or len(machine.sched.on(pcpu)) > 1:
            return False


def adjust(machine: Machine, vcpu: Vcpu, lasted: int) -> None:
    """Grow or reset the poll window (2.5)."""
    most, start = machine.setup.halt_poll_max_cyc, machine.setup.halt_poll_start_cyc
    window = vcpu.halt_poll_cyc
    if not most or lasted <= window:
        return
    if window and lasted > most:
        vcpu.halt_poll_cyc = 0
    elif lasted < most:
        vcpu.halt_poll_cyc = min(window * 2 if window else start, most)
