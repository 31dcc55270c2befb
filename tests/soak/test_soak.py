"""A soak holds section 7, does every fault, and catches broken policies."""

import json
from collections import Counter

import pytest

import pyemu as pe
from pyemu._ffi_soak import fault_report, set_faults
from pyemu.cli import main
from pyemu.soak import FAULTS, soak
from pyemu.soak_guest import draw

CLEAN = ("v4.4", "eager", "lazy-fixed", "v6.12")
# What these policies are known to break under: the sibling of B49.
SPARED = {"v6.12": "late"}
# A mutation of lazy-fixed, and the invariants one of which says so first.
BROKEN = {
    "put:cntv_cval_r": ("I6",),
    "put:loaded_clear": ("I6", "I8"),
    "block:bg_arm": ("I5",),
    "load:cntvoff_w": ("I5", "I9"),
}


@pytest.mark.parametrize("policy", CLEAN)
def test_right_policies_lose_nothing(policy):
    """Every deadline ends by acknowledge, withdrawal or a move (I2)."""
    faults = [name for name in FAULTS if name != SPARED.get(policy)]
    plan = {"faults": faults, "mean_cyc": 200_000}
    found = soak(pe.policy.get(policy), events=1_500_000, seed=5, **plan)
    assert found.violation is None
    assert found.verdict == "clean"
    assert found.balanced
    assert found.deadlines["armed"] > 10_000
    assert found.deadlines["lost"] == 0
    done = [name for name in FAULTS if found.faults[name]]
    assert done == faults, "every kind of fault happened"
    assert found.boundaries > 20


@pytest.mark.parametrize("step", BROKEN)
def test_a_policy_without_a_step_is_caught(step):
    """The clause that the step is for breaks, and the round can be run again alone."""
    policy = pe.policy.get("lazy-fixed").without(step)
    found = soak(policy, events=2_000_000, seed=5, mean_cyc=200_000)
    assert found.verdict == "violated"
    assert found.violation["invariant"] in BROKEN[step]
    again = soak(
        policy,
        events=2_000_000,
        seed=5,
        mean_cyc=200_000,
        first=found.violation["round"],
        rounds=1,
    )
    assert again.violation == {**found.violation, "round": 0}


@pytest.mark.parametrize("policy", ["lazy-hybrid", "lazy-commit", "lazy"])
def test_kernels_with_known_bugs_are_caught(policy):
    """What the explorer finds on small machines a soak finds on larger ones (6)."""
    assert soak(pe.policy.get(policy), events=2_000_000, seed=1).verdict == "violated"


def test_late_lines_break_4_16_and_only_they():
    """B49: entered with a HW list register before the late interrupt is active (I3)."""
    policy = pe.policy.get("v4.16")
    found = soak(policy, events=10**6, seed=1, faults=["late"], mean_cyc=200_000)
    assert found.violation["invariant"] == "I3"
    others = [name for name in FAULTS if name not in ("late", "reset", "snapshot")]
    found = soak(policy, events=10**6, seed=1, faults=others, mean_cyc=200_000)
    assert found.violation is None


# Where the level of an expired timer, raised by load while 27 is in service, outlives
# the guest's EOI; the others refill the list register with the physical one active.
RESAMPLED = {"lazy": 2, "v5.2": 1, "v6.1": 1, "v6.12": 1, "eager": 0, "lazy-fixed": 0}


@pytest.mark.parametrize("policy", RESAMPLED)
def test_a_line_later_than_eoi_and_entry_breaks_its_sibling(policy):
    """B49's sibling: the second EOI deactivates before the late line has arrived."""
    p = pe.Program("b49").irq_off().timer_set(3000).irq_on()
    p.label("go").hvc().until(0, 3, "go").end()
    with p.on_irq(27):
        p.count(0).timer_set(1).until(0, 2, "away").jump("back")
        p.label("away").mmio_user().label("back")
    load = pe.loads.custom(pe.Workload.of([p.build()]))
    for late_cyc in (20_000, 3_000):
        host = pe.Host(
            gic="v2", vhe=False, profile="seattle-a57-gicv2", line_assert_cyc=late_cyc
        )
        with pe.Machine(host, policy=policy, load=load) as m:
            m.run(until_cyc=10**6)
            seen = m.result().counters["bad_deactivate"]
        assert seen == (RESAMPLED[policy] if late_cyc == 20_000 else 0)


