"""Rules of the command line: exit codes, where output goes, JSON's shape."""

import json

import pytest

from pyemu.cli import main
from pyemu.scenario import to_toml

FAST = ["--load", "hvc-loop", "--n", "50", "--profile", "unit"]


def run(capsys, *argv):
    """Run a command line in this process."""
    code = main(list(argv))
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["run", *FAST], 0),
        (["compare", *FAST], 0),
        (["profile", *FAST, "--by", "vcpu"], 0),
        (["loads"], 0),
        (["loads", "show", "mixed"], 0),
        (["loads", "mixed", "--json"], 0),
        (["policies"], 0),
        (["policies", "list"], 0),
        (["policies", "show", "lazy"], 0),
        (["policies", "diff", "eager", "lazy"], 0),
        (["profiles"], 0),
        (["profiles", "show", "unit"], 0),
        (["profiles", "--json"], 0),
        (["--version"], 0),
        ([], 2),
        (["frobnicate"], 2),
        (["run"], 2),
        (["run", "--load", "hvcloop"], 2),
        (["run", "--load", "hvc-loop", "--n", "0"], 2),
        (["run", "--load", "hvc-loop", "--n", "-1"], 2),
        (["run", "--load", "hvc-loop", "--n", "x"], 2),
        (["run", "--load", "hvc-loop", "--gic", "v4"], 2),
        (["run", "--load", "hvc-loop", "--vhe", "--nvhe"], 2),
        (["run", *FAST, "--policy", "lasy"], 2),
        (["run", *FAST, "--profile", "no-such"], 2),
        (["run", *FAST, "--set", "host.pcpu=2"], 2),
        (["run", *FAST, "--set", "nonsense"], 2),
        (["run", *FAST, "--seed", "-3"], 2),
        (["compare", *FAST, "--policies", "eager,eager"], 2),
        (["compare", *FAST, "--policies", ","], 2),
        (["compare", *FAST, "--fail", "epmc"], 2),
        (["profile", *FAST, "--by", "vpcu"], 2),
        (["loads", "show", "nope"], 2),
        (["policies", "show", "nope"], 2),
        (["profiles", "show", "nope"], 2),
        (["run", "no-such-file.toml"], 3),
        (["compare", "no-such-trace.txt"], 3),
        (["run", "no-such-run.npz"], 3),
    ],
)
def test_exit_codes(capsys, argv, code):
    """0 ok, 2 usage or impossible, 3 bad file; errors go to stderr only."""
    got, out, err = run(capsys, *argv)
    assert got == code, err
    if code:
        assert out == ""
        assert err
    elif argv != ["--version"]:
        assert out


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"hello\n", b"\x1f\x8b1"])
def test_foreign_inputs_are_bad_files(capsys, tmp_path, content):
    """Empty, binary, prose, cut gzip: exit 3 with the file's name."""
    for name in ("trace.txt", "scenario.toml", "run.npz"):
        path = tmp_path / name
        path.write_bytes(content)
        code, out, err = run(capsys, "compare", str(path))
        if name == "scenario.toml" and content == b"":
            assert code == 2
            continue
        assert (code, out) == (3, ""), err
        assert name in err


def test_compare_prints_one_object_with_runs_in_order(capsys):
    """schema 1; input, policy, gic, vhe, epmc, exits, ops, counters in each run."""
    argv = ["compare", *FAST, "--gic", "v3", "--nvhe", "--policies", "lazy,eager"]
    code, out, _ = run(capsys, *argv, "--json")
    got = json.loads(out)
    assert code == 0
    assert got["schema"] == 1
    assert [one["policy"] for one in got["runs"]] == ["lazy", "eager"]
    for one in got["runs"]:
        assert (one["gic"], one["vhe"]) == ("v3", False)
        assert one["exits"]["HVC64"] == 50
        assert {"input", "epmc", "ops", "counters"} <= set(one)


def test_hypercalls_cost_what_the_recordings_say(capsys):
    """7 and 2 timer-register writes an exit on nVHE, 5 and 0 on VHE; 2 and 0 reads."""
    for mode, writes in (("--nvhe", [7, 2]), ("--vhe", [5, 0])):
        argv = ["compare", "--load", "hvc-loop", "--n", "1000", "--gic", "v3", mode]
        argv += ["--profile", "unit"]
        _, out, _ = run(capsys, *argv, "--policies", "eager,lazy", "--json")
        for one, each in zip(json.loads(out)["runs"], writes, strict=True):
            ops = one["ops"]
            names = ("cntv_ctl_w", "cntv_cval_w", "cntvoff_w", "cnthctl_w")
            assert sum(ops[name] for name in names) == each * 1000
            reads = ops["cntv_ctl_r"] + ops["cntv_cval_r"]
            assert reads == (2000 if one["policy"] == "eager" else 0)


