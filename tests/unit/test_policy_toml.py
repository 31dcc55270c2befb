"""Policies as TOML: round trip, base tables, errors with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyemu.errors import ConfigError, TraceError
from pyemu.policy import get, load_policy, names, parse, prims, save, to_toml
from pyemu.policy.guards import running, user_irqchip, vhe
from pyemu.policy.toml_io import parse_step


@pytest.mark.parametrize("name", names())
def test_round_trip(name: str) -> None:
    policy = get(name)
    assert parse(to_toml(policy)) == policy


def test_round_trip_of_odd_text() -> None:
    policy = get("lazy").renamed('a "b"\\', "two\nlines\x7f and ü")
    assert parse(to_toml(policy)) == policy


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    policy = get("lazy").without("put:isb").renamed("mine")
    save(policy, path)
    assert load_policy(path) == policy
    save(get("eager"), path)
    assert load_policy(str(path)) == get("eager")
    assert [one.name for one in tmp_path.iterdir()] == ["mine.toml"]
    assert load_policy("v4.18") is get("v4.18")
    with pytest.raises(ConfigError, match="writable"):
        save(policy, tmp_path / "no" / "mine.toml")


def test_base_and_partial_tables() -> None:
    policy = parse(
        """
        base = "lazy"
        [hooks]
        unblock = []
        vtimer_isr = ["isr_vtimer", "eval_v_hw if running"]
        [switches]
        no_ap_level = true
        hw_bit = false
        """,
        "dir/mine.toml",
    )
    assert policy.name == "mine"
    assert policy.steps("put") == get("lazy").steps("put")
    assert policy.steps("unblock") == ()
    assert policy.steps("vtimer_isr")[1] == prims.eval_v_hw.when(running)
    assert policy.switches == get("lazy").switches - {"hw_bit"} | {"no_ap_level"}


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("cntv_ctl_w0", prims.cntv_ctl_w0),
        ("isb if vhe", prims.isb.when(vhe)),
        ("isb unless vhe", prims.isb.when(~vhe)),
        ("isb if nvhe", prims.isb.when(~vhe)),
        ("isb if !nvhe", prims.isb.when(vhe)),
        ("active_set_v if kernel_irqchip", prims.active_set_v.when(~user_irqchip)),
        ("isb unless vhe and !running", prims.isb.when(~(vhe & ~running))),
        ("isb if vhe running", prims.isb.when(vhe & running)),
    ],
)
def test_step_strings(text: str, step: object) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('base = "lazy"\nnmae = "x"\n', 2, "did you mean 'name'"),
        ('base = "lasy"\n', 1, "did you mean 'lazy'"),
        ('base = "lazy"\n[hooks]\nputt = []\n', 3, "did you mean 'put'"),
        ('base = "lazy"\n[hooks]\nput = 3\n', 3, "a list of steps"),
        (
            'base = "lazy"\n[hooks]\nput = [\n  "isb",\n  "isc",\n]\n',
            5,
            r"hooks.put\[1\].*isc.*did you mean 'isb'",
        ),
        (
            'base = "lazy"\n[hooks]\nput = [\n  "isb",\n  "isb if lodaed",\n]\n',
            5,
            "did you mean 'loaded'",
        ),
        (
            'base = "lazy"\n[hooks]\nput = ["isb"]\nabort = ["isb", "isb when vhe"]\n',
            4,
            "isb if FLAG",
        ),
        ('base = "lazy"\n[hooks]\nput = [\n"isb if"]\n', 4, "isb if FLAG"),
        ('base = "lazy"\n[hooks]\nput = [\n"isb if vhe nvhe"]\n', 4, "not both"),
        ('base = "lazy"\n[hooks]\nput = [3]\n', 3, "a primitive"),
        ('base = "lazy"\n[hooks]\nput = [\n"eret"]\n', 4, "eret may stand only in"),
        ('base = "lazy"\n[hooks]\nput = ["isb"]\n', 3, "no cntv_ctl_w0"),
        ('base = "lazy"\n\n[switches]\nhw_bit = 1\n', 4, "true or false"),
        ('base = "lazy"\n\n[switches]\nhwbit = true\n', 4, "did you mean 'hw_bit'"),
        ('base = "lazy"\n[sections]\nputt = "4"\n', 3, "did you mean 'put'"),
        ('base = "lazy"\ntitle = 3\n', 2, "a string"),
        ('hooks = 3\nbase = "lazy"\n', 1, "a table"),
    ],
)
def test_errors_name_file_and_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(text, "mine.toml")
    assert caught.value.line == line
    assert "mine.toml" in str(caught.value)
    assert f"line {line}" in str(caught.value)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        parse("name = \n", "mine.toml")
    with pytest.raises(ConfigError, match="no steps"):
        parse('name = "empty"\n')
    with pytest.raises(ConfigError, match="did you mean 'eager'"):
        load_policy("eagre")
    with pytest.raises(TraceError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml")
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(TraceError, match="cannot be read"):
        load_policy(bad)
