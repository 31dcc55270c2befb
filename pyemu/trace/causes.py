"""Names what ended each block that no timer ended: an SPI, an SGI, PSCI or unknown.

Looks only at records of this file: an injection for the vCPU, or another vCPU's exit
that sends an interrupt, between the block's start and its wake-up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import fields
from .model import Block, Event, Segment

__all__ = ["Injection", "injections", "name_causes"]

FIRST_SPI = 32
IPI_NS = 1000


class Injection(NamedTuple):
    """One change of an SPI line: when, for which vCPU, INTID and level."""

    ts_ns: int
    vcpu: int
    intid: int
    level: int


def injections(events: Sequence[Event]) -> list[Injection]:
    """Return every ``vgic_update_irq_pending`` of an SPI, in time order."""
    out: list[Injection] = []
    for event in events:
        if event.name != "vgic_update_irq_pending":
            continue
        found = fields.irq_level(event.args)
        if found is not None and found[1] >= FIRST_SPI:
            out.append(Injection(event.ts_ns, *found))
    return out


def name_causes(
    segments: Mapping[int, Sequence[Segment]], spis: Sequence[Injection]
) -> None:
    """Set `Block.cause` of every block whose timer did not end it."""
    sends: dict[int, list[int]] = {}
    calls: dict[int, list[int]] = {}
    for vcpu, runs in segments.items():
        sends[vcpu] = [seg.end_ns for seg in runs if seg.kind == "sgi"]
        calls[vcpu] = [seg.end_ns for seg in runs if seg.reason == "HVC64"]
    for vcpu, runs in segments.items():
        own = [spi.ts_ns for spi in spis if spi.vcpu == vcpu and spi.level]
        for seg in runs:
            block = seg.block
            if block is None or block.cause == "timer":
                continue
            block.cause = _cause(vcpu, block, own, (sends, calls))


def _between(times: Sequence[int], low: int, high: int) -> bool:
    return bisect_right(times, high) > bisect_left(times, low)


def _cause(
    vcpu: int,
    block: Block,
    spis: Sequence[int],
    others: tuple[Mapping[int, list[int]], Mapping[int, list[int]]],
) -> str:
    low = block.start_ns - IPI_NS
    high = block.wake_ns if block.wake_ns is not None else block.start_ns
    if _between(spis, low, high):
        return "spi"
    for name, sent in zip(("sgi", "psci"), others, strict=True):
        for sender, times in sent.items():
            if sender != vcpu and _between(times, low, high):
                return name
    return "unknown"
