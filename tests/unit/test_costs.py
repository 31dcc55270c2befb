"""Cost models: every number sourced and tagged, bad numbers refused by name."""

import pytest

import pyemu as pe
from pyemu import _ffi, costs
from pyemu.errors import ConfigError
from pyemu.policy.prims import PRIMS

SHIPPED = ["icount", "n1-altra-gicv3", "seattle-a57-gicv2", "unit", "xgene-gicv2"]


def profile(**changes):
    """Return the content of a valid profile file, changed."""
    cyc = dict.fromkeys(costs.primitives(), 5) | {"extra": 1}
    cyc.update(changes.pop("cyc", {}))
    group = {"tag": "A", "source": "made up", "cyc": cyc, **changes.pop("group", {})}
    head = {"name": "mine", "title": "a test", "clock": "made up", "gic": "v2"}
    clock = {"cpu_hz": 10**9, "cntfrq_hz": 10**6, "vhe": False}
    return {**head, **clock, "costs": [group], **changes}


def test_shipped_profiles():
    assert costs.names() == SHIPPED


def test_primitives_are_the_cores_in_the_cores_order():
    """The list of profile `unit` is enum pyemu_prim and the policies' table."""
    members = _ffi.enum("prim", "PYEMU_P_")
    names = [name for name in members if name not in ("count", "step_count")]
    assert list(costs.primitives()) == names
    assert list(costs.primitives()) == list(PRIMS)
    assert [members[name] for name in names] == [p.index for p in PRIMS.values()]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_cost_is_sourced_and_tagged(name):
    """Each primitive of each profile has a tag of the list and a source in words."""
    for row in costs.get(name).rows():
        assert row.tag in costs.TAGS, row
        assert len(row.source) >= 15, row
        assert row.unit == "cycles"


@pytest.mark.parametrize("name", SHIPPED)
def test_published_numbers_name_where_they_are_from(name):
    """P, S, U and D rows cite a paper, a mail's machine or a measurement."""
    known = ("ISCA", "NEVE", "ATC", "S&P", "do_hvc", "Altra", "N1", "Kunpeng", "kvm-")
    for row in costs.get(name).rows():
        if row.tag in ("P", "S", "U"):
            assert any(word in row.source for word in known), row


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("gic", ["v2", "v3"])
@pytest.mark.parametrize("vhe", [False, True])
def test_every_machine_has_a_cost_for_every_primitive(name, gic, vhe):
    values = costs.get(name).resolve(gic=gic, vhe=vhe)
    assert len(values) == len(costs.primitives())
    assert all(0 <= value <= costs.MAX_CYC for value in values)
    assert costs.get(name).resolve(["extra"], gic=gic, vhe=vhe) == [1]
    assert min(costs.get(name).resolve(["g_insn"], gic=gic, vhe=vhe)) >= 1


@pytest.mark.parametrize("name", SHIPPED)
def test_extra_host_time_is_accounted_cycle_for_cycle(name):
    """500 extra cycles an exit show as 500 cycles of component ``handle``."""
    host = pe.Host(profile=name, tick_hz=0)
    loads = [pe.loads.get("hvc-loop", n=100, extra_cyc=cyc) for cyc in (0, 500)]
    without, extra = (pe.run("lazy", load, host=host).components for load in loads)
    assert extra["handle"]["cyc"] - without["handle"]["cyc"] == 500 * 100


def test_frequencies():
    clocks = {name: costs.get(name) for name in SHIPPED}
    assert [clocks[name].cpu_hz for name in SHIPPED] == [
        *(10**9, 3 * 10**9, 2 * 10**9, 10**9, 24 * 10**8)
    ]
    assert clocks["n1-altra-gicv3"].cntfrq_hz == 25_000_000
    assert clocks["unit"].cntfrq_hz == 62_500_000


def test_unit_is_one_everywhere():
    assert set(costs.get("unit").resolve(gic=2, vhe=False)) == {1}


def test_the_more_specific_variant_wins():
    """v2_nvhe before nvhe before v2."""
    cyc = {"trap": {"v2": 1, "v3": 2, "nvhe": 3, "v2_nvhe": 4}}
    model = costs.CostModel.from_dict(profile(cyc=cyc))
    for gic, vhe, want in [("v2", False, 4), ("v3", False, 3), ("v2", True, 1)]:
        assert model.resolve(["trap"], gic=gic, vhe=vhe) == [want]
    assert model.resolve(["trap"], gic=3, vhe=True) == [2]


