"""The published figures the package ships: complete, sourced, and run as they say."""

import json
import tomllib
from importlib import resources

import pytest

from pyemu import costs, policy
from pyemu.cli import main
from pyemu.costing import check, published
from pyemu.costing.operations import OPERATIONS

RUN = {*OPERATIONS, "world_switch"}

GROUPS = published.groups()


def test_every_row_has_a_tag_and_every_group_a_source():
    assert len({group.id for group in GROUPS}) == len(GROUPS)
    for group in GROUPS:
        assert group.unit in published.UNITS, group.id
        assert group.source and group.title and group.rows, group.id
        for row in group.rows:
            assert row.value > 0 and row.tag in costs.TAGS, (group.id, row.name)
            assert row.operation in ("", *RUN), (group.id, row.name)


def test_every_row_is_run_or_says_why_not():
    for group in GROUPS:
        runs = bool(group.profile or group.calibrate)
        assert runs != bool(group.why_not), group.id
        if runs:
            assert group.policy in policy.names()
            assert group.unit != "cycles" or group.hz
        for row in group.rows:
            assert bool(row.operation and runs) != bool(
                (row.note if runs else group.why_not) and not row.operation
            ), (group.id, row.name)


def test_every_row_that_is_not_run_has_a_word():
    """One class each; the reason in full stands beside."""
    words = {
        published.word(row.note or group.why_not)
        for group in GROUPS
        for row in group.rows
        if not row.operation
    }
    assert "no-guest" in words and "not-modelled" in words
    assert all(len(word.split()) == 1 for word in words)


def test_an_operation_keeps_its_own_row():
    """A row that is run as another operation does not stand for it in a fit."""
    rows = published.get("arndale-3.10").rows_ns
    assert rows["mmio_read_vgic"] == pytest.approx(6462 / 1.7)
    assert rows["ipi"] == pytest.approx(13992 / 1.7)


def test_every_source_is_used():
    where = resources.files("pyemu") / "data" / "published" / "costs.toml"
    data = tomllib.loads(where.read_text(encoding="utf-8"))
    assert set(data["source"]) == {group["source"] for group in data["group"]}


def test_known_figures_stand_there():
    """One figure of each publication."""
    known = {
        "m400-4.0": ("Hypercall", 6500),
        "seattle-4.5": ("Virtual IPI", 13121),
        "arndale-3.10": ("hvc", 5326),
        "m400-neve": ("Hypercall", 2729),
        "seattle-5.2": ("do_hvc 5.2-rc1", 4339),
        "m400-4.18": ("I/O User", 7864),
        "altra-6.12": ("timer_10ms", 902),
        "n1-2022-bhb": ("ipi", 1548),
        "kunpeng-920-lean": ("eoi", 16),
        "phytium-s2500": ("mmio_read_user", 7214),
        "juno-r2": ("hvc", 4530),
    }
    for name, (row, value) in known.items():
        rows = {one.name: one.value for one in published.get(name).rows}
        assert rows[row] == value


def test_check_marks_what_was_fitted():
    """X-Gene: NEVE's figures are checks within 10 %, 4.18's IPI is what was fitted."""
    rows = {(one.group.id, one.row.name): one for one in check.check("xgene-gicv2")}
    for name in ("Hypercall", "Device I/O", "Virtual IPI"):
        one = rows["m400-neve", name]
        assert one.kind == "check"
        assert abs(one.off) < 0.1
    fitted = rows["m400-4.18", "Virtual IPI"]
    assert fitted.kind == "fitted"
    assert abs(fitted.off) < 0.01
    assert rows["m400-4.0", "I/O Latency Out"].kind == "not-modelled"


def test_the_command(capsys):
    assert main(["profiles", "check", "n1-altra-gicv3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    kinds = {row["kind"] for row in rows}
    assert {"fitted", "check", "not-modelled"} <= kinds
    assert "not run" not in kinds
    assert main(["profiles", "check", "n1-altra-gicv3"]) == 0
    assert "checks of which" in capsys.readouterr().out
    assert main(["profiles", "check", "n1-altra"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["profiles", "check", "unit"]) == 2
    assert "publications stand beside" in capsys.readouterr().err


@pytest.mark.slow
def test_every_published_row_is_checked():
    rows = check.check()
    assert len(rows) == sum(len(group.rows) for group in GROUPS)
