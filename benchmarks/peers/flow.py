"""The hypercall loop as plain Python over a compiled policy table.

One vCPU, its timer armed far ahead, no interrupt: the guest executes two operations
and traps, the host handles a hypercall and enters again. Flags and effects are those
of the primitives on that path; an unknown effect is an error, not a silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyemu import costs
from pyemu.policy import Policy, get
from pyemu.policy.guards import FLAGS
from pyemu.policy.hooks import HOOKS
from pyemu.policy.prims import PRIMS

__all__ = ["GUEST_OPS", "Flow", "Step"]

GUEST_OPS = 2  # hypercall and loop: two g_insn a turn
BIT = {name: 1 << n for n, name in enumerate(FLAGS)}
HOOK = list(HOOKS)
INDEX = {name: prim.index for name, prim in PRIMS.items()}

# primitive: (flag it sets, flag its value is copied from or a constant)
COPIES: dict[str, tuple[str, str | bool]] = {
    "cntv_ctl_r": ("can_v", "hcan_v"),
    "cntv_ctl_w": ("hcan_v", "can_v"),
    "cntv_ctl_w0": ("hcan_v", False),
    "cntp_ctl_r": ("can_p", "hcan_p"),
    "cntp_ctl_w": ("hcan_p", "can_p"),
    "cntp_ctl_w0": ("hcan_p", False),
    "level_v": ("level_v", "fire"),
    "level_p": ("level_p", "fire"),
    "act_vact": ("act", "vact_v"),
    "act_level": ("act", "level_v"),
    "cache_set": ("cleared", True),
    "cache_clear": ("cleared", False),
    "loaded_set": ("loaded", True),
    "loaded_clear": ("loaded", False),
    "enabled_set": ("enabled", True),
    "running_set": ("running", True),
    "running_clear": ("running", False),
}
# Primitives that would start something this flow has not: they must not be reached.
FOREIGN = frozenset({"bg_arm", "bg_cancel", "pt_arm", "work", "wake", "vgic_flush"})
# Other primitives that a step stands for: a hypercall; the virtual interface control
# registers moved although no list register is in use (up to 4.4).
INNER = {
    "handle": (("handle_hvc", 1),),
    "vgic_restore": (("vgic_if_w", 2),),
    "vgic_save": (("vgic_if_r", 2), ("vgic_if_w", 1)),
}
EVALUATE = ("eval_v", "eval_p", "eval_v_hw", "eval_p_hw")
EITHER = ("act_either", "act_either_p")
SPECIAL = {*FOREIGN, *INNER, *EVALUATE, *EITHER}  # others have no effect but their cost


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a table: counted, charged, then its effect on the flag word."""

    prim: int
    mask: int
    want: int
    inverted: bool
    cost_cyc: int
    effect: tuple[int, int, bool] | None
    name: str
    special: bool


