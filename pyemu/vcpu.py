"""A vCPU of a running machine, as Python sees it: views, no state of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["VcpuView"]

STATES: Final = ("off", "runnable", "running", "sleeping", "paused")


class VcpuView:
    """Reads one vCPU's accounts and registers, and gives it orders.

    Parameters
    ----------
    machine
        The machine it belongs to.
    index
        Machine-wide index.
    """

    def __init__(self, machine: Machine, index: int) -> None:
        self._machine = machine
        self.index = index

    def _stats(self) -> Any:
        return self._machine.vcpu_stats()[self.index]

    @property
    def pcpu(self) -> int:
        """The pCPU its thread is on."""
        return int(self._stats()["pcpu"])

    @property
    def state(self) -> str:
        """One of off, runnable, running, sleeping, paused."""
        return STATES[int(self._stats()["state"])]

    @property
    def off(self) -> bool:
        """Whether its thread has ended."""
        return self.state == "off"

    @property
    def guest_cyc(self) -> int:
        """Cycles in guest mode."""
        return int(self._stats()["guest_cyc"])

    @property
    def affinity(self) -> tuple[int, ...]:
        """The pCPUs it may run on."""
        return self._machine.affinity(self.index)

    @property
    def regs(self) -> tuple[int, ...]:
        """The eight registers of its op program."""
        return tuple(int(value) for value in self._stats()["regs"])

    @property
    def list_registers(self) -> tuple[int, ...]:
        """Its list registers as GICH_LR (v2) or ICH_LR_EL2 (v3) words, unused 0."""
        return tuple(self._machine.core.list_registers(self.index))

    def one_reg(self) -> dict[str, Any]:
        """Return the ONE_REG and device-attribute view of the stopped vCPU.

        Timers hold CVAL in ticks and CTL; `irq` has one record an INTID below 32.
        """
        state = self._machine.core.get_vcpu(self.index)[0]
        return {
            "vtimer": {key: int(state["vtimer"][key]) for key in ("cval_ticks", "ctl")},
            "ptimer": {key: int(state["ptimer"][key]) for key in ("cval_ticks", "ctl")},
            "pc": int(state["pc"]),
            "powered_off": bool(state["powered_off"]),
            "pmr": int(state["vmcr_pmr"]),
            "eoimode": int(state["vmcr_eoimode"]),
            "irq": state["irq"].copy(),
        }

    def move(self, pcpu: int) -> None:
        """Migrate its thread to another pCPU, through put and load.

        Raises
        ------
        ConfigError
            Outside its affinity.
        """
        self._machine.move(self.index, pcpu)

    def pause(self) -> None:
        """Stop its thread outside the guest; `resume` continues it."""
        self._machine.pause(self.index)

    def resume(self) -> None:
        """Continue after `pause`."""
        self._machine.pause(self.index, False)

    def reset(self) -> None:
        """KVM_ARM_VCPU_INIT: the architectural reset of this vCPU."""
        self._machine.core.command("vcpu_reset", self.index)

    def signal(self) -> None:
        """Send its thread a signal: KVM_RUN returns with EINTR."""
        self._machine.core.command("signal", self.index)

    def __repr__(self) -> str:
        return f"<vcpu {self.index} on pcpu {self.pcpu}, {self.state}>"


def check_index(field: str, index: int, n: int) -> int:
    """Return an index below n, or raise ConfigError."""
    if not 0 <= index < n:
        raise ConfigError(field, index, f"0..{n - 1}")
    return index
