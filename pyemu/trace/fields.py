"""Reads the text of one record: kernel print formats and ``-R`` raw fields alike.

Every reader returns None for text it cannot use; a damaged record must never become a
number.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = [
    "Exit",
    "handler_name",
    "hrtimer",
    "irq_level",
    "key_values",
    "kvm_exit",
    "sched_switch",
    "timer_context",
    "timer_map",
    "wakeup_pid",
]

U64: Final = 2**64 - 1
_KV: Final = re.compile(r"(\w+)=(\S+)")
_EXIT: Final = re.compile(
    r"\b(IRQ|TRAP|SERROR|ILLEGAL|HYP_GONE):\s+HSR_EC:\s*(0x[0-9a-fA-F]{1,8})"
    r"(?:\s*\(([\w.-]+)\))?"
)
_TIMER: Final = re.compile(
    r"CTL:\s*(0x[0-9a-fA-F]{1,16})\s+CVAL:\s*(0x[0-9a-fA-F]{1,16})\s+"
    r"arch_timer_ctx_index:\s*(\d)"
)
_IRQ: Final = re.compile(r"VCPU:\s*(\d{1,6}),\s*IRQ\s+(\d{1,6}),\s*level:?\s*(\d)")
_MAP: Final = re.compile(
    r"VCPU:\s*(\d{1,6}),\s*dv:\s*(-?\d),\s*dp:\s*(-?\d),\s*ep:\s*(-?\d)"
)
_SWITCH: Final = re.compile(
    r"prev_comm=(.*?)\s+prev_pid=(\d{1,10})\s.*?prev_state=(\S+)\s+(?:==>\s+)?"
    r"next_comm=(.*?)\s+next_pid=(\d{1,10})\b"
)
_SWITCH_PLUGIN: Final = re.compile(
    r"^(.*?):(\d{1,10}) \[-?\d+\] (\S+) ==> (.*?):(\d{1,10}) \[-?\d+\]"
)
_WAKE: Final = re.compile(r"\bpid=(\d{1,10})\b|^.*?:(\d{1,10}) \[-?\d+\]")
_NAME: Final = re.compile(r"\bname=(.*?)\s*$")

# Exception classes of ESR_ELx, as the kernel's kvm_arm_exception_class names them.
_EC: Final = {
    0x00: "UNKNOWN", 0x01: "WFx", 0x03: "CP15_32", 0x04: "CP15_64", 0x05: "CP14_MR",
    0x06: "CP14_LS", 0x07: "FP_ASIMD", 0x08: "CP10_ID", 0x09: "PAC", 0x0C: "CP14_64",
    0x11: "SVC32", 0x12: "HVC32", 0x13: "SMC32", 0x15: "SVC64", 0x16: "HVC64",
    0x17: "SMC64", 0x18: "SYS64", 0x19: "SVE", 0x1A: "ERET", 0x20: "IABT_LOW",
    0x21: "IABT_CUR", 0x22: "PC_ALIGN", 0x24: "DABT_LOW", 0x25: "DABT_CUR",
    0x26: "SP_ALIGN", 0x2F: "SERROR", 0x30: "BREAKPT_LOW", 0x32: "SOFTSTP_LOW",
    0x34: "WATCHPT_LOW", 0x38: "BKPT32", 0x3C: "BRK64",
}  # fmt: skip
_RET: Final = {0: "IRQ", 1: "SERROR", 2: "TRAP", 3: "ILLEGAL", 4: "HYP_GONE"}


class Exit(NamedTuple):
    """How a guest run ended: ``ret`` (IRQ, TRAP, ...) and the kernel's reason name."""

    ret: str
    reason: str


def number(text: str | None) -> int | None:
    """Return a non-negative 64-bit number, decimal or 0x, else None."""
    if not text or len(text) > 22:
        return None
    try:
        value = int(text, 0)
    except ValueError:
        try:
            value = int(text, 10)
        except ValueError:
            return None
    return value if 0 <= value <= U64 else None


def key_values(args: str) -> dict[str, str]:
    """Return the ``k=v`` fields of raw (-R) or key-value text."""
    return dict(_KV.findall(args))


