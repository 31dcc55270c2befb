"""Guest-visible registers of the GIC: distributor, redistributors, CPU interface.

What a guest's load or store to a GIC frame does, as tables of registers, on top of any
object that holds interrupt state (`VgicPort`). Independent of the core: `MemoryPort`
is a plain holder of state to try registers on.
"""

from .cpuif import CpuInterface
from .distributor import Distributor
from .port import Effect, MemoryPort, VgicPort
from .redistributor import Redistributor
from .regmap import GICC, GICD_V2, GICD_V3, GICR, Register

__all__ = [
    "GICC",
    "GICD_V2",
    "GICD_V3",
    "GICR",
    "CpuInterface",
    "Distributor",
    "Effect",
    "MemoryPort",
    "Redistributor",
    "Register",
    "VgicPort",
]
