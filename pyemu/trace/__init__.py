"""Recorded traces of real kernels: reading, replaying, checking the replay."""

from __future__ import annotations

from .comparing import ReplayComparison, replay_compare
from .model import Arms, Block, Event, Expiry, Issue, Segment
from .read import read_trace
from .recording import Recording, VcpuRecord
from .replay import ReplayWorkload, to_workload
from .selfcheck import Check, Row, Runner, check_result, self_check
from .shipped import ShippedRecording, shipped, shipped_recording

__all__ = [
    "Arms",
    "Block",
    "Check",
    "Event",
    "Expiry",
    "Issue",
    "Recording",
    "ReplayComparison",
    "ReplayWorkload",
    "Row",
    "Runner",
    "Segment",
    "ShippedRecording",
    "VcpuRecord",
    "check_result",
    "read_trace",
    "replay_compare",
    "self_check",
    "shipped",
    "shipped_recording",
    "to_workload",
]
