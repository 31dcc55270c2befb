"""Order of events: a recorded trace beside the emulator's own, aligned.

Both become words: ``entry``, ``exit WFx``, ``save`` and ``restore`` of the virtual
timer, ``level 27 1``, ``irq vtimer``, ``hrtimer``, ``wake vcpu0``, ``run vcpu0``. The
recorded ones are shipped; the first event of a difference can be read in either.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from .. import _ffi
from ..errors import ConfigError
from ..result import REASONS
from .cases import Case
from .runs import Change, Phase, Run, emulate

__all__ = ["Alignment", "align", "align_case", "recorded_order", "words_of"]

MOST_EVENTS: Final = 10**6
MOST_EDITS: Final = 800
KINDS: Final = {v: k for k, v in _ffi.enum("event_kind", "PYEMU_E_").items()}
IRQS: Final = {26: "timer", 27: "vtimer", 30: "ptimer"}
SPURIOUS: Final = 255
MAINTENANCE: Final = 25
# An interrupt that waited for the exit is taken this soon after it, cycles.
SOON_CYC: Final = 1000
CONTEXT: Final = 3


@dataclass(frozen=True)
class Alignment:
    """How two sequences of words agree.

    Attributes
    ----------
    prefix
        Words before the first difference.
    edits
        Insertions and deletions that make one the other; `MOST_EDITS` at most.
    missing, extra
        Recorded words that the emulation lacks, emulated ones that were not recorded.
    first
        The first difference in words; empty if there is none.
    """

    recorded: int
    emulated: int
    prefix: int
    edits: int
    missing: Counter[str]
    extra: Counter[str]
    first: str

    @property
    def per_1000(self) -> float:
        """Edits a thousand recorded events."""
        return 1000 * self.edits / max(1, self.recorded)


@dataclass(frozen=True)
class Recording:
    """The words of one recorded run, and what its host did meanwhile.

    Attributes
    ----------
    words
        Of the measured region.
    tick_ns
        From the first word to the host's next tick.
    bursts
        Kernel threads: the tick that woke them, counted from that one, and how long
        they ran, ns.
    hog_tick
        The tick at which the hog first ran; None: before the guest.
    """

    words: tuple[str, ...]
    tick_ns: int
    bursts: tuple[tuple[int, int], ...]
    hog_tick: int | None


@cache
def recorded_order(name: str) -> dict[tuple[str, str], Recording]:
    """Return the recorded runs of a set by machine and scenario.

    Raises
    ------
    ConfigError
        For a set without recorded order.
    """
    file = resources.files("pyemu") / "data" / "recorded" / f"{name}.order.gz"
    if not file.is_file():
        raise ConfigError("--order", name, "a set with recorded order: linux-6.1")
    runs = gzip.decompress(file.read_bytes()).decode().split("= ")[1:]
    return dict(_recording(run.splitlines()) for run in runs)


def _recording(lines: Sequence[str]) -> tuple[tuple[str, str], Recording]:
    """Read one run: ``CONFIG SCENARIO tick=US [hog=TICK] [threads=TICK:US,..]``."""
    config, scenario, *host = lines[0].split()
    given = dict(field.split("=") for field in host)
    pairs = [one.split(":") for one in given.get("threads", "").split(",") if one]
    bursts = tuple((int(tick), int(us) * 1000) for tick, us in pairs)
    hog = int(given["hog"]) if "hog" in given else None
    run = Recording(tuple(lines[1:]), int(given["tick"]) * 1000, bursts, hog)
    return (config, scenario), run


def align_case(case: Case) -> Alignment:
    """Run a case beside the recorder's host threads and align it with its recording."""
    recorded = recorded_order(case.set.name)[case.config.name, case.scenario.name]
    first = emulate(case, Change(), _phase(case, recorded, 0), trace=MOST_EVENTS)
    phase = _phase(case, recorded, _begin_ns(first))
    run = emulate(case, Change(), phase, trace=MOST_EVENTS)
    return align(recorded.words, words_of(run))


def _begin_ns(run: Run) -> int:
    """Return when the first word of the measured region was said."""
    n_vcpus = len(run.result.arrays["vcpus"])
    first, last = run.span
    for event in run.events[first:last]:
        if _word(KINDS[int(event["kind"])], event, n_vcpus):
            return int(event["cyc"]) * 10**9 // int(run.case.set.host["cpu_hz"])
    return 0


def _phase(case: Case, recorded: Recording, begin_ns: int) -> Phase:
    """Return host tick and threads as recorded, the region beginning at `begin_ns`."""
    period_ns = 10**9 // int(case.set.host["tick_hz"])
    tick_ns = begin_ns + recorded.tick_ns
    bursts = tuple((tick_ns + k * period_ns, on) for k, on in recorded.bursts)
    hog_ns = 0 if recorded.hog_tick is None else tick_ns + recorded.hog_tick * period_ns
    return Phase(tick_ns, 0, bursts, hog_ns)


