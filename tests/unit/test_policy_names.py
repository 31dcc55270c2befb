"""The names of primitives, flags, hooks and switches against csrc/pyemu_api.h."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyemu.policy import HOOKS, PRIMS, SWITCHES, get, names, prims
from pyemu.policy.guards import ALIASES, FLAGS
from pyemu.policy.steps import COMPONENTS, OPS, Step
from pyemu.policy.table import MAX_GUARDS, MAX_STEPS

HEADER = Path(__file__).parents[2] / "csrc" / "pyemu_api.h"


def members(enum: str) -> list[str]:
    """Return the constants of one enum of the header, in order."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    found = re.search(rf"enum {enum} \{{(.*?)\}}", text, flags=re.DOTALL)
    assert found is not None, enum
    return [part.split("=")[0].strip() for part in found[1].split(",") if part.strip()]


def expected(enum: str, prefix: str) -> list[str]:
    names = [name.removeprefix(prefix).lower() for name in members(enum)]
    return [name for name in names if name not in ("count", "step_count")]


def test_primitives_are_the_headers_in_order() -> None:
    assert list(PRIMS) == expected("pyemu_prim", "PYEMU_P_")
    raw = members("pyemu_prim")
    values = {name: i for i, name in enumerate(n for n in raw if "STEP_COUNT" not in n)}
    for name, prim in PRIMS.items():
        assert prim.index == values[f"PYEMU_P_{name.upper()}"]
    assert raw.index("PYEMU_P_STEP_COUNT") == prims.STEP_COUNT


@pytest.mark.parametrize(
    ("table", "enum", "prefix"),
    [
        (FLAGS, "pyemu_flag", "PYEMU_F_"),
        (HOOKS, "pyemu_hook", "PYEMU_H_"),
        (SWITCHES, "pyemu_switch", "PYEMU_S_"),
    ],
)
def test_names_are_the_headers_in_order(
    table: dict[str, object], enum: str, prefix: str
) -> None:
    assert list(table) == expected(enum, prefix)


def test_limits_are_the_headers() -> None:
    text = HEADER.read_text()
    for name, value in (("STEPS", MAX_STEPS), ("GUARDS", MAX_GUARDS)):
        found = re.search(rf"PYEMU_MAX_{name} = (\d+)", text)
        assert found is not None
        assert int(found[1]) == value


def test_every_step_primitive_is_a_module_level_step() -> None:
    for name, prim in PRIMS.items():
        if prim.hooks:
            assert getattr(prims, name) == Step(name)
        assert prim.component in COMPONENTS
        assert prim.text
        assert set(prim.ops) <= set(OPS)
    assert [n for n, p in PRIMS.items() if p.hooks] == list(PRIMS)[: prims.STEP_COUNT]


def test_ops_are_counted_by_someone() -> None:
    counted = {op for prim in PRIMS.values() for op in prim.ops}
    assert counted == set(OPS)
    assert PRIMS["eval_v_hw"].ops == ("cntv_ctl_r",)
    assert PRIMS["eval_p_hw"].ops == ("cntp_ctl_r",)
    assert PRIMS["ppi_disable"].ops == ("icactiver_w",)


def test_aliases_are_no_flags() -> None:
    assert not set(ALIASES) & set(FLAGS)
    assert set(ALIASES.values()) <= set(FLAGS)


def test_shipped_names() -> None:
    assert names() == (
        *("v4.4", "eager", "lazy-commit", "lazy", "lazy-fixed", "lazy-hybrid"),
        *("v4.16", "v4.18", "v5.2", "v6.1", "v6.12"),
    )
    for name in names():
        policy = get(name)
        assert policy.name == name
        assert policy.title and policy.versions
        assert "hw_bit" in policy.switches
        assert set(policy.sections) >= set(policy.hooks)
