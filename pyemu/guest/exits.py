"""Programs that exit or tick: hypercall and MMIO loops, busy and sleeping ticks.

Every guest's measured region starts at its RESET_STATS, after a short warm-up, and
ends when it powers off. Interrupts are enabled at reset as the core has it, so no
program spends exits on setting up its interrupt controller.
"""

from __future__ import annotations

from typing import Final

from ..errors import ConfigError
from .entry import Builder, Params
from .ops import PPI_VTIMER, Compiled, Program
from .workload import Clock, Workload

__all__ = ["loop_builder", "mixed", "tick_busy", "tick_wfi", "timer_storm"]

FAR_TICKS: Final = 2**40
BUSY_CYC: Final = 2**48
TICKS: Final = 0  # register that counts ticks


def _arm(p: Program, how: str, period_ticks: int) -> Program:
    """Set the guest timer up; a tick gets a handler that re-arms it."""
    if how == "far":
        p.timer_set(FAR_TICKS)
    elif how == "tick":
        p.timer_set(period_ticks)
        with p.on_irq(PPI_VTIMER):
            p.count(TICKS).timer_next(period_ticks, skip_missed=False)
        p.irq_on()
    return p


def _exit_loop(params: Params, clock: Clock, one_exit: str) -> Compiled:
    """`n` times: work, then one exit."""
    p = Program(one_exit)
    if params["warmup"]:
        with p.loop(params["warmup"]):
            p.hvc()
    _arm(p, params["timer"], clock.ticks(params["period_ns"]))
    p.reset_stats()
    with p.loop(params["n"]):
        if params["work_cyc"]:
            p.compute(params["work_cyc"])
        if one_exit == "mmio_user":
            p.mmio_user(params["before_cyc"], params["user_cyc"], params["after_cyc"])
        else:
            p.emit(one_exit, b=params["extra_cyc"])
    return p.end().build()


def loop_builder(one_exit: str) -> Builder:
    """Return the builder of a loop of one kind of exit."""

    def build(params: Params, clock: Clock, n_vcpus: int) -> Workload:
        return Workload.of([_exit_loop(params, clock, one_exit)] * n_vcpus)

    return build


def _tick_handler(p: Program, params: Params, period: int, *, last: bool) -> None:
    """Count, re-arm CVAL += period; with `last`, power off at the n-th tick."""
    with p.on_irq(PPI_VTIMER):
        p.count(TICKS)
        if params["handler_cyc"]:
            p.compute(params["handler_cyc"])
        if last:
            more = p.new_label()
            p.until(TICKS, params["n"], more)
            p.timer_ctl(False, False).emit("eoi").end().label(more)
        p.timer_next(period, skip_missed=not params["catch_up"])


def tick_wfi(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Sleep in WFI until the next tick, `n` times."""
    period = clock.ticks(params["period_ns"])
    p = Program("tick-wfi").irq_off().timer_set(period).reset_stats()
    p.label("idle").wfi().irq_window()
    p.until(TICKS, params["n"], "idle").timer_ctl(False, False).end()
    _tick_handler(p, params, period, last=False)
    return Workload.of([p.build()] * n_vcpus)


def tick_busy(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Compute without end; the n-th tick powers off."""
    period = clock.ticks(params["period_ns"])
    p = Program("tick-busy").irq_off().timer_set(period).reset_stats().irq_on()
    with p.forever():
        p.compute(BUSY_CYC)
    _tick_handler(p, params, period, last=True)
    return Workload.of([p.build()] * n_vcpus, rotate_ns=params["migrate_ns"])


def mixed(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """HVC, in-kernel MMIO, SYS64 and user MMIO by their shares, under a tick."""
    kinds = {"hvc": "hvc", "mmio": "mmio_kernel", "sysreg": "sysreg"}
    kinds["mmio_user"] = "mmio_user"
    left = sum(params[key] for key in kinds)
    if left == 0:
        raise ConfigError("load.mixed.hvc", 0, "a share above 0 for some exit")
    p = Program("mixed").irq_off()
    _arm(p, params["timer"], clock.ticks(params["period_ns"]))
    p.reset_stats()
    with p.loop(params["n"]):
        done = p.new_label()
        if params["work_cyc"]:
            p.compute(params["work_cyc"])
        for key, one_exit in kinds.items():
            share = params[key]
            if share and share < left:
                other = p.new_label()
                p.chance(1 - share / left, other)
                p.emit(one_exit).jump(done).label(other)
            elif share:
                p.emit(one_exit)
                break
            left -= share
        p.label(done)
    return Workload.of([p.end().build()] * n_vcpus)


def timer_storm(params: Params, clock: Clock, n_vcpus: int) -> Workload:
    """Short ticks whose handler masks, re-programs `writes` times and unmasks."""
    period = clock.ticks(params["period_ns"])
    p = Program("timer-storm").irq_off().timer_set(period).reset_stats().irq_on()
    with p.forever():
        p.compute(BUSY_CYC)
    with p.on_irq(PPI_VTIMER):
        more = p.new_label()
        p.count(TICKS).until(TICKS, params["n"], more)
        p.timer_ctl(False, False).emit("eoi").end().label(more)
        p.timer_ctl(True, True)
        for _ in range(params["writes"]):
            p.timer_tval(min(period, 2**31 - 1))
        p.timer_ctl(True, False)
    return Workload.of([p.build()] * n_vcpus)
