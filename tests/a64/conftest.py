"""Tests of the core run on both of its executors."""

import a64_core
import pytest


@pytest.fixture(params=["translated", "interpreted"])
def executor(request, monkeypatch):
    """The executor of every memory that the test makes."""
    translated = request.param == "translated"
    if translated and not a64_core.lib.a64_mem_has_jit(a64_core.Mem().p):
        pytest.skip("no code generator on this host")
    monkeypatch.setattr(a64_core, "JIT", translated)
