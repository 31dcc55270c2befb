"""The registry: every load by name, with its parameters and its builder."""

from __future__ import annotations

from typing import Any, Final

from . import exits, traffic
from .entry import Builder, Entry, Param

__all__ = ["LIBRARY"]

LIBRARY: Final[dict[str, Entry]] = {}


def _n(default: int, what: str) -> Param:
    return Param(default, f"{what}, at least 1", low=1)


_WORK = Param(0, "guest cycles between two exits")
_TIMER = Param(
    "far",
    "guest timer: off, far (armed 2^40 ticks ahead) or tick",
    choices=("off", "far", "tick"),
)
_WARMUP = Param(32, "hypercalls before the measured region")


def _period(ns: int) -> Param:
    return Param(ns, "timer period, ns", low=100)


def _add(
    name: str,
    doc: str,
    build: Builder,
    params: dict[str, Param],
    **shape: Any,
) -> None:
    LIBRARY[name] = Entry(name, doc, build, params, **shape)


def _loop_params(n: int, what: str) -> dict[str, Param]:
    return {
        "n": _n(n, what),
        "work_cyc": _WORK,
        "timer": _TIMER,
        "period_ns": _period(200_000),
        "warmup": _WARMUP,
        "extra_cyc": Param(0, "extra host cycles an exit", high=2**32 - 1),
    }


_TICK: Final = {
    "handler_cyc": Param(0, "guest cycles in the handler"),
    "catch_up": Param(True, "re-arm in the past, or skip missed ticks"),
}
_SGI: Final = {
    "n": _n(2000, "rounds"),
    "timer": Param("off", "off or far", choices=("off", "far")),
    "work_cyc": Param(0, "guest cycles a round"),
}

_add(
    "tick-wfi",
    "a periodic timer; the guest sleeps in WFI between ticks",
    exits.tick_wfi,
    {"n": _n(1000, "ticks"), "period_ns": _period(1_000_000), **_TICK},
)
_add(
    "tick-busy",
    "a periodic timer; the guest never sleeps",
    exits.tick_busy,
    {
        "n": _n(1000, "ticks"),
        "period_ns": _period(200_000),
        **_TICK,
        "migrate_ns": Param(0, "move every vCPU to the next pCPU this often, ns"),
    },
    spread=False,
)
_add(
    "hvc-loop",
    "hypercalls back to back",
    exits.loop_builder("hvc"),
    _loop_params(10_000, "hypercalls"),
)
_add(
    "gicd-loop",
    "distributor accesses that the kernel handles",
    exits.loop_builder("mmio_kernel"),
    _loop_params(2000, "accesses"),
)
_add(
    "user-mmio-loop",
    "MMIO accesses that user space handles",
    exits.loop_builder("mmio_user"),
    {
        **{k: v for k, v in _loop_params(2000, "accesses").items() if k != "extra_cyc"},
        "before_cyc": Param(0, "extra host cycles before the put", high=2**32 - 1),
        "user_cyc": Param(0, "extra user-space cycles", high=2**32 - 1),
        "after_cyc": Param(0, "extra host cycles after the load", high=2**32 - 1),
    },
)
_add(
    "sgi-spin",
    "two vCPUs exchange SGIs, spinning",
    traffic.sgi_builder("sgi-spin", wfi=False),
    {**_SGI, "spin_cyc": Param(20, "guest cycles of one turn of the wait", low=1)},
    vcpus=2,
    pcpus=2,
    multiple=2,
)
_add(
    "sgi-wfi",
    "two vCPUs exchange SGIs, sleeping in WFI",
    traffic.sgi_builder("sgi-wfi", wfi=True),
    {**_SGI, "spin_cyc": Param(20, "unused: it sleeps")},
    vcpus=2,
    pcpus=2,
    multiple=2,
)
_add(
    "mixed",
    "hypercalls, MMIO and system registers at random, with a tick",
    exits.mixed,
    {
        "n": _n(10_000, "exits"),
        "work_cyc": Param(2000, "guest cycles between exits"),
        "timer": Param("tick", "off, far or tick", choices=("off", "far", "tick")),
        "period_ns": _period(1_000_000),
        "hvc": Param(4, "share of hypercalls"),
        "mmio": Param(3, "share of in-kernel MMIO"),
        "sysreg": Param(3, "share of trapped registers"),
        "mmio_user": Param(0, "share of user-space MMIO"),
    },
)
_add(
    "hackbench",
    "pairs of vCPUs pass messages: work, wake, sleep",
    traffic.hackbench,
    {
        "n": _n(2000, "messages each way"),
        "period_ns": _period(4_000_000),
        "work_cyc": Param(20_000, "mean guest cycles a message", low=1),
    },
    vcpus=4,
    pcpus=2,
    multiple=2,
    spread=False,
)
_add(
    "netperf",
    "request-response: device interrupt, work, kick to user space",
    traffic.netperf,
    {
        "n": _n(2000, "requests"),
        "gap_ns": Param(100_000, "between requests, ns", low=1000),
        "work_cyc": Param(15_000, "guest cycles a request"),
        "user_cyc": Param(5000, "user-space cycles a kick", high=2**32 - 1),
    },
)
_add(
    "idle",
    "a tickless idle guest that wakes for timers",
    traffic.idle,
    {
        "n": _n(200, "wake-ups"),
        "period_ns": _period(20_000_000),
        "work_cyc": Param(30_000, "guest cycles a wake-up"),
        "regular": Param(False, "equal gaps instead of exponential ones"),
    },
)
_add(
    "timer-storm",
    "short ticks, each handler masks and re-programs",
    exits.timer_storm,
    {
        "n": _n(5000, "ticks"),
        "period_ns": _period(20_000),
        "writes": Param(2, "TVAL writes a tick", low=1, high=64),
    },
)
