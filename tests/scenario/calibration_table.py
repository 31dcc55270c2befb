"""The leave-one-out table of docs/calibration.md, from its runs.

python -m tests.scenario.calibration_table      # rewrites the document
"""

from pathlib import Path

from pyemu.costing.leave_one_out import left_out, table

DOC = Path(__file__).parents[2] / "docs" / "calibration.md"
FENCE = "```\n"


def shown(text=None):
    """Return what stands before the table, the table, and what stands after it."""
    before, there, after = (text or DOC.read_text(encoding="utf-8")).split(FENCE)
    return before, there, after


def measured():
    """Return the table that the runs give."""
    return table(left_out()) + "\n"


if __name__ == "__main__":
    before, _, after = shown()
    DOC.write_text(FENCE.join((before, measured(), after)), encoding="utf-8")
