"""Every guest-visible GIC register: offset, length, width, rule, section.

Sections: "v2 4.3.x" is IHI 0048B (GICv2), "v3 12.x" IHI 0069 (GICv3; its issues
number the subsections differently, so they are left out). Where KVM shows
its guests less than the architecture allows, the rule is KVM's and `note` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "GICC",
    "GICC_BYTES",
    "GICD_BYTES",
    "GICD_V2",
    "GICD_V3",
    "GICR",
    "GICR_BYTES",
    "IIDR_KVM",
    "PRIO_MASK",
    "SGI_BASE",
    "Register",
    "find",
]

PRIO_MASK: Final = 0xF8  # KVM implements 5 priority bits
# v2 4.3.3, v3 12.9: product 'K' (KVM), revision 3, implementer Arm.
IIDR_KVM: Final = 0x4B << 24 | 3 << 12 | 0x43B
PIDR2_V2: Final = 0x2B  # v2 4.1.4: ArchRev 2 at bits 7..4, JEDEC, Arm
PIDR2_V3: Final = 0x3B  # v3 12.9
SGI_BASE: Final = 0x10000
GICD_BYTES: Final = {2: 0x1000, 3: 0x10000}
GICR_BYTES: Final = 0x20000
GICC_BYTES: Final = 0x2000


@dataclass(frozen=True)
class Register:
    """One register, or an array of them with `bits` for each interrupt.

    Attributes
    ----------
    name
        As in the architecture, lower case, without the frame's prefix.
    offset, length
        Bytes from the start of the frame, and bytes in all.
    rule
        What an access does: ``"set"`` and ``"clear"`` (write 1 to), ``"value"``,
        ``"const"``, ``"raz"`` (RAZ/WI), or the name of a method of the frame.
    section
        Where the architecture describes it.
    bits
        Bits an interrupt; 0: no array.
    field
        Fact of the interrupt it shows, a key of ``port.FIELDS`` or ``"pending"``.
    sizes
        Access sizes, bytes; any other is RAZ/WI.
    mask
        Bits of a field that are implemented.
    reset
        Value of a ``"const"``.
    note
        Where KVM differs from the architecture.
    """

    name: str
    offset: int
    length: int
    rule: str
    section: str
    bits: int = 0
    field: str = ""
    sizes: tuple[int, ...] = (4,)
    mask: int = 0xFF
    reset: int = 0
    note: str = ""

    @property
    def end(self) -> int:
        """First offset behind it."""
        return self.offset + self.length


_BYTE: Final = (1, 4)
_WIDE: Final = (4, 8)


def _bitmaps(section: str, base: int, length: int) -> tuple[Register, ...]:
    """Return the write-1-to-set and -clear pairs, one bit an interrupt."""
    table = []
    pairs = (("enable", "enabled"), ("pend", "pending"), ("active", "active"))
    for number, (word, field) in enumerate(pairs):
        for half, (letter, rule) in enumerate((("s", "set"), ("c", "clear"))):
            at = base + 0x100 + 0x100 * number + 0x80 * half
            name = f"i{letter}{word}r"
            table.append(Register(name, at, length, rule, section, 1, field))
    return tuple(table)


def _per_irq(section: str, base: int, n_irqs: int) -> tuple[Register, ...]:
    """Return arrays that distributor and redistributor SGI frame share."""
    prio: dict[str, Any] = {
        "bits": 8,
        "field": "prio",
        "sizes": _BYTE,
        "mask": PRIO_MASK,
    }
    config = Register("icfgr", base + 0xC00, n_irqs // 4, "config", section, 2, "edge")
    return (
        Register("igroupr", base + 0x80, n_irqs // 8, "value", section, 1, "group"),
        *_bitmaps(section, base, n_irqs // 8),
        Register("ipriorityr", base + 0x400, n_irqs, "value", section, **prio),
        config,
    )


GICD_V2: Final[tuple[Register, ...]] = (
    Register("ctlr", 0x000, 4, "ctlr", "v2 4.3.1", note="bit 0 only"),
    Register("typer", 0x004, 4, "typer", "v2 4.3.2"),
    Register("iidr", 0x008, 4, "const", "v2 4.3.3", reset=IIDR_KVM),
    *_per_irq("v2 4.3.4-4.3.13", 0, 1024),
    Register("itargetsr", 0x800, 1024, "targets", "v2 4.3.12", 8, "targets", _BYTE),
    Register("sgir", 0xF00, 4, "sgir", "v2 4.3.15"),
    Register("cpendsgir", 0xF10, 16, "clear", "v2 4.3.16", 8, "sources", _BYTE),
    Register("spendsgir", 0xF20, 16, "set", "v2 4.3.17", 8, "sources", _BYTE),
    Register("icpidr2", 0xFE8, 4, "const", "v2 4.3.18", reset=PIDR2_V2),
)

GICD_V3: Final[tuple[Register, ...]] = (
    Register("ctlr", 0x000, 4, "ctlr", "v3 12.9", note="ARE and DS read as 1"),
    Register("typer", 0x004, 4, "typer", "v3 12.9", note="no LPIs, no MBIs"),
    Register("iidr", 0x008, 4, "const", "v3 12.9", reset=IIDR_KVM),
    Register("statusr", 0x010, 4, "raz", "v3 12.9"),
    *_per_irq("v3 12.9", 0, 1024),
    Register("itargetsr", 0x800, 1024, "raz", "v3 12.9 (ARE)", sizes=_BYTE),
    Register("igrpmodr", 0xD00, 128, "raz", "v3 12.9 (DS)"),
    Register("nsacr", 0xE00, 256, "raz", "v3 12.9 (DS)"),
    Register("sgir", 0xF00, 4, "raz", "v3 12.9 (ARE)"),
    Register("cpendsgir", 0xF10, 16, "raz", "v3 12.9 (ARE)", sizes=_BYTE),
    Register("spendsgir", 0xF20, 16, "raz", "v3 12.9 (ARE)", sizes=_BYTE),
    Register(
        *("irouter", 0x6000, 0x2000, "route", "v3 12.9", 64, "route", _WIDE),
        note="Interrupt_Routing_Mode is 0: no 1 of N",
    ),
    Register("pidr2", 0xFFE8, 4, "const", "v3 12.9", reset=PIDR2_V3),
)

GICR: Final[tuple[Register, ...]] = (
    Register("ctlr", 0x0000, 4, "raz", "v3 12.11", note="no LPIs: RAZ/WI"),
    Register("iidr", 0x0004, 4, "const", "v3 12.11", reset=IIDR_KVM),
    Register("typer", 0x0008, 8, "typer", "v3 12.11", sizes=_WIDE),
    Register("statusr", 0x0010, 4, "raz", "v3 12.11"),
    Register(
        *("waker", 0x0014, 4, "raz", "v3 12.11"),
        note="RAZ/WI: a vCPU's interface is always awake",
    ),
    Register("propbaser", 0x0070, 8, "raz", "v3 12.11", sizes=_WIDE),
    Register("pendbaser", 0x0078, 8, "raz", "v3 12.11", sizes=_WIDE),
    Register("pidr2", 0xFFE8, 4, "const", "v3 12.11", reset=PIDR2_V3),
    *_per_irq("v3 12.11", SGI_BASE, 32),
    Register("igrpmodr0", SGI_BASE + 0xD00, 4, "raz", "v3 12.11 (DS)"),
    Register("nsacr", SGI_BASE + 0xE00, 4, "raz", "v3 12.11 (DS)"),
)

GICC: Final[tuple[Register, ...]] = (
    Register("ctlr", 0x0000, 4, "ctlr", "v2 4.4.1"),
    Register("pmr", 0x0004, 4, "pmr", "v2 4.4.2"),
    Register("bpr", 0x0008, 4, "bpr", "v2 4.4.3"),
    Register("iar", 0x000C, 4, "iar", "v2 4.4.4"),
    Register("eoir", 0x0010, 4, "eoir", "v2 4.4.5"),
    Register("rpr", 0x0014, 4, "rpr", "v2 4.4.6"),
    Register("hppir", 0x0018, 4, "hppir", "v2 4.4.7"),
    Register("abpr", 0x001C, 4, "abpr", "v2 4.4.8"),
    Register("apr", 0x00D0, 4, "apr", "v2 4.4.12"),
    Register("iidr", 0x00FC, 4, "const", "v2 4.4.14", reset=0x4B << 20 | 0x2043B),
    Register("dir", 0x1000, 4, "dir", "v2 4.4.15"),
)


def find(table: Sequence[Register], offset: int) -> Register | None:
    """Return the register that holds a byte of the frame, None if it is reserved.

    Examples
    --------
    >>> find(GICD_V2, 0x404).name
    'ipriorityr'
    >>> find(GICD_V2, 0xF30) is None
    True
    """
    for register in table:
        if register.offset <= offset < register.end:
            return register
    return None
