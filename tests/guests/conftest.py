"""Heavy boots run only when asked for: ``pytest tests/guests -m heavy``."""

import pytest


def pytest_collection_modifyitems(config, items):
    """Skip what is marked heavy unless the marker expression names it."""
    if "heavy" in (config.getoption("-m") or ""):
        return
    for item in items:
        if "guests" in item.path.parts and item.get_closest_marker("heavy"):
            item.add_marker(pytest.mark.skip(reason="needs -m heavy"))
