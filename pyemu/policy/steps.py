"""Steps: a primitive and its guard, and what a primitive is.

The primitives themselves, one line each, are in `prims`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..errors import unknown_name
from .guards import ALWAYS, Guard

__all__ = [
    "COMPONENTS",
    "OPS",
    "PRIMS",
    "Prim",
    "Step",
    "Steps",
    "counted",
    "flat",
    "primitive",
    "under",
]

# Names of Result.ops.
OPS: Final = (
    *("cntv_ctl_w", "cntv_ctl_r", "cntv_cval_w", "cntv_cval_r", "cntvoff_w"),
    *("cnthctl_w", "cnthctl_r", "cntp_ctl_w", "cntp_ctl_r", "cntp_cval_w"),
    *("cntp_cval_r", "cntkctl_w", "cntkctl_r", "isb", "isactiver_w", "icactiver_w"),
    "hyp_call",
)

# Component: does it belong to the world switch (else it is handling)?
COMPONENTS: Final[dict[str, bool]] = {
    "trap": True,
    "gp": True,
    "fp": True,
    "el1": True,
    "el2cfg": True,
    "stage2": True,
    "vgic": True,
    "timer": True,
    "isb": True,
    "active_write": True,
    "hyp_call": True,
    "run_loop": True,
    "handle": False,
    "irq": False,
    "sched": False,
    "soft_timer": False,
    "user": False,
    "guest": False,
}


@dataclass(frozen=True)
class Prim:
    """One primitive; `hooks` empty: counted by the core only, never a step."""

    name: str
    index: int
    component: str
    hooks: frozenset[str]
    text: str
    ops: tuple[str, ...] = ()

    @property
    def is_switch(self) -> bool:
        """Whether its cycles are the world switch's."""
        return COMPONENTS[self.component]


PRIMS: Final[dict[str, Prim]] = {}


@dataclass(frozen=True)
class Step:
    """A primitive with its guard.

    Raises
    ------
    ConfigError
        For a name that is no primitive, or one only the core counts.

    Examples
    --------
    >>> from pyemu.policy.guards import loaded, vhe
    >>> from pyemu.policy.prims import cntv_ctl_w0
    >>> cntv_ctl_w0.when(loaded & ~vhe)
    Step('cntv_ctl_w0 if loaded nvhe')
    """

    prim: str
    guard: Guard = ALWAYS

    def __post_init__(self) -> None:
        if self.prim not in PRIMS or not PRIMS[self.prim].hooks:
            known = [name for name, prim in PRIMS.items() if prim.hooks]
            raise unknown_name("primitive", self.prim, known)

    def when(self, guard: Guard) -> Step:
        """Return the step with one more condition."""
        return Step(self.prim, self.guard & guard)

    def __str__(self) -> str:
        if self.guard.always:
            return self.prim
        return f"{self.prim} {self.guard.words()}"

    def __repr__(self) -> str:
        return f"Step({str(self)!r})"


# What a hook's list may hold: steps, and lists of steps to splice in.
Steps: TypeAlias = "Step | Sequence[Steps]"


def flat(*items: Steps) -> tuple[Step, ...]:
    """Return the steps in order, nested lists spliced in.

    Examples
    --------
    >>> from pyemu.policy.prims import irq_off, vgic_flush
    >>> flat(irq_off, (vgic_flush, ()))
    (Step('irq_off'), Step('vgic_flush'))
    """
    return tuple(_walk(items))


def _walk(items: Sequence[Steps]) -> Iterator[Step]:
    for item in items:
        if isinstance(item, Step):
            yield item
        else:
            yield from _walk(item)


def under(guard: Guard, *items: Steps) -> tuple[Step, ...]:
    """Return the steps, each with one more condition.

    Examples
    --------
    >>> from pyemu.policy.guards import loaded
    >>> from pyemu.policy.prims import cntv_cval_r, isb
    >>> under(loaded, cntv_cval_r, isb)
    (Step('cntv_cval_r if loaded'), Step('isb if loaded'))
    """
    return tuple(step.when(guard) for step in flat(*items))


def counted(
    name: str, component: str, hooks: frozenset[str], text: str, *ops: str
) -> None:
    """Register the next primitive of ``enum pyemu_prim``."""
    PRIMS[name] = Prim(name, len(PRIMS), component, hooks, text, ops)


def primitive(
    name: str, component: str, hooks: frozenset[str], text: str, *ops: str
) -> Step:
    """Register the next primitive and return its unguarded step."""
    counted(name, component, hooks, text, *ops)
    return Step(name)
