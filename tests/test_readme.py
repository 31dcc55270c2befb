"""The README's example runs, and its commands exist."""

import re
from pathlib import Path

from pyemu.cli import main

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys):
    """Every line of the example, as it stands."""
    code = re.search(r"```python\n(.*?)```", README, re.S)[1]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "0"


def test_every_command_it_shows_is_understood():
    """`pyemu VERB` in a code block names a verb that exists."""
    shown = set(re.findall(r"^\$ pyemu (\w+)", README, re.M))
    assert shown
    for verb in shown:
        assert main([verb, "--help"]) == 0, verb
