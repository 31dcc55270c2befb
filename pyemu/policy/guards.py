"""Guards: the flag conditions under which a step of a policy runs.

A guard is a conjunction of flag values (``loaded & ~vhe``) or the negation of one
(``~(vhe & gicv3)``): exactly what ``struct pyemu_guard`` can say. Every flag below is
itself a guard. `FLAGS` is in the order of ``enum pyemu_flag``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ConfigError, unknown_name

__all__ = ["ALIASES", "ALWAYS", "FLAGS", "Guard", "parse_flag"]

FLAGS: Final[dict[str, str]] = {
    "enabled": "timer enabled at first run",
    "loaded": "hardware holds this vCPU's virtual timer",
    "level_v": "level of the virtual timer as KVM keeps it",
    "level_p": "level of the physical timer as KVM keeps it",
    "vact_v": "27 virtually active",
    "vact_p": "30 virtually active",
    "cleared": "active_cleared_last (3.2d)",
    "fire": "result of the last eval or recheck",
    "changed": "the last eval's result differed from the level",
    "act": "result of the last act_*",
    "ap": "ap_list not empty",
    "lrs": "list registers in use",
    "req": "a request is pending",
    "signal": "signal, or user-space irqchip level mismatch",
    "bg_armed": "background hrtimer armed",
    "pt_armed": "emulated physical timer's hrtimer armed",
    "wake": "check_block found something",
    "waiting": "the thread is on its wait queue",
    "can_v": "memory copy: ENABLE && !IMASK",
    "due_v": "memory copy: count >= CVAL",
    "can_p": "memory copy, physical timer: ENABLE && !IMASK",
    "due_p": "memory copy, physical timer: count >= CVAL",
    "hcan_v": "hardware: ENABLE && !IMASK",
    "hdue_v": "hardware: count >= CVAL",
    "hcan_p": "hardware, physical timer: ENABLE && !IMASK",
    "hdue_p": "hardware, physical timer: count >= CVAL",
    "pirq": "a physical interrupt is deliverable",
    "running": "the running vCPU pointer of this pCPU is set",
    "preempted": "put or load by the scheduler",
    "vhe": "the host runs at EL2",
    "gicv3": "GICv3 host",
    "user_irqchip": "interrupt controller in user space (3.8, 4.11)",
    "forwarded": "irq_set_vcpu_affinity done for the timer PPIs (2.2)",
    "ack_forwarded": "the acknowledged interrupt is a forwarded one",
    "direct_p": "the guest owns the physical timer (VHE, 5.2+)",
    "eoimode1": "host CPU interface splits priority drop and deactivation",
    "resched": "a reschedule is wanted",
    "line_v": "vgic line_level of 27",
    "powered_off": "the vCPU is off (PSCI)",
    "spurious": "the last IAR read was 1023",
    "sync": "registers read back current (after an ISB)",
}

# Readable names for the other value of a two-way flag; see toml_io.
ALIASES: Final[dict[str, str]] = {
    "nvhe": "vhe",
    "gicv2": "gicv3",
    "kernel_irqchip": "user_irqchip",
}

_OPPOSITES: Final = {flag: alias for alias, flag in ALIASES.items()}


@dataclass(frozen=True)
class Guard:
    """A condition on flags.

    Parameters
    ----------
    terms
        The conjunction: pairs of flag name and wanted value. Empty: always.
    inverted
        Whether the conjunction is negated. One negated term is stored as the
        opposite term, so that equal conditions compare equal.

    Raises
    ------
    ConfigError
        For an unknown flag, or a flag wanted both ways.

    Examples
    --------
    >>> loaded & ~vhe
    Guard('loaded & ~vhe')
    >>> ~(~vhe)
    Guard('vhe')
    """

    terms: frozenset[tuple[str, bool]] = frozenset()
    inverted: bool = False

    def __post_init__(self) -> None:
        names = [flag for flag, _ in self.terms]
        for flag in names:
            if flag not in FLAGS:
                raise unknown_name("guard", flag, FLAGS)
            if names.count(flag) > 1:
                raise ConfigError("guard", flag, "wanted set or clear, not both")
        if self.inverted and not names:
            raise ConfigError("guard", "never", "a condition that can hold")
        if self.inverted and len(names) == 1:
            ((flag, value),) = self.terms
            object.__setattr__(self, "terms", frozenset({(flag, not value)}))
            object.__setattr__(self, "inverted", False)

    def __and__(self, other: Guard) -> Guard:
        if not self.terms or not other.terms:
            return self if self.terms else other
        if self.inverted or other.inverted:
            raise ConfigError(
                "guard",
                f"({self}) & ({other})",
                "a conjunction of flags, or the negation of one: split the step",
            )
        return Guard(self.terms | other.terms)

    def __invert__(self) -> Guard:
        return Guard(self.terms, not self.inverted)

    def __bool__(self) -> bool:
        raise TypeError("a guard has no value in Python: combine it with & and ~")

    def __str__(self) -> str:
        names = sorted(self.terms, key=lambda term: list(FLAGS).index(term[0]))
        text = " & ".join(flag if value else f"~{flag}" for flag, value in names)
        return f"~({text})" if self.inverted else text

    def __repr__(self) -> str:
        return f"Guard({str(self)!r})"

    def words(self) -> str:
        """Return it as policy files say it, for example ``if loaded nvhe``."""
        names = sorted(self.terms, key=lambda term: list(FLAGS).index(term[0]))
        texts = (f if v else _OPPOSITES.get(f, f"!{f}") for f, v in names)
        return f"{'unless' if self.inverted else 'if'} {' '.join(texts)}"

    @property
    def always(self) -> bool:
        """Whether it holds whatever the flags are."""
        return not self.terms

    @property
    def flags(self) -> frozenset[str]:
        """Names of the flags it reads."""
        return frozenset(flag for flag, _ in self.terms)

    def compiled(self) -> tuple[int, int, int]:
        """Return ``(mask, want, inverted)`` over the bits of ``enum pyemu_flag``."""
        bits = {flag: 1 << bit for bit, flag in enumerate(FLAGS)}
        mask = sum(bits[flag] for flag, _ in self.terms)
        want = sum(bits[flag] for flag, value in self.terms if value)
        return mask, want, int(self.inverted)

    def holds(self, flags: frozenset[str] | set[str]) -> bool:
        """Return whether it holds when exactly these flags are set."""
        met = all((flag in flags) == value for flag, value in self.terms)
        return met != self.inverted


def parse_flag(text: str, line: int | None = None) -> Guard:
    """Return the guard of one flag name, optionally negated by ``!`` or ``~``.

    Raises
    ------
    ConfigError
        For an unknown name, with a suggestion.
    """
    bare = text.lstrip("!~")
    value = (len(text) - len(bare)) % 2 == 0
    if bare in ALIASES:
        bare, value = ALIASES[bare], not value
    if bare not in FLAGS:
        raise unknown_name("guard", bare, [*FLAGS, *ALIASES], line)
    return Guard(frozenset({(bare, value)}))


def _flag(name: str) -> Guard:
    return Guard(frozenset({(name, True)}))


ALWAYS: Final = Guard()

enabled = _flag("enabled")
loaded = _flag("loaded")
level_v = _flag("level_v")
level_p = _flag("level_p")
vact_v = _flag("vact_v")
vact_p = _flag("vact_p")
cleared = _flag("cleared")
fire = _flag("fire")
changed = _flag("changed")
act = _flag("act")
ap = _flag("ap")
lrs = _flag("lrs")
req = _flag("req")
signal = _flag("signal")
bg_armed = _flag("bg_armed")
pt_armed = _flag("pt_armed")
wake = _flag("wake")
waiting = _flag("waiting")
can_v = _flag("can_v")
due_v = _flag("due_v")
can_p = _flag("can_p")
due_p = _flag("due_p")
hcan_v = _flag("hcan_v")
hdue_v = _flag("hdue_v")
hcan_p = _flag("hcan_p")
hdue_p = _flag("hdue_p")
pirq = _flag("pirq")
running = _flag("running")
preempted = _flag("preempted")
vhe = _flag("vhe")
gicv3 = _flag("gicv3")
user_irqchip = _flag("user_irqchip")
forwarded = _flag("forwarded")
ack_forwarded = _flag("ack_forwarded")
direct_p = _flag("direct_p")
eoimode1 = _flag("eoimode1")
resched = _flag("resched")
line_v = _flag("line_v")
powered_off = _flag("powered_off")
spurious = _flag("spurious")
sync = _flag("sync")
