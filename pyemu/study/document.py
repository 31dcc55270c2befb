"""The study in words and tables: every number in it comes from the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..files import write_whole
from . import plots
from .measure import LIST_REGISTERS, TICKS, Study
from .recordings import Point

__all__ = ["markdown", "write"]

NAME: Final = "eager-vs-lazy"
KERNELS: Final = {
    "cortex-a57-gic3": "GICv3 nVHE",
    "cortex-a57-gic2": "GICv2 nVHE",
    "cortex-a76-gic3": "GICv3 VHE",
}
INTRO: Final = """# Eager or lazy: where each wins

*Written by `pyemu study -o docs`; the numbers are those of its runs.*

Eager (Linux 4.14 and before) moves the virtual timer's state on every exit and entry.
Lazy (4.15) leaves it in the hardware and moves it in vcpu_put and vcpu_load, and the
host takes each expiry as an interrupt of its own. So lazy saves something on every exit
that stays in the kernel, and pays for each put and load, and for each tick of a guest
that is busy. Which policy wins is a matter of rates.

Costs of `instructions` machines are those of profile `icount`: what the recorded
kernels ran, where a distributor write is one instruction. `X-Gene`, `Seattle` and `N1`
are profiles from published times (`pyemu profiles show`), where it is hundreds of
cycles; many of their parts are assumed or borrowed, so read their curves as what such
costs imply, not as measurements.
"""
LIMITS: Final = """
## What to doubt

* A WFI tick on `instructions` machines is a draw: recorded, eager is ahead by 0.3 to
  0.6 % on GICv3 and by nothing on GICv2; emulated, by 0.1 to 0.4 %. Eager's aborted
  second entry and lazy's real interrupt nearly cancel, so its break-even line there is
  worth no more than its sign. Guest-seen latency of that tick: 2 to 3 % too long.
* `e`, GICv3: 200 us ticks in step with the host's own; the phase the recorder happened
  to have merges interrupts that the emulated one does not.
* Times on N1 and X-Gene rest on an assumed cost of the physical distributor's active
  state, which decides how dear a busy tick is under eager.
