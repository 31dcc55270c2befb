"""The study as pictures. Needs matplotlib, an extra of the package."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from .measure import EXIT_HZ, EXITS, TICK_HZ, TICKS, Study
from .recordings import Point

__all__ = ["FIGURES", "draw"]

# Okabe and Ito: told apart by every kind of colour vision.
COLOURS: Final = (
    *("#0072B2", "#56B4E9", "#CC79A7", "#D55E00"),
    *("#E69F00", "#009E73", "#000000"),
)
NO_PUT: Final = 420.0  # where points without a put stand on a logarithmic axis
MOST_TICKS, MOST_EXITS = 8.0, 16.0


def _pyplot() -> Any:
    try:
        import matplotlib as mpl  # noqa: PLC0415

        mpl.use("Agg")
        from matplotlib import pyplot  # noqa: PLC0415
    except ImportError as exc:
        words = "matplotlib: pip install 'pyemu-kvm[plots]', or --no-plots"
        raise ConfigError("study", "plots", words) from exc
    return pyplot


def _save(figure: Any, path: Path) -> None:
    part = path.with_suffix(".part")
    how = {"dpi": 90, "bbox_inches": "tight", "metadata": {"Software": None}}
    try:
        figure.savefig(part, format="png", **how)
        os.replace(part, path)
    except OSError as exc:
        raise ConfigError("path", str(path), f"a writable file: {exc}") from None


def _style(label: str) -> str:
    return "--" if "GICv2" in label else "-"


def _labels(axes: Any, spots: dict[tuple[float, float], list[str]]) -> None:
    """Write the names of points that share a spot beside it, once."""
    for (x, y), names in spots.items():
        axes.annotate(
            ", ".join(sorted(set(names))),
            *((x, y), (5, 3)),
            textcoords="offset points",
            fontsize=7,
        )


def _gain(study: Study, path: Path) -> None:
    """Gain over exits for each pair of put and load, the recorded kernels on it."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8.5, 5))
    for colour, (label, gains) in zip(COLOURS, study.curves.items(), strict=True):
        x = [1 + n for n in EXITS]
        axes.plot(x, gains, _style(label), color=colour, label=label, lw=1.4)
    spots: dict[tuple[float, float], list[str]] = {}
    for one in study.points:
        x0 = min(one.exits_per_load, NO_PUT)
        colour = COLOURS[_row_of(one)]
        recorded, emulated = one.gains
        axes.plot(x0, recorded, "o", color=colour, ms=6)
        axes.plot(x0, emulated, "o", mfc="none", mec=colour, ms=9, mew=0.8)
        spots.setdefault((x0, round(recorded)), []).append(one.scenario)
    _labels(axes, spots)
    axes.axhline(0, color="grey", lw=0.8)
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, NO_PUT]
    axes.set_xticks(ticks, [*(str(int(n)) for n in ticks[:-1]), "no put"])
    axes.minorticks_off()
    axes.set_xlabel("guest exits for each pair of vcpu_put and vcpu_load")
    axes.set_ylabel("host time lazy saves, % of eager's")
    title = (
        "lines: hypercalls and one user exit; dots: recorded kernels (rings: emulated)"
    )
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _save(figure, path)
    pyplot.close(figure)


def _row_of(one: Point) -> int:
    return ("cortex-a57-gic3", "cortex-a57-gic2", "cortex-a76-gic3").index(one.config)


