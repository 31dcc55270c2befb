"""pyemu: a cycle-approximate emulator of a KVM/arm64 host's timer and world switch.

``pyemu.run`` runs one policy, ``pyemu.compare`` several on the same input; both return
results that print as tables. See the README for the model and its limits.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from .version import VERSION

if TYPE_CHECKING:
    from . import costs, policy, scenario
    from .assemble import Options
    from .comparison import Comparison
    from .config import VM, Host, Move, Outside, Task, VCpu
    from .costs import CostModel
    from .debug import Guest, GuestReport
    from .errors import (
        CapacityError,
        ConfigError,
        GuestError,
        InternalError,
        PyemuError,
        StateError,
        TraceError,
    )
    from .explain import explain
    from .explore import Exploration, explore
    from .guest import loads
    from .guest.loads import Load
    from .guest.ops import PTIMER, VTIMER, Program
    from .guest.workload import Clock, Start, Workload
    from .machine import Machine, Snapshot, Stop
    from .migration import freeze, migrate, thaw
    from .policy import Policy
    from .report import profile
    from .result import Histogram, Result
    from .run import compare, run
    from .scheduling import Periodic, ping_pong, rotate, spread
    from .snapshot_file import load_file as load_snapshot
    from .snapshot_file import save_file as save_snapshot
    from .soak import SoakResult, soak
    from .trace import Recording, read_trace

__version__ = VERSION

__all__ = [
    "PTIMER",
    "VM",
    "VTIMER",
    "CapacityError",
    "Clock",
    "Comparison",
    "ConfigError",
    "CostModel",
    "Exploration",
    "Guest",
    "GuestError",
    "GuestReport",
    "Histogram",
    "Host",
    "InternalError",
    "Load",
    "Machine",
    "Move",
    "Options",
    "Outside",
    "Periodic",
    "Policy",
    "Program",
    "PyemuError",
    "Recording",
    "Result",
    "Snapshot",
    "SoakResult",
    "Start",
    "StateError",
    "Stop",
    "Task",
    "TraceError",
    "VCpu",
    "Workload",
    "__version__",
    "compare",
    "costs",
    "explain",
    "explore",
    "freeze",
    "load_snapshot",
    "loads",
    "migrate",
    "ping_pong",
    "policy",
    "profile",
    "read_trace",
    "rotate",
    "run",
    "save_snapshot",
    "scenario",
    "soak",
    "spread",
    "thaw",
]

# Where a name is, imported when it is first asked for: a command needs few of them.
_WHERE: Final = {
    "costs": "",
    "policy": "",
    "scenario": "",
    "Options": "assemble",
    "Comparison": "comparison",
    **dict.fromkeys(("VM", "Host", "Move", "Outside", "Task", "VCpu"), "config"),
    "CostModel": "costs",
    **dict.fromkeys(("Guest", "GuestReport"), "debug"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "errors"),
    "explain": "explain",
    **dict.fromkeys(("Exploration", "explore"), "explore"),
    "loads": "guest.loads",
    "Load": "guest.loads",
    **dict.fromkeys(("PTIMER", "VTIMER", "Program"), "guest.ops"),
    **dict.fromkeys(("Clock", "Start", "Workload"), "guest.workload"),
    **dict.fromkeys(("Machine", "Snapshot", "Stop"), "machine"),
    **dict.fromkeys(("freeze", "migrate", "thaw"), "migration"),
    "Policy": "policy",
    "profile": "report",
    **dict.fromkeys(("Histogram", "Result"), "result"),
    **dict.fromkeys(("compare", "run"), "run"),
    **dict.fromkeys(("Periodic", "ping_pong", "rotate", "spread"), "scheduling"),
    **dict.fromkeys(("load_snapshot", "save_snapshot"), "snapshot_file"),
    **dict.fromkeys(("SoakResult", "soak"), "soak"),
    **dict.fromkeys(("Recording", "read_trace"), "trace"),
}
_THERE: Final = {"load_snapshot": "load_file", "save_snapshot": "save_file"}


class _Package(ModuleType):
    """A package some of whose functions are called as the module they are in."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set it, but let no import put module `run` where function `run` stands."""
        if not (isinstance(value, ModuleType) and _WHERE.get(name) == name):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Import a public name, or a module, when it is first asked for."""
        where = _WHERE.get(name, "")
        try:
            found = import_module(f"{__name__}.{where or name}")
        except ModuleNotFoundError as exc:
            if exc.name != f"{__name__}.{name}":
                raise
            words = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(words) from exc
        if where and where != f"guest.{name}":  # the module itself is the name
            found = getattr(found, _THERE.get(name, name))
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        """Return what is public."""
        return list(__all__)


sys.modules[__name__].__class__ = _Package
