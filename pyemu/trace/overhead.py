"""What tracing itself cost, and how well guest time is known after removing it.

c is the cost of one trace record, b what a traced guest run is too long by: c plus w,
the world-switch code between the two records. Only c comes from the trace; w is that of
the Linux 6.1 recordings (fitted to their register logs at 1 instruction = 1 ns), so a
range from no w to twice w is always given beside the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigError
from .model import Event, Issue, Segment

__all__ = ["GuestTime", "Overhead", "guest_time", "measure"]

WORLD_SWITCH_NS: Final = 500
ASSUMED_RECORD_NS: Final = 650
MIN_PAIRS: Final = 20
SYSTEMATIC_NS: Final = 100
RESOLVABLE: Final = 5


@dataclass(frozen=True, slots=True)
class Overhead:
    """Tracing cost in ns: `record_ns` (c), `switch_ns` (w) and where c is from.

    `switch_ns` is 0 if removal was switched off.
    """

    record_ns: int
    switch_ns: int
    origin: str
    pairs: int = 0

    @property
    def run_ns(self) -> int:
        """How much too long a traced guest run is (b), ns."""
        return self.record_ns + self.switch_ns


@dataclass(frozen=True, slots=True)
class GuestTime:
    """Guest time in ns: raw, corrected, with its range, over `runs` guest runs."""

    raw_ns: int
    corrected_ns: int
    low_ns: int
    high_ns: int
    runs: int
    run_overhead_ns: int

    @property
    def resolved(self) -> bool:
        """False if guest runs are below what the trace can show."""
        if self.run_overhead_ns == 0:
            return self.raw_ns > 0
        return self.corrected_ns >= RESOLVABLE * self.runs * self.run_overhead_ns

    @property
    def bound_ns(self) -> int:
        """Systematic error of the corrected time: 0.1 us a run."""
        return self.runs * SYSTEMATIC_NS


def _pair_gaps(events: Sequence[Event]) -> list[int]:
    """Return gaps of adjacent records with almost no code between them, ns."""
    gaps: list[int] = []
    before: Event | None = None
    for event in events:
        if (
            before is not None
            and event.name == "vgic_update_irq_pending"
            and before.name == "kvm_timer_update_irq"
            and before.pid == event.pid
            and before.cpu == event.cpu
        ):
            gaps.append(event.ts_ns - before.ts_ns)
        before = event
    return gaps


def measure(
    events: Sequence[Event], overhead: int | str, issues: list[Issue]
) -> Overhead:
    """Return the tracing cost.

    Parameters
    ----------
    events
        The file's records.
    overhead
        ``"auto"`` measures the cost of a record; 0 removes nothing; a number is that
        cost in ns.
    issues
        Assumptions are appended here.

    Raises
    ------
    ConfigError
        If `overhead` is anything else.
    """
    if overhead == "auto":
        gaps = [gap for gap in _pair_gaps(events) if 0 <= gap < 20_000]
        if len(gaps) >= MIN_PAIRS:
            record = round(sum(gaps) / len(gaps))
            return Overhead(record, WORLD_SWITCH_NS, "measured", len(gaps))
        words = (
            f"tracing cost assumed, {ASSUMED_RECORD_NS} ns a record: only {len(gaps)} "
            "pairs of adjacent records to measure it on"
        )
        issues.append(Issue("overhead-assumed", words))
        return Overhead(ASSUMED_RECORD_NS, WORLD_SWITCH_NS, "assumed", len(gaps))
    if isinstance(overhead, bool) or not isinstance(overhead, int):
        raise ConfigError("overhead", overhead, "'auto', 0 or a number of ns a record")
    if not 0 <= overhead <= 1_000_000:
        raise ConfigError("overhead", overhead, "from 0 to 1000000 ns a record")
    if overhead == 0:
        return Overhead(0, 0, "none removed")
    return Overhead(overhead, WORLD_SWITCH_NS, "given")


def _sum_ns(segments: Sequence[Segment], minus_ns: int) -> int:
    return sum(max(0, seg.guest_ns - minus_ns) for seg in segments)


def guest_time(segments: Sequence[Segment], overhead: Overhead) -> GuestTime:
    """Return guest time with its range: twice w removed, to no w removed."""
    most = overhead.record_ns + 2 * overhead.switch_ns
    return GuestTime(
        raw_ns=_sum_ns(segments, 0),
        corrected_ns=_sum_ns(segments, overhead.run_ns),
        low_ns=_sum_ns(segments, most),
        high_ns=_sum_ns(segments, overhead.record_ns),
        runs=len(segments),
        run_overhead_ns=overhead.run_ns,
    )
