"""Runs a recording's workload: the machine it needs, and one policy at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .assemble import Options
from .config import DEFAULT_PROFILE, VM, Host, VCpu
from .errors import ConfigError
from .machine import Machine, Stop
from .result import Result
from .trace import ReplayWorkload

if TYPE_CHECKING:
    from .policy import Policy

__all__ = ["host_of", "runner"]


def host_of(work: ReplayWorkload, changes: Mapping[str, Any], mode: str) -> Host:
    """Return the host a replay needs; `changes` apply to ``corrected`` replays only.

    Raises
    ------
    ConfigError
        For unknown fields, or if nobody says whether the host was VHE.
    """
    recorded = mode == "as-recorded"  # every cost is the recording's
    base = Host(
        pcpus=work.n_pcpus,
        profile="unit" if recorded else DEFAULT_PROFILE,
        gic=work.gic or "v3",
        vhe=work.vhe,
        cpu_hz=work.cpu_hz,
        cntfrq_hz=work.cntfrq_hz,
        tick_hz=work.tick_hz,
        tick_phase_cyc=work.tick_phase_cyc,
        preempt=work.preempt,
        tasks=tuple(work.tasks),
        outside=tuple(work.outside),
    )
    if not recorded:
        clock = {"cpu_hz": "the recording is in cycles of the CPU it was read with"}
        for name, words in clock.items():
            if changes.get(name, work.cpu_hz) != work.cpu_hz:
                raise ConfigError(f"host.{name}", changes[name], words)
        base = base.with_(**changes)
    return base


def runner(
    policies: Mapping[str, Policy | str],
    changes: Mapping[str, Any],
    *,
    seed: int = 0,
    trace: int = 0,
    options: Options | None = None,
    progress: Callable[[Stop], None] | None = None,
) -> Callable[..., Result]:
    """Return what `pyemu.trace.replay_compare` calls to run one policy.

    Parameters
    ----------
    policies
        Policy objects by name; a name that is missing is looked up.
    changes
        Fields of `Host` that differ from the recording's.
    seed, trace, options, progress
        As `pyemu.run`.
    """

    def run(policy: str, work: ReplayWorkload, *, mode: str) -> Result:
        host = host_of(work, changes, mode)
        vcpus = tuple(
            VCpu(
                affinity=(pcpu, *(p for p in range(host.pcpus) if p != pcpu)),
                start_ns=start,
            )
            for pcpu, start in zip(work.pcpus, work.start_ns, strict=True)
        )
        with Machine(
            *(host, [VM("vm0", vcpus, load=work.workload())]),
            policy=policies.get(policy, policy),
            seed=seed,
            trace=trace,
            moves=work.moves,
            options=options,
            cost_override=work.cost_override,
        ) as machine:
            machine.progress = progress
            machine.run()
            return machine.result(work.name, mode=mode)

    return run
