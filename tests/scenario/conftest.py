"""Machines whose every step is recorded, for tests that read step sequences."""

import numpy as np
import pytest

import pyemu as pe
from pyemu.assemble import Options
from pyemu.guest.ops import PPI_VTIMER
from pyemu.policy import hooks, prims

PERIOD = 5_000  # ticks: 80 us at 62.5 MHz
STEP = 22  # enum pyemu_event_kind: PYEMU_E_STEP


class Stepped:
    """One vCPU under one policy, with the names of the steps it executed."""

    def __init__(self, policy, program, *, vhe=False, gic="v3", **host):
        fields = {"profile": "unit", "tick_hz": 0, **host}
        self.host = pe.Host(gic=gic, vhe=vhe, **fields)
        load = pe.loads.custom(pe.Workload.of([program.build()]), "steps")
        self.machine = pe.Machine(
            self.host,
            [pe.VM()],
            policy=policy,
            load=load,
            trace=200_000,
            options=Options(trace_steps=True),
        )
        self.policy = policy if not isinstance(policy, str) else pe.policy.get(policy)

    def run(self, until_cyc=10**9):
        """Run and return the result."""
        with self.machine:
            self.stop = self.machine.run(until_cyc=until_cyc)
            self.events = self.machine.events.copy()
            self.result = self.machine.result("steps")
        return self.result

    def steps(self):
        """Return (hook, primitive) of every executed step, in order."""
        names = {p.index: p.name for p in prims.PRIMS.values()}
        starts = np.asarray(self.policy.compile().hook_start)
        rows = self.events[self.events["kind"] == STEP]
        where = np.searchsorted(starts, rows["arg"], side="right") - 1
        # empty hooks share a start: searchsorted picks the last, which is the owner
        order = list(hooks.HOOKS)
        return [
            (order[h], names[int(s)]) for h, s in zip(where, rows["sub"], strict=True)
        ]

    def of_timer(self, *hook_names):
        """Return the timer steps (registers, active bit, loaded, hrtimer) of hooks."""
        keep = ("cnt", "active_", "loaded_", "bg_", "isb")
        return [
            (hook, prim)
            for hook, prim in self.steps()
            if hook in hook_names
            and prim.startswith(keep)
            and prim != "cntpct_r"
            and not prim.startswith("cntkctl")
        ]


@pytest.fixture
def stepped():
    """The class itself: tests choose policy and program."""
    return Stepped


@pytest.fixture
def wfi_tick():
    """A guest that sleeps for one tick and handles it."""
    p = pe.Program("wfi-tick").irq_off().timer_set(PERIOD)
    p.label("again").wfi().irq_window().until(0, 1, "again").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_ctl(False, False)
    return p


@pytest.fixture
def busy_ticks():
    """A busy guest: three ticks, no other exit."""
    p = pe.Program("busy-ticks").irq_off().timer_set(PERIOD).irq_on()
    p.label("go").compute(1_000).until(0, 3, "go").end()
    with p.on_irq(PPI_VTIMER):
        p.count(0).timer_next(PERIOD, skip_missed=False)
    return p
