"""The GIC of a running VM: the register model on top of the core's vgic.

A guest's distributor or redistributor access leaves the core as an MMIO exit with an
address; `Gic` decodes the frame and answers, and what that changes goes back into the
vgic (docs/semantics.md 2.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .. import _ffi
from ..assemble import Blueprint
from ..errors import ConfigError
from . import VIRT, Board, Gic
from .port import N_PPIS_AND_SGIS, MemoryPort

__all__ = ["GICD_BASE", "GICR_BASE", "N_IRQS", "CorePort", "VmGics"]

GICD_BASE: Final = VIRT.gicd
GICR_BASE: Final = VIRT.gicr
N_IRQS: Final = 128

# Facts that the core holds, by the register model's name and its own.
_IN_CORE: Final = {
    "enabled": "enabled",
    "latch": "latch",
    "line": "line",
    "active": "active",
    "prio": "prio",
    "edge": "edge",
    "sources": "source",
}


class CorePort:
    """Interrupt state of one VM in the core; groups and routes are kept beside it.

    So are the enable bits of machine code guests, whose distributor is off at reset:
    the core's are what it forwards, those of an enabled distributor (v2 4.3.1).

    Parameters
    ----------
    core
        The machine.
    first
        Machine-wide index of the VM's vCPU 0.
    n_vcpus
        vCPUs of the VM.
    version
        2 or 3.
    gated
        Whether GICD_CTLR decides; programs of ops find it enabled.
    """

    def __init__(
        self,
        core: _ffi.Core,
        first: int,
        n_vcpus: int,
        version: int,
        *,
        gated: bool = False,
    ) -> None:
        self._gated = gated
        self.forwards = not gated
        self._core = core
        self._first = first
        self._rest = MemoryPort(n_vcpus, N_IRQS, version)
        self.n_vcpus = n_vcpus
        self.n_irqs = N_IRQS

    def get(self, vcpu: int, intid: int, field: str) -> int:
        """Return one fact of an interrupt as this vCPU sees it."""
        if field not in _IN_CORE or (field == "enabled" and self._gated):
            return self._rest.get(vcpu, intid, field)
        return self._core.irq_get(self._first + vcpu, intid)[_IN_CORE[field]]

    def set(self, vcpu: int, intid: int, field: str, value: int) -> None:
        """Change it; the core queues, dequeues and kicks as it must."""
        if field not in _IN_CORE:
            self._rest.set(vcpu, intid, field, value)
            self._route(intid, field, value)
            return
        if field == "enabled" and self._gated:
            self._rest.set(vcpu, intid, field, value)
            value = int(value and self.forwards)
        state = self._core.irq_get(self._first + vcpu, intid)
        state[_IN_CORE[field]] = value
        self._core.irq_set(self._first + vcpu, intid, state)

    def forward(self, on: bool) -> None:
        """Forward interrupts from now on, or none: GICD_CTLR has been written."""
        if not self._gated:
            return
        self.forwards = on
        private = range(N_PPIS_AND_SGIS)
        all_ = [(v, i) for v in range(self.n_vcpus) for i in private]
        all_ += [(0, i) for i in range(N_PPIS_AND_SGIS, self.n_irqs)]
        for vcpu, intid in all_:
            if self._rest.get(vcpu, intid, "enabled"):
                self.set(vcpu, intid, "enabled", 1)

    def _route(self, intid: int, field: str, value: int) -> None:
        """Tell the core where an SPI goes: GICv2 the lowest target, as KVM has it."""
        if field == "targets" and value:
            target = (value & -value).bit_length() - 1
        elif field == "route":
            owners = {self._rest.affinity(v): v for v in range(self.n_vcpus)}
            target = owners.get(value & 0xFF_FFFF | value >> 8 & 0xFF00_0000, -1)
        else:
            return
        if 0 <= target < self.n_vcpus:
            self._core.command("irq_route", self._first, intid, target)

    def send_sgi(self, source: int, targets: Sequence[int], intid: int) -> None:
        """Send an SGI: the core injects it wherever each target is, and kicks."""
        for target in targets:
            self._core.command(
                "irq_sgi", self._first + source, self._first + target, intid
            )

    def affinity(self, vcpu: int) -> int:
        """Return KVM's affinity of a vCPU."""
        return self._rest.affinity(vcpu)

    @property
    def rest(self) -> MemoryPort:
        """What is kept beside the core; the core's snapshot has all else."""
        return self._rest


