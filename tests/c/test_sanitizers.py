"""Random machines, soaks and fuzzed input on a core built with ASan and UBSan."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import pyemu as pe
from fuzz.targets import TARGETS, attempt
from pyemu.soak import soak
from differential.programs import machine, outcome
for policy in pe.policy.names():
    for seed in range(3):
        outcome(machine(policy, seed), until_cyc=2_000_000)
        outcome(machine(policy, seed, plain=True), until_cyc=500_000)
for target in TARGETS:
    for seed in range(200, 230):
        attempt(target, seed)
for policy in ("lazy-fixed", "lazy-commit"):
    soak(pe.policy.get(policy), events=200_000, seed=3, mean_cyc=50_000)
print("clean")
"""


def runtime(name):
    """Return the path of a sanitizer's shared library, or None."""
    out = subprocess.run(
        ["gcc", f"-print-file-name=lib{name}.so"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return out if os.path.isabs(out) else None


@pytest.mark.slow
def test_random_machines_are_clean_under_asan_and_ubsan(tmp_path):
    """Build the extension with sanitizers in a copy, run random machines in it."""
    if shutil.which("gcc") is None or runtime("asan") is None:
        pytest.skip("no gcc or no libasan")
    for part in ("csrc", "pyemu"):
        shutil.copytree(
            ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.so")
        )
    for part in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, tmp_path / part)
    # The build's own -O2 comes after CFLAGS; instrumented, it takes four times as long.
    build = tmp_path / "pyemu/_build_core.py"
    script = build.read_text(encoding="utf-8")
    assert '"-O2"' in script
    build.write_text(script.replace('"-O2"', '"-O1"'), encoding="utf-8")
    flags = "-g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    env = {**os.environ, "CFLAGS": f"{flags} -DPYEMU_TEST_BUILD", "LDFLAGS": flags}
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    env = {
        **os.environ,
        "LD_PRELOAD": runtime("asan"),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(tests=str(ROOT / "tests"))],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clean" in done.stdout
