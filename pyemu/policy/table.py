"""`Policy`: for each hook, an ordered list of guarded primitives.

A policy is immutable: every edit returns a new one. Names are checked when it is
made; whether it can run at all (`Policy.check`) when it is compiled for the core, so
that a table may be built up step by step from `Policy.empty`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import CapacityError, ConfigError, unknown_name
from .check import check_complete, check_context
from .guards import ALWAYS
from .hooks import HOOKS
from .prims import PRIMS
from .steps import Step, Steps, flat

__all__ = ["MAX_GUARDS", "MAX_STEPS", "SWITCHES", "Compiled", "Policy"]

MAX_STEPS: Final = 2048
MAX_GUARDS: Final = 256

# In the order of enum pyemu_switch: rules inside the vgic that are not steps.
SWITCHES: Final[dict[str, str]] = {
    "lower_on_populate": "4.16: line_level := 0 when a list register is filled",
    "resample_pending": "4.16: sample while the list register is still pending",
    "resample_deact": "5.15: sample after deactivation too (B30)",
    "sample_on_enable": "5.3: resample when 27 gets enabled (B29)",
    "pending_pmr": "pending test wants !active and priority < PMR (B43)",
    "no_ap_level": "4.17: level irqs without HW bit are never A+P (B27)",
    "ioctl_loads": "up to 4.15: every vCPU ioctl loads the vCPU (B12)",
    "inject_request": "4.13: an injection makes a request (B25)",
    "tval_signed": "emulated TVAL is a signed 32-bit number (B18)",
    "hw_bit": "list registers of the timer carry HW=1",
    "eoicount": "6.19: EOIcount is replayed (B39)",
    "wfe_alone": "machine code: WFE traps only beside another runnable thread",
    "bg_skips_active": "no background timer for an interrupt in service (I5, I12)",
    "dist_forward": "as mapped_writes, and active while anything pends (I3)",
    "mapped_writes": "4.16: guest's pending/active writes reach the PPI (B33)",
    "eoi_from_head": "bug B38: EOIcount is replayed from the list's head",
    "stale_elrsr": "bug B24: the ELRSR of the last run is believed",
    "multi_lr": "bug B26: an SGI fills a list register per source",
    "uaccess_hw": "bug B32: user space's enable bits reach the PPI",
    "signal_once": "up to 4.3 (P0): no new signal until deactivated",
    "signal_sticky": "bug B22: a guest's clear does not forget the signal",
}

_V = TypeVar("_V")


class _Frozen(Mapping[str, _V]):
    """A mapping that compares, hashes and pickles by its items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, _V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> _V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._items.items(), key=lambda item: item[0])))

    def __repr__(self) -> str:
        return repr(self._items)


class Compiled(NamedTuple):
    """A policy as plain numbers for the core.

    Attributes
    ----------
    steps
        ``(prim, guard index, is_switch, hook)``, hooks in enum order.
    hook_start
        First step of each hook, and the number of steps.
    guards
        ``(mask, want, inverted)``; guard 0 always holds.
    switches
        Bit mask over ``enum pyemu_switch``.
    """

    steps: list[tuple[int, int, int, int]]
    hook_start: list[int]
    guards: list[tuple[int, int, int]]
    switches: int


Ref = str | Step


