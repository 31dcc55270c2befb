"""One vCPU: what belongs to its thread, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .setup import VcpuSetup
from .timer import Timer
from .vcpuif import VirtualInterface
from .vgic import Vgic

if TYPE_CHECKING:
    from .counter import Counter
    from .pcpu import Pcpu


class Vcpu:
    """Memory copies, vgic, guest registers, thread state."""

    def __init__(
        self, index: int, setup: VcpuSetup, counter: Counter, offset: int
    ) -> None:
        self.index, self.setup, self.cntvoff = index, setup, offset
        # kernel: timers in memory (3, 4)
        self.vtimer = Timer(counter, offset)
        self.ptimer = Timer(counter)
        self.level_v = self.level_p = False
        self.enabled = self.loaded = self.cleared = False
        self.bg_deadline: int | None = None
        self.pt_deadline: int | None = None
        self.bg_pcpu: Pcpu | None = None
        self.pt_pcpu: Pcpu | None = None
        # kernel: run loop and vgic
        self.vgic = Vgic(self)
        self.vif = VirtualInterface()
        self.vmcr_pmr = self.vif.pmr
        self.request = self.waiting = self.preempted = self.wake_found = False
        self.sleeping = self.on_wait_queue = self.woken = False
        self.off = False
        self.halt_poll_cyc = 0
        # flags between the steps of a table
        self.fire = self.changed = self.act = False
        # guest
        self.pc = setup.entry
        self.regs = [0] * 8
        self.iar = 1023
        self.masked = True
        self.return_pc = 0
        self.compute_left = 0
        self.expiry_noted = self.armed = False
