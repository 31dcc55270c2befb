"""The recorded guest itself, as machine code, against the counts of real kernels.

The image is the recorder's own guest (shipped, `pyemu/data/guests`); recorded counts
are those that op programs are held to (test_recorded_kernels), with the same room.
"""

import csv
import dataclasses

import pytest
from test_recorded_kernels import COLUMNS, DATA, EXPLAINED, POLICY

import pyemu as pe
from pyemu.guest import machine_code

# Iterations and period in counter ticks of 16 ns, as recorded.
GUEST = {
    "a": (10_000, 12_500, 1),
    "b": (10_000, 12_500, 1),
    "i": (2_000, 12_500, 1),
    "c": (2_000, 12_500, 1),
    "d": (1_000, 62_500, 1),
    "dn": (1_000, 62_500, 1),
    "ep": (1_000, 11_873, 1),
    "h": (2_000, 12_500, 2),
}
PHASES = {"ep": range(0, 4_000_000, 500_000)}
ROWS = [
    row
    for row in csv.DictReader(DATA.read_text(encoding="utf-8").splitlines())
    if row["run"].rsplit("-", 1)[1] in GUEST
]


def machine(kernel, cpu, gic, scenario, phase_cyc=0):
    """Return the machine of one recording, its guest loaded."""
    iterations, period, n_vcpus = GUEST[scenario]
    _, host = pe.loads.recorded(scenario)
    fields = {f.name for f in dataclasses.fields(pe.Host)}
    known = {k: v for k, v in {**host, "pcpus": 2}.items() if k in fields}
    load = machine_code.load(
        "eager-vs-lazy",
        regs={"x1": ord(scenario[0]), "x3": iterations, "x4": period},
        vcpus=n_vcpus,
    )
    return pe.Machine(
        pe.Host(
            **known,
            gic="v" + gic[3],
            vhe=cpu == "a76",
            profile="icount",
            tick_phase_cyc=phase_cyc,
        ),
        [pe.VM(vcpus=n_vcpus)],
        policy=POLICY[kernel],
        load=load,
    )


def emulate(kernel, cpu, gic, scenario, phase_cyc):
    """Run one; return its counts under the recorder's column names."""
    with machine(kernel, cpu, gic, scenario, phase_cyc) as running:
        stop = running.run(until_cyc=20 * 10**9)
        region, outcome = running.region, running.bus.outcomes[0]
    assert stop.reason == "done"
    assert outcome.exit_code == 0
    got = {**region.counters, **region.ops}
    return {column: got[name] for column, name in COLUMNS.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["run"])
def test_the_recorded_guest_gives_the_recorded_counts(row):
    """Every register access, interrupt, load and injection of the recording."""
    kernel, _, cpu, gic, scenario = row["run"].split("-")
    phases = PHASES.get(scenario, (0,))
    runs = [emulate(kernel, cpu, gic, scenario, phase) for phase in phases]
    misses = {}
    for column in COLUMNS:
        recorded = int(row[column])
        room = max(3, recorded // 100) + 5 * ((kernel, scenario) in EXPLAINED)
        low = min(run[column] for run in runs)
        high = max(run[column] for run in runs)
        if not low - room <= recorded <= high + room:
            misses[column] = (recorded, low, high)
    assert not misses
