"""The two calls most users need: `run` one policy, `compare` several.

Policies are compared on the same input with the same seed, so what differs is what
they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .assemble import Options
from .comparison import Comparison
from .config import VM, Host, Move, whole
from .errors import ConfigError
from .guest import loads
from .machine import Machine, Stop
from .result import Result
from .scheduling import Periodic

if TYPE_CHECKING:
    from .policy import Policy

__all__ = ["DEFAULT_GUEST_CYC", "compare", "run", "unique_policies"]

DEFAULT_GUEST_CYC = 1_000_000_000


def _vms(load: Any, vms: Sequence[VM] | None, vcpus: int | None) -> tuple[VM, ...]:
    """Return the VMs, each with the load written into it."""
    if vms is None:
        n = int(load.vcpus) if vcpus is None else vcpus
        vms = (VM(vcpus=n),)
    elif not vms:
        raise ConfigError("run.vms", vms, "at least one VM")
    elif vcpus is not None:
        raise ConfigError("run.vcpus", vcpus, "either vms or vcpus")
    return tuple(vm if vm.load is not None else replace(vm, load=load) for vm in vms)


def run(  # noqa: PLR0913 - keyword-only
    policy: Policy | str,
    load: Any = None,
    *,
    host: Host | None = None,
    vms: Sequence[VM] | None = None,
    vcpus: int | None = None,
    guest_cyc: int = 0,
    until_cyc: int | None = None,
    until_exits: int = 0,
    seed: int = 0,
    trace: int = 0,
    moves: Sequence[Move] = (),
    balancer: Periodic | None = None,
    options: Options | None = None,
    source: str | None = None,
    progress: Callable[[Stop], None] | None = None,
) -> Result:
    """Run one policy until the guests end or a limit is reached.

    Parameters
    ----------
    policy
        A name (see ``pyemu policies list``), or a `Policy`.
    load
        A load or its name; may be None if every VM has its own.
    host, vms, vcpus
        The machine; by default one VM and as many pCPUs as the load is made for.
    guest_cyc, until_cyc, until_exits
        Limits as in `Machine.run`. A load that never ends gets 10**9 guest cycles.
    seed
        Of everything drawn at random; a whole number below 2^64.
    trace
        Trace records to keep; 0 is off.
    moves, balancer
        Declared migrations; a callable asked once a period (see `scheduling`).
    options
        Step interpreter, step trace.
    source
        Name of the input in the result.
    progress
        Called between quanta with a `Stop`.

    Returns
    -------
    Result
        After Ctrl-C too, with ``meta["stop"] == "interrupted"``.

    Raises
    ------
    ConfigError, GuestError, CapacityError, InternalError
        Named causes; see the classes.

    Examples
    --------
    >>> res = run("lazy", "hvc-loop", guest_cyc=0)
    >>> res.exits["HVC64"]
    10000
    """
    if isinstance(load, str):
        load = loads.get(load)
    machines = _vms(load, vms, vcpus)
    if host is None:
        host = Host(pcpus=max(int(getattr(vm.load, "pcpus", 1)) for vm in machines))
    name = source or " + ".join(sorted({_name(vm.load) for vm in machines}))
    with Machine(
        *(host, machines),
        policy=policy,
        seed=seed,
        trace=trace,
        moves=moves,
        balancer=balancer,
        options=options,
    ) as machine:
        machine.progress = progress
        limited = guest_cyc or until_exits or until_cyc is not None
        if not limited and not machine.blueprint.finite:
            guest_cyc = DEFAULT_GUEST_CYC
        machine.run(
            until_cyc=until_cyc, until_guest_cyc=guest_cyc, until_exits=until_exits
        )
        limits = {"guest_cyc": guest_cyc, "until_exits": until_exits}
        return machine.result(name, limits={**limits, "until_cyc": until_cyc})


def _name(load: Any) -> str:
    return load.describe() if isinstance(load, loads.Load) else "custom"


def unique_policies(policies: Sequence[Any]) -> list[Any]:
    """Return the policies if there is at least one and each is named once.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    if not policies:
        raise ConfigError("policies", [], "at least one policy")
    names = [p if isinstance(p, str) else p.name for p in policies]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("policies", name, "each policy once")
    return list(policies)


def compare(
    policies: Sequence[Policy | str], load: Any = None, **settings: Any
) -> Comparison:
    """Run several policies on the same input with the same seed.

    Parameters
    ----------
    policies
        Names or `Policy` objects, each once; the first is the baseline.
    load, settings
        As `run`.

    Raises
    ------
    ConfigError
        As `run`; also for a policy named twice.
    """
    results = []
    whole("seed", settings.get("seed", 0), 0, 2**64 - 1)
    for policy in unique_policies(policies):
        results.append(run(policy, load, **settings))
        if results[-1].meta["stop"] == "interrupted":
            break
    return Comparison(tuple(results))
