"""The vCPU thread: KVM_RUN and its loop (3.1, 4.2, 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .guest import run_guest
from .handle import handle_exit
from .prims import Kernel

if TYPE_CHECKING:
    from .machine import Machine
    from .pcpu import Pcpu
    from .vcpu import Vcpu


class PowerOff(Exception):
    """The vCPU has ended its program."""


def vcpu_thread(machine: Machine, vcpu: Vcpu) -> None:
    """Body of the thread: the first ioctl, then entries until it powers off."""
    pcpu = machine.pcpu_of(vcpu)
    pcpu.interrupts()
    pcpu.charge("syscall")
    load(machine, vcpu, scheduled=False)
    machine.policy.first_run(Kernel(machine.pcpu_of(vcpu), vcpu))
    try:
        while True:
            enter(machine, vcpu)
            reason, op = run_guest(machine, machine.pcpu_of(vcpu), vcpu)
            leave(machine, vcpu, reason)
            machine.policy.exit(Kernel(machine.pcpu_of(vcpu), vcpu))
            handle_exit(machine, vcpu, reason, op)
    except PowerOff:
        pass


def enter(machine: Machine, vcpu: Vcpu) -> None:
    """Turns of the run loop until the guest is entered."""
    while True:
        pcpu = machine.pcpu_of(vcpu)
        k = Kernel(pcpu, vcpu)
        if machine.policy.enter(k):
            break
        machine.counters["aborts"] += 1
        machine.pcpu_of(vcpu).record("abort", vcpu, 0)
        machine.policy.abort(Kernel(machine.pcpu_of(vcpu), vcpu))
    machine.counters["guest_entries"] += 1
    pcpu = machine.pcpu_of(vcpu)
    pcpu.guest = vcpu
    pcpu.record("entry", vcpu, 0)


def leave(machine: Machine, vcpu: Vcpu, reason: str) -> None:
    """The trap: the guest no longer runs, interrupts are off."""
    pcpu = machine.pcpu_of(vcpu)
    pcpu.record("exit", vcpu, reason)
    machine.counters["exits"] += 1
    pcpu.retimed()
    pcpu.guest = None


def load(machine: Machine, vcpu: Vcpu, *, scheduled: bool) -> None:
    """vcpu_load: from an ioctl, or from the sched-in notifier."""
    pcpu = machine.pcpu_of(vcpu)
    vcpu.preempted = scheduled
    machine.counters["vcpu_load"] += 1
    pcpu.record("load", vcpu, int(scheduled))
    pcpu.preempt_count += 1
    pcpu.interrupts()
    pcpu.loaded_vcpu = vcpu
    machine.policy.load(Kernel(pcpu, vcpu))
    pcpu.preempt_count -= 1


def put(machine: Machine, vcpu: Vcpu, *, scheduled: bool) -> None:
    """vcpu_put: to user space, or from the sched-out notifier."""
    pcpu = machine.pcpu_of(vcpu)
    vcpu.preempted = scheduled
    machine.counters["vcpu_put"] += 1
    pcpu.record("put", vcpu, int(scheduled))
    pcpu.preempt_count += 1
    machine.policy.put(Kernel(pcpu, vcpu))
    pcpu.preempt_count -= 1
    pcpu.loaded_vcpu = None


def user_exit(machine: Machine, vcpu: Vcpu, user_cyc: int, after_cyc: int) -> None:
    """Out to user space and back into KVM_RUN."""
    put(machine, vcpu, scheduled=False)
    pcpu: Pcpu = machine.pcpu_of(vcpu)
    pcpu.charge("user")
    pcpu.interrupts()
    machine.spend(vcpu, user_cyc)
    pcpu = machine.pcpu_of(vcpu)
    pcpu.charge("syscall")
    load(machine, vcpu, scheduled=False)
    machine.spend(vcpu, after_cyc)
