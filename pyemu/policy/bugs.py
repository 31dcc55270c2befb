"""The bug museum: real kernel bugs as edits of a repaired table.

Each entry is one bug of docs/semantics.md section 6: the policy that has it, the one
beside it that has not, and the alphabet in which the explorer finds it. Entries
without an edit say why. Commits are those whose page or patch was read; the others
are left out rather than guessed.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..errors import unknown_name
from .bugs_open import OPEN
from .guards import ap
from .guards import level_v as v_high
from .guards import wake as found
from .kernels import lazy_enter as enter_lazy
from .kernels_lazy import TRAPS_OFF_ALWAYS, TRAPS_ON_ALWAYS
from .parts import to_guest
from .prims import *
from .registry import get
from .steps import Step
from .table import Policy

__all__ = ["BUGS", "Bug", "bug"]

# Host moves and guest operations that most hunts need.
HOST: Final = ("step", "guest", "tick", "sched_in")
GUEST: Final = (
    *("ctl_off", "ctl_on", "cval_soon", "cval_past", "mask", "unmask", "ack", "eoi"),
    *("wfi", "hvc", "gic_on", "gic_off", "user"),
)
SMALL: Final = HOST + GUEST


@dataclass(frozen=True)
class Bug:
    """One bug.

    Attributes
    ----------
    id, title, commit
        Number of section 6, what the fix says, its commit ("" if not read).
    symptom
        What a user sees.
    invariants
        What it breaks, as section 6 lists it.
    base
        Shipped policy that has not got it.
    edit
        Makes the policy that has; None if the model cannot express it.
    alphabet
        Moves added to `SMALL` for the hunt.
    note
        Why there is no edit, or what the search decided.
    prepare
        What both policies have in common beyond `base`, if the bug needs it.
    """

    id: str
    title: str
    commit: str
    symptom: str
    invariants: tuple[int, ...]
    base: str = "lazy-fixed"
    edit: Callable[[Policy], Policy] | None = None
    alphabet: tuple[str, ...] = ()
    note: str = ""
    prepare: Callable[[Policy], Policy] | None = None

    def repaired(self) -> Policy:
        """Return the policy without the bug."""
        base = get(self.base)
        return base if self.prepare is None else self.prepare(base)

    def broken(self) -> Policy:
        """Return the policy with the bug.

        Raises
        ------
        ConfigError
            For a bug that is not expressible.
        """
        if self.edit is None:
            raise unknown_name("bug", self.id, [b.id for b in BUGS.values() if b.edit])
        edited = self.edit(self.repaired())
        return edited.renamed(f"{self.base}+{self.id}", self.title)


def _swap_prim(policy: Policy, hook: str, old: str, new: Step) -> Policy:
    """Replace every `old` of a hook by `new` under the same guard."""
    steps = [
        Step(new.prim, s.guard) if s.prim == old else s for s in policy.steps(hook)
    ]
    return policy.with_hook(hook, steps)


def _b01(p: Policy) -> Policy:
    return p.with_hook("vtimer_isr", get("lazy-commit").steps("vtimer_isr"))


def _b04(p: Policy) -> Policy:
    gone = [s for s in p.steps("exit") if s.prim not in ("cnthctl_r", "cnthctl_w_host")]
    at = next(i for i, s in enumerate(gone) if s.prim == "vgic_save")
    enter = enter_lazy(to_guest(TRAPS_ON_ALWAYS))
    exits = (*gone[:at], *TRAPS_OFF_ALWAYS, *gone[at:])
    return p.with_hook("enter", enter).with_hook("exit", exits)


def _b06(p: Policy) -> Policy:
    return p.with_hook("check", p.steps("check"), wake_if.when(~found & v_high))


def _b09(p: Policy) -> Policy:
    return _swap_prim(p, "load", "act_either", act_vact)


def _b11(p: Policy) -> Policy:
    return p.without("reset:vgic_reset_v")


def _b12(p: Policy) -> Policy:
    return p.with_switch("ioctl_loads")


def _b13(p: Policy) -> Policy:
    return p.with_hook("pt_trap", get("lazy").steps("pt_trap"))


def _b20(p: Policy) -> Policy:
    return _swap_prim(p, "enter", "act_either", act_level)


def _b21(p: Policy) -> Policy:
    steps: list[Step] = []
    for step in p.steps("enter"):
        if step.prim == "act_either":
            steps += [step.when(ap), Step("act_vact", step.guard).when(~ap)]
        else:
            steps.append(step)
    return p.with_hook("enter", steps)


def _b44(p: Policy) -> Policy:
    return p.with_hook("vtimer_isr", get("lazy").steps("vtimer_isr"))


def _without_switch(name: str) -> Callable[[Policy], Policy]:
    return lambda p: p.with_switch(name, False)


def _with_resampling(p: Policy) -> Policy:
    return p.with_switch("sample_on_enable").with_switch("resample_deact")


def _first_run_only_enables(p: Policy) -> Policy:
    return p.with_hook("first_run", enabled_set)


_SHOWN: Final = (
    Bug(
        "B01",
        "Properly handle arch-timer IRQs after vtimer_save_state",
        "36e5cfd410ad",
        "timer lost for ever, or a host oops",
        (6, 7, 2),
        edit=_b01,
        alphabet=("line_retire", "preempt"),
    ),
    Bug(
        "B02",
        "Load the timer state when enabling the timer",
        "",
        "the vCPU never wakes",
        (6, 5),
        edit=_first_run_only_enables,
    ),
    Bug(
        "B04",
        "Don't enable/disable physical timer access on VHE",
        "ec6449a9c229",
        "wrong traps, no interrupt lost",
        (9,),
        edit=_b04,
    ),
    Bug(
        "B06",
        "Fix incorrect timer_is_pending logic",
        "",
        "the guest never sleeps",
        (12,),
        base="v6.1",
        edit=_b06,
    ),
    Bug(
        "B09",
        "Mark physical interrupt active when a virtual one is pending",
        "bae561c0cff7",
        "many host interrupts for one guest tick",
        (4,),
        base="v6.1",
        edit=_b09,
        alphabet=("preempt",),
    ),
    Bug(
        "B11",
        "Reset mapped IRQs on VM reset",
        "",
        "the rebooted guest has no timer",
        (3, 2),
        edit=_b11,
        alphabet=("reset",),
    ),
    Bug(
        "B12",
        "userspace writes to a loaded timer are lost (4.15.0)",
        "",
        "the timer survives a reset",
        (6,),
        edit=_b12,
        alphabet=("reset", "set_reg"),
        note="derived from source; decided: found, the window is any vCPU ioctl",
    ),
    Bug(
        "B13",
        "stale vtimer context used while loaded (4.15.0)",
        "",
        "spurious or prematurely lowered timer interrupt",
        (1, 3, 7),
        edit=_b13,
        alphabet=("pctl_on", "pctl_off"),
        note="derived from source; decided: found, any trapped CNTP access",
    ),
    Bug(
        "B20",
        "Preserve physical dist. active state on LR.active",
        "0e3dfda91d9f",
        "list register and distributor differ",
        (3,),
        base="eager",
        edit=_b20,
    ),
    Bug(
        "B21",
        "Fix arch timer behavior for disabled interrupts",
        "cff9211eb1a1",
        "entry and exit for ever, no progress",
        (4, 11),
        base="eager",
        edit=_b21,
    ),
    Bug(
        "B25",
        "use vcpu requests for irq injection (4.13)",
        "325f9c649c8a",
        "interrupt delayed until an unrelated exit",
        (2,),
        base="eager",
        edit=_without_switch("inject_request"),
        alphabet=("inject",),
    ),
    Bug(
        "B29",
        "Reevaluate level sensitive interrupts on enable (5.3)",
        "16e604a437c8",
        "spurious timer interrupt",
        (1, 3),
        prepare=_with_resampling,
        base="v4.18",
        edit=_without_switch("sample_on_enable"),
    ),
    Bug(
        "B30",
        "vgic: Resample HW pending state on deactivation",
        "",
        "spurious timer interrupt",
        (1,),
        base="v6.1",
        edit=_without_switch("resample_deact"),
    ),
    Bug(
        "B43",
        "pending test ignores active and PMR",
        "",
        "WFI inside a handler never sleeps",
        (12,),
        edit=_without_switch("pending_pmr"),
    ),
    Bug(
        "B44",
        "active left set after a not-firing vtimer ISR (4.15.0..)",
        "",
        "timer masked until the next load",
        (2, 8),
        edit=_b44,
        alphabet=("line_retire",),
        note="derived from source; decided: found, if a dropped line is late",
    ),
    Bug(
        "B49",
        "P4: HW list register entered with physical inactive",
        "",
        "spurious timer interrupt",
        (3, 1),
        edit=_b09,
        alphabet=("line_assert",),
        note="derived from source; decided: found, if a raised line is late",
    ),
)

BUGS: Final[dict[str, Bug]] = dict(
    sorted(
        [(one.id, one) for one in _SHOWN]
        + [
            (number, Bug(number, title, commit, "", (), note=note))
            for number, title, commit, note in OPEN
        ]
    )
)


def bug(number: str) -> Bug:
    """Return an entry of the museum.

    Raises
    ------
    ConfigError
        For an unknown number.
    """
    if number.upper() not in BUGS:
        raise unknown_name("bug", number, BUGS)
    return BUGS[number.upper()]
