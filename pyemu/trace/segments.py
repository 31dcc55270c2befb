"""Cuts each vCPU thread's records into guest runs and the host time between them.

One state machine a thread. A gap in the file (lost records, time backwards, an entry
without exit) drops the state; nothing is joined across it: the next ``kvm_entry``
begins a new stretch. Only the thread's own records and the switches that name it count.
"""

from __future__ import annotations

import re
from typing import Final

from . import fields
from .blocks import BlockTracker
from .model import (
    PTIMER_INTID,
    VTIMER_HANDLER,
    VTIMER_INTID,
    Event,
    Expiry,
    HostSpan,
    Issue,
    Part,
    Preemption,
    Segment,
    TimerSample,
)

__all__ = ["VcpuThread"]

_USER: Final = re.compile(r"\((\d{1,3})\)\s*$|\breason=(\d{1,3})\b")
_MMIO: Final = re.compile(
    r"gpa[ =](0x[0-9a-fA-F]{1,16})\s+val[ =](0x[0-9a-fA-F]{1,16}|\d{1,20})"
)
_HVC: Final = re.compile(r"\br0[:=]\s*(0x[0-9a-fA-F]{1,16}|\d{1,20})")
_EXIT_MMIO: Final = 6
_EXIT_EVENT: Final = 24
_LOAD_NAMES: Final = frozenset(
    ("kvm_timer_update_irq", "vgic_update_irq_pending", "kvm_get_timer_map")
)


