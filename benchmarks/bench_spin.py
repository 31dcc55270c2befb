"""States a second: the explorer beside SPIN on a hand-written model of one flow.

The Promela model (peers/lazy_timer.pml) is an abstraction of what pyemu explores with
its full state; both visit every interleaving of single steps, without reduction, and
check safety only.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import pyemu as pe
from pyemu.explore import SAFETY

MODEL = Path(__file__).with_name("peers") / "lazy_timer.pml"
ALPHABET = (
    *("step", "guest", "tick", "sched_in", "preempt", "ctl_off", "ctl_on"),
    *("cval_soon", "cval_past", "mask", "unmask", "ack", "eoi", "wfi", "hvc", "user"),
    *("pctl_off", "pctl_on", "pcval_past", "pcval_soon"),
)
MAX_STATES = 2_000_000


def spin(tmp_path):
    """Generate, compile and run the verifier; its states, transitions and seconds."""
    for command in (
        ["spin", "-a", str(MODEL)],
        ["gcc", "-O2", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        ["./pan", "-m9000000", "-w26"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    text = done.stdout
    assert "errors: 0" in text, text
    states = int(re.search(r"(\d+) states, stored", text)[1])
    transitions = int(re.search(r"(\d+) transitions", text)[1])
    seconds = float(re.search(r"elapsed time ([\d.]+)", text)[1])
    return states, transitions, seconds


@pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="no SPIN"
)
@pytest.mark.benchmark(group="explorer")
def test_states_a_second_beside_spin(benchmark, emulated_rows, tmp_path):
    """One run each, one core, one after the other."""
    states, transitions, seconds = spin(tmp_path)
    found = benchmark.pedantic(
        pe.explore,
        args=("v6.1",),
        kwargs={
            "alphabet": ALPHABET,
            "invariants": SAFETY,
            "reduce": False,
            "max_states": MAX_STATES,
            "threads": 1,
        },
        rounds=1,
    )
    assert not found.invariant, found.timeline()
    info = benchmark.extra_info
    info["spin_states"] = states
    info["spin_states_per_s"] = round(states / seconds)
    info["spin_transitions_per_s"] = round(transitions / seconds)
    info["pyemu_states"] = found.states
    info["pyemu_states_per_s"] = round(found.states / found.seconds)
    info["pyemu_transitions_per_s"] = round(found.transitions / found.seconds)
    emulated_rows.append(("explorer beside SPIN", info))
