"""A fitted profile: it gives the log back, and says what the log did not tell."""

import json

import numpy as np
import pytest
from calibration_table import measured, shown

from pyemu import costs
from pyemu.cli import main
from pyemu.costing import profile_toml, published
from pyemu.costing.calibrate import calibrate
from pyemu.costing.leave_one_out import INPUTS, leave_one_out
from pyemu.costing.microbench import microbench
from pyemu.costing.operations import MICROBENCH, Setting
from pyemu.costing.parameters import GROUPS, PARAMETERS, members, scaled
from pyemu.errors import TraceError

ALTRA_ID = "altra-6.12"
ALTRA = published.get(ALTRA_ID).rows_ns
HIDDEN = dict(zip(PARAMETERS, (1.4, 1.7, 1.2, 0.9, 1.3, 1.5, 0.8, 1.3), strict=True))


@pytest.fixture(scope="module")
def hidden():
    """Rows of a machine that is N1 with every group scaled by a known factor."""
    base = costs.get("n1-altra-gicv3")
    logs = np.log([HIDDEN[name] for name in PARAMETERS])
    setting = Setting(base, "v6.12", "v3", True, scaled(base, "v3", True, logs))
    return microbench(setting).rows_ns


def test_groups_hold_every_primitive_once():
    names = [one for parameter in PARAMETERS for one in members(parameter)]
    assert len(names) == len(set(names))
    fixed = {"nop", "g_insn", "extra", "callback"}
    assert set(names) | fixed == set(costs.primitives())
    assert set(GROUPS) == set(PARAMETERS) - {"exit"}


def test_a_known_machine_is_found_again(hidden):
    """All six rows given: they come back within 2 %, so do the groups they tell.

    The interrupt path and the flight are told by timer_10ms and ipi: within 20 %.
    """
    one = calibrate(hidden, policy="v6.12", base="n1-altra-gicv3")
    for name, ns in hidden.items():
        assert one.rows_ns[name][0] == pytest.approx(ns, rel=0.02, abs=2), name
    found = {group.name: group for group in one.parameters}
    for name in ("exit", "emulate", "user"):
        assert found[name].factor == pytest.approx(HIDDEN[name], rel=0.07), name
        assert found[name].identified
        assert found[name].low <= HIDDEN[name] <= found[name].high
    for name in ("interrupt", "ipi_flight"):
        assert found[name].factor == pytest.approx(HIDDEN[name], rel=0.2), name
    assert not found["sched"].identified


def test_the_file_gives_the_rows_back(tmp_path, hidden, capsys):
    """What is written is what was fitted: microbench on the file, within 1 %."""
    log = tmp_path / "m.log"
    rows = {name: hidden[name] for name in INPUTS}
    log.write_text("".join(f"{name} 1.0 {ns}\n" for name, ns in rows.items()))
    path = tmp_path / "mine.toml"
    assert main(["calibrate", str(log), "-o", str(path), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    model = costs.get(path)
    assert model.name == "mine"
    got = microbench(Setting(model, "v6.12")).rows_ns
    for name in MICROBENCH:
        assert got[name] == pytest.approx(out["rows"][name], rel=0.01, abs=1), name
    for name in ("hvc", "mmio_read_vgic", "mmio_read_user"):
        assert got[name] == pytest.approx(rows[name], rel=0.02), name
    assert set(out["predicted"]) == {"ipi", "timer_10ms"}
    assert {"interrupt", "ipi_flight", "sched"} <= set(out["unidentified"])
    assert all(row.tag in costs.TAGS and row.source for row in model.rows())
    assert model.costs["ipi_latency"].tag == "A"
    assert "ipi would tell" in model.costs["ipi_latency"].source


def test_more_rows_narrow_what_they_tell(hidden):
    """With timer_10ms the interrupt path is identified, without it it is not."""
    few = {name: hidden[name] for name in INPUTS}
    without = calibrate(few, policy="v6.12", base="n1-altra-gicv3")
    more = {**few, "timer_10ms": hidden["timer_10ms"]}
    with_timer = calibrate(more, policy="v6.12", base="n1-altra-gicv3")
    k = PARAMETERS.index("interrupt")
    assert not without.parameters[k].identified
    assert without.parameters[k].by == "timer_10ms"
    assert with_timer.parameters[k].identified
    assert with_timer.fit.log_sd[k] < without.fit.log_sd[k] / 2


@pytest.mark.parametrize("name", [one.name for one in map(costs.get, costs.names())])
def test_a_written_profile_reads_back(tmp_path, name):
    model = costs.get(name)
    profile_toml.save(model, tmp_path / "x.toml")
    again = costs.get(tmp_path / "x.toml")
    assert again.sha == model.sha
    assert again.rows() == model.rows()


def test_nothing_to_fit_to_is_refused():
    for rows in ({}, {"eoi": 14.0}, {"ipi": 1926.0, "timer_10ms": 902.0}):
        with pytest.raises(TraceError, match="needed is hvc"):
            calibrate(rows, policy="v6.12")


def test_a_machine_beyond_the_bounds_is_refused():
    with pytest.raises(TraceError, match="factors beyond 55"):
        calibrate({"hvc": 900_000.0, "mmio_read_user": 950_000.0}, policy="v6.12")


def test_a_hypercall_alone_predicts_with_wide_intervals():
    """The speed is known, nothing else: every other group says which row would tell."""
    one = calibrate({"hvc": 408.0}, policy="v6.1", base="n1-altra-gicv3")
    assert {group.name for group in one.parameters if group.identified} == {"exit"}
    low, high = one.rows_ns["mmio_read_user"][1:]
    assert high / low > 1.5


@pytest.mark.parametrize("name", ["altra-6.12", "n1-2022", "m400-4.18", "seattle-4.18"])
def test_boards_left_out_are_predicted(name):
    """Goal: within 15 %, the 90 % interval holds the figure.

    Two N1 boards with one hypercall differ by 28 % in ipi, so each predicts the other
    within 20 %. No profile or prior made from the board itself takes part.
    """
    one = leave_one_out(name)
    assert one.base != one.group.profile or one.group.board == "n1-2022"
    for row in one.measured_ns:
        assert one.holds(row), row
        assert abs(one.error(row)) <= (0.2 if row == "ipi" else 0.15), row


def test_a_machine_no_table_has_is_missed():
    """el2Linux is no kernel of the tables: said so, not hidden."""
    one = leave_one_out("seattle-el2linux")
    assert one.group.stand_in
    assert not one.holds("ipi")


def test_the_document_shows_what_the_runs_give():
    """docs/calibration.md: `python -m tests.scenario.calibration_table` writes it."""
    assert shown()[1] == measured()


def test_no_figure_is_within_15_percent_of_both_n1_boards_but_in_a_slit():
    """What the document says of the two misses, from the published figures alone."""
    one, other = (published.get(name).rows_ns["ipi"] for name in ("n1-2022", ALTRA_ID))
    low, high = 0.85 * other, 1.15 * one
    assert (round(low), int(high)) == (1637, 1735)