def why(case: Case) -> list[str]:
    """Return the reasons the set gives for what differs in a run's order."""
    return [str(one["why"]) for one in case.set.order if case.meant_by(one)]


def words_of(run: Run) -> list[str]:
    """Return the events of a run's measured region as words, in the tracer's order.

    kvm_exit is traced with interrupts on again: after those that waited for the exit;
    sched_switch before the put of the thread that leaves.
    """
    n_vcpus = len(run.result.arrays["vcpus"])
    out: list[str] = []
    held, quiet_cyc, in_isr, put_last = "", 0, False, False
    first, last = run.span
    for event in run.events[first:last]:
        kind, cyc = KINDS[int(event["kind"])], int(event["cyc"])
        word = _word(kind, event, n_vcpus)
        if kind == "exit":
            held, quiet_cyc, in_isr = word, cyc + SOON_CYC, False
            continue
        if held and kind == "irq" and cyc <= quiet_cyc:
            in_isr, quiet_cyc = True, cyc + SOON_CYC
        elif held and in_isr and kind in ("level", "hrtimer", "wake"):
            quiet_cyc = cyc + SOON_CYC
        elif held and word:
            out.append(held)
            held = ""
        if kind == "switch" and put_last and word:
            out.insert(-1, word)  # sched_switch is traced before the put it causes
        elif word:
            out.append(word)
        put_last = kind == "save" or (put_last and not word and kind != "switch")
    return [*out, held] if held else out


def _word(kind: str, event: Any, n_vcpus: int) -> str:
    sub = int(event["sub"])
    if kind in ("entry", "save", "restore", "hrtimer"):
        return kind
    if kind == "exit":
        return "exit " + REASONS[sub].split("/")[0]
    if kind == "level":
        return f"level {sub} {int(event['arg'])}"
    if kind == "irq" and sub not in (SPURIOUS, MAINTENANCE):
        return "irq " + IRQS.get(sub, "ipi")
    if kind == "wake" and int(event["vcpu"]) < n_vcpus:
        return f"wake vcpu{int(event['vcpu'])}"
    if kind == "switch" and int(event["arg"]) < n_vcpus:
        return f"run vcpu{int(event['arg'])}"
    return ""


def align(recorded: Sequence[str], emulated: Sequence[str]) -> Alignment:
    """Align two sequences with the fewest insertions and deletions.

    Examples
    --------
    >>> align(["entry", "exit WFx", "save"], ["entry", "save"]).missing
    Counter({'exit WFx': 1})
    """
    prefix = 0
    for left, right in zip(recorded, emulated, strict=False):
        if left != right:
            break
        prefix += 1
    missing, extra, edits = _edits(list(recorded[prefix:]), list(emulated[prefix:]))
    return Alignment(
        *(len(recorded), len(emulated), prefix, edits, missing, extra),
        _in_words(recorded, emulated, prefix),
    )


def _in_words(recorded: Sequence[str], emulated: Sequence[str], at: int) -> str:
    if at == len(recorded) == len(emulated):
        return ""
    before = ", ".join(recorded[max(0, at - CONTEXT) : at]) or "the begin"
    left = recorded[at] if at < len(recorded) else "the end"
    right = emulated[at] if at < len(emulated) else "the end"
    return f"after {before}: recorded {left}, emulated {right}"


def _edits(a: list[str], b: list[str]) -> tuple[Counter[str], Counter[str], int]:
    """Return what only a has, what only b has, and how many (Myers, greedy)."""
    far = {1: 0}
    steps: list[dict[int, int]] = []
    for d in range(min(len(a) + len(b), MOST_EDITS) + 1):
        steps.append(dict(far))
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and far[k - 1] < far[k + 1])
            x = far[k + 1] if down else far[k - 1] + 1
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            far[k] = x
            if x >= len(a) and x - k >= len(b):
                return *_backwards(a, b, steps), d
    return Counter(), Counter(), MOST_EDITS


def _backwards(
    a: list[str], b: list[str], steps: list[dict[int, int]]
) -> tuple[Counter[str], Counter[str]]:
    only_a: Counter[str] = Counter()
    only_b: Counter[str] = Counter()
    x, y = len(a), len(b)
    for d in range(len(steps) - 1, 0, -1):
        far, k = steps[d], x - y
        down = k == -d or (k != d and far[k - 1] < far[k + 1])
        from_k = k + 1 if down else k - 1
        x = far[from_k]
        y = x - from_k
        if down:
            only_b[b[y]] += 1
        else:
            only_a[a[x]] += 1
    return only_a, only_b
