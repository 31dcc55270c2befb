"""The fault plan's part of the boundary; beside `_ffi`, the only user of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._core import ffi, lib
from ._ffi import Core, enum, status_error

__all__ = ["CLAUSES", "FAULTS", "fault_report", "set_faults"]

FAULTS = [name for name in enum("fault", "PYEMU_FAULT_") if name != "count"]
CLAUSES = list(enum("clause", "PYEMU_CL_"))


def _check(core: Core, status: int) -> None:
    if status != 0:
        text = ffi.string(lib.pyemu_error(core.handle)).decode()
        raise status_error(status, "faults", text)


def set_faults(core: Core, config: Mapping[str, int]) -> None:
    """Set a plan, ``struct pyemu_fault_config``; ``mean_cyc`` 0 takes it away.

    Raises
    ------
    ConfigError
        For kinds or times out of range.
    """
    cfg = ffi.new("struct pyemu_fault_config *", dict(config))
    _check(core, lib.pyemu_set_faults(core.handle, cfg))


def fault_report(core: Core) -> dict[str, Any]:
    """Return ``struct pyemu_fault_report``: counts, and the first broken clause."""
    out = ffi.new("struct pyemu_fault_report *")
    _check(core, lib.pyemu_fault_report(core.handle, out))
    report: dict[str, Any] = {
        name: int(getattr(out, name))
        for name, field in ffi.typeof(out[0]).fields
        if field.type.kind == "primitive"
    }
    report["faults"] = dict(zip(FAULTS, map(int, out.faults), strict=True))
    report["checked"] = {f"I{i}": int(n) for i, n in enumerate(out.checked) if n}
    report["clause"] = CLAUSES[report["clause"]]
    return report
