"""Benchmarks run only when asked for: ``pytest --benchmark-only``.

Heavy ones, marked ``heavy``, run only with ``-m heavy`` on top of that.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Skip everything below this directory unless its option was given."""
    asked = config.getoption("--benchmark-only", default=False)
    heavy = "heavy" in (config.getoption("-m") or "")
    for item in items:
        if HERE not in item.path.parents:
            continue
        if not asked:
            item.add_marker(pytest.mark.skip(reason="needs --benchmark-only"))
        elif item.get_closest_marker("heavy") and not heavy:
            item.add_marker(pytest.mark.skip(reason="needs -m heavy"))