def _break_even(study: Study, path: Path) -> None:
    """Break-even exits over ticks; recorded kernels as won or lost."""
    pyplot = _pyplot()
    figure, both = pyplot.subplots(1, 2, figsize=(10, 4.6), sharey=True)
    puts = (("user", "put by an exit to user space"), ("wfi", "put by a WFI tick"))
    for axes, (put, title) in zip(both, puts, strict=True):
        for colour, (label, lines) in zip(COLOURS, study.lines.items(), strict=True):
            line = [math.nan if n is None else n for n in lines[put]]
            axes.plot(TICKS, line, _style(label), color=colour, label=label, lw=1.4)
        spots: dict[tuple[float, float], list[str]] = {}
        for one in study.points:
            if not _stands_on(one, put):
                continue
            x, y = 0.0, one.exits_per_load - 1
            won = one.gains[0] > 0
            axes.plot(x, y, "^" if won else "v", color="green" if won else "red", ms=8)
            spots.setdefault((x, y), []).append(one.scenario)
        _labels(axes, spots)
        axes.set_xlabel("busy ticks for each pair of put and load")
        axes.set_title(f"{title}: above its line, lazy wins", fontsize=9)
        axes.set_ylim(-0.5, MOST_EXITS)
    both[0].set_ylabel("in-kernel exits for each pair of put and load")
    both[0].legend(fontsize=7, loc="upper left")
    both[1].text(2.6, 15, "recorded: ^ lazy won, v lazy lost", fontsize=7)
    _save(figure, path)
    pyplot.close(figure)


def _stands_on(one: Point, put: str) -> bool:
    """Whether a recorded scenario is a unit of this kind of put, without busy ticks."""
    user = one.scenario == "c"
    return one.exits_per_load < MOST_EXITS and user == (put == "user")


def _rates(study: Study, path: Path) -> None:
    """CPU time given back over exit rate and tick rate."""
    pyplot = _pyplot()
    figure, row = pyplot.subplots(1, len(study.rates), figsize=(12, 3.9), sharey=True)
    for axes, (label, grid) in zip(row, study.rates.items(), strict=True):
        mesh = axes.pcolormesh(
            *(EXIT_HZ, TICK_HZ, grid),
            shading="nearest",
            cmap="RdBu",
            vmin=-3,
            vmax=3,
        )
        lines = axes.contour(
            *(EXIT_HZ, TICK_HZ, grid),
            levels=[-0.5, 0, 0.5, 2],
            colors="black",
            linewidths=[0.6, 2, 0.6, 0.6],
        )
        axes.clabel(lines, fontsize=7, fmt="%g %%")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"{label} (thick: break-even)", fontsize=9)
        axes.set_xlabel("hypercalls a second of guest work")
    row[0].set_ylabel("timer ticks a second")
    bar = figure.colorbar(mesh, ax=list(row), shrink=0.9, pad=0.01)
    bar.set_label("CPU time given back, %")
    _save(figure, path)
    pyplot.close(figure)


def _recorded(study: Study, path: Path) -> None:
    """Draw recorded gain against emulated gain."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(5.6, 5.2))
    axes.plot((-13, 21), (-13, 21), color="grey", lw=0.8)
    names = ("GICv3 nVHE", "GICv2 nVHE", "GICv3 VHE")
    spots: dict[tuple[float, float], list[str]] = {}
    shown = set()
    for one in study.points:
        which = _row_of(one)
        label = None if which in shown else names[which]
        shown.add(which)
        axes.plot(*one.gains, "os^"[which], color=COLOURS[which], ms=6, label=label)
        x, y = one.gains
        spots.setdefault((round(x), round(y)), []).append(one.scenario)
    _labels(axes, spots)
    axes.set_xlabel("recorded gain of lazy, % of eager's host instructions")
    axes.set_ylabel("emulated gain, %")
    axes.set_aspect("equal")
    axes.legend(fontsize=8, loc="upper left")
    _save(figure, path)
    pyplot.close(figure)


FIGURES: Final[dict[str, Callable[[Study, Path], None]]] = {
    "gain": _gain,
    "break-even": _break_even,
    "rates": _rates,
    "recorded": _recorded,
}


def draw(study: Study, folder: Path) -> None:
    """Write every figure into a folder, which is made if it is not there.

    Raises
    ------
    ConfigError
        Without matplotlib, or if a file cannot be written.
    """
    _pyplot()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise ConfigError("path", str(folder), f"a folder: {exc}") from None
    for name, one in FIGURES.items():
        one(study, folder / f"{name}.png")
