"""pyemu: a cycle-approximate emulator of a KVM/arm64 host's timer and world switch.

``pyemu.run`` runs one policy, ``pyemu.compare`` several on the same input; both return
results that print as tables. See the README for the model and its limits.
"""

from __future__ import annotations

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
from .version import VERSION

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