def test_explain_and_other_shapes(capsys):
    """--explain follows the table; CSV and perf's layout replace it."""
    _, out, _ = run(capsys, "run", *FAST, "--policy", "eager", "--explain", "timer")
    assert "timer under eager" in out
    _, out, _ = run(capsys, "run", *FAST, "--csv")
    assert out.startswith("input,policy,reason")
    _, out, _ = run(capsys, "run", *FAST, "--perf-compat")
    assert "Total Samples:" in out
    code, _, err = run(capsys, "run", *FAST, "--explain", "tmier")
    assert code == 2
    assert "did you mean 'timer'" in err


def test_runs_are_kept_and_compared(capsys, tmp_path):
    """-o writes a run file; compare and profile read it; --fail gives 1."""
    paths = [str(tmp_path / f"{name}.npz") for name in ("eager", "lazy")]
    for path, policy in zip(paths, ("eager", "lazy"), strict=True):
        code, _, _ = run(capsys, "run", *FAST, "--policy", policy, "-o", path)
        assert code == 0
    code, out, _ = run(capsys, "compare", *paths)
    assert code == 0
    assert "cntv_ctl_w" in out
    code, _, err = run(capsys, "compare", *paths[::-1], "--fail", "switch_cyc:1%")
    assert code == 1
    assert "check failed" in err
    code, _, _ = run(capsys, "compare", *paths, "--fail", "switch_cyc:1%")
    assert code == 0
    assert run(capsys, "profile", paths[0], "--by", "pcpu")[0] == 0
    assert run(capsys, "profile", paths[0], "--by", "window=1e6")[0] == 2
    assert run(capsys, "run", paths[0], "--json")[0] == 0


def test_profile_over_time(capsys):
    """Windows add up to the whole run."""
    argv = ["profile", "--load", "tick-busy", "--n", "20", "--by", "window=1e6"]
    argv += ["--profile", "unit", "--set", "host.cntfrq_hz=1e6"]
    code, out, _ = run(capsys, *argv, "--json")
    assert code == 0
    one = json.loads(out)["runs"][0]
    assert len(one["profile"]["rows"]) > 3
    code, out, _ = run(capsys, *argv)
    assert "EPMC overall" in out


def test_scenarios_run_and_are_echoed(capsys, tmp_path):
    """What the result echoes runs again with the same numbers."""
    path = tmp_path / "demo.toml"
    path.write_text(
        'seed = 3\npolicies = ["eager", "lazy"]\nload = { kind = "mixed", n = 40 }\n'
        'host = { profile = "unit", pcpus = 1 }\n'
    )
    code, out, _ = run(capsys, "compare", str(path), "--json")
    first = json.loads(out)["runs"]
    assert code == 0
    assert [one["input"] for one in first] == ["demo", "demo"]
    again = tmp_path / "again.toml"
    again.write_text(to_toml(first[1]["meta"]["scenario"]))
    code, out, _ = run(capsys, "run", str(again), "--json")
    second = json.loads(out)["runs"][0]
    assert code == 0
    assert second["ops"] == first[1]["ops"]
    assert second["meta"]["config_sha"] == first[1]["meta"]["config_sha"]


def test_policy_files_are_written_and_run(capsys, tmp_path):
    """policies new writes an editable TOML that run accepts by path."""
    code, out, _ = run(capsys, "policies", "new", "mine", "--from", "lazy")
    assert code == 0
    path = tmp_path / "mine.toml"
    path.write_text(out)
    code, out, _ = run(capsys, "run", *FAST, "--policy", str(path), "--json")
    assert code == 0
    assert json.loads(out)["runs"][0]["policy"] == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--load", "hvc-loop", "--n", "9", "--fail", "epmc:nan%"],
        ["compare", "--load", "hvc-loop", "--n", "9", "--fail", "epmc:-1%"],
        ["compare", "--n", "5"],
        ["compare", "--guest-cyc", "100"],
        ["compare", "--load", "hvc-loop", "--policies", "eager,,lazy"],
    ],
)
def test_options_that_would_be_ignored_are_refused(words, capsys):
    """A check that cannot fail and a flag without effect are usage errors."""
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("pyemu: ")


def test_a_directory_is_not_a_missing_file(tmp_path, capsys):
    """The message says what is there."""
    assert main(["run", str(tmp_path)]) == 3
    assert "directory" in capsys.readouterr().err