class VmGics:
    """The register models of all VMs of a machine, made when first accessed."""

    def __init__(self, core: _ffi.Core, blueprint: Blueprint) -> None:
        self._core = core
        self._blueprint = blueprint
        self._gics: dict[int, Gic] = {}

    def _frames(self, vm: int) -> Board:
        """Return where a VM's board has its frames; op programs use `VIRT`."""
        code = self._blueprint.workloads[vm].code
        return Board(*code.board.frames) if code else VIRT

    def _made(self, vm: int) -> Gic:
        """Return a VM's model as it is after reset."""
        n = self._blueprint.vms[vm].n_vcpus
        version = 2 if self._blueprint.gic == "v2" else 3
        first = self._blueprint.first_vcpu(vm)
        gated = self._blueprint.workloads[vm].code is not None
        port = CorePort(self._core, first, n, version, gated=gated)
        return Gic(port, version, self._frames(vm))

    def state(self, vm: int) -> dict[str, Any] | None:
        """Return what the model holds beside the core; None before any access."""
        gic = self._gics.get(vm)
        if gic is None or not isinstance(gic.port, CorePort):
            return None
        return {
            "enabled": gic.distributor.enabled,
            "facts": gic.port.rest.state(),
            "interfaces": gic.cpu_interface.state(),
        }

    def check(self, vm: int, state: Any) -> None:
        """Refuse what cannot be a state of a VM's model.

        Raises
        ------
        ValueError
            For another type or size, an unknown fact, a value out of range.
        """
        if state is None:
            return
        try:
            self._restored(vm, state)
        except (TypeError, KeyError, IndexError, ConfigError) as exc:
            raise ValueError(f"no state of this controller: {exc}") from None

    def put_back(self, vm: int, state: Any) -> None:
        """Restore what `check` has let through."""
        if state is None:
            self._gics.pop(vm, None)
        else:
            self._gics[vm] = self._restored(vm, state)

    def _restored(self, vm: int, state: Any) -> Gic:
        gic = self._made(vm)
        if set(state) != {"enabled", "facts", "interfaces"}:
            raise KeyError("enabled, facts, interfaces")
        if not isinstance(gic.port, CorePort) or type(state["enabled"]) is not bool:
            raise TypeError("enabled is neither true nor false")
        gic.distributor.enabled = gic.port.forwards = state["enabled"]
        for vcpu, intid, field, value in state["facts"]:
            if any(type(n) is not int for n in (vcpu, intid, value)):
                raise TypeError(f"fact {field!r:.40} of {intid!r:.40}")
        gic.port.rest.put_back(state["facts"])
        rows = state["interfaces"]
        if len(rows) != gic.port.n_vcpus or any(len(row) != 5 for row in rows):
            raise IndexError("interfaces of another number of vCPUs")
        if any(type(n) is not int or not 0 <= n < 2**32 for row in rows for n in row):
            raise TypeError("a register of a CPU interface")
        gic.cpu_interface.put_back(rows)
        return gic

    def answer(self, vcpu: int) -> None:
        """Answer the distributor access that a vCPU waits for."""
        vm, index = self._blueprint.vm_of(vcpu)
        if vm not in self._gics:
            self._gics[vm] = self._made(vm)
        gic, access = self._gics[vm], self._core.mmio(vcpu)
        address, size = access["address"], access["size"]
        if access["is_write"]:
            effects = gic.write(address, size, access["value"], vcpu=index)
            for effect in effects:
                if effect.kind == "dist_enable" and isinstance(gic.port, CorePort):
                    gic.port.forward(bool(effect.value))
            self._core.command("mmio_answer", vcpu, 0)
        else:
            read = gic.read(address, size, vcpu=index)
            self._core.command("mmio_answer", vcpu, read)
