"""Typical recorded spans: what stands for whole interrupts and wake-ups in a replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .hosttime import is_host_timer
from .model import VTIMER_HANDLER, Segment

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["as_recorded_costs", "own_ns"]

POLL_TURN_NS: Final = 200
IPI_FLIGHT_NS: Final = 1000
MIN_SAMPLES: Final = 5
WAKE_LIMIT_NS: Final = 200_000


def _mean(values: Sequence[int]) -> int:
    return round(sum(values) / len(values)) if values else 0


def own_ns(segments: Sequence[Segment], record_ns: int) -> int:
    """Return what every exit costs whatever it handles, ns: flush, sync, run loop.

    Taken as the mean of the cheapest kind of exit handled in the kernel; the cost
    model charges those steps itself.
    """
    kinds: dict[str, list[int]] = defaultdict(list)
    for seg in segments:
        kernel = seg.reason in ("HVC64", "SYS64", "DABT_LOW", "IABT_LOW")
        if kernel and not seg.host.n_puts and seg.next_ns is not None:
            # Not cut at 0 one by one: with 1 us stamps that would bias the mean.
            host = seg.host.loaded
            kinds[f"{seg.reason}/{seg.kind}"].append(host.ns - record_ns * host.records)
    means = [_mean(values) for values in kinds.values() if len(values) >= MIN_SAMPLES]
    return max(0, min(means, default=0))


def as_recorded_costs(rec: Recording) -> dict[str, int]:
    """Return spans in ns by the primitive that stands for them.

    ``isr_tick``, ``isr_vtimer`` and ``isr_device`` carry a whole interrupt exit, from
    the handler to the next entry (without one, the handler alone); ``idle_exit`` the
    time from a timer's deadline to the entry. A polling turn and an IPI's flight cannot
    be 0.
    """
    spans: dict[str, list[int]] = defaultdict(list)
    inside: dict[str, list[int]] = defaultdict(list)
    wakes: list[int] = []
    for seg in rec.all_segments():
        if seg.next_ns is None:
            continue
        if seg.reason == "IRQ":
            kind = rec.irq_kind(seg)
            name = {"tick": "isr_tick", "vtimer": "isr_vtimer"}.get(kind, "isr_device")
            spans[name].append(seg.span_ns - seg.host.away.ns)
        block = seg.block
        if block is not None and block.cause == "timer" and block.soft_ns:
            late = seg.next_ns - block.soft_ns
            if block.out_ns is not None and 0 <= late < WAKE_LIMIT_NS:
                wakes.append(late)
    for irq in rec.irqs:
        kind = "isr_tick" if is_host_timer(irq.name) else "isr_vtimer"
        known = kind == "isr_tick" or irq.name == VTIMER_HANDLER
        if known and kind not in spans and not irq.kvm and irq.end_ns > irq.ts_ns:
            inside[kind].append(irq.end_ns - irq.ts_ns)
    spans.update(inside)
    out = {name: _mean(values) for name, values in spans.items()}
    out["isr_ipi"] = out.get("isr_device", 0)
    out["idle_exit"] = _mean(wakes)
    out["poll_iter"] = POLL_TURN_NS
    out["ipi_latency"] = IPI_FLIGHT_NS
    return out