def test_a_soak_finds_the_sibling_in_6_1():
    """Seed 2, round 3: I3 breaks by late lines, and not without them."""
    policy = pe.policy.get("v6.1")
    where = {"seed": 2, "first": 3, "rounds": 1, "mean_cyc": 200_000}
    found = soak(policy, events=1_500_000, faults=["late", "kick"], **where)
    assert found.violation["clause"] == "bad_deactivate"
    found = soak(policy, events=1_500_000, faults=["kick"], **where)
    assert found.violation is None


def test_the_seed_decides_everything():
    """Same seed, same counts; another seed, other machines."""
    one, two, other = (
        soak(pe.policy.get("eager"), events=200_000, seed=seed).to_dict()
        for seed in (7, 7, 8)
    )
    for timing in ("seconds", "events_per_s"):
        one.pop(timing), two.pop(timing)
    assert one == two
    assert one["deadlines"] != other["deadlines"]


def test_a_plan_that_only_checks_changes_nothing():
    """With kinds 0 the trace is that of a machine without a plan, to the byte."""
    seen = []
    for plan in (None, {"mean_cyc": 3000, "overdue_cyc": 10**9}):
        shape = draw(3, 0, {})
        with pe.Machine(shape.host, shape.vms, policy="lazy-fixed", trace=1000) as m:
            if plan:
                set_faults(m.core, plan)
            m.run(until_cyc=20_000_000)
            seen.append((m.trace_hash, m.n_events, m.result().counters))
            points = fault_report(m.core)["points"]
            assert (points > 1000) == bool(plan)
    assert seen[0] == seen[1]


def test_faults_do_not_depend_on_where_runs_are_cut():
    """A run in pieces does the same as one in a piece."""
    seen = []
    for piece in (30_000_000, 777_777):
        shape = draw(4, 1, {})
        with pe.Machine(shape.host, shape.vms, policy="eager", trace=1000) as m:
            kinds = 2 ** FAULTS.index("snapshot") - 1
            plan = {"mean_cyc": 50_000, "overdue_cyc": 10**9, "kinds": kinds}
            set_faults(m.core, plan)
            for until in range(piece, 30_000_000, piece):
                m.run(until_cyc=until)
            m.run(until_cyc=30_000_000)
            seen.append((m.trace_hash, fault_report(m.core)["faults"]))
    assert seen[0] == seen[1]


def test_the_books_of_moved_machines_balance():
    """Deadlines that went to another machine are armed there again."""
    found = soak(
        pe.policy.get("lazy-fixed"),
        events=3_000_000,
        seed=2,
        faults=["move_vm"],
        rounds=2,
        mean_cyc=20_000,
    )
    assert found.faults["move_vm"] > 3
    assert found.deadlines["moved"] > 3
    assert found.balanced


def test_a_finding_is_repeated_with_the_words_it_prints(capsys):
    """The hint names all that decides a round: plan, machine fields, faults."""
    words = ["--events", "4e6", "--seed", "1", "--faults", "late", "--mean-cyc", "2e5"]
    fixed = ["--gic", "v2", "--nvhe", "--profile", "seattle-a57-gicv2", "--pcpus", "1"]
    assert main(["soak", "--policy", "v4.16", *words, *fixed]) == 1
    first = capsys.readouterr()
    again = first.err.split("again with pyemu ")[1].split()
    assert main(again) == 1
    where = [said.out.split("cycle ")[1] for said in (first, capsys.readouterr())]
    assert where[0] == where[1]


def test_the_command_says_what_it_did(capsys):
    """One JSON object; 0 clean, 1 violated, 2 for what cannot be."""
    few = ["--events", "200e3", "--rounds", "1"]
    assert main(["soak", "--policy", "eager", "--json", *few]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "clean"
    assert said["events"] >= 200_000
    assert Counter(said["faults"]).total() > 0
    assert main(["soak", "--policy", "lazy-commit", *few]) == 1
    said = capsys.readouterr()
    assert "BROKEN" in said.out
    assert "--mean-cyc" in said.err
    assert "--policy lazy-commit" in said.err
    for bad in (["--faults", "rain"], ["--events", "0"], ["--mean-cyc", "-1"]):
        assert main(["soak", *bad]) == 2
        assert "soak." in capsys.readouterr().err
