"""The mutation check: every mutant of a small subset is accounted for."""

import json
from pathlib import Path

import pytest

import pyemu as pe
from pyemu.cli import main
from pyemu.mutants import check, mutants
from tests.explore.mutant_tables import listed


def test_every_step_is_dropped_and_every_pair_swapped():
    """n steps: n drops; n - 1 swaps, less those that change nothing."""
    policy = pe.policy.get("lazy-fixed")
    n = len(policy.steps("put"))
    kinds = [one.kind for one in mutants(policy, ["put"])]
    assert (kinds.count("drop"), kinds.count("swap")) == (n, n - 1)
    with pytest.raises(pe.ConfigError, match=r"mutants\.hook"):
        list(mutants(policy, ["putt"]))


def test_mutants_of_a_hook_are_killed_equivalent_or_listed():
    """first_run: what enables and loads the timer; costs alone are equivalent."""
    said = check(pe.policy.get("lazy-fixed"), ["vtimer_isr"])
    rows = {row["mutant"].split(" if ")[0]: row for row in said["mutants"]}
    assert sum(said["counts"].values()) == len(said["mutants"])
    assert rows["drop vtimer_isr:0 isr_vtimer"]["verdict"] == "equivalent"
    assert rows["drop vtimer_isr:2 inject_v_fire"]["verdict"] == "killed"
    assert rows["drop vtimer_isr:6 active_clear_v"]["invariant"] == "I3"  # B44
    assert all(row.get("reason") or row.get("clause") for row in said["mutants"])
    assert all(search["every_state"] for search in said["searches"])


def test_a_table_that_is_no_policy_is_refused():
    """exit without its trap: the reason is that of the table's check."""
    said = check(pe.policy.get("lazy-fixed"), ["irq_entry"])
    refused = [row for row in said["mutants"] if row["verdict"] == "refused"]
    assert any("iar_r" in row["reason"] for row in refused)


def test_command_line_on_a_users_table(tmp_path, capsys):
    """A TOML file; --json; --policy and --mutants exclude each other."""
    path = tmp_path / "mine.toml"
    pe.policy.save(pe.policy.get("lazy-fixed").renamed("mine"), path)
    assert (
        main(["explore", "--mutants", str(path), "--hooks", "unblock", "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["policy"] == "mine"
    assert said["counts"]["killed"] > 0
    assert main(["explore", "--mutants", "lazy", "--policy", "lazy"]) == 2


def test_docs_list_what_the_check_lists():
    """docs/mutants.md, a sample: hook unblock of lazy-fixed."""
    text = (Path(__file__).parents[2] / "docs" / "mutants.md").read_text("utf-8")
    ours = text.partition("## lazy-fixed: listed")[2].partition("## ")[0]
    said = check(pe.policy.get("lazy-fixed"), ["unblock"])
    lines = list(listed(said))
    assert lines and all(line in ours for line in lines)
    assert ours.count(" unblock:") == len(lines)