* Caches, pipelines and contention are not modelled.
"""


def _percent(eager: float, lazy: float) -> str:
    return f"{100 * (1 - lazy / eager):+.1f} %"


def _costs(study: Study) -> list[str]:
    kinds = list(next(iter(study.costs.values())))
    lines = [
        "| machine | " + " | ".join(kinds) + " |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for label, row in study.costs.items():
        cells = [
            f"{eager:,.0f} -> {lazy:,.0f} ({_percent(eager, lazy)})"
            for eager, lazy in row.values()
        ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _even(value: float | None) -> str:
    if value is None:
        return "never"
    return "always" if value == 0 else f"{value:.1f}"


def _lines(study: Study, put: str) -> list[str]:
    lines = [
        "| machine | " + " | ".join(f"{n} ticks" for n in TICKS) + " |",
        "|---" * (len(TICKS) + 1) + "|",
    ]
    for label, both in study.lines.items():
        cells = " | ".join(_even(one) for one in both[put])
        lines.append(f"| {label} | {cells} |")
    return lines


def _registers(study: Study) -> list[str]:
    lines = [
        "| machine | " + " | ".join(f"{n}" for n in LIST_REGISTERS) + " |",
        "|---" * (len(LIST_REGISTERS) + 1) + "|",
    ]
    for label, gains in study.list_registers.items():
        cells = " | ".join(f"{one:+,.0f}" for one in gains)
        lines.append(f"| {label} | {cells} |")
    return lines


def _point(one: Point) -> str:
    cells = [one.scenario, KERNELS[one.config], one.unit]
    for eager, lazy in (one.recorded, one.emulated):
        cells.append(f"{eager:,.0f} -> {lazy:,.0f} ({_percent(eager, lazy)})")
    return "| " + " | ".join(cells) + " |"


def _recorded(study: Study) -> list[str]:
    return [
        "| scenario | machine | unit | recorded | emulated |",
        "|---|---|---|---|---|",
        *map(_point, study.points),
    ]


def _worst(study: Study) -> str:
    """Return the largest loss, recorded and emulated."""
    lost = min(study.points, key=lambda one: one.gains[0])
    kinds = [
        (100 * (1 - lazy / eager), name, label)
        for label, row in study.costs.items()
        for name, (eager, lazy) in row.items()
    ]
    gain, name, label = min(kinds)
    return (
        f"The largest recorded loss is scenario {lost.scenario} "
        f"({KERNELS[lost.config]}): {lost.gains[0]:+.1f} % of eager's instructions a "
        f"{lost.unit}. The largest loss of a unit above is a {name} on {label}: "
        f"{gain:+.1f} %."
    )


def _picture(name: str, words: str, shown: bool) -> list[str]:
    return ["", f"![{words}]({NAME}/{name}.png)"] if shown else []


def markdown(study: Study, *, pictures: bool = True) -> str:
    """Return the document."""
    rated = [
        f"{label}: {min(map(min, grid)):+.2f} % to {max(map(max, grid)):+.2f} %"
        for label, grid in study.rates.items()
    ]
    parts = [
        INTRO,
        "## One unit of each kind\n",
        "Host cycles of one unit, eager -> lazy, and what lazy saves (4 list",
        "registers, no host tick, no halt polling):\n",
        *_costs(study),
        "",
        _worst(study),
        "",
        "## Exits for each put and load\n",
        "Hypercalls beside one exit to user space. At one exit lazy loses, then the",
        "gain grows towards that of the hypercall alone. Dots are the recorded kernels",
        "(4.14, and 4.14 with only the lazy change), rings what pyemu makes of the",
        "same guest; f and F hold ticks and no hypercalls, so they lie below.",
        *_picture("gain", "Gain over exits for each put and load", pictures),
        "",
        "## The break-even line\n",
        "How many in-kernel exits for each pair of put and load make lazy even, by",
        "busy ticks in between. Put by an exit to user space:\n",
        *_lines(study, "user"),
        "\nPut by a WFI tick (see What to doubt):\n",
        *_lines(study, "wfi"),
        "",
        "The step from no tick to one is not the price of a tick: a tick between two",
        "puts also leaves an active state for put and load to move, once.",
        *_picture("break-even", "Break-even exits over busy ticks", pictures),
        "",
        "## Rates\n",
        "A busy guest with a timer: share of CPU time that lazy gives back,",
        *(f"{line}." if line is rated[-1] else f"{line}," for line in rated),
        "Left of the thick line lazy takes time away.",
        *_picture("rates", "CPU time given back over exit and tick rates", pictures),
        "",
        "## List registers\n",
        "Cycles that lazy saves on a busy tick, by the number of list registers. Both",
        "policies move only registers in use, so the number does not enter:\n",
        *_registers(study),
        "",
        "## The recorded kernels\n",
        "Host instructions a unit, eager -> lazy (gain). Left out: g, whose counts",
        "hold the migrating thread's own instructions; H and J, where the recorder",
        "runs one CPU at a time and a polling one burns its slice.\n",
        *_recorded(study),
        *_picture("recorded", "Recorded gain against emulated gain", pictures),
        LIMITS,
    ]
    return "\n".join(parts).rstrip() + "\n"


def write(study: Study, folder: Path, *, pictures: bool = True) -> list[Path]:
    """Write the document and its pictures; return the files.

    Raises
    ------
    ConfigError
        If a file cannot be written, or without matplotlib.
    """
    text = folder / f"{NAME}.md"
    written = [text]
    if pictures:
        inside = folder / NAME
        plots.draw(study, inside)
        written += [inside / f"{name}.png" for name in plots.FIGURES]
    write_whole(text, markdown(study, pictures=pictures))
    return written
