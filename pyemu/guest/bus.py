"""Who answers an access that leaves the core: the GIC model, or a board's device."""

from __future__ import annotations

from .. import _ffi
from .._ffi_code import CodeCore
from ..assemble import Blueprint
from ..errors import GuestError
from ..gic.vm import VmGics
from .board import CONSOLE, DeviceSpec
from .devices import Device, Outcome, Wires, make

__all__ = ["Bus"]


class Bus:
    """The frames of all VMs of a machine that Python emulates.

    Attributes
    ----------
    outcomes
        What each VM has said, by its index.
    gics
        Interrupt controllers, by the same.
    span
        Trace records of the measured region: the first, and the one after its last.
    cyc_span
        Cycles of its two ends, by the pCPU that was furthest; the machine's own clock
        is that of its last window.
    """

    def __init__(self, core: _ffi.Core, blueprint: Blueprint) -> None:
        self._core = core
        self._blueprint = blueprint
        self.gics = VmGics(core, blueprint)
        self._region: bool | None = None
        self.span = self.cyc_span = (0, 0)
        self._asking = 0
        self._code = CodeCore(core)
        works = blueprint.workloads
        self._coded = [vm for vm, work in enumerate(works) if work.code]
        self.outcomes: list[Outcome] = []
        self._devices: list[list[tuple[DeviceSpec, Device]]] = []
        for vm, work in enumerate(blueprint.workloads):
            self.outcomes.append(Outcome())
            wires = self._wires(vm)
            specs = work.code.board.devices if work.code else ()
            own = [spec for spec in specs if spec.kind != CONSOLE]
            self._devices.append([(spec, make(spec, wires)) for spec in own])

    def devices(self, vm: int) -> list[Device]:
        """Return a VM's devices in the order of its board."""
        return [device for _, device in self._devices[vm]]

    def _wires(self, vm: int) -> Wires:
        return Wires(
            self.outcomes[vm],
            self._power_off,
            self._set_line,
            self._mark,
        )

    def _set_line(self, intid: int, level: int) -> None:
        self._core.command("irq_line", self._asking, intid, level)

    def _power_off(self) -> None:
        self._core.command("vm_off", self._asking)

    def _mark(self, begins: bool) -> None:
        self._region = begins

    def begin(self) -> None:
        """Begin to look for the text that ends a run."""
        for vm in self._coded:
            console = self.outcomes[vm].console
            console.found = False
            self._code.console_stop_at(vm, console.until)

    def drain(self) -> None:
        """Hand on what the core's UARTs have sent."""
        for vm in self._coded:
            for byte in self._code.console(vm):
                self.outcomes[vm].console.put(byte)

    @property
    def found_text(self) -> bool:
        """Whether a console has shown the text that ends a run."""
        return any(outcome.console.found for outcome in self.outcomes)

    def answer(self, reason: str, vcpu: int, n_events: int) -> bool:
        """Do what a run came back for: an access, a mark, or text of a console.

        Returns
        -------
        bool
            Whether it ended the measured region.

        Raises
        ------
        GuestError
            For an address where the board has nothing.
        """
        self.drain()
        if reason != "mmio":
            return reason == "mark"
        access = self._core.mmio(vcpu)
        if not access["is_user"]:
            self.gics.answer(vcpu)
            return False
        vm, index = self._blueprint.vm_of(vcpu)
        device, offset = self._find(vm, index, access)
        self._region, self._asking, value = None, vcpu, 0
        if access["is_write"]:
            device.write(offset, access["size"], access["value"])
        else:
            value = device.read(offset, access["size"])
        self._core.command("mmio_answer", vcpu, value)
        if self._region:
            self._core.command("reset_stats")
            self.span = (n_events, n_events)
            self.cyc_span = (self._now_cyc(), 0)
        elif self._region is False:
            self.span = (self.span[0], n_events)
            self.cyc_span = (self.cyc_span[0], self._now_cyc())
        return self._region is False

    def _now_cyc(self) -> int:
        pcpus = self._core.read_stats("pcpu_stats", self._blueprint.host.pcpus)
        return int(pcpus["now_cyc"].max())

    def _find(self, vm: int, index: int, access: dict[str, int]) -> tuple[Device, int]:
        for spec, device in self._devices[vm]:
            offset = access["address"] - spec.base
            if 0 <= offset < spec.n_bytes:
                return device, offset
        what = "store to" if access["is_write"] else "load from"
        words = f"{what} {access['address']:#x}, where the board has nothing"
        raise GuestError(words, index)
