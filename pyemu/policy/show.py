"""Policies for people: the list, one table beside its sections, two compared."""

from __future__ import annotations

import difflib

from .guards import FLAGS
from .hooks import HOOKS
from .prims import PRIMS
from .registry import SHIPPED
from .steps import Step
from .table import SWITCHES, Policy

__all__ = ["diff", "policies_list", "show"]

_STEP_WIDTH = 18


def policies_list() -> list[tuple[str, str, str]]:
    """Return name, kernel versions and title of every shipped policy."""
    return [(one.name, one.versions, one.title) for one in SHIPPED.values()]


def _head(policy: Policy) -> list[str]:
    lines = [f"{policy.name}: {policy.title}" if policy.title else policy.name]
    if policy.versions:
        lines.append(f"Linux {policy.versions}")
    return lines


def _when(step: Step) -> str:
    return "" if step.guard.always else step.guard.words()


def _step(index: int, step: Step, width: int) -> str:
    left = f"  {index:3} {step.prim:<{_STEP_WIDTH}} {_when(step):<{width}}"
    return f"{left} {PRIMS[step.prim].text}"


def _switches(policy: Policy) -> list[str]:
    return [
        f"  {name:<{_STEP_WIDTH + 4}} {text}"
        for name, text in SWITCHES.items()
        if name in policy.switches
    ]


def show(policy: Policy) -> str:
    """Return the whole table as text: hooks with sections, steps with guards.

    The number before a step is its index, as ``"put:3"`` names it.
    """
    lines = _head(policy)
    used: set[str] = set()
    for hook, about in HOOKS.items():
        steps = policy.steps(hook)
        if not steps:
            continue
        cite = policy.sections.get(hook, about.sections)
        lines += ["", f"{hook}  [{cite}]  {about.kernel}"]
        width = max(len(_when(step)) for step in steps)
        for index, step in enumerate(steps):
            lines.append(_step(index, step, width))
            used |= step.guard.flags
    empty = [hook for hook in HOOKS if not policy.steps(hook)]
    if empty:
        lines += ["", "empty: " + ", ".join(empty)]
    lines += ["", "switches (rules inside the vgic)", *_switches(policy)]
    lines += ["", "flags read by the guards"]
    lines += [
        f"  {flag:<{_STEP_WIDTH + 4}} {text}"
        for flag, text in FLAGS.items()
        if flag in used
    ]
    return "\n".join(lines)


def _hook_lines(policy: Policy, hook: str) -> list[str]:
    return [str(step) for step in policy.steps(hook)]


def diff(a: Policy, b: Policy) -> str:
    """Return the hooks in which two policies differ, step by step.

    A line starts with ``-`` if only `a` has the step, ``+`` if only `b`.
    """
    lines = [f"--- {a.name}: {a.title}", f"+++ {b.name}: {b.title}"]
    same: list[str] = []
    for hook, about in HOOKS.items():
        left, right = _hook_lines(a, hook), _hook_lines(b, hook)
        if left == right:
            same += [hook] if left else []
            continue
        cites = " / ".join(p.sections.get(hook, "-") for p in (a, b))
        lines += ["", f"{hook}  [{cites}]  {about.kernel}"]
        whole = max(len(left), len(right))
        body = list(difflib.unified_diff(left, right, lineterm="", n=whole))[3:]
        lines += [f"  {line[0]} {line[1:]}".rstrip() for line in body]
    for name, text in SWITCHES.items():
        if (name in a.switches) != (name in b.switches):
            sign = "-" if name in a.switches else "+"
            lines += ["", f"{sign} switch {name}: {text}"]
    if same:
        lines += ["", "the same in both: " + ", ".join(same)]
    return "\n".join(lines)