@dataclass(frozen=True)
class Policy:
    """When the host saves, restores, injects and activates: one kernel's way.

    Parameters
    ----------
    name, title, versions
        Short name, one line, and the kernel versions it stands for.
    sections
        Hook -> sections of docs/semantics.md it is written after.
    hooks
        Hook -> steps (nested lists are spliced). Missing hooks are empty.
    switches
        Names from `SWITCHES` that are on.
    callback
        What a ``callback`` step asks: ``(vcpu view, step index) -> bool``; slow.

    Raises
    ------
    ConfigError
        For an unknown hook, switch or primitive, or a step in a hook where it cannot
        stand.

    Examples
    --------
    >>> from pyemu.policy import get
    >>> get("lazy").without("put:isb").steps("put")[3:5]
    (Step('cntv_ctl_w0 if enabled loaded'), Step('loaded_clear if enabled loaded'))
    """

    name: str
    title: str = ""
    versions: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[str, Any] = field(default_factory=dict)
    switches: frozenset[str] = frozenset()
    callback: Callable[..., bool] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError("policy.name", self.name, "a name")
        for hook in (*self.hooks, *self.sections):
            if hook not in HOOKS:
                raise unknown_name(f"policy {self.name}: hook", hook, HOOKS)
        table = {}
        for hook in HOOKS:
            steps = flat(self.hooks.get(hook, ()))
            for index, step in enumerate(steps):
                check_context(self.name, hook, index, step)
            if steps:
                table[hook] = steps
        for switch in self.switches:
            if switch not in SWITCHES:
                raise unknown_name(f"policy {self.name}: switch", switch, SWITCHES)
        cites = {hook: self.sections[hook] for hook in HOOKS if hook in self.sections}
        object.__setattr__(self, "hooks", _Frozen(table))
        object.__setattr__(self, "sections", _Frozen(cites))
        object.__setattr__(self, "switches", frozenset(self.switches))

    @classmethod
    def empty(cls, name: str) -> Policy:
        """Return a policy without steps, to build on with `with_hook`."""
        return cls(name)

    def steps(self, hook: str) -> tuple[Step, ...]:
        """Return the steps of a hook, none if it is empty."""
        if hook not in HOOKS:
            raise unknown_name(f"policy {self.name}: hook", hook, HOOKS)
        return tuple(self.hooks.get(hook, ()))

    @property
    def direct_ptimer(self) -> bool:
        """Whether the guest owns the physical timer on a VHE host (5.2+)."""
        return any(step.prim == "cntp_ctl_w" for step in self.steps("load"))

    def check(self) -> None:
        """Refuse a table that cannot run.

        Raises
        ------
        ConfigError
            Names the hook, the step and what is missing.
        """
        check_complete(self.name, self.hooks)

    def compile(self) -> Compiled:
        """Return the tables the core runs.

        Raises
        ------
        ConfigError
            As `check`.
        CapacityError
            For more steps or guards than the core holds.
        """
        self.check()
        guards = {ALWAYS: 0}
        rows: list[tuple[int, int, int, int]] = []
        starts = [0]
        for number, hook in enumerate(HOOKS):
            for step in self.steps(hook):
                prim = PRIMS[step.prim]
                guard = guards.setdefault(step.guard, len(guards))
                rows.append((prim.index, guard, int(prim.is_switch), number))
            starts.append(len(rows))
        self._fits("steps", len(rows), MAX_STEPS)
        self._fits("guards", len(guards), MAX_GUARDS)
        bits = sum(1 << n for n, name in enumerate(SWITCHES) if name in self.switches)
        return Compiled(rows, starts, [one.compiled() for one in guards], bits)

    def _fits(self, what: str, n: int, limit: int) -> None:
        if n > limit:
            raise CapacityError(
                f"policy {self.name}: {n} {what}, at most {limit}", f"max_{what}"
            )

    # edits: each returns a new policy

    def with_hook(self, hook: str, *steps: Steps) -> Policy:
        """Return it with all steps of one hook replaced."""
        self.steps(hook)
        return replace(self, hooks={**self.hooks, hook: flat(*steps)})

    def without(self, step: Ref) -> Policy:
        """Return it without a step: every match of `step`.

        Parameters
        ----------
        step
            ``"hook:index"``; ``"hook:prim"``, all of them in the hook; a primitive's
            name or bare step, everywhere; or a guarded step, wherever it stands.

        Raises
        ------
        ConfigError
            If nothing matches.
        """
        gone = set(self.find(step))
        hooks = {
            hook: tuple(s for i, s in enumerate(steps) if (hook, i) not in gone)
            for hook, steps in self.hooks.items()
        }
        return replace(self, hooks=hooks)

    def swapped(self, a: Ref, b: Ref) -> Policy:
        """Return it with two steps in each other's place; each must be one step."""
        (hook_a, at_a), (hook_b, at_b) = self._one(a), self._one(b)
        first, second = self.hooks[hook_a][at_a], self.hooks[hook_b][at_b]
        return self._put(hook_a, at_a, second)._put(hook_b, at_b, first)

    def replaced(self, old: Ref, new: Step) -> Policy:
        """Return it with one step replaced by another."""
        hook, at = self._one(old)
        return self._put(hook, at, new)

    def with_step(self, hook: str, where: int | Ref, step: Step) -> Policy:
        """Return it with a step inserted.

        Parameters
        ----------
        hook
            The hook.
        where
            Index to insert at (0 to the number of steps), or the one step of the
            hook to insert before.
        step
            The new step.
        """
        steps = self.steps(hook)
        if isinstance(where, str) and ":" not in where:
            where = f"{hook}:{where}"
        if not isinstance(where, int):
            found, where = self._one(where, hook)
            if found != hook:
                raise ConfigError("policy step", found, f"a step of hook {hook}")
        if not 0 <= where <= len(steps):
            raise ConfigError(
                f"policy {self.name}: index in {hook}", where, f"0 to {len(steps)}"
            )
        return self.with_hook(hook, (*steps[:where], step, *steps[where:]))

    def with_switch(self, name: str, on: bool = True) -> Policy:
        """Return it with a switch on or off."""
        if name not in SWITCHES:
            raise unknown_name(f"policy {self.name}: switch", name, SWITCHES)
        switches = self.switches | {name} if on else self.switches - {name}
        return replace(self, switches=switches)

    def renamed(self, name: str, title: str | None = None) -> Policy:
        """Return it under another name, and title if given."""
        return replace(self, name=name, title=self.title if title is None else title)

    def described(
        self,
        *,
        title: str = "",
        versions: str = "",
        sections: Mapping[str, str] | None = None,
    ) -> Policy:
        """Return it with another title, kernel versions and sections."""
        return replace(self, title=title, versions=versions, sections=sections or {})

    def find(self, ref: Ref, hook: str | None = None) -> list[tuple[str, int]]:
        """Return where a reference points: pairs of hook and index.

        Raises
        ------
        ConfigError
            If it points nowhere, with a suggestion.
        """
        hooks = [hook] if hook is not None else list(HOOKS)
        if isinstance(ref, str) and ":" in ref:
            name, _, ref = ref.partition(":")
            hooks = [name]
            steps = self.steps(name)
            if ref.lstrip("-").isdigit():
                if not 0 <= int(ref) < len(steps):
                    words = f"0 to {len(steps) - 1}" if steps else "the hook is empty"
                    raise ConfigError(
                        f"policy {self.name}: index in {name}", int(ref), words
                    )
                return [(name, int(ref))]
        places = [
            (name, at)
            for name in hooks
            for at, step in enumerate(self.steps(name))
            if _matches(step, ref)
        ]
        if not places:
            have = sorted({s.prim for name in hooks for s in self.steps(name)})
            where = f"step of {hooks[0]}" if len(hooks) == 1 else "step"
            raise unknown_name(f"policy {self.name}: {where}", str(ref), have)
        return places

    def _one(self, ref: Ref, hook: str | None = None) -> tuple[str, int]:
        places = self.find(ref, hook)
        if len(places) > 1:
            choices = ", ".join(f"{name}:{at}" for name, at in places)
            raise ConfigError(
                f"policy {self.name}: step", str(ref), f"one step: say {choices}"
            )
        return places[0]

    def _put(self, hook: str, at: int, step: Step) -> Policy:
        steps = list(self.steps(hook))
        steps[at] = step
        return self.with_hook(hook, steps)


def _matches(step: Step, ref: Ref) -> bool:
    """Match by name if the reference has no guard, else exactly."""
    if isinstance(ref, Step):
        return step == ref if not ref.guard.always else step.prim == ref.prim
    return ref in (step.prim, str(step))
