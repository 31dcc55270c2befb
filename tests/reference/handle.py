"""handle_exit by reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .block import block
from .inject import inject, notify
from .prims import Kernel
from .setup import Op

if TYPE_CHECKING:
    from .machine import Machine
    from .pcpu import Pcpu
    from .vcpu import Vcpu

HANDLER = {
    "wfx": "handle_wfx",
    "hvc64": "handle_hvc",
    "smc64": "handle_hvc",
    "sys64": "handle_sys",
    "dabt_kernel": "handle_mmio",
    "dabt_user": "handle_user",
    "dabt_fault": "handle_fault",
    "iabt_low": "handle_fault",
}
DISTRIBUTOR = ("gic_enable", "gic_disable", "spendr", "cpendr", "sactiver")
DISTRIBUTOR += ("cactiver", "gic_prio")
STAT = {
    "hvc": "hvc_exit_stat",
    "wfi": "wfi_exit_stat",
    "wfe": "wfe_exit_stat",
    "mmio_user": "mmio_exit_user",
}


def charge(machine: Machine, vcpu: Vcpu, prim: str) -> None:
    """Handler code of the vCPU thread: interrupts are on."""
    pcpu = machine.pcpu_of(vcpu)
    pcpu.charge(prim)
    pcpu.interrupts()


def handle_exit(machine: Machine, vcpu: Vcpu, reason: str, op: Op | None) -> None:
    """Do what the guest trapped for."""
    if op is None:
        charge(machine, vcpu, "handle_irq")
        return
    k = Kernel(machine.pcpu_of(vcpu), vcpu)
    machine.pcpu_of(vcpu).charge(HANDLER[reason])
    if op.name in STAT:
        machine.counters[STAT[op.name]] += 1
    if reason == "dabt_kernel":
        machine.counters["mmio_exit_kernel"] += 1
    if op.name == "sgi":
        machine.pcpu_of(vcpu).charge("handle_sgi")
        send_sgi(machine, vcpu, op)
    elif op.name in DISTRIBUTOR:
        distributor(k, op)
    elif op.name.startswith("timer_"):
        write_timer(machine.pcpu_of(vcpu), vcpu, vcpu.ptimer, op, machine)
        machine.pcpu_of(vcpu).charge("handle_ptimer")
    machine.pcpu_of(vcpu).interrupts()
    if op.name in ("hvc", "smc", "sysreg", "mmio_kernel", "fault"):
        machine.spend(vcpu, op.b)
    elif op.name == "mmio_user":
        machine.spend(vcpu, op.b)
        machine.user_exit(vcpu, op.c & 0xFFFFFFFF, op.c >> 32)
    elif op.name == "wfi":
        block(machine, vcpu)
    elif op.name == "wfe":
        machine.sched.yield_to_others(machine.pcpu_of(vcpu))
    elif op.name.startswith("timer_"):
        machine.policy.pt_trap(Kernel(machine.pcpu_of(vcpu), vcpu))


def send_sgi(machine: Machine, vcpu: Vcpu, op: Op) -> None:
    """One target, or all others of the VM."""
    mates = [v for v in machine.vcpus if v.setup.vm == vcpu.setup.vm]
    if op.c:
        targets = [v for v in mates if v is not vcpu]
    else:
        targets = [v for v in mates if v.setup.ident == op.b]
    for target in targets:
        machine.counters["sgis_sent"] += 1
        inject(machine.pcpu_of(vcpu), target, op.a, True, vcpu.setup.ident)


def distributor(k: Kernel, op: Op) -> None:
    """A write to the in-kernel distributor about one INTID."""
    pcpu, vcpu = k.pcpu, k.vcpu
    irq = vcpu.vgic.irqs[op.a]
    if op.name == "gic_enable":
        irq.enabled = True
        if "sample_on_enable" in pcpu.machine.policy.switches and irq.hw:
            k.sample_enabled(irq)  # 5.3 (B29)
    elif op.name == "gic_disable":
        irq.enabled = False
    elif op.name in ("spendr", "cpendr"):
        if op.a < 16 and not k.gicv3:
            return  # read-only for SGIs on GICv2 (2.1)
        irq.latch = op.name == "spendr"
        if op.name == "spendr" or not irq.active:
            physical(k, irq, active=irq.latch)
    elif op.name in ("sactiver", "cactiver"):
        irq.active = op.name == "sactiver"
        physical(k, irq, active=irq.active)
    elif op.name == "gic_prio":
        irq.priority = op.c
    if op.name in ("gic_enable", "spendr", "sactiver") and vcpu.vgic.queue(irq):
        notify(pcpu, vcpu)


def physical(k: Kernel, irq, *, active: bool) -> None:
    """A guest's write of a mapped irq reaches the PPI from 4.16 on (B33)."""
    if irq.hw and "mapped_writes" in k.machine.policy.switches:
        timer = "v" if irq.intid == 27 else "p"
        k.pcpu.charge(f"active_{'set' if active else 'clear'}_{timer}")
        k.pcpu.gic.irqs[irq.intid].active = active


def write_timer(pcpu: Pcpu, vcpu: Vcpu, timer, op: Op, machine: Machine) -> None:
    """What a timer operation writes, in hardware or in memory."""
    count = timer.count(pcpu.now)
    if op.name == "timer_set":
        timer.cval, timer.ctl = (count + op.c) % 2**64, 1
    elif op.name == "timer_cval":
        timer.cval = op.c
    elif op.name == "timer_tval":
        low = op.c & 0xFFFFFFFF
        signed = timer is not vcpu.ptimer or "tval_signed" in machine.policy.switches
        if signed and low & 0x80000000:
            low -= 2**32
        timer.cval = (count + low) % 2**64
    elif op.name == "timer_ctl":
        timer.ctl = op.c & 3
    elif op.name == "timer_next":
        timer.cval = (timer.cval + op.c) % 2**64
        if op.flags & 1 and timer.cval <= count:
            timer.cval = (count + op.c) % 2**64
