"""Programs that wake each other or sleep: SGI pairs, messages, requests, idle."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .entry import Builder, Params
from .exits import FAR_TICKS, TICKS
from .ops import PPI_VTIMER, Compiled, Program
from .workload import Clock, Workload

__all__ = ["hackbench", "idle", "netperf", "sgi_builder"]

EDGE_INTID: Final = 2  # stands for the device: edge-triggered, as an MSI is
SGIS: Final = 1  # register that counts messages
SETTLE_CYC: Final = 200_000  # lets every other vCPU reach its waiting place


def _need_pairs(name: str, n_vcpus: int) -> None:
    if n_vcpus % 2:
        words = "an even number of vCPUs: they work in pairs"
        raise ConfigError(f"load.{name}.vcpus", n_vcpus, words)


def _pingpong(params: Params, vcpu: int, *, wfi: bool) -> Compiled:
    """One side of the SGI ping-pong: the even vCPU serves first."""
    first, peer = vcpu % 2 == 0, vcpu ^ 1
    p = Program("sgi").irq_off()
    if params["timer"] == "far":
        p.timer_set(FAR_TICKS)
    if first:
        p.compute(SETTLE_CYC)
    if vcpu == 0:
        p.reset_stats()
    if first:
        p.sgi(0, peer)
    rounds = params["n"] - 1 if first else params["n"]
    for turns, answer in ((rounds, True), (1 if first else 0, False)):
        if turns == 0:
            continue
        with p.loop(turns):
            check, wait = p.new_label(), p.new_label()
            p.jump(check).label(wait)
            p = p.wfi() if wfi else p.compute(params["spin_cyc"])
            p.irq_window().label(check).wait_reg(SGIS, 1, wait).count(7)
            if params["work_cyc"]:
                p.compute(params["work_cyc"])
            if answer:
                p.sgi(0, peer)
    with p.on_irq(0):
        p.count(SGIS)
    return p.end().build()


def sgi_builder(name: str, *, wfi: bool) -> Builder:
    """Return the builder of the SGI ping-pong, spinning or sleeping."""

    def build(params: Params, _clock: Clock, n_vcpus: int) -> Workload:
        _need_pairs(name, n_vcpus)
        return Workload.of([_pingpong(params, v, wfi=wfi) for v in range(n_vcpus)])

    return build


def _exponential(mean: int, seed: int, n: int, low: int) -> NDArray[np.uint64]:
    """Draw whole numbers, exponential around `mean`, none below `low`."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.maximum(rng.exponential(mean, n), low).astype(np.uint64)


def hackbench(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Pairs that send each other messages: work, wake the peer, sleep."""
    _need_pairs("hackbench", n_vcpus)
    period = clock.ticks(params["period_ns"])
    compiled = []
    for vcpu in range(n_vcpus):
        first, peer = vcpu % 2 == 0, vcpu ^ 1
        p = Program("hackbench").irq_off().timer_set(period)
        work = p.table(_exponential(params["work_cyc"], 1, 256, 1))
        if first:
            p.compute(SETTLE_CYC)
        if vcpu == 0:
            p.reset_stats()
        with p.loop(params["n"]):
            if first:
                p.compute_from(work).sgi(0, peer)
            check, wait = p.new_label(), p.new_label()
            p.jump(check).label(wait).wfi().irq_window()
            p.label(check).wait_reg(SGIS, 1, wait).count(7)
            if not first:
                p.compute_from(work).sgi(0, peer)
        with p.on_irq(0):
            p.count(SGIS)
        with p.on_irq(PPI_VTIMER):
            p.timer_next(period, skip_missed=True)
        compiled.append(p.timer_ctl(False, False).end().build())
    return Workload.of(compiled)


def netperf(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Request-response: sleep, device interrupt, work, kick by user-space MMIO."""
    gap = clock.cyc(params["gap_ns"])
    requests = params["n"] + 1  # the first one starts the measured region
    compiled = []
    for vcpu in range(n_vcpus):
        p = Program("netperf").irq_off()
        if vcpu == 0:
            p.label("first").wfi().irq_window().until(SGIS, 1, "first").reset_stats()
            with p.loop(params["n"]):
                check, wait = p.new_label(), p.new_label()
                p.compute(max(1, params["work_cyc"]))
                p.mmio_user(0, params["user_cyc"], 0)
                p.jump(check).label(wait).wfi().irq_window()
                p.label(check).wait_reg(SGIS, 2, wait).count(7)
            with p.on_irq(EDGE_INTID):
                p.count(SGIS)
        compiled.append(p.end().build())
    irqs = [((i + 1) * gap, EDGE_INTID, 1) for i in range(requests)]
    return Workload.of(compiled, outside=tuple(irqs))


def idle(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Sleep until the next timer, work a little: a tickless idle guest."""
    mean = clock.ticks(params["period_ns"])
    p = Program("idle").irq_off()
    gaps = p.table(_exponential(mean, 2, 1024, 16))
    p.list_seek(gaps, 0, 1024).timer_set(mean).reset_stats()
    p.label("idle").wfi().irq_window()
    p.until(TICKS, params["n"], "idle").timer_ctl(False, False).end()
    with p.on_irq(PPI_VTIMER):
        p.count(TICKS).compute(max(1, params["work_cyc"]))
        p.timer_set(mean) if params["regular"] else p.timer_list()
    return Workload.of([p.build()] * n_vcpus)
