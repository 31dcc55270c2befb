"""Writes the README's table of recorded beside emulated counts.

python tests/scenario/recorded_table.py          # rewrites README.md
"""

import csv
import os
import re
from pathlib import Path

from test_recorded_kernels import DATA, emulate

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
    "guest entries": ["entries"],
    "timer-register writes": ["cntv_ctl_w", "cntv_cval_w", "cntvoff_w", "cnthctl_w"],
    "CNTV reads": ["cntv_ctl_r", "cntv_cval_r"],
    "host vtimer interrupts": ["irq27"],
    "active-state writes": ["isact", "icact"],
    "vcpu_load": ["vload"],
}
NEWS = (
    "Kernels: 4.14 (`eager`), 4.14 with only the lazy timer change (`lazy-hybrid`), "
    "4.18 (`v4.18`); nVHE, GICv3. A cell is recorded / emulated."
)


def cell(columns, recorded, emulated, unit):
    """Return recorded / emulated per unit, or one number where they are equal."""
    real = sum(int(recorded[c]) for c in columns) / unit
    ours = sum(emulated[c] for c in columns) / unit
    return f"{real:.2f} / {ours:.2f}"


def table():
    """Return the table as Markdown."""
    rows = {
        row["run"]: row
        for row in csv.DictReader(DATA.read_text(encoding="utf-8").splitlines())
    }
    lines = [NEWS, "", "| unit | count | 4.14 | 4.14 + lazy | 4.18 |", "|---" * 5 + "|"]
    for scenario, unit in UNITS.items():
        runs = [f"{kernel}-cortex-a57-gic3-{scenario}" for kernel in KERNELS]
        ours = [emulate(kernel, "a57", "gic3", scenario, 0) for kernel in KERNELS]
        for name, columns in ROWS.items():
            cells = [
                cell(columns, rows[run], got, unit)
                for run, got in zip(runs, ours, strict=True)
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
