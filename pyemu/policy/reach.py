"""Steps that nothing can ever reach: by the hooks that run, by the flags they want.

A step wants its guard to hold. A flag that no step of the table sets is never set; one
that is a local of its hook is not set before a step of that hook sets it. What is found
so is certain; a table without a finding may still have steps that no run comes to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from .hooks import HOOKS
from .prims import PRIMS
from .table import Policy
from .toml_io import load_policy, step_line

__all__ = ["load_reachable", "unreachable"]

# Flag -> primitives that can set it, anywhere in the table.
_SETTERS: Final[dict[str, tuple[str, ...]]] = {
    "enabled": ("enabled_set",),
    "loaded": ("loaded_set",),
    "level_v": ("level_v", "level_v_set"),
    "level_p": ("level_p", "level_p_set"),
    "cleared": ("cache_set",),
    "bg_armed": ("bg_arm",),
    "pt_armed": ("pt_arm", "pt_emulate"),
    "running": ("running_set",),
}
# Locals of a hook, 0 where it begins.
_EVALS: Final = tuple(name for name in PRIMS if name.startswith("eval_"))
_LOCALS: Final[dict[str, tuple[str, ...]]] = {
    "fire": (*_EVALS, "bg_recheck", "pt_recheck", "callback"),
    "changed": _EVALS,
    "act": tuple(name for name in PRIMS if name.startswith("act_")),
    "wake": ("pending", "wake_if"),
}


def _never_runs(policy: Policy, hook: str) -> str:
    """Return why a hook is never entered, or nothing."""
    have = {step.prim for name in HOOKS for step in policy.steps(name)}
    asks = {step.prim for step in policy.steps("enter")}
    needs = {
        "bg_expire": ("bg_arm",),
        "pt_expire": ("pt_arm", "pt_emulate"),
        "ptimer_isr": ("cntp_ctl_w",),
    }
    if hook in needs and not have & set(needs[hook]):
        return f"no step arms it ({' or '.join(needs[hook])})"
    if hook == "abort" and not asks & {"check_signal", "check_requests"}:
        return "enter has neither check_signal nor check_requests"
    return ""


def unreachable(policy: Policy) -> list[tuple[str, int, str]]:
    """Return hook, index and reason of every step that can never run.

    Examples
    --------
    >>> from pyemu.policy import get
    >>> unreachable(get("lazy").without("cntv_ctl_r").without("loaded_set"))[0]
    ('exit', 19, 'no step of the table sets loaded')
    """
    have = {step.prim for name in HOOKS for step in policy.steps(name)}
    set_somewhere = {f for f, setters in _SETTERS.items() if have & set(setters)}
    found = []
    for hook in HOOKS:
        never = _never_runs(policy, hook)
        seen: set[str] = set()
        for index, step in enumerate(policy.steps(hook)):
            wanted = {f for f, value in step.guard.terms if value}
            if step.guard.inverted:
                wanted = set()  # enough that one of its terms fails
            why = never
            for flag in sorted(wanted):
                if flag in _SETTERS and flag not in set_somewhere:
                    why = why or f"no step of the table sets {flag}"
                if flag in _LOCALS and not seen & set(_LOCALS[flag]):
                    why = why or f"no step of {hook} before it sets {flag}"
            if why:
                found.append((hook, index, why))
            else:
                seen.add(step.prim)
    return found


def load_reachable(name_or_path: str | os.PathLike[str]) -> Policy:
    """Return a policy as `load_policy` does, all of whose steps can run.

    Raises
    ------
    ConfigError
        For the first step that can never run: policy, hook, step, why, and the line of
        a file. Beside those of `load_policy`.
    """
    policy = load_policy(name_or_path)
    for hook, index, why in unreachable(policy):
        text, line = os.fspath(name_or_path), None
        field = f"policy {policy.name}: {hook}[{index}]"
        if Path(text).is_file():
            line = step_line(text, hook, index)
            field = f"{text}: {field}"
        step = str(policy.steps(hook)[index])
        raise ConfigError(field, step, f"a step that can run: {why}", line)
    return policy
