"""From a trace file to a `Recording`: runs every reader, collects what is unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from ..errors import ConfigError, TraceError
from . import fields
from .causes import injections, name_causes
from .hosttime import host_irqs, host_timer
from .model import CTL_ENABLE, VTIMER_HANDLER, Issue, Segment
from .overhead import guest_time, measure
from .recording import Recording, VcpuRecord
from .route import route
from .segments import VcpuThread
from .text import Source, read_source
from .threads import vcpu_threads
from .timer_state import TimerState, cntfrq_from_sleeps

__all__ = ["read_trace"]

DEFAULT_CPU_HZ: Final = 1_000_000_000
MAX_HZ: Final = 10**12


def read_trace(
    source: str | Path | IO[bytes] | IO[str],
    *,
    cpu_hz: int | None = None,
    cntfrq_hz: int | None = None,
    gic: str | None = None,
    overhead: int | str = "auto",
    vcpu_map: Mapping[int, int] | None = None,
) -> Recording:
    """Read a trace of one KVM/arm64 VM.

    Parameters
    ----------
    source
        Path (plain or gzip), ``"-"`` for standard input, or a readable stream: ftrace,
        trace-cmd report or perf script text.
    cpu_hz
        CPU frequency for EPMC; it is not in the trace. None assumes 1 GHz, so that
        EPMC is exits per million guest ns.
    cntfrq_hz
        Counter rate; None finds it from two sleeps.
    gic
        ``"v2"`` or ``"v3"``; None proves v3 by ICC_SGI1R or leaves it unknown.
    overhead
        Tracing cost a record: ``"auto"`` measures it, 0 removes nothing, or ns.
    vcpu_map
        ``{pid: vCPU}`` where names do not tell; other threads are left out.

    Raises
    ------
    TraceError
        Unreadable, truncated, foreign or empty input, no guest, two VMs mixed.
    ConfigError
        For a parameter that cannot be.
    """
    _check_options(cpu_hz, cntfrq_hz, gic)
    parsed = read_source(source)
    machines = list(
        route(parsed.events, parsed.breaks, vcpu_threads(parsed, vcpu_map)).values()
    )
    out = _assemble(parsed, machines, overhead)
    out.cpu_hz, out.cpu_hz_given = cpu_hz or DEFAULT_CPU_HZ, cpu_hz is not None
    out.cntfrq_hz = cntfrq_hz
    out.gic = gic or _gic(parsed)
    _timers(out, machines)
    _unknowns(out, machines)
    return out


def _check_options(cpu_hz: object, cntfrq_hz: object, gic: object) -> None:
    if gic not in (None, "v2", "v3"):
        raise ConfigError("gic", gic, "'v2', 'v3' or None (unknown)")
    for name, value in (("cpu_hz", cpu_hz), ("cntfrq_hz", cntfrq_hz)):
        if value is None:
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not isinstance(value, int) or not whole or not 0 < value <= MAX_HZ:
            raise ConfigError(name, value, "a frequency in Hz, or None")


def _assemble(
    parsed: Source, machines: Sequence[VcpuThread], overhead: int | str
) -> Recording:
    """Join what the threads showed into a recording without absolute time."""
    issues = parsed.issues
    for machine in machines:
        issues += machine.issues
    vcpus = {m.vcpu: _record(parsed, m) for m in machines if m.segments}
    if not vcpus:
        raise TraceError(parsed.path, "no complete guest run (kvm_entry to kvm_exit)")
    runs = [seg for record in vcpus.values() for seg in record.segments]
    rule = _handler_rule(runs, issues)
    cost = measure(parsed.events, overhead, issues)
    irqs = host_irqs(parsed.events)
    spis = injections(parsed.events)
    name_causes({vcpu: one.segments for vcpu, one in vcpus.items()}, spis)
    return Recording(
        path=parsed.path,
        events=parsed.events,
        issues=issues,
        vcpus=vcpus,
        overhead=cost,
        guest=guest_time(runs, cost),
        cpu_hz=DEFAULT_CPU_HZ,
        cpu_hz_given=False,
        cntfrq_hz=None,
        gic=None,
        vhe=_vhe(parsed),
        tick=host_timer(irqs),
        timers=None,
        irqs=irqs,
        spis=spis,
        handler_rule=rule,
    )


def _record(parsed: Source, machine: VcpuThread) -> VcpuRecord:
    comms = Counter(e.comm for e in parsed.events if e.pid == machine.pid)
    return VcpuRecord(
        vcpu=machine.vcpu,
        pid=machine.pid,
        comm=comms.most_common(1)[0][0],
        segments=machine.segments,
        expiries=machine.expiries,
        preemptions=machine.preemptions,
        n_entries=machine.n_entries,
        n_puts=machine.n_puts,
        n_loads=machine.n_loads,
        n_user=machine.n_user,
        n_stretches=len({seg.stretch for seg in machine.segments}),
    )


def _handler_rule(runs: Sequence[Segment], issues: list[Issue]) -> str:
    """Decide by majority where IRQ exits show their handler; apply it."""
    exits = [seg for seg in runs if seg.reason == "IRQ"]
    inside = sum(bool(seg.handlers) for seg in exits)
    after = sum(bool(seg.late) and not seg.handlers for seg in exits)
    if not exits:
        return "none"
    rule = "none"
    if inside or after:
        rule = "inside" if inside >= after else "after"
    if rule == "after":
        for seg in exits:
            seg.handlers = seg.handlers or seg.late
    words = (
        f"IRQ exits are named by the handler {rule} the exit: {inside} inside, {after} "
        f"after, {len(exits) - inside - after} with none"
    )
    if inside != len(exits):
        issues.append(Issue("irq-handler-rule", words))
    return rule


def _gic(parsed: Source) -> str | None:
    for event in parsed.events:
        if event.name == "kvm_sys_access" and "ICC_SGI1R" in event.args:
            return "v3"
    return None


def _vhe(parsed: Source) -> bool | None:
    for event in parsed.events:
        if event.name == "kvm_get_timer_map":
            found = fields.timer_map(event.args)
            if found is not None:
                return found[2] == 0 and found[3] == -1
    return None


def _timers(out: Recording, machines: Sequence[VcpuThread]) -> None:
    """Find CNTFRQ and K; complete the expiries."""
    samples = sorted(
        (s for m in machines for s in m.samples), key=lambda s: (s.ts_ns, s.line)
    )
    blocks = sorted(
        (b for m in machines for b in m.blocks.done), key=lambda b: b.start_ns
    )
    found = cntfrq_from_sleeps(blocks)
    if out.cntfrq_hz is None:
        out.cntfrq_hz = found
    elif found is not None and abs(found - out.cntfrq_hz) > found * 1e-3:
        words = f"CNTFRQ {out.cntfrq_hz} Hz was given; the sleeps say {found} Hz"
        out.issues.append(Issue("cntfrq-differs", words))
    if not samples:
        _before_5_2(out)
    if out.cntfrq_hz is None:
        words = (
            "CNTFRQ unknown: fewer than two sleeps with different CVAL; give cntfrq_hz "
            "to replay this recording"
        )
        out.issues.append(Issue("cntfrq-unknown", words))
        return
    out.timers = TimerState(out.cntfrq_hz, samples, out.expiries, blocks)
    problem = out.timers.check()
    if problem is not None:
        out.issues.append(problem)
    if any(s.context == 0 and s.ctl & CTL_ENABLE for s in samples):
        words = (
            "the guest used the physical timer (CNTP_*) without exits; kernels that "
            "emulate it take exits there: EPMC is not comparable with theirs"
        )
        out.issues.append(Issue("physical-timer", words))


def _before_5_2(out: Recording) -> None:
    """No save or restore records: expiries only between two syncs."""
    words = (
        "no kvm_timer_save_state records (kernel before 5.2?): no exact arm, no K, no "
        "put/load count; expiries are known only as (previous sync, this sync]"
    )
    out.issues.append(Issue("no-timer-state", words))
    for record in out.vcpus.values():
        for expiry in record.expiries:
            at = min(expiry.segment, len(record.segments) - 1)
            seg = record.segments[at]
            if expiry.where == "unloaded" and seg.reason == "IRQ" and not seg.handlers:
                expiry.where = "guest"
                seg.handlers = (VTIMER_HANDLER,)


def _unknowns(out: Recording, machines: Sequence[VcpuThread]) -> None:
    """Add what no trace can tell, and what this one does not."""

    def add(code: str, words: str) -> None:
        out.issues.append(Issue(code, words))

    if not out.cpu_hz_given:
        add("cpu-hz", "cpu_hz is not in a trace: 1 GHz assumed, so 1 cycle = 1 ns")
    if out.gic is None:
        add("gic", "GIC version unproved (no ICC_SGI1R access): give gic")
    if out.vhe is None:
        add("vhe", "VHE or nVHE unknown: no kvm_get_timer_map record")
    if not out.guest.resolved:
        add(
            "resolution-guest",
            "guest run lengths are below trace resolution; EPMC is not measurable from "
            "this recording",
        )
    if out.tick.hz is None:
        add("tick", "host tick rate not found: the replay has no host tick")
    wakes = Counter(b.cause for m in machines for b in m.blocks.done)
    if wakes["unknown"]:
        add(
            "wake-unknown",
            f"{wakes['unknown']} of {wakes.total()} wake-ups have no cause in the file "
            "(an IPI at best): replayed as one-shot timers of the recorded length",
        )
    if out.timers is not None and out.timers.k.ns is None and out.expiries:
        add("k-unknown", "K unknown: deadlines only from interrupts (+-1 us)")
    add("lost-arms", "lost arms (overwritten before they fired): unknown, >= 0")
    add("ctl-writes", "guest CTL-only writes (enable, mask) are invisible")
    add(
        "guest-positions",
        "what the guest did in a run is unknown: acknowledge assumed at once, EOI with "
        "the re-arm; CTL reads at exits with the interrupt still pending are missing",
    )
    add(
        "hidden-entries",
        "entries that ran no guest instruction and re-entries inside hyp code (FP/SIMD "
        "traps) cannot be told: entries are good to about 0.2 %",
    )
    add(
        "kernel-work",
        "host work and exits that another kernel version would not have, or have more, "
        "are kept as recorded; cycles by component come from the cost model only",
    )
