"""C is clean under the strict warnings of the project, file by file."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
FLAGS = [
    *("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-qual", "-Wundef"),
    *("-Wvla", "-Werror"),
]
# Computed goto (labels as values) is what ISO C lacks; the portable switch is one
# macro away and is what the static analyser reads.
COMPUTED_GOTO = {"a64/exec.c"}
FILES = sorted(p.relative_to(CSRC).as_posix() for p in CSRC.rglob("*.c"))

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


def compile_with(name, tmp_path, *flags):
    """Compile one file; return the compiler's words."""
    out = tmp_path / (name.replace("/", "_") + ".o")
    done = subprocess.run(
        ["gcc", "-I", str(CSRC), *flags, "-c", "-o", str(out), str(CSRC / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, out


@pytest.mark.parametrize("name", FILES)
def test_no_warning(name, tmp_path):
    """The flags of docs and style, with -Werror, at the optimisation users build."""
    extra = ["-Wno-pedantic"] if name in COMPUTED_GOTO else []
    code, words, _ = compile_with(name, tmp_path, *FLAGS, *extra, "-O2")
    assert code == 0, words


@pytest.mark.parametrize("name", FILES)
def test_no_finding_of_the_static_analyser(name, tmp_path):
    """gcc -fanalyzer has nothing to say."""
    extra = ["-DA64_NO_COMPUTED_GOTO"] if name in COMPUTED_GOTO else []
    code, words, _ = compile_with(
        name, tmp_path, "-std=c11", "-O1", "-fanalyzer", *extra
    )
    assert code == 0
    assert "warning" not in words, words


@pytest.mark.parametrize("name", FILES)
def test_no_writable_global(name, tmp_path):
    """All mutable state is the machine's: no b, B, d or D symbol in any object."""
    code, words, out = compile_with(name, tmp_path, "-std=c11", "-O2")
    assert code == 0, words
    symbols = subprocess.run(
        ["nm", str(out)], capture_output=True, text=True, check=True
    ).stdout
    bad = [s for s in symbols.splitlines() if s[17:18] in "bBdDC" and s[17:18]]
    assert not bad
