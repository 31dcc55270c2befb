"""Names of the system registers a debugger asks for, by encoding.

Arm ARM D12: ``op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2``.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import unknown_name

__all__ = ["SYSREGS", "encoding"]


def _code(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


SYSREGS: Final[dict[str, int]] = {
    "midr_el1": _code(3, 0, 0, 0, 0),
    "mpidr_el1": _code(3, 0, 0, 0, 5),
    "sctlr_el1": _code(3, 0, 1, 0, 0),
    "cpacr_el1": _code(3, 0, 1, 0, 2),
    "ttbr0_el1": _code(3, 0, 2, 0, 0),
    "ttbr1_el1": _code(3, 0, 2, 0, 1),
    "tcr_el1": _code(3, 0, 2, 0, 2),
    "spsr_el1": _code(3, 0, 4, 0, 0),
    "elr_el1": _code(3, 0, 4, 0, 1),
    "sp_el0": _code(3, 0, 4, 1, 0),
    "esr_el1": _code(3, 0, 5, 2, 0),
    "far_el1": _code(3, 0, 6, 0, 0),
    "par_el1": _code(3, 0, 7, 4, 0),
    "mair_el1": _code(3, 0, 10, 2, 0),
    "vbar_el1": _code(3, 0, 12, 0, 0),
    "contextidr_el1": _code(3, 0, 13, 0, 1),
    "tpidr_el1": _code(3, 0, 13, 0, 4),
    "tpidr_el0": _code(3, 3, 13, 0, 2),
    "tpidrro_el0": _code(3, 3, 13, 0, 3),
    "cntkctl_el1": _code(3, 0, 14, 1, 0),
    "cntfrq_el0": _code(3, 3, 14, 0, 0),
}
GENERIC: Final = re.compile(r"s([23])_([0-7])_c(1[0-5]|\d)_c(1[0-5]|\d)_([0-7])")


def encoding(name: str) -> int:
    """Return a register's encoding by name, ``S3_0_C4_C0_1`` included.

    Raises
    ------
    ConfigError
        For a name that is neither.

    Examples
    --------
    >>> encoding("ELR_EL1") == encoding("S3_0_C4_C0_1")
    True
    """
    key = name.lower()
    found = GENERIC.fullmatch(key)
    if found:
        op0, op1, crn, crm, op2 = map(int, found.groups())
        return _code(op0, op1, crn, crm, op2)
    if key not in SYSREGS:
        raise unknown_name("register", name, ("x0..x30", "sp", "pc", *SYSREGS))
    return SYSREGS[key]
