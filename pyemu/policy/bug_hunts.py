"""How the explorer finds each bug: a shipped policy, the edit that breaks it, a search.

The bugs themselves are data/bugs.toml; `bugs` puts both together. An edit names what
the fix changed; `prepare` is what both policies have beyond the shipped one.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .guards import ap, changed, enabled, fire, user_irqchip, vact_p, vact_v
from .guards import level_v as v_high
from .guards import wake as found
from .kernels import lazy_enter as enter_lazy
from .kernels_later import EMULATE_52
from .kernels_lazy import TRAPS_OFF_ALWAYS, TRAPS_ON_ALWAYS
from .parts import (
    ARM_BG,
    CANCEL_P,
    DISARM_BG,
    EMULATE,
    FIRES_P,
    FIRES_V,
    UPDATE_P,
    asks,
    check_block,
    to_guest,
)
from .prims import *
from .registry import get
from .steps import Step, under
from .table import Policy

__all__ = ["HOST", "HUNTS", "PTIMER", "SMALL", "Hunt"]

# Host moves and guest operations that most hunts need.
HOST: Final = ("step", "guest", "tick", "sched_in")
GUEST: Final = (
    *("ctl_off", "ctl_on", "cval_soon", "cval_past", "mask", "unmask", "ack", "eoi"),
    *("wfi", "hvc", "gic_on", "gic_off", "user"),
)
SMALL: Final = HOST + GUEST
# The guest of a hunt that is about the emulated physical timer alone.
PTIMER: Final = (
    *("ctl_off", "pctl_off", "pctl_on", "pcval_past", "pcval_soon", "pcval_late"),
    *("mask", "unmask", "ack", "wfi", "hvc"),
)
# And of one that is about list registers.
LISTS: Final = (
    *("ctl_off", "ctl_on", "cval_past", "mask", "unmask", "ack", "eoi", "hvc"),
)

Edit = Callable[[Policy], Policy]


@dataclass(frozen=True)
class Hunt:
    """A search for one bug.

    Attributes
    ----------
    edit
        Makes the policy that has it of the one that has not.
    base, prepare
        Shipped policy without it, and what to do to that first.
    adds, guest
        Moves added to the host's and the guest's usual ones; another guest.
    machine
        Keywords of `explore` for both searches.
    repaired
        Keywords of `explore` where the repaired search's machine differs.
    """

    edit: Edit
    base: str = "lazy-fixed"
    adds: tuple[str, ...] = ()
    guest: tuple[str, ...] = GUEST
    prepare: Edit | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    repaired: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Moves of both searches."""
        return (*HOST, *self.guest, *self.adds)


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
        if step.prim in ("act_level", "act_either"):
            steps += [step.when(ap), Step("act_vact", step.guard).when(~ap)]
        else:
            steps.append(step)
    return p.with_hook("enter", steps)


def _b44(p: Policy) -> Policy:
    return p.with_hook("vtimer_isr", get("lazy").steps("vtimer_isr"))


def _without_switch(name: str) -> Edit:
    return lambda p: p.with_switch(name, False)


def _with_resampling(p: Policy) -> Policy:
    return p.with_switch("sample_on_enable").with_switch("resample_deact")


def _first_run_only_enables(p: Policy) -> Policy:
    return p.with_hook("first_run", enabled_set)


def _with(name: str) -> Edit:
    return lambda p: p.with_switch(name)


def _same(p: Policy) -> Policy:
    return p


def _b07(p: Policy) -> Policy:
    return p.with_hook(
        "pt_trap", under(enabled, irq_save, UPDATE_P, EMULATE, irq_restore)
    )


def _b08(p: Policy) -> Policy:
    return p.with_hook("load", get("lazy").steps("load"))


def _b10(p: Policy) -> Policy:
    raised = (level_p.when(changed & fire), inject_p.when(changed & fire))
    return p.with_hook(
        "pt_trap", under(enabled, irq_save, EMULATE, FIRES_P, raised, irq_restore)
    )


def _b17(p: Policy) -> Policy:
    return p.with_hook("pt_trap", under(enabled, CANCEL_P, EMULATE_52))


def _sleeps_in_service(p: Policy) -> Policy:
    """B43 closed: an interrupt in service ends no WFI."""
    asked = check_block(under(~vact_v, asks(FIRES_V)), under(~vact_p, asks(FIRES_P)))
    return p.with_hook("check", asked).with_switch("pending_pmr")


def _b19(p: Policy) -> Policy:
    *steps, last = p.steps("exit")  # armed at every exit, cancelled at the next entry
    armed = p.with_hook("exit", steps, ARM_BG, last)
    return armed.with_hook("enter", DISARM_BG, p.steps("enter"))


def _enables_at_put(p: Policy) -> Policy:
    return p.with_hook("put", p.steps("put"), ppi_enable.when(user_irqchip))


def _leaves_masked(p: Policy) -> Policy:
    return p.with_hook("put", p.steps("put")[:-1])


