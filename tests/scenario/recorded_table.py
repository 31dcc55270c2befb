"""Writes the README's table of recorded beside emulated counts.

python tests/scenario/recorded_table.py          # rewrites README.md
"""

import os
import re
from pathlib import Path

from pyemu.validation import Change, choose, emulate, load_set

README = Path(__file__).resolve().parents[2] / "README.md"
KERNELS = ("c414", "c414L", "k418")
UNITS = {"a": 10_000, "i": 2_000, "c": 2_000, "dn": 1_000, "ep": 1_000, "h": 4_000}
WHAT = {
    "a": "hypercall",
    "i": "in-kernel MMIO",
    "c": "MMIO to user space",
    "dn": "tick, WFI",
    "ep": "tick, busy",
    "h": "SGI, spinning",
}
ROWS = {
    "guest entries": ["guest_entries"],
    "timer-register writes": ["cntv_ctl_w", "cntv_cval_w", "cntvoff_w", "cnthctl_w"],
    "CNTV reads": ["cntv_ctl_r", "cntv_cval_r"],
    "host vtimer interrupts": ["host_vtimer_irq"],
    "active-state writes": ["isactiver_w", "icactiver_w"],
    "vcpu_load": ["vcpu_load"],
}
NEWS = (
    "Kernels: 4.14 (`eager`), 4.14 with only the lazy timer change (`lazy-hybrid`), "
    "4.18 (`v4.18`); nVHE, GICv3. A cell is recorded / emulated."
)


def cell(names, case, run, unit):
    """Return recorded / emulated per unit."""
    real = sum(case.recorded[name] for name in names) / unit
    ours = sum(run.count(name) for name in names) / unit
    return f"{real:.2f} / {ours:.2f}"


def table():
    """Return the table as Markdown; the recorder's guest runs as machine code."""
    data = load_set("eager-vs-lazy")
    lines = [NEWS, "", "| unit | count | 4.14 | 4.14 + lazy | 4.18 |", "|---" * 5 + "|"]
    for scenario, unit in UNITS.items():
        cases = [
            choose(data, scenario=scenario, policy=kernel, config="cortex-a57-gic3")[0]
            for kernel in KERNELS
        ]
        runs = [emulate(case, Change()) for case in cases]
        for name, counts in ROWS.items():
            cells = [
                cell(counts, *pair, unit) for pair in zip(cases, runs, strict=True)
            ]
            lines.append(f"| {WHAT[scenario]} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Rewrite the table between its markers: write beside, then rename."""
    text = README.read_text(encoding="utf-8")
    new = re.sub(
        r"(<!-- table:recorded -->\n).*?(<!-- table:end -->)",
        lambda m: f"{m[1]}{table()}\n{m[2]}",
        text,
        flags=re.S,
    )
    beside = README.with_suffix(".new")
    beside.write_text(new, encoding="utf-8")
    os.replace(beside, README)


if __name__ == "__main__":
    main()