class Flow:
    """A vCPU that runs the table of a policy.

    Parameters
    ----------
    policy
        Name or table.
    gic, vhe, profile
        The machine and what its primitives cost.

    Attributes
    ----------
    counts
        Executions by primitive index.
    now_cyc
        Cycles charged.
    """

    def __init__(
        self,
        policy: str | Policy,
        *,
        gic: str = "v3",
        vhe: bool = True,
        profile: str = "unit",
    ) -> None:
        table = get(policy) if isinstance(policy, str) else policy
        self.cost = costs.get(profile).resolve(gic=gic, vhe=vhe)
        self.counts = [0] * len(self.cost)
        self.now_cyc = 0
        self.exits = 0
        static = {"vhe": vhe, "gicv3": gic == "v3", "forwarded": True, "eoimode1": True}
        static["direct_p"] = vhe and table.direct_ptimer
        self.flags = sum(BIT[name] for name, on in static.items() if on)
        compiled = table.compile()
        self.hooks = {
            hook: [
                self._step(*row, compiled.guards)
                for row in compiled.steps[
                    compiled.hook_start[n] : compiled.hook_start[n + 1]
                ]
            ]
            for n, hook in enumerate(HOOK)
        }
        self._prepare()

    def _step(
        self,
        prim: int,
        guard: int,
        _switch: int,
        _hook: int,
        guards: Sequence[tuple[int, int, int]],
    ) -> Step:
        name = list(PRIMS)[prim]
        mask, want, inverted = guards[guard]
        effect = None
        if name in COPIES:
            target, source = COPIES[name]
            if isinstance(source, bool):
                effect = (BIT[target], 0, source)
            else:
                effect = (BIT[target], BIT[source], False)
        special = name in SPECIAL
        cost = self.cost[prim]
        return Step(prim, mask, want, bool(inverted), cost, effect, name, special)

    def _prepare(self) -> None:
        """Load, first run; then the guest arms its timer far ahead and starts over."""
        self.run("load")
        self.run("first_run")
        self.run("enter")
        self.flags |= BIT["hcan_v"]
        for _ in range(2):
            self.run("exit")
            self.run("enter")
        self.counts = [0] * len(self.counts)
        self.now_cyc = self.exits = 0

    def run(self, hook: str) -> int:
        """Execute a hook's steps and return the cycles they took."""
        flags, counts, spent = self.flags, self.counts, 0
        for step in self.hooks[hook]:
            if ((flags & step.mask) == step.want) is step.inverted:
                continue
            counts[step.prim] += 1
            spent += step.cost_cyc
            if step.effect is not None:
                bit, source, value = step.effect
                on = bool(flags & source) if source else value
                flags = flags | bit if on else flags & ~bit
            elif step.special:
                flags = self._special(step.name, flags)
        self.flags = flags
        self.now_cyc += spent
        return spent

    def _special(self, name: str, flags: int) -> int:
        """Return the flags after a primitive that computes something."""
        if name in EVALUATE:
            return self._evaluate(name, flags)
        if name in EITHER:
            timer = "p" if name.endswith("_p") else "v"
            high = flags & (BIT[f"level_{timer}"] | BIT[f"vact_{timer}"])
            return flags | BIT["act"] if high else flags & ~BIT["act"]
        for inner, n in INNER.get(name, ()):
            self.counts[INDEX[inner]] += n
            self.now_cyc += n * self.cost[INDEX[inner]]
        if name in FOREIGN:
            raise NotImplementedError(f"{name} has no place in a hypercall loop")
        return flags

    @staticmethod
    def _evaluate(name: str, flags: int) -> int:
        """should_fire of a timer, from memory or hardware."""
        timer = name[5]
        side = "h" if name.endswith("_hw") else ""
        both = BIT[f"{side}can_{timer}"] | BIT[f"{side}due_{timer}"]
        fire = flags & both == both
        changed = fire is not bool(flags & BIT[f"level_{timer}"])
        for flag, on in (("fire", fire), ("changed", changed)):
            flags = flags | BIT[flag] if on else flags & ~BIT[flag]
        return flags

    def guest(self) -> int:
        """Execute the guest's operations up to the trap and return their cycles."""
        self.counts[INDEX["g_insn"]] += GUEST_OPS
        spent = GUEST_OPS * self.cost[INDEX["g_insn"]]
        self.now_cyc += spent
        self.exits += 1
        return spent

    def path(self) -> list[str]:
        """Return the primitives of one switch, in order, as executed."""
        names: list[str] = []
        counts, cyc = self.counts, self.now_cyc
        for hook in ("exit", "enter"):
            steps = self.hooks[hook]
            for step in steps:
                self.counts = [0] * len(counts)
                self.hooks[hook] = [step]
                self.run(hook)
                done = zip(PRIMS, self.counts, strict=True)
                names += [name for name, n in done for _ in range(n)]
            self.hooks[hook] = steps
        self.counts, self.now_cyc = counts, cyc
        return names

    def named(self) -> dict[str, int]:
        """Return the counts that are not zero, by name."""
        return {name: n for name, n in zip(PRIMS, self.counts, strict=True) if n}