def _signals_once(p: Policy) -> Policy:
    """P0 (up to 4.3): told whenever it fires; once, until the guest deactivates it.

    The kernel also masked the guest's CTL; the flag alone decides here.
    """
    for hook in ("enter", "abort", "exit", "reset"):
        steps = [
            inject_v.when(enabled) if step.prim == "inject_v" else step
            for step in p.steps(hook)
        ]
        p = p.with_hook(hook, steps)
    return p.with_switch("signal_once")


_HUNTS: dict[str, Hunt] = {
    "B01": Hunt(_b01, adds=("line_retire", "preempt")),
    "B02": Hunt(_first_run_only_enables),
    "B03": Hunt(
        _same,
        "v4.16",
        guest=("ctl_off", "ctl_on", "cval_soon", "cval_past", "hvc", "wfi", "user"),
        machine={"user_irqchip": True, "quirks": ("no_deactivate",)},
        repaired={"quirks": ("no_deactivate", "not_forwarded")},
    ),
    "B04": Hunt(_b04),
    "B05": Hunt(
        _leaves_masked,
        guest=("ctl_off", "ctl_on", "cval_past", "hvc", "wfi"),
        adds=("preempt",),
        prepare=_enables_at_put,
        machine={"user_irqchip": True, "vcpus": 2},
    ),
    "B06": Hunt(_b06, "v6.1"),
    "B07": Hunt(_b07, guest=PTIMER),
    "B08": Hunt(_b08, guest=(*PTIMER, "user")),
    "B09": Hunt(_b09, "v6.1", adds=("preempt",)),
    "B10": Hunt(_b10, guest=(*PTIMER, "eoi")),
    "B11": Hunt(_b11, adds=("reset",)),
    "B12": Hunt(_b12, adds=("reset", "set_reg")),
    "B13": Hunt(_b13, adds=("pctl_on", "pctl_off")),
    "B14": Hunt(
        lambda p: p.without("block:vmcr_r"),
        guest=(
            "pmr_open",
            "pmr_shut",
            *("mask", "unmask", "ack", "eoi", "wfi"),
            "user",
        ),
        adds=("inject", "preempt"),
    ),
    "B17": Hunt(_b17, "v6.12", guest=PTIMER, machine={"vhe": False}),
    "B18": Hunt(
        _without_switch("tval_signed"),
        "v6.1",
        guest=(*PTIMER, "ptval_past"),
        machine={"vhe": False},
    ),
    "B19": Hunt(_b19, "eager", prepare=_sleeps_in_service),
    "B20": Hunt(_b20, "eager"),
    "B21": Hunt(_b21, "eager"),
    "B22": Hunt(
        _with("signal_sticky"), "eager", guest=(*LISTS, "cpend"), prepare=_signals_once
    ),
    "B24": Hunt(_with("stale_elrsr"), "eager", adds=("inject", "kick"), guest=LISTS),
    "B25": Hunt(_without_switch("inject_request"), "eager", adds=("inject",)),
    "B26": Hunt(
        *(_with("multi_lr"), "eager", ("inject",), LISTS), machine={"gic": "v2"}
    ),
    "B27": Hunt(
        _without_switch("no_ap_level"),
        "v6.1",
        guest=(*LISTS, "wfi"),
        adds=("inject",),
        machine={"quirks": ("other_level",)},
    ),
    "B29": Hunt(_without_switch("sample_on_enable"), "v4.18", prepare=_with_resampling),
    "B30": Hunt(_without_switch("resample_deact"), "v6.1"),
    "B32": Hunt(_with("uaccess_hw"), "v6.1", adds=("uaccess",)),
    "B33": Hunt(
        _without_switch("dist_forward"),
        guest=(
            *("ctl_on", "cval_past", "mask", "unmask", "ack", "eoi", "hvc", "wfi"),
            *("gic_on", "gic_off", "spend", "cpend"),
        ),
    ),
    "B38": Hunt(
        _with("eoi_from_head"),
        "v6.1",
        guest=(*LISTS, "cval_soon", "gic_on", "gic_off", "other_active"),
        prepare=_with("eoicount"),
        machine={"lrs": 1, "quirks": ("other_first",)},
    ),
    "B39": Hunt(
        _without_switch("eoicount"),
        "v6.1",
        guest=(*LISTS, "cval_soon", "gic_on", "gic_off", "other_active"),
        prepare=_with("eoicount"),
        machine={"lrs": 1, "quirks": ("other_first",)},
    ),
    "B40": Hunt(
        lambda p: p.without("irq_entry:isb"),
        "v6.1",
        adds=("device_irq",),
        machine={"gic": "v2", "quirks": ("stale_istatus",)},
    ),
    "B43": Hunt(_without_switch("pending_pmr")),
    "B44": Hunt(_b44, adds=("line_retire",)),
    "B49": Hunt(_b09, adds=("line_assert",)),
}
HUNTS: Final[Mapping[str, Hunt]] = _HUNTS
