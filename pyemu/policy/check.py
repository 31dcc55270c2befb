"""What a policy table must and must not contain; `table` calls these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import ConfigError
from .prims import PRIMS
from .steps import Step

__all__ = ["check_complete", "check_context"]

_NEVER_EMPTY = (
    *("enter", "abort", "exit", "load", "put", "check", "irq_entry", "vtimer_isr"),
)


def check_context(policy: str, hook: str, index: int, step: Step) -> None:
    """Refuse a step in a hook whose context it cannot run in.

    Raises
    ------
    ConfigError
        Naming the step and the hooks where it may stand.
    """
    allowed = PRIMS[step.prim].hooks
    if hook not in allowed:
        raise ConfigError(
            f"policy {policy}: {hook}[{index}]",
            str(step),
            f"{step.prim} may stand only in {', '.join(sorted(allowed))}",
        )


def check_complete(policy: str, hooks: Mapping[str, Sequence[Step]]) -> None:
    """Refuse a table that lacks what the flow of the core relies on.

    Raises
    ------
    ConfigError
        For an empty hook, a missing or misplaced eret, trap, handle, iar_r, eoir_w
        or recheck, and a timer that is restored but never stopped.
    """
    for hook in _NEVER_EMPTY:
        if not hooks.get(hook):
            raise ConfigError(f"policy {policy}: {hook}", "no steps", "at least one")
    _sole(policy, hooks, "enter", "eret", -1)
    _sole(policy, hooks, "exit", "trap", 0)
    _sole(policy, hooks, "exit", "handle", None)
    _sole(policy, hooks, "irq_entry", "iar_r", 0)
    _sole(policy, hooks, "irq_entry", "eoir_w", None)
    for arm, hook in (("bg_arm", "bg_expire"), ("pt_arm", "pt_expire")):
        recheck = f"{arm[:2]}_recheck"
        arms = (arm, "pt_emulate") if arm == "pt_arm" else (arm,)
        armed = any(step.prim in arms for steps in hooks.values() for step in steps)
        if armed and recheck not in _names(hooks, hook):
            raise ConfigError(
                f"policy {policy}: {hook}",
                "no " + recheck,
                "a table that arms it"
                f" needs {recheck}: what happens when the hrtimer expires",
            )
    _stops(policy, hooks)


def _names(hooks: Mapping[str, Sequence[Step]], hook: str) -> list[str]:
    return [step.prim for step in hooks.get(hook, ())]


def _sole(
    policy: str,
    hooks: Mapping[str, Sequence[Step]],
    hook: str,
    prim: str,
    at: int | None,
) -> None:
    """Require exactly one unguarded `prim` in the hook, at the given end."""
    names = _names(hooks, hook)
    field = f"policy {policy}: {hook}"
    if prim not in names:
        raise ConfigError(field, f"no {prim}", f"exactly one {prim}")
    if names.count(prim) > 1:
        raise ConfigError(field, f"{names.count(prim)} {prim}", f"exactly one {prim}")
    index = names.index(prim)
    if not hooks[hook][index].guard.always:
        raise ConfigError(
            f"{field}[{index}]", str(hooks[hook][index]), f"{prim} without a guard"
        )
    if at is not None and names[at] != prim:
        end = "first" if at == 0 else "last"
        raise ConfigError(f"{field}[{index}]", prim, f"the {end} step of {hook}")


# A hook that starts a timer, the hook that must stop it again, and why.
_PAIRS = (
    ("load", "cntv_ctl_w", "put", "cntv_ctl_w0"),
    ("load", "cntp_ctl_w", "put", "cntp_ctl_w0"),
    ("enter", "cntv_ctl_w", "exit", "cntv_ctl_w0"),
    ("enter", "cntp_ctl_w", "exit", "cntp_ctl_w0"),
    ("block", "cntv_ctl_r", "block", "cntv_ctl_w0"),
    ("block", "cntp_ctl_r", "block", "cntp_ctl_w0"),
    ("put", "cntv_ctl_r", "put", "cntv_ctl_w0"),
    ("put", "cntp_ctl_r", "put", "cntp_ctl_w0"),
)


def _stops(policy: str, hooks: Mapping[str, Sequence[Step]]) -> None:
    """Refuse a table without CTL:=0 where the timer leaves the hardware."""
    for start, does, stop, zero in _PAIRS:
        if does in _names(hooks, start) and zero not in _names(hooks, stop):
            raise ConfigError(
                f"policy {policy}: {stop}",
                f"no {zero}",
                f"{zero}, since {start} has {does}: a timer left running on the pCPU"
                " would interrupt whoever runs there next",
            )
