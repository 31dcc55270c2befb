"""Recorded kernels against the emulator: data, runs, verdicts (``pyemu validate``)."""

from __future__ import annotations

from .cases import Case, choose
from .judge import Row, Verdict, judge, validate
from .runs import Change, Phase, Run, emulate, emulate_phases
from .sets import RecordedSet, load_set, set_names

__all__ = [
    "Case",
    "Change",
    "Phase",
    "RecordedSet",
    "Row",
    "Run",
    "Verdict",
    "choose",
    "emulate",
    "emulate_phases",
    "judge",
    "load_set",
    "set_names",
    "validate",
]