@pytest.mark.parametrize(
    "cyc",
    [
        *(float("nan"), float("inf"), -1, 1.5, 2**30 + 1, "7", True, None, []),
        *({}, {"nvhe": 3}, {"v4": 1}, {"v2": 1, "v3": -1}),
    ],
)
def test_a_cost_is_a_whole_number_of_cycles_that_fits(cyc):
    """NaN, negative, fractional, too large, textual: named, not rounded."""
    with pytest.raises(ConfigError, match="trap"):
        costs.CostModel.from_dict(profile(cyc={"trap": cyc}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cyc": {"tarp": 1}}, "did you mean 'trap'"),
        ({"group": {"tag": "X"}}, "tag"),
        ({"group": {"source": " "}}, "source"),
        ({"group": {"unit": "ns"}}, "unit"),
        ({"group": {"cyc": {"trap": 1}}}, "missing: nop, eret"),
        ({"costs": []}, "costs"),
        ({"cpu_hz": 0}, "cpu_hz"),
        ({"cntfrq_hz": 2.5}, "cntfrq_hz"),
        ({"gic": "v4"}, "gic"),
        ({"vhe": 1}, "vhe"),
        ({"colour": 1}, "colour"),
        ({"clock": ""}, "clock"),
    ],
)
def test_bad_profiles_name_the_field(changes, words):
    with pytest.raises(ConfigError, match=words):
        costs.CostModel.from_dict(profile(**changes))


@pytest.mark.parametrize(
    ("name", "cyc"),
    [("g_insn", 0), ("extra", 0), ("extra", 2), ("extra", {"v2": 1, "v3": 2})],
)
def test_bound_costs(name, cyc):
    """A guest instruction takes time; extra host time is given in cycles."""
    with pytest.raises(ConfigError, match=name):
        costs.CostModel.from_dict(profile(cyc={name: cyc}))
    with pytest.raises(ConfigError, match=name):
        costs.get("unit").with_costs({name: cyc})


def test_the_largest_cost_is_what_the_core_takes():
    model = costs.get("unit").with_costs({"trap": 2**30})
    load = pe.loads.get("hvc-loop", n=1)
    pe.Machine(pe.Host(profile=model), policy="lazy", load=load).close()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("\ntrap = 13\n", "\ntrap = nan\n", "trap = nan", "whole number"),
        ("\ntrap = 13\n", "\ntarp = 13\n", "tarp = 13", "did you mean 'trap'"),
        ("\nuser = 25\n", "\nuser = -1\n", "user = -1", "0 to"),
        ("\nextra = 1\n", "\nextra = 0\n", "extra = 0", "1 to 1"),
        ("cpu_hz = 1_000_000_000", "cpu_hz = 0", "cpu_hz = 0", "Hz"),
        ("clock = ", "clokc = ", "clokc = ", "did you mean 'clock'"),
        ('title = "', 'title = ""\n#', 'title = ""', "not empty"),
        ("\nlr_r = 4\n", "\nlr_r = {v4 = 4}\n", "lr_r = {", "v2"),
        ("\nlr_r = 4\n", "\nlr_r = \n", "lr_r = ", "TOML"),
    ],
)
def test_an_error_in_a_file_names_its_line(tmp_path, old, new, line, words):
    """The line is that of the bad key, counted from 1."""
    text = costs._folder().joinpath("icount.toml").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    lines = path.read_text().splitlines()
    want = 1 + next(n for n, one in enumerate(lines) if one.startswith(line))
    with pytest.raises(ConfigError, match=words) as caught:
        costs.get(path)
    assert caught.value.line == want


def test_a_bad_tag_names_the_line_in_its_own_group(tmp_path):
    """The second group's tag, not the first's."""
    text = costs._folder().joinpath("icount.toml").read_text()
    at = text.index('tag = "', text.index("[[costs]]", text.index("[[costs]]") + 1))
    path = tmp_path / "mine.toml"
    path.write_text(text[:at] + 'tag = "X"' + text[at + 9 :])
    with pytest.raises(ConfigError, match="tag") as caught:
        costs.get(path)
    assert caught.value.line == text[:at].count("\n") + 1


def test_a_primitive_stands_once():
    data = profile()
    data["costs"].append({"tag": "A", "source": "again", "cyc": {"trap": 1}})
    with pytest.raises(ConfigError, match="each primitive once"):
        costs.CostModel.from_dict(data)


@pytest.mark.parametrize("text", ["name = ", "\x00", "name = 'x'\n"])
def test_a_broken_file_is_a_config_error(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        costs.get(path)


def test_unknown_and_missing_profiles_are_named(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'xgene-gicv2'"):
        costs.get("xgene-gic2")
    with pytest.raises(ConfigError, match=r"no\.toml"):
        costs.get(tmp_path / "no.toml")


def test_a_file_reads_as_the_shipped_profile(tmp_path):
    shipped = costs.get("icount")
    path = tmp_path / "copy.toml"
    path.write_text(costs._folder().joinpath("icount.toml").read_text())
    assert costs.get(str(path)) == shipped
    assert costs.get(str(path)).sha == shipped.sha


def test_set_replaces_numbers_and_changes_the_hash():
    model = costs.get("xgene-gicv2")
    changed = model.with_costs({"trap": 100})
    assert changed.resolve(["trap", "eret"], gic=2, vhe=False) == [100, 65]
    assert changed.costs["trap"].source == "set by the user"
    assert changed.sha != model.sha
    for bad in ({"trap": -1}, {"trap": float("nan")}, {"trpa": 1}):
        with pytest.raises(ConfigError):
            model.with_costs(bad)
