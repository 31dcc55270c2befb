"""kvm-unit-tests' micro-bench, run in the emulator: its rows, in its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .operations import MICROBENCH, OPERATIONS, Setting, measure_cyc

__all__ = ["NOT_MODELLED", "Bench", "microbench", "rows_ns"]

NOT_MODELLED: Final = {
    "ipi_hw": "an SGI sent by hardware needs GICv4.1",
    "lpi": "an LPI needs an ITS",
}


@dataclass(frozen=True)
class Bench:
    """What a run of the micro-bench gave.

    Attributes
    ----------
    profile, policy, gic, vhe
        The machine.
    rows_ns
        Average ns an operation, by name.
    n
        Operations measured, by name.
    """

    profile: str
    policy: str
    gic: str
    vhe: bool
    rows_ns: Mapping[str, float]
    n: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "profile": self.profile,
            "policy": self.policy,
            "gic": self.gic,
            "vhe": self.vhe,
            "rows": dict(self.rows_ns),
            "n": {name: self.n[name] for name in self.rows_ns},
            "not_modelled": dict(NOT_MODELLED),
        }

    def __str__(self) -> str:
        """Return the table in the layout of the test itself."""
        mode = "VHE" if self.vhe else "nVHE"
        lines = [f"{self.profile}, {self.policy}, GIC{self.gic} {mode}", ""]
        lines += [f"{'name':<40}{'total ns':<33}{'avg ns'}", "-" * 80]
        for name, avg in self.rows_ns.items():
            total = f"{avg * self.n[name]:.1f}"
            lines.append(f"{name:<40}{total:<33}{avg:.1f}")
        for name, why in NOT_MODELLED.items():
            lines.append(f"{name}: not modelled ({why})")
        return "\n".join(lines)


def rows_ns(
    setting: Setting, names: Sequence[str] = MICROBENCH, n: int | None = None
) -> dict[str, float]:
    """Return the average ns of some operations, each measured by a run."""
    hz = setting.model.cpu_hz
    return {name: measure_cyc(name, setting, n) * 1e9 / hz for name in names}


def microbench(
    setting: Setting,
    n: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bench:
    """Run the six operations of the micro-bench.

    Raises
    ------
    ConfigError
        For an unknown profile or policy, or `n` outside its range.

    Examples
    --------
    >>> bench = microbench(Setting("n1-altra-gicv3", "v6.12"), 16)
    >>> bench.rows_ns["hvc"] < bench.rows_ns["mmio_read_vgic"]
    True
    """
    model = setting.model
    rows: dict[str, float] = {}
    for name in MICROBENCH:
        if progress is not None:
            progress(name)
        rows.update(rows_ns(setting, (name,), n))
    policy = setting.policy if isinstance(setting.policy, str) else setting.policy.name
    return Bench(
        model.name,
        policy,
        setting.gic or model.gic,
        model.vhe if setting.vhe is None else setting.vhe,
        rows,
        {name: (n or one.n) * one.each for name, one in OPERATIONS.items()},
    )
