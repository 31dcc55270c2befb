"""Finds the vCPU threads of a trace: which thread is which vCPU of the one VM.

arm64 ``kvm_entry`` and ``kvm_exit`` carry no vCPU, so the thread must tell: by its own
timer records, else by its name, else by the caller's map.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from ..errors import TraceError
from . import fields
from .model import Issue
from .text import Source

__all__ = ["vcpu_threads"]

_NAMED: Final = re.compile(r"^(?:vcpu\s*|CPU\s+)(\d{1,5})(?:/KVM)?$")


def _votes(source: Source, pids: set[int]) -> dict[int, Counter[int]]:
    """Count, per vCPU thread, the vCPU numbers its own records name."""
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for event in source.events:
        if event.pid not in pids:
            continue
        if event.name == "kvm_get_timer_map":
            found = fields.timer_map(event.args)
            if found is not None:
                votes[event.pid][found[0]] += 1
        elif event.name == "kvm_timer_update_irq":
            line = fields.irq_level(event.args)
            if line is not None:
                votes[event.pid][line[0]] += 1
    return votes


def vcpu_threads(source: Source, vcpu_map: Mapping[int, int] | None) -> dict[int, int]:
    """Return ``{pid: vCPU number}`` of one VM, in order of vCPU number.

    Parameters
    ----------
    source
        The parsed file.
    vcpu_map
        ``{pid: vCPU}`` given by the caller; other threads are then left out.

    Raises
    ------
    TraceError
        No guest was entered, two threads claim one vCPU (two VMs), or nothing tells
        which vCPU a thread runs.
    """
    first: dict[int, tuple[int, str]] = {}
    for event in source.events:
        if event.name in ("kvm_entry", "kvm_exit") and event.pid not in first:
            first[event.pid] = (event.line, event.comm)
    if not first:
        words = "no kvm_entry or kvm_exit record: record with the kvm:* events"
        raise TraceError(source.path, words)
    if vcpu_map is not None:
        chosen = {pid: int(vcpu) for pid, vcpu in vcpu_map.items() if pid in first}
        if not chosen:
            words = f"none of the threads in vcpu_map; they are {sorted(first)}"
            raise TraceError(source.path, words)
    else:
        chosen = _guess(source, first)
    _refuse_two(source, chosen, first)
    return dict(sorted(chosen.items(), key=lambda item: item[1]))


def _guess(source: Source, first: dict[int, tuple[int, str]]) -> dict[int, int]:
    votes = _votes(source, set(first))
    chosen: dict[int, int] = {}
    for pid, (line, comm) in first.items():
        named = _NAMED.match(comm)
        if votes[pid]:
            chosen[pid] = votes[pid].most_common(1)[0][0]
        elif named is not None:
            chosen[pid] = int(named[1])
        elif len(first) == 1:
            chosen[pid] = 0
            words = f"nothing names the vCPU of thread {comm}-{pid}: taken as vCPU 0"
            source.issues.append(Issue("vcpu-assumed", words, line))
        else:
            words = f"cannot tell which vCPU thread {comm}-{pid} runs: give vcpu_map"
            raise TraceError(source.path, words, line)
    return chosen


def _refuse_two(
    source: Source, chosen: dict[int, int], first: dict[int, tuple[int, str]]
) -> None:
    owner: dict[int, int] = {}
    for pid, vcpu in chosen.items():
        other = owner.setdefault(vcpu, pid)
        if other != pid:
            words = (
                f"threads {other} and {pid} both run vCPU {vcpu}: two VMs are mixed; "
                f"choose one with vcpu_map={{pid: vcpu}}"
            )
            raise TraceError(source.path, words, first[pid][0])
