"""The explorer: verdicts of shipped policies, counterexamples, both searches agree."""

import dataclasses
import json

import pytest

import pyemu as pe
from pyemu.cli import main
from pyemu.explore import whole_alphabet

HOST = ("step", "guest", "tick", "sched_in")
GUEST = (
    *("ctl_off", "ctl_on", "cval_soon", "cval_past", "mask", "unmask", "ack", "eoi"),
    *("wfi", "hvc", "gic_on", "gic_off", "user"),
)
SMALL = HOST + GUEST
SAFETY = (1, 3, 5, 6, 7, 8, 9, 13, 14)


@pytest.mark.parametrize("vhe", [True, False])
@pytest.mark.parametrize("name", ["v4.4", "eager", "lazy", "lazy-fixed", "v6.1"])
def test_no_safety_invariant_breaks_without_outside_events(name, vhe):
    """Every reachable state has been seen; the smaller alphabet is no clean verdict."""
    found = pe.explore(name, alphabet=SMALL, vhe=vhe, invariants=SAFETY)
    assert not found.invariant, found.timeline()
    assert found.verdict == "partial"
    assert found.reason.startswith("every reachable state seen")
    assert "preempt" in found.alphabet["left_out"]


@pytest.mark.parametrize("name", ["lazy-fixed", "v6.1", "v6.12"])
def test_liveness_holds_where_it_should(name):
    """I2, I4, I11 and I12 by cycle search, line latencies or not."""
    extra = ("line_assert", "line_retire") if name == "lazy-fixed" else ()
    found = pe.explore(name, alphabet=SMALL + extra)
    assert not found.invariant, found.timeline()


@pytest.mark.parametrize(
    ("name", "extra", "number", "words"),
    [
        ("lazy-commit", (), 6, "not what the guest last wrote"),  # B02
        ("lazy", ("reset",), 6, "memory copy"),  # B12
        ("lazy", ("line_retire",), 3, "active for nothing"),  # B44
        ("lazy", ("line_assert",), 3, "physical interrupt is inactive"),
        ("lazy", (), 12, "never sleeps"),  # B43
        ("lazy-hybrid", (), 4, "for ever"),  # B09
        ("v4.16", (), 3, "physical interrupt is inactive"),  # B29
    ],
)
def test_findings_of_real_kernels(name, extra, number, words):
    """Each names its invariant and prints a timeline that ends with it."""
    found = pe.explore(name, alphabet=SMALL + extra)
    assert (found.verdict, found.invariant) == ("violated", number), found.reason
    assert words in found.clause
    assert found.timeline().splitlines()[-1].startswith(f"I{number} is broken")


@pytest.mark.parametrize("extra", [(), ("reset",), ("line_retire",), ("preempt",)])
@pytest.mark.parametrize("name", ["eager", "lazy", "v4.16"])
def test_reduction_changes_no_verdict(name, extra):
    """The search of every single step finds what the reduced one finds."""
    both = [
        pe.explore(name, alphabet=SMALL + extra, invariants=SAFETY, reduce=on)
        for on in (True, False)
    ]
    assert bool(both[0].invariant) == bool(both[1].invariant)
    if not both[0].invariant:
        assert both[0].states < both[1].states


EXTRA = ("preempt", "line_retire", "inject", "signal", "device_irq")


def mutants(name, every, start):
    """Yield the policy without one of its steps, some of them."""
    policy = pe.policy.get(name)
    spots = [(h, i) for h, steps in policy.hooks.items() for i in range(len(steps))]
    for hook, i in spots[start::every]:
        steps = policy.hooks[hook]
        hooks = {**policy.hooks, hook: steps[:i] + steps[i + 1 :]}
        mutant = dataclasses.replace(policy, name=f"{name} {hook}:{i}", hooks=hooks)
        try:
            mutant.check()
        except pe.ConfigError:
            continue  # it is no policy any more
        yield mutant


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("name", ["lazy-fixed", "v6.1"])
def test_reductions_change_no_verdict_of_a_mutant(name, extra):
    """A step less, an event more: what one search finds, the other finds."""
    some = ("step", "guest", "tick", "sched_in", "ctl_off", "ctl_on", "cval_soon")
    some += ("cval_past", "mask", "unmask", "ack", "eoi", "wfi", "gic_off", "gic_on")
    every = 60 if extra == "inject" else 13  # the plain search takes its time
    found = 0
    for policy in mutants(name, every, EXTRA.index(extra)):
        both = [
            pe.explore(policy, alphabet=(*some, extra), reduce=on)
            for on in (True, False)
        ]
        assert bool(both[0].invariant) == bool(both[1].invariant), policy.name
        found += 1
    assert found >= 2


def test_lazy_fixed_holds_against_every_host_action():
    """One vCPU; no physical timer, no EOImode 1, no ISPENDR and the like."""
    actions, guest = whole_alphabet(1, 1)
    left = {"drop", "dir", "spend", "cpend", "sactive", "cactive", "pctl_on"}
    found = pe.explore(
        "lazy-fixed", alphabet=[n for n in (*actions, *guest) if n not in left]
    )
    assert not found.invariant, found.timeline()
    assert found.reason.startswith("every reachable state seen")
    assert found.states >= 100_000
    assert found.bytes_per_state <= 64


def test_bounds_give_a_partial_verdict():
    """Depth, states and memory each stop the search and say so."""
    for bound in ({"depth": 5}, {"max_states": 500}, {"max_bytes": 400_000}):
        found = pe.explore("lazy-fixed", **bound)
        assert found.verdict == "partial"
        assert "reached" in found.reason


def test_impossible_bounds_are_named():
    with pytest.raises(pe.ConfigError, match=r"explore\.vcpus"):
        pe.explore("lazy", vcpus=3)
    with pytest.raises(pe.ConfigError, match="did you mean 'preempt'"):
        pe.explore("lazy", alphabet=["step", "prempt"])
    with pytest.raises(pe.ConfigError, match=r"explore\.invariant"):
        pe.explore("lazy", invariants=[99])


def test_a_broken_step_of_lazy_is_found():
    """A put that forgets CVAL loses what the guest wrote."""
    broken = pe.policy.get("lazy").without("put:cntv_cval_r")
    found = pe.explore(broken, alphabet=SMALL)
    assert found.invariant == 6, found.reason
    # on one pCPU the active bit of the last put is still there; on two it is not
    broken = pe.policy.get("lazy-fixed").without("load:active_set_v")
    assert not pe.explore(broken, alphabet=SMALL).invariant
    found = pe.explore(broken, pcpus=2, alphabet=(*SMALL, "preempt"), max_states=10**6)
    assert found.invariant == 3, found.reason


def test_two_pcpus_move_a_vcpu():
    """2 pCPUs: the vCPU is scheduled in on either, to a bound."""
    found = pe.explore("lazy-fixed", pcpus=2, alphabet=SMALL, max_states=60_000)
    assert not found.invariant, found.timeline()


def test_command_line(tmp_path, capsys):
    """Exit codes, JSON fields, and a finding written as a test."""
    out = tmp_path / "test_found.py"
    small = ",".join(SMALL)
    args = ["explore", "--policy", "lazy", "--alphabet", small + ",reset", "--json"]
    assert main([*args, "--emit-test", str(out)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "violated" and said["invariant"] == "I6"
    assert said["trace"] and said["states"] and said["bounds"]["vcpus"] == 1
    assert "assert not found.invariant" in out.read_text()
    compile(out.read_text(), str(out), "exec")
    assert main(["explore", "--policy", "v6.1", "--alphabet", small]) == 4
    assert "every reachable state seen" in capsys.readouterr().out