def kvm_exit(args: str) -> Exit | None:
    """Read ``kvm_exit``.

    Examples
    --------
    >>> kvm_exit("TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0x40")
    Exit(ret='TRAP', reason='DABT_LOW')
    >>> kvm_exit("ret=0 esr_ec=0x0 vcpu_pc=0x40")
    Exit(ret='IRQ', reason='IRQ')
    """
    found = _EXIT.search(args)
    if found is not None:
        ret, ec, name = found[1], int(found[2], 16), found[3]
        known = _EC.get(ec, name or f"EC_{ec:#04x}")
        return Exit(ret, known if ret == "TRAP" else ret)
    raw = key_values(args)
    code = number(raw.get("ret"))
    if code is None or code & 0x7F not in _RET:
        return None
    ret = _RET[code & 0x7F]
    raw_ec = number(raw.get("esr_ec")) or 0
    return Exit(ret, _EC.get(raw_ec, f"EC_{raw_ec:#04x}") if ret == "TRAP" else ret)


def timer_context(args: str) -> tuple[int, int, int] | None:
    """Read a saved or restored timer: (CTL, CVAL ticks, context index)."""
    found = _TIMER.search(args)
    if found is not None:
        return int(found[1], 16), int(found[2], 16), int(found[3])
    raw = key_values(args)
    ctl, cval = number(raw.get("ctl")), number(raw.get("cval"))
    index = number(raw.get("timer_idx") or raw.get("arch_timer_ctx_index"))
    if ctl is None or cval is None or index is None:
        return None
    return ctl, cval, index


def irq_level(args: str) -> tuple[int, int, int] | None:
    """Read an interrupt line change: (vCPU, INTID, level)."""
    found = _IRQ.search(args)
    if found is not None:
        return int(found[1]), int(found[2]), int(found[3])
    raw = key_values(args)
    vcpu, irq = number(raw.get("vcpu_id")), number(raw.get("irq"))
    level = number(raw.get("level"))
    if vcpu is None or irq is None or level is None:
        return None
    return vcpu, irq, level


def _signed(text: str | None) -> int | None:
    try:
        value = int(text or "", 0)
    except ValueError:
        return None
    return value - 2**32 if 2**31 <= value < 2**32 else value


def timer_map(args: str) -> tuple[int, int, int, int] | None:
    """Read ``kvm_get_timer_map``: (vCPU, direct v, direct p, emulated p)."""
    found = _MAP.search(args)
    if found is not None:
        return int(found[1]), int(found[2]), int(found[3]), int(found[4])
    raw = key_values(args)
    names = ("vcpu_id", "direct_vtimer", "direct_ptimer", "emul_ptimer")
    vcpu, dv, dp, ep = (_signed(raw.get(name)) for name in names)
    if vcpu is None or dv is None or dp is None or ep is None:
        return None
    return vcpu, dv, dp, ep


def sched_switch(args: str) -> tuple[int, str, int, str] | None:
    """Read ``sched_switch``: (previous pid, its state, next pid, next comm).

    The state is ``R`` for a thread that could have gone on, raw 0 included.
    """
    found = _SWITCH.search(args)
    if found is None:
        short = _SWITCH_PLUGIN.match(args)
        if short is None:
            return None
        return int(short[2]), short[3], int(short[5]), short[4]
    state = found[3]
    value = number(state)
    if value is not None:
        state = "R" if value & 0xFF == 0 else "S"
    return int(found[2]), state, int(found[5]), found[4]


def wakeup_pid(args: str) -> int | None:
    """Read who a ``sched_wakeup`` woke."""
    found = _WAKE.search(args)
    return int(found[1] or found[2]) if found else None


def handler_name(args: str) -> str:
    """Read the handler of ``irq_handler_entry``; it may contain blanks."""
    found = _NAME.search(args)
    return found[1] if found else ""


def hrtimer(args: str) -> tuple[str, str, int | None]:
    """Read an hrtimer record: (its address, function, softexpires in ns)."""
    raw = key_values(args)
    return (
        raw.get("hrtimer", ""),
        raw.get("function", ""),
        number(raw.get("softexpires")),
    )
