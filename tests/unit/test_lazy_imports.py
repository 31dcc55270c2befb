"""Names come when they are asked for; a command starts with what it needs."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module

import pytest

import pyemu as pe


def run(code):
    """Return what a fresh interpreter prints."""
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def declared():
    """Yield public name, module and name there, from what type checkers see."""
    for node in ast.walk(ast.parse(inspect.getsource(pe))):
        if isinstance(node, ast.ImportFrom) and node.level:
            for name in node.names:
                yield name.asname or name.name, node.module or "", name.name


def test_every_public_name_is_what_type_checkers_see():
    """The table of places and the imports for mypy say the same."""
    seen = {public: (module, name) for public, module, name in declared()}
    for public in set(pe.__all__) - {"__version__"}:
        module, name = seen[public]
        place = import_module(f"pyemu.{module}" if module else f"pyemu.{name}")
        assert getattr(pe, public) is (getattr(place, name) if module else place)
    assert set(pe.__all__) <= set(dir(pe))
    assert pe.units is import_module("pyemu.units")
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        _ = pe.frobnicate


def test_a_function_stays_whatever_is_imported_first():
    """`run` is a function although a module has its name."""
    first = "import pyemu.run, pyemu.explore, pyemu.soak, pyemu.explain, pyemu as pe\n"
    shown = run(first + "print([callable(f) for f in (pe.run, pe.soak, pe.explore)])")
    assert shown.strip() == "[True, True, True]"
    assert run("from pyemu import run; print(callable(run))").strip() == "True"


@pytest.mark.parametrize("name", ["loads", "policy", "costs", "Guest", "run", "VTIMER"])
def test_any_name_may_be_the_first(name):
    """In an interpreter that has imported nothing else."""
    assert run(f"import pyemu as pe; print(pe.{name} is pe.{name})").strip() == "True"


def test_a_guest_starts_without_the_other_commands():
    """Half of a short run is start-up; recordings, studies, plots stay outside."""
    code = (
        "import sys\nfrom pyemu.cli.entry import parser\n"
        "parser('guest')\nprint(*sys.modules)"
    )
    loaded = set(run(code).split())
    assert "pyemu.guest.machine_code" in loaded
    for absent in ("trace", "study", "validation", "costing", "explore", "soak"):
        assert f"pyemu.{absent}" not in loaded
    assert "numpy" not in set(run("import pyemu, sys; print(*sys.modules)").split())
