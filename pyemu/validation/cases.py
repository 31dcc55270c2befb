"""Which runs are meant: recorded ones that fit, or one that was never recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, unknown_name
from .sets import Config, Counts, Kernel, RecordedSet, Scenario

__all__ = ["Case", "choose"]


@dataclass(frozen=True)
class Case:
    """One scenario under one policy on one machine; `recorded` is None if it was not.

    `noted` is what the set says about this run apart from its counts.
    """

    set: RecordedSet
    kernel: Kernel
    config: Config
    scenario: Scenario
    recorded: Counts | None

    @property
    def label(self) -> str:
        """Name of the run."""
        return f"{self.kernel.name} {self.config.name} {self.scenario.name}"

    @property
    def shown(self) -> str:
        """Why it is shown and not judged; empty if it is judged."""
        whys = [str(one["why"]) for one in self.set.shown if self.meant_by(one)]
        return self.config.shown or (whys[0] if whys else "")

    def meant_by(self, remark: Mapping[str, Any]) -> bool:
        """Whether a remark of the set is about this run; what it leaves out fits."""
        return (
            self.kernel.name in remark.get("kernels", [self.kernel.name])
            and self.config.name in remark.get("configs", [self.config.name])
            and self.scenario.name in remark.get("scenarios", [self.scenario.name])
        )


def choose(
    data: RecordedSet,
    *,
    scenario: str | None = None,
    policy: str | None = None,
    config: str | None = None,
    gic: str | None = None,
    vhe: bool | None = None,
) -> list[Case]:
    """Return the recorded runs that fit, or the one run that is fully described.

    A scenario with a policy and a machine names one run, recorded or not; anything
    less selects among the recorded ones. A set with one kernel needs no policy.

    Raises
    ------
    ConfigError
        For a name the set does not have, a machine it contradicts, or nothing left.
    """
    one = None if scenario is None else data.scenario(scenario)
    kernel = _kernel(data, policy)
    machines = _configs(data, config, gic, vhe)
    if policy is None and len(data.kernels) == 1:
        kernel = next(iter(data.kernels.values()))
    whole = config is not None or (gic is not None and vhe is not None)
    if one and kernel and whole:
        return [_case(data, kernel, machines[0], one)]
    out = [
        Case(data, data.kernels[k], data.configs[c], data.scenarios[s], counts)
        for (k, c, s), counts in data.rows.items()
        if (kernel is None or k == kernel.name)
        and (c in [m.name for m in machines])
        and (one is None or s == one.name)
    ]
    if out or one is None:
        if not out:
            words = "a kernel and a machine of which runs were recorded"
            raise ConfigError("--policy", policy, words)
        return out
    kernels = [kernel] if kernel else list(data.kernels.values())
    return [_case(data, k, machines[0], one) for k in kernels]


def _case(
    data: RecordedSet, kernel: Kernel, config: Config, scenario: Scenario
) -> Case:
    counts = data.rows.get((kernel.name, config.name, scenario.name))
    return Case(data, kernel, config, scenario, counts)


def _kernel(data: RecordedSet, policy: str | None) -> Kernel | None:
    """Return the kernel of a name, or a made-up one for any other policy."""
    if policy is None:
        return None
    for one in data.kernels.values():
        if policy in (one.name, one.policy):
            return one
    return Kernel(policy, policy)


def _configs(
    data: RecordedSet, config: str | None, gic: str | None, vhe: bool | None
) -> list[Config]:
    """Return the machines that fit; one is made up if none does."""
    if config is not None and config not in data.configs:
        raise unknown_name("--config", config, data.configs)
    named = [data.configs[config]] if config else list(data.configs.values())
    fit = [
        one
        for one in named
        if (gic is None or one.gic == gic) and (vhe is None or one.vhe == vhe)
    ]
    if fit:
        return fit
    if config is not None:
        mode = "VHE" if named[0].vhe else "nVHE"
        words = f"what {config} is: GIC{named[0].gic}, {mode}"
        raise ConfigError("--gic" if gic != named[0].gic else "--vhe", gic, words)
    mode = "vhe" if vhe else "nvhe"
    return [Config(f"{mode}-gic{str(gic)[1:]}", str(gic), bool(vhe))]
