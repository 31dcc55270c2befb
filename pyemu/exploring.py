"""Words of the explorer: clauses of the invariants, and the timeline of a finding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from numpy.typing import NDArray

from . import _ffi
from .errors import ConfigError, unknown_name

__all__ = ["CLAUSES", "CYCLES", "SAFETY", "SECTIONS", "numbers", "timeline"]

# Invariants of section 7: decided by a state or a step; decided by the graph.
SAFETY: Final = (1, 3, 5, 6, 7, 8, 9, 13, 14)
CYCLES: Final = (2, 4, 10, 11, 12, 15)

# In the order of enum ex_detail of csrc/explore/explore.h.
CLAUSES: Final = (
    "",
    "the guest acknowledged a timer interrupt whose line was low throughout",
    "the interrupt is deliverable and is never acknowledged",
    "entered with a HW list register while the physical interrupt is inactive",
    "the guest deactivated a physical interrupt that was not active",
    "entered with the physical interrupt active for nothing: it is masked",
    "the host takes the timer interrupt for ever, for one expiry",
    "asleep, the timer can fire, and no host timer is armed for it",
    "entered with hardware that is not what the guest last wrote",
    "the memory copy is the truth and is not what was last written",
    "decided by the memory copy although the timer is loaded, and wrongly",
    "the interrupt handler used the running vCPU, and there is none (host oops)",
    "the timer runs on a pCPU that runs no vCPU",
    "entered while another is the running vCPU",
    "the timer is loaded, but its vCPU is off the pCPU",
    "entered with the timer's PPI disabled by another vCPU",
    "the guest sees another counter offset",
    "user space of an nVHE host sees the guest's counter offset",
    "the traps of the physical timer are not the guest's",
    "entries for ever, no guest instruction retires",
    "the guest waits, nothing is deliverable, and the vCPU never sleeps",
    "two list registers with one INTID",
    "a HW list register is active and pending",
    "a vgic lock that the interrupt handler takes is held with interrupts on",
    "an interrupt was raised, and neither vgic nor a list register has it",
    "the guest ended a level interrupt, and its list register hides that from KVM",
    "the guest has ended the interrupt, and the vgic still has it active",
    "CNTP_TVAL := -1 has set a deadline in the future",
    "the physical interrupt is active, and nothing to come deactivates it",
    "what the guest is offered stays other than what hardware would offer it",
)
SECTIONS: Final = {n: f"7, I{n}" for n in range(1, 16)}


def numbers(invariants: Iterable[int | str] | None) -> list[int]:
    """Return the numbers of invariants given as 10 or as ``I10``; None: all.

    Raises
    ------
    ConfigError
        For none at all, or one that section 7 does not have.
    """
    known = {str(n): n for n in sorted(SAFETY + CYCLES)}
    if invariants is None:
        return list(known.values())
    asked = [str(one).strip() for one in invariants]
    if not asked:
        raise ConfigError("explore.invariants", "none", "at least one, such as I2")
    for name in asked:
        if name.removeprefix("I").removeprefix("i") not in known:
            raise unknown_name("explore.invariant", name, [f"I{n}" for n in known])
    return sorted({known[name.lstrip("iI")] for name in asked})


_PRIMS: Final = {v: k for k, v in _ffi.enum("prim", "PYEMU_P_").items()}
_HOOKS: Final = {v: k for k, v in _ffi.enum("hook", "PYEMU_H_").items()}
_ACTIONS: Final = {v: k for k, v in _ffi.enum("action", "PYEMU_A_").items()}
_GUEST: Final = {v: k for k, v in _ffi.enum("guest_choice", "PYEMU_GC_").items()}
_FLAGS: Final = _ffi.enum("flag", "PYEMU_F_")
_STAGES: Final = (
    *("", "guest", "not started", "user space", "polling"),
    *("about to sleep", "woken", "stopped"),
)
_NONE: Final = 0xFFFFFFFF
_IRQ_OFF_BIT: Final = 48
_NEVER: Final = 15
_WORDS: Final = {
    "tick": "time passes the next deadline",
    "line_assert": "the raised line reaches the GIC",
    "line_retire": "the dropped line reaches the GIC",
    "preempt": "preempted",
    "sched_in": "scheduled in",
    "device_irq": "unrelated host interrupt",
    "signal": "signal",
    "kick": "request and kick",
    "inject": "another virtual interrupt",
    "reset": "KVM_ARM_VCPU_INIT",
    "set_reg": "SET_ONE_REG: timer off, CVAL past",
    "offline": "pCPU offline",
    "online": "pCPU online",
    "uaccess": "user space writes the enable bit of 27",
    "work_run": "the queued work runs",
    "save_vgic": "VM stopped, its vgic saved",
    "restore": "its timers saved; both loaded on a fresh host",
}
_HEAD: Final = (
    f"{'':>4} {'what happens':<42} {'guest wrote':<11} {'vCPU memory':<18} "
    f"{'hardware':<11} {'physical GIC 27':<15} {'LRs':<14} host"
)


def _timer(ctl: int, cval: int) -> str:
    state = {0: "off", 1: "on", 2: "off,m", 3: "masked"}[ctl & 3]
    when = {0: "due", _NEVER: "-"}.get(cval, f"+{cval}")
    return f"{state} {when}"


def _happens(row: Any) -> str:
    action = _ACTIONS[int(row["action"])]
    if action == "guest":
        return f"guest: {_GUEST[int(row['arg'])]}"
    if action != "step":
        return _WORDS[action]
    if int(row["prim"]) == _NONE:
        return _STAGES[int(row["stage"])] or "-> " + _HOOKS[int(row["hook"])]
    return f"{_HOOKS[int(row['hook'])]}:{row['step']} {_PRIMS[int(row['prim'])]}"


def _memory(row: Any) -> str:
    flags = int(row["vflags"])
    said = [
        word
        for word, flag in (("loaded", "loaded"), ("level", "level_v"), ("req", "req"))
        if flags >> _FLAGS[flag] & 1
    ]
    timer = _timer(int(row["mem_ctl"][0]), int(row["mem_cval"][0]))
    return " ".join([timer, *said])


def _gic(row: Any) -> str:
    said = [
        word
        for word, key in (("pend", "irq_pending"), ("act", "irq_active"))
        if int(row[key]) >> 27 & 1
    ]
    if not int(row["irq_enabled"]) >> 27 & 1:
        said.append("off")
    return " ".join(said) or "-"


def _lrs(row: Any) -> str:
    said = []
    for word in row["lr"][: int(row["n_lrs"])]:
        state = ("-", "P", "A", "A+P")[int(word) >> 16 & 3]
        said.append(f"{int(word) & 0xFFFF}{'hw' if int(word) >> 20 else ''}:{state}")
    return " ".join(said) or "-"


def _host(row: Any) -> str:
    said = [f"cpu{row['pcpu']}"] if int(row["pcpu"]) else []
    said.append("irqs off" if int(row["pflags"]) >> _IRQ_OFF_BIT & 1 else "irqs on")
    if int(row["irq_stage"]):
        acked = int(row["acked"])
        said.append("in irq" if acked == 1023 else f"in irq {acked}")
    if int(row["soft"]) & 1:
        said.append("bg armed")
    if int(row["soft"]) & 2:
        said.append("pt armed")
    if int(row["thread"]) == 3:
        said.append("asleep")
    return ", ".join(said)


def timeline(rows: NDArray[Any], loop_row: int = 0) -> str:
    """Return rows as a table; `loop_row` marks where a cycle begins."""
    lines = [_HEAD]
    for number, row in enumerate(rows, 1):
        if int(row["prim"]) != _NONE and not row["taken"]:
            continue  # a step whose guard did not hold
        guest = _timer(int(row["guest_ctl"][0]), int(row["guest_cval"][0]))
        hw = _timer(int(row["hw_ctl"][0]), int(row["hw_cval"][0]))
        who = f"v{row['vcpu']} " if int(row["vcpu"]) else ""
        mark = ">" if loop_row and number > loop_row else " "
        lines.append(
            f"{number:>4}{mark}{who + _happens(row):<42} {guest:<11} "
            f"{_memory(row):<18} {hw:<11} {_gic(row):<15} {_lrs(row):<14} {_host(row)}"
        )
    if loop_row:
        lines.append(f"     rows marked > repeat for ever, from row {loop_row + 1}")
    return "\n".join(lines)
