"""Hooks: where the steps of a policy stand, and what context each runs in.

The flow between hooks is the core's and the same for every policy:

* KVM_RUN: ``load``, once ``first_run``, then ``enter`` up to ``eret``; the guest runs.
* A trap or an interrupt: ``exit``, whose ``handle`` step handles the exit; then
  ``enter`` again, or ``user_exit`` and ``put`` on the way to user space.
* ``check_signal`` and ``check_requests`` leave ``enter`` for ``abort``.
* WFI: ``check`` while halt polling; then ``block``, ``check`` until something is
  pending (sleeping in between, with ``put`` and ``load``), ``unblock``.
* The scheduler runs ``put`` and ``load`` with the flag ``preempted``.
* A host interrupt: ``irq_entry``, a handler, ``irq_exit``, until the acknowledge
  returns 1023.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["HOOKS", "Hook"]


class Hook(NamedTuple):
    """One hook: the kernel function it stands for and the sections about it."""

    kernel: str
    sections: str


# In the order of enum pyemu_hook.
HOOKS: Final[dict[str, Hook]] = {
    "enter": Hook("kvm_arch_vcpu_ioctl_run, up to ERET", "3.1 4.2"),
    "abort": Hook("entry refused", "3.1 4.2"),
    "exit": Hook("kvm_arch_vcpu_ioctl_run, trap to handle_exit", "3.1 4.2"),
    "load": Hook("kvm_arch_vcpu_load", "3.7 4.6"),
    "put": Hook("kvm_arch_vcpu_put", "3.7 4.7"),
    "block": Hook("kvm_arch_vcpu_blocking", "3.6 4.8"),
    "unblock": Hook("kvm_arch_vcpu_unblocking", "3.6 4.8"),
    "check": Hook("kvm_vcpu_check_block", "3.6 4.8"),
    "irq_entry": Hook("gic_handle_irq: acknowledge, priority drop", "2.2"),
    "vtimer_isr": Hook("kvm_arch_timer_handler, virtual timer", "3.5 4.4"),
    "ptimer_isr": Hook("kvm_arch_timer_handler, physical timer", "5"),
    "irq_exit": Hook("irq_eoi of the GIC chip", "2.2"),
    "bg_expire": Hook("kvm_bg_timer_expire", "3.6 4.8"),
    "pt_expire": Hook("kvm_phys_timer_expire", "3.9 4.12"),
    "pt_trap": Hook("tail of a trapped CNTP access", "3.9 4.12"),
    "first_run": Hook("kvm_timer_enable", "4.1"),
    "reset": Hook("kvm_timer_vcpu_reset", "6 (B11)"),
    "user_exit": Hook("end of KVM_RUN", "3.8"),
}


def _hooks(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Contexts: the hooks a primitive may stand in.
NONE: Final = _hooks("")
ANY: Final = frozenset(HOOKS)
THREAD: Final = _hooks(
    "enter abort exit load put block unblock check pt_trap first_run user_exit"
)
ISR: Final = _hooks("vtimer_isr ptimer_isr")
EXPIRE: Final = _hooks("bg_expire pt_expire")
REGS: Final = THREAD | ISR
LEVEL: Final = REGS | EXPIRE | {"reset"}
SWITCH: Final = _hooks("enter exit load put block unblock first_run")
ENTER: Final = _hooks("enter")
EXIT: Final = _hooks("exit")
FLUSH: Final = _hooks("enter load")
SAVE: Final = _hooks("exit put block")
SYNC: Final = _hooks("abort exit put block")
SETUP: Final = _hooks("first_run load")
CHECK: Final = _hooks("check")
RESET: Final = _hooks("reset first_run")
BG: Final = _hooks("bg_expire")
PT: Final = _hooks("pt_expire")
USER: Final = _hooks("user_exit")
CALLBACK: Final = THREAD - {"pt_trap"}
IRQ_ENTRY: Final = _hooks("irq_entry")
IRQ_BOTH: Final = _hooks("irq_entry irq_exit")
