"""Bad input of the explorer: steps that can never run, bounds that cannot hold."""

import pytest

import pyemu as pe
from pyemu.cli import main
from pyemu.policy.reach import load_reachable, unreachable
from pyemu.policy.registry import SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_step_of_a_shipped_policy_can_run(name):
    assert unreachable(pe.policy.get(name)) == []


@pytest.mark.parametrize(
    ("gone", "hook", "words"),
    [
        ("loaded_set", "put", "sets loaded"),
        ("check:eval_p", "check", ""),
        ("vtimer_isr:eval_v_hw", "vtimer_isr", "before it sets fire"),
        ("bg_arm", "bg_expire", "no step arms it"),
    ],
)
def test_a_step_whose_guard_nothing_fulfils(gone, hook, words):
    """By a flag nobody sets, a local that is not set yet, a hook nobody enters."""
    found = unreachable(pe.policy.get("lazy").without(gone))
    said = [why for where, _, why in found if where == hook]
    assert bool(said) == bool(words)
    assert all(words in why for why in said)


def test_the_error_names_policy_hook_step_and_line(tmp_path, capsys):
    """Exit 2, nothing explored; the same for the mutation check."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nbase = "lazy"\n[hooks]\nvtimer_isr = [\n  "isr_vtimer",\n'
        '  "level_v_set if fire",\n]\n'
    )
    with pytest.raises(pe.ConfigError, match="level_v_set if fire"):
        load_reachable(path)
    for verb in ("--policy", "--mutants"):
        assert main(["explore", verb, str(path)]) == 2
        said = capsys.readouterr().err
        assert "policy mine: vtimer_isr[1]" in said
        assert "line 6" in said or ":6" in said
        assert "no step of vtimer_isr before it sets fire" in said


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--depth", "0"], "max_depth 0"),
        (["--depth", "-1"], "explore.depth"),
        (["--max-states", "0"], "max_states 0"),
        (["--max-states", "5e9"], "max_states 5000000000"),
        (["--invariants", "I16"], "explore.invariant = 'I16'"),
        (["--invariants", ","], "explore.invariants"),
        (["--alphabet", "step,prempt"], "did you mean 'preempt'"),
        (["--lrs", "17"], "explore.lrs"),
    ],
)
def test_bounds_and_names_that_cannot_hold(args, words, capsys):
    """Exit 2 and the value named."""
    assert main(["explore", "--policy", "lazy", *args]) == 2
    assert words in capsys.readouterr().err
