"""Bugs of section 6 without an edit: what the model lacks for each, and the control."""

from __future__ import annotations

from typing import Final

__all__ = ["CONTROL", "NOT_EXPRESSIBLE", "OPEN"]

CONTROL: Final = ("B19",)
# Nothing a table, a switch or a host option could express. The others are open:
# expressible, not yet written down.
NOT_EXPRESSIBLE: Final = (
    *("B03", "B15", "B16", "B23", "B28", "B31", "B34", "B35", "B37", "B41"),
    *("B42", "B48"),
)

_NO_P = "open: needs the emulated timer's EOI maintenance in the core first"
_NO_LR = "open: needs more virtual interrupts than the explorer's three"
_NO_USER = "open: a user-space irqchip is not explored yet"
_NO_P0 = "open: the P0 policy is not among the shipped ones"

OPEN: Final = (
    ("B03", "Don't set irq as forwarded if no usable GIC", "", "a host without KVM"),
    ("B05", "Fix arch timers with userspace irqchips", "", _NO_USER),
    ("B07", "Fix potential loss of ptimer interrupts", "7afc4ddbf299", _NO_P),
    ("B08", "Fix lost IRQs from emulated physical timer when blocked", "", _NO_P),
    ("B10", "Fix emulated ptimer irq injection", "", _NO_P),
    ("B14", "Sync ICH_VMCR_EL2 back when about to block", "5eeaf10eec39", "open: VMCR"),
    ("B15", "Let the timer expire in hardirq context on RT", "", "no RT host"),
    ("B16", "Correctly handle TGE flip with CNTPOFF_EL2", "", "no CNTPOFF, no TGE"),
    ("B17", "Always evaluate the need for a soft timer", "", _NO_P),
    ("B18", "Treat emulated TVAL TimerValue as signed", "", "open: no TVAL move"),
    ("B19", "Only schedule soft timer on vcpu_block", "d35268da6687", "control: waste"),
    ("B22", "Clear map->active on pend/active clear", "544c572e0317", _NO_P0),
    ("B23", "Fix migration race in the arch timer", "1a74847885cc", "no VM save move"),
    ("B24", "Keep elrsr/aisr in sync", "ae705930fca6", "open: ELRSR is not kept"),
    ("B26", "Don't populate multiple LRs with the same vintid", "16ca6a607d84", _NO_LR),
    ("B27", "Disallow Active+Pending for level interrupts", "67b5b673ad4a", _NO_P),
    ("B28", "Fix source vcpu issues for GICv2 SGI", "", "no save of an active SGI"),
    ("B31", "Read HW interrupt pending state from the HW", "", "no ISPENDR read move"),
    (
        "B32",
        "Only use virtual state for userspace",
        "41ee52ecbcdc",
        "open: uaccess",
    ),
    (
        "B33",
        "Support pend/active changes for mapped IRQs",
        "",
        "open: not forwarded",
    ),
    ("B34", "Simplify active_change_prepare", "abd7229626b9", "writes are atomic"),
    ("B35", "Fix VGIC irq intid off-by-one", "", "no SPI, no halted vCPUs"),
    ("B36", "Kick new VCPU on interrupt migration", "", "open: no SPI affinity move"),
    ("B37", "vgic_irq_cmp called with a == b", "", "no locks"),
    ("B38", "Pick EOIcount deactivations from AP-list tail", "6da5e537f5", _NO_LR),
    ("B39", "Handle LR overflow when EOImode==0", "3cfd59f81e0f", _NO_LR),
    (
        "B40",
        "ISB between ack and handle_irq",
        "39a06b67c2c1",
        "open: stale CTL",
    ),
    ("B41", "Tighten synchronization, v2 on v3", "", "no GICv2 guest on GICv3"),
    (
        "B42",
        "Support edge forwarded interrupts",
        "8fe2f19e6e60",
        "PPIs: level",
    ),
    ("B48", "nv: Publish emulated timer interrupt state", "cc45963cbf63", "no nesting"),
)
