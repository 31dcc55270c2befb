"""A physical CPU of a running machine, as Python sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["PcpuView"]


class PcpuView:
    """Reads one pCPU's accounts; takes it offline and online.

    Parameters
    ----------
    machine
        The machine it belongs to.
    index
        Its number.
    """

    def __init__(self, machine: Machine, index: int) -> None:
        self._machine = machine
        self.index = index
        self.online = True

    def _stats(self) -> Any:
        return self._machine.pcpu_stats()[self.index]

    @property
    def now_cyc(self) -> int:
        """Its clock, cycles."""
        return int(self._stats()["now_cyc"])

    @property
    def idle_cyc(self) -> int:
        """Cycles without a runnable thread."""
        return int(self._stats()["idle_cyc"])

    @property
    def vcpus(self) -> list[int]:
        """Machine-wide indexes of the vCPUs whose threads are here."""
        stats = self._machine.vcpu_stats()
        return [i for i, one in enumerate(stats) if one["pcpu"] == self.index]

    def set_online(self, online: bool) -> None:
        """Take it offline or online; its threads move to the first online one.

        Raises
        ------
        ConfigError
            For the last online pCPU.
        """
        self._machine.set_online(self.index, online)

    def __repr__(self) -> str:
        return f"<pcpu {self.index}, {'online' if self.online else 'offline'}>"
