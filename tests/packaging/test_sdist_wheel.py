"""Packaging: sdist -> wheel -> import, and a core of another header is refused."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def call(*args, cwd=None):
    """Run a command; its output is shown on failure."""
    done = subprocess.run(args, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_sdist_builds_an_abi3_wheel_that_imports_and_runs(tmp_path):
    """The sdist holds all the wheel needs; the wheel runs from another directory."""
    # A directory build/ of an earlier compilation would pass for the package itself.
    pytest.importorskip("build.__main__")
    call(sys.executable, "-m", "build", "--outdir", tmp_path, ROOT)
    wheel = next(tmp_path.glob("*.whl"))
    assert "cp311-abi3" in wheel.name
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    call(env / "bin/pip", "install", "-q", wheel)
    out = call(
        *(env / "bin/pyemu", "compare", "--load", "hvc-loop", "--n", "100", "--json"),
        cwd=tmp_path,
    )
    assert '"schema": 1' in out or '"schema":1' in out


def test_a_core_built_from_another_header_is_refused():
    """`_ffi` compares the built version with its own and says what to do."""
    code = (
        "import sys, types\n"
        "import pyemu._core as core\n"
        "class Lib:\n"
        "    def __getattr__(self, name):\n"
        "        return (lambda: 999) if name == 'pyemu_api_version' "
        "else getattr(core.lib, name)\n"
        "fake = types.ModuleType('pyemu._core')\n"
        "fake.lib, fake.ffi = Lib(), core.ffi\n"
        "sys.modules['pyemu._core'] = fake\n"
        "for name in [n for n in sys.modules if n.startswith('pyemu')"
        " and n != 'pyemu._core']:\n"
        "    del sys.modules[name]\n"
        "import pyemu\n"
        "pyemu.Machine\n"  # names are loaded when they are asked for
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "999" in done.stderr
