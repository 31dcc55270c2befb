"""Benchmarks run only when asked for: ``pytest --benchmark-only``.

Heavy ones, marked ``heavy``, run only with ``-m heavy`` on top of that. After
pytest-benchmark's tables one section prints what was emulated and the ratios to what
ran beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROWS = pytest.StashKey[list[tuple[str, dict[str, Any]]]]()

# Column of the section: key of extra_info, format.
COLUMNS = {
    "ns/switch": ("ns_per_world_switch", ".1f"),
    "median": ("ns_per_world_switch_median", ".1f"),
    "epmc": ("epmc", ".2f"),
    "ws_cyc/exit": ("switch_cycles_per_exit", ".0f"),
    "x simpy": ("ratio_simpy", ".0f"),
    "x lean": ("ratio_simpy_lean", ".0f"),
    "x python": ("ratio_reference", ".0f"),
    "/ floor": ("ratio_floor", ".2f"),
}
SHOWN = {key for key, _ in COLUMNS.values()}


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Collect ``bench_*.py`` unless pytest does so by itself."""
    if file_path.suffix != ".py" or not file_path.name.startswith("bench_"):
        return None
    patterns = parent.config.getini("python_files")
    mine = any(fnmatch(file_path.name, pattern) for pattern in patterns)
    if mine or parent.session.isinitpath(file_path):
        return None
    return pytest.Module.from_parent(parent, path=file_path)


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


@pytest.fixture
def emulated_rows(pytestconfig: pytest.Config) -> list[tuple[str, dict[str, Any]]]:
    """Rows of the section that is printed at the end: a name and its extra_info."""
    return pytestconfig.stash.setdefault(ROWS, [])


@pytest.fixture
def emulate(
    request: pytest.FixtureRequest, benchmark: Any, emulated_rows: list[Any]
) -> Iterator[Callable[..., Any]]:
    """Measure one setup beside its peers; see `measure.Bench.emulate`."""
    from measure import Bench  # noqa: PLC0415 - not imported by a skipped run

    bench = Bench(benchmark)
    yield bench.emulate
    if benchmark.extra_info:
        emulated_rows.append((request.node.name, benchmark.extra_info))


@pytest.fixture(scope="session")
def switch_peers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The models of the hypercall loop, their floors compiled once a session."""
    pytest.importorskip("simpy")
    from hypercall import SwitchPeers  # noqa: PLC0415

    return SwitchPeers(tmp_path_factory.mktemp("floor"))


def _cell(info: dict[str, Any], key: str, form: str) -> str:
    return format(info[key], form) if key in info else "-"


def _others(info: dict[str, Any]) -> str:
    """Return what has no column as ``key value``."""
    said = []
    for key, value in info.items():
        if key not in SHOWN and not isinstance(value, (dict, list)):
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            said.append(f"{key} {text}")
    return ", ".join(said)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the section of emulated metrics."""
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("emulated metrics")
    width = max(len(name) for name, _ in rows)
    head = "".join(f"{title:>12}" for title in COLUMNS)
    terminalreporter.write_line(f"{'name':<{width}}{head}")
    for name, info in rows:
        cells = "".join(f"{_cell(info, *column):>12}" for column in COLUMNS.values())
        terminalreporter.write_line(f"{name:<{width}}{cells}  {_others(info)}".rstrip())
    terminalreporter.write_line(
        "ns: host time, best and median of interleaved rounds; x: times faster than; "
        "/ floor: core over the bare C loop; cycles are emulated"
    )