class VcpuThread:
    """State machine of one vCPU thread; feed it records in file order.

    Attributes
    ----------
    segments, samples, expiries, preemptions, blocks
        What it found, in time order.
    n_entries, n_user, n_puts, n_loads
        Plain counts of records, gaps included.
    """

    def __init__(self, pid: int, vcpu: int) -> None:
        self.pid = pid
        self.vcpu = vcpu
        self.segments: list[Segment] = []
        self.samples: list[TimerSample] = []
        self.expiries: list[Expiry] = []
        self.preemptions: list[Preemption] = []
        self.blocks = BlockTracker()
        self.issues: list[Issue] = []
        self.n_entries = self.n_user = self.n_puts = self.n_loads = 0
        self.stretch = 0
        self._state = "none"  # none, guest, host
        self._seen = False
        self._seg: Segment | None = None
        self._loaded: bool | None = None
        self._handlers: list[str] = []
        self._pending: list[Expiry] = []
        self._saved = False
        self._open_host(0)
        self._do = {
            "kvm_entry": self._entry,
            "kvm_exit": self._exit,
            "irq_handler_entry": self._irq_in,
            "irq_handler_exit": self._irq_out,
            "kvm_timer_save_state": self._save,
            "kvm_timer_restore_state": self._restore,
            "kvm_timer_update_irq": self._update,
            "kvm_userspace_exit": self._user,
            "kvm_mmio": self._mmio,
            "kvm_guest_fault": self._fault,
            "kvm_sys_access": self._sys,
            "kvm_hvc_arm64": self._hvc,
            "kvm_wfx_arm64": self._wfx,
            "hrtimer_start": self._hrtimer,
            "kvm_vcpu_wakeup": self._wakeup,
        }

    def _open_host(self, ts: int) -> None:
        self._at = ts
        self._stage = 0
        self._irq = 0
        self._irq_ns = 0
        self._away = ""
        self._out: tuple[int, int] = (0, 0)
        self._in_ns = 0
        self._prev = ""
        self._own: Part | None = None

    @property
    def _host(self) -> HostSpan:
        return self._seg.host if self._seg is not None else HostSpan()

    def _part(self) -> Part:
        """Return the part that host time goes to now."""
        host = self._host
        if self._away:
            return host.away
        if self._irq:
            return host.irq
        if self._own is not None:
            return self._own
        return (host.loaded, host.unloaded, host.reloaded)[self._stage]

    def _gap(self, event: Event) -> None:
        """Credit the time since the last record, which `event` ends."""
        if self._state == "host" or (self._state == "guest" and self._handlers):
            part = self._part()
            same = event.name == self._prev
            if same and not self._away and event.name == "kvm_timer_save_state":
                part = self._host.put_tail
            elif same and not self._away and event.name == "kvm_timer_restore_state":
                part = self._host.load_tail
            part.add(event.ts_ns - self._at)
        self._at = event.ts_ns

    def feed(self, event: Event) -> None:
        """Take one record of this thread."""
        self._gap(event)
        name = event.name
        if self._state == "host" and not self._irq and not self._away:
            self._own = self._own_part(name)
        restored = "kvm_timer_restore_state"
        if self._away and self._in_ns and self._prev == restored != name:
            self._back(event)
        action = self._do.get(name)
        if action is not None:
            action(event)
        self._prev = name
        self._seen = True

    def _own_part(self, name: str) -> Part | None:
        """Return the put or load that this record belongs to, if to any.

        The level is computed at the load's first timer update: what expires after it
        raises an interrupt, so from there on the timer counts as loaded.
        """
        if name == "kvm_get_timer_map":
            return self._host.put if self._loaded else self._host.load
        if name not in _LOAD_NAMES or self._own is None or self._loaded:
            return None
        return self._host.load_tail

    def reset(self, line: int, words: str | None) -> None:
        """Drop the state: records are missing before `line`."""
        if self._state == "none":
            return
        if words is not None:
            self.issues.append(Issue("gap", f"vCPU {self.vcpu}: {words}", line))
        if self._state == "host" and self._seg is not None:
            self._seg.next_ns = None
        self._state, self._seg, self._loaded = "none", None, None
        self._handlers, self._pending = [], []
        self.stretch += 1

    def finish(self) -> None:
        """Take the end of the file: an open guest run is dropped, an open exit kept."""
        if self._state == "guest" and self._seg is not None:
            words = f"vCPU {self.vcpu}: the recording ends inside a guest run"
            self.issues.append(Issue("open-end", words, self._seg.line))

    # records
    def _entry(self, event: Event) -> None:
        self.n_entries += 1
        if self._state == "guest":
            self.reset(event.line, "kvm_entry without kvm_exit before it")
        if self._away:
            self._back(event)
        if self._seg is not None and self._state == "host":
            self._seg.next_ns = event.ts_ns
            self.blocks.end(event.ts_ns)
        self._seg = Segment(self.vcpu, event.line, event.cpu, event.ts_ns)
        self._seg.stretch = self.stretch
        self._state = "guest"
        self._handlers, self._pending = [], []
        self._open_host(event.ts_ns)

    def _exit(self, event: Event) -> None:
        seg = self._seg
        if self._state != "guest" or seg is None:
            if self._seen and self._state == "host":
                self.reset(event.line, "kvm_exit without kvm_entry before it")
            return
        found = fields.kvm_exit(event.args)
        if found is None:
            words = "unreadable kvm_exit text (use trace-cmd report -N)"
            self.issues.append(Issue("exit-text", words, event.line))
            found = fields.Exit("TRAP", "UNKNOWN")
        seg.exit_ns = event.ts_ns
        if not self._handlers:
            seg.end_ns = event.ts_ns
        seg.reason = found.reason
        seg.handlers = tuple(self._handlers)
        ended = found.ret == "IRQ" and seg.handlers[:1] == (VTIMER_HANDLER,)
        for expiry in self._pending:
            expiry.where = "guest" if ended else "host"
        self._pending = []
        self.segments.append(seg)
        self._state, self._irq = "host", 0
        if seg.reason == "WFx":
            seg.block = self.blocks.begin(event.ts_ns)

    def _irq_in(self, event: Event) -> None:
        name = fields.handler_name(event.args)
        self._irq += 1
        self._irq_ns = event.ts_ns
        if self._state == "guest" and self._seg is not None:
            if not self._handlers:
                self._seg.end_ns = event.ts_ns
            self._handlers.append(name)
        elif self._state == "host" and self._seg and self._seg.reason == "IRQ":
            self._seg.late += (name,)

    def _irq_out(self, event: Event) -> None:
        self._irq = max(0, self._irq - 1)

    def _save(self, event: Event) -> None:
        self._sample(event, put=True)

    def _restore(self, event: Event) -> None:
        self._sample(event, put=False)

    def _sample(self, event: Event, *, put: bool) -> None:
        found = fields.timer_context(event.args)
        if found is None:
            return
        ctl, cval, index = found
        self.samples.append(
            TimerSample(event.ts_ns, event.line, self.vcpu, put, index, ctl, cval)
        )
        if put:
            self.blocks.saved(self.samples[-1])
        if index == 1:
            self.n_puts += put
            self.n_loads += not put
            if not self._away and self._state == "host":
                self._host.n_puts += put
                self._host.n_loads += not put
        self._loaded = not put
        if not self._away:
            self._own = None
            if put and self._stage == 2:
                self._reunload()
            self._stage = 1 if put else 2

    def _reunload(self) -> None:
        """Count a second put before the entry: time between loads was unloaded."""
        host = self._host
        host.unloaded.ns += host.reloaded.ns
        host.unloaded.records += host.reloaded.records
        host.reloaded = Part()

    def _update(self, event: Event) -> None:
        found = fields.irq_level(event.args)
        if found is None or found[2] != 1 or found[0] != self.vcpu:
            return
        if found[1] == PTIMER_INTID or found[1] != VTIMER_INTID:
            return
        where = "host" if self._irq else "unloaded"
        if not self._irq and self.blocks.slept:
            where = "asleep"
        at = len(self.segments) - (self._state != "guest")
        expiry = Expiry(event.ts_ns, event.line, self.vcpu, where, at)
        self.expiries.append(expiry)
        if self._irq and self._state == "guest":
            self._pending.append(expiry)
        self.blocks.fired(event.ts_ns)

    def _user(self, event: Event) -> None:
        self.n_user += 1
        found = _USER.search(event.args)
        reason = int(found[1] or found[2]) if found else -1
        seg = self._seg
        if seg is None or self._state != "host":
            return
        if seg.reason in ("DABT_LOW", "IABT_LOW") and reason == _EXIT_MMIO:
            seg.kind = "user"
        elif seg.reason in ("HVC64", "SMC64") and reason == _EXIT_EVENT:
            seg.kind = "off"
        elif not seg.kind.endswith("+user"):
            seg.kind = f"{seg.kind}+user"

    def _mmio(self, event: Event) -> None:
        seg = self._seg
        if seg is None or self._state != "host" or seg.reason != "DABT_LOW":
            return
        if seg.kind in ("", "stage2"):
            seg.kind = "gic"
            found = _MMIO.search(event.args)
            if found and int(found[1], 16) & 0xFFFF == 0x0F00 and "write" in event.args:
                seg.arg = fields.number(found[2])

    def _fault(self, event: Event) -> None:
        if self._seg is not None and self._state == "host" and not self._seg.kind:
            self._seg.kind = "stage2"

    def _sys(self, event: Event) -> None:
        if self._seg is not None and self._state == "host" and "_SGI" in event.args:
            self._seg.kind = "sgi"

    def _hvc(self, event: Event) -> None:
        found = _HVC.search(event.args)
        if self._seg is not None and self._state == "host" and found:
            self._seg.arg = fields.number(found[1])

    def _wfx(self, event: Event) -> None:
        wfe = "wfe" in event.args and "is_wfe=0" not in event.args
        if self._seg is not None and self._state == "host" and wfe:
            self._seg.kind = "wfe"

    def _hrtimer(self, event: Event) -> None:
        if not self._irq:
            self.blocks.armed(fields.hrtimer(event.args))

    def _wakeup(self, event: Event) -> None:
        self.blocks.woke("poll time" in event.args)

    # scheduler
    def switched_out(self, event: Event, state: str) -> None:
        """Note that another thread got the CPU."""
        self.feed(event)
        if self._state == "host" and self._loaded and not self._away:
            self._away = "preempted" if state.startswith("R") else "asleep"
            self._out = (event.ts_ns, self._host.away.records)
            self._in_ns = 0
            self._own = None
            if self._away == "asleep":
                self.blocks.out(event.ts_ns)

    def switched_in(self, event: Event) -> None:
        """Note that the thread got the CPU back."""
        self._gap(event)
        if self._away:
            self._in_ns = event.ts_ns
        self._prev = event.name

    def woken(self, event: Event) -> None:
        """Note that somebody woke the thread."""
        self.blocks.wake(event.ts_ns)

    def _back(self, event: Event) -> None:
        """End an absence: the vCPU is loaded again."""
        if self._away == "preempted":
            out_ns, records = self._out
            cause = self._irq_ns if 0 < out_ns - self._irq_ns < 100_000 else out_ns
            self.preemptions.append(
                Preemption(
                    self.vcpu,
                    event.cpu,
                    cause,
                    out_ns,
                    self._in_ns or event.ts_ns,
                    event.ts_ns,
                    self._host.away.records - records,
                    "",
                )
            )
        self._away = ""
