"""Rules of scenario files: unknown keys have lines and suggestions, echoes read in."""

import tomllib

import pytest

from pyemu import scenario
from pyemu.errors import ConfigError, TraceError

GOOD = """\
name = "demo"
policies = ["eager", "lazy"]
seed = 7
guest_cyc = 1e9
host = { pcpus = 2, gic = "v2", list_registers = 4, cpu_hz = "2.4GHz" }

[[vm]]
name = "web"
vcpus = 4
load = [ { kind = "tick-wfi", period_ns = 4_000_000 } ]

[[vm]]
name = "db"
load = "sgi-wfi"

[[vm]]
name = "pinned"
vcpu = [ { affinity = [1] } ]
load = "hvc-loop"

[[move]]
at_cyc = 1000
vcpu = 0
pcpu = 1
"""


def test_a_scenario_is_read_whole():
    """Every part arrives, validated and typed."""
    got = scenario.parse(GOOD)
    assert (got.name, got.policies, got.seed) == ("demo", ("eager", "lazy"), 7)
    assert got.guest_cyc == 10**9
    assert (got.host.pcpus, got.host.cpu_hz) == (2, 2_400_000_000)
    assert [(vm.name, vm.n_vcpus) for vm in got.vms] == [
        *(("web", 4), ("db", 2), ("pinned", 1))
    ]
    assert got.vms[0].load.params["period_ns"] == 4_000_000
    assert got.vms[2].vcpu(0).affinity == (1,)
    assert got.moves[0].at_cyc == 1000


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('load = "idle"\nsed = 1\n', 2, "did you mean 'seed'"),
        ('load = "idle"\n[host]\npcpu = 1\n', 3, "did you mean 'pcpus'"),
        ('load = "idle"\n[host]\npcpus = 1\nlist_registers = 17\n', 4, "from 1 to 16"),
        ('[[vm]]\nname = "a"\nload = "idle"\n\n[[vm]]\nvcpuz = 2\n', 6, "vcpus"),
        ('load = "idel"\n', 1, "did you mean 'idle'"),
        ('load = { kind = "idle", nn = 2 }\n', 1, "did you mean 'n'"),
        ('load = "idle"\nseed = -1\n', 2, "from 0"),
        ('load = "idle"\n[[vm]]\nvcpu = [{ affinity = [] }]\n', 3, "at least one pCPU"),
        ('load = "idle"\nmove = 3\n', 2, "list of tables"),
        ("load = 3\n", 1, "load's name"),
        ('load = ["idle", "mixed"]\n', 1, "one load"),
        ('load = "idle"\npolicies = [1]\n', 2, "policy names"),
    ],
)
def test_errors_carry_their_line(text, line, words):
    """Path, value, what is allowed, and the line it stands on."""
    with pytest.raises(ConfigError, match=words) as caught:
        scenario.parse(text)
    assert caught.value.line == line


def test_text_that_is_no_toml_is_a_bad_file(tmp_path):
    """Exit code 3 territory: TraceError."""
    with pytest.raises(TraceError, match="not TOML"):
        scenario.parse("= 3")
    with pytest.raises(TraceError, match="cannot be read"):
        scenario.read(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TraceError):
        scenario.read(tmp_path / "s.toml")


def test_overrides_apply_before_validation():
    """--set reaches any key, also a load given by name."""
    sets = ("host.pcpus=8", "load.n=5", "host.vhe=true", "seed=1e3")
    got = scenario.parse('load = "idle"', sets=sets)
    assert (got.host.pcpus, got.host.vhe, got.seed) == (8, True, 1000)
    assert got.load.params["n"] == 5
    with pytest.raises(ConfigError, match="key=value"):
        scenario.parse('load = "idle"', sets=("host.pcpus",))
    with pytest.raises(ConfigError, match="no table"):
        scenario.parse('load = "idle"\nseed = 1', sets=("seed.x=1",))


def test_pcpus_default_to_what_the_load_is_made_for():
    """A ping-pong gets two pCPUs unless told otherwise."""
    assert scenario.parse('load = "sgi-spin"').host.pcpus == 2
    assert scenario.parse('load = "sgi-spin"\nhost = {pcpus = 1}').host.pcpus == 1


def test_what_is_written_reads_in_again():
    """to_toml and tomllib agree on scalars, lists, tables and lists of tables."""
    data = {
        "name": 'a "b" \\',
        "seed": 1,
        "host": {"pcpus": 2, "nohz_idle": True, "task": [{"pcpu": 0}, {"pcpu": 1}]},
        "vm": [{"name": "x", "load": {"kind": "idle"}}, {"name": "y"}],
        "empty": [],
    }
    assert tomllib.loads(scenario.to_toml(data)) == data
