"""Replays one recording under several policies, after its self-check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from .recording import Recording
from .replay import ReplayWorkload
from .selfcheck import RECORDED_POLICY, Check, Runner, self_check

__all__ = ["ReplayComparison", "replay_compare"]


@dataclass(slots=True)
class ReplayComparison:
    """A recording replayed under several policies.

    Attributes
    ----------
    check
        The self-check; if it failed, `results` is empty and no comparison is given.
    results
        Policy name to result, in the order asked for.
    """

    recording: Recording
    check: Check
    workload: ReplayWorkload | None = None
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the comparison is sound."""
        return self.check.ok

    def text(self) -> str:
        """Return the recording's report and the self-check."""
        return f"{self.recording.report()}\n\n{self.check.text()}"


def replay_compare(
    rec: Recording,
    policies: Sequence[str],
    run: Runner,
    *,
    mode: str = "corrected",
    check_policy: str = RECORDED_POLICY,
) -> ReplayComparison:
    """Self-check the recording, then replay it under each policy.

    Parameters
    ----------
    rec
        The recording.
    policies
        Names, each once.
    run
        Runs a policy, see `Runner`.
    mode
        Mode of the comparison; the self-check is always ``as-recorded``.
    check_policy
        Policy of the recorded kernel.

    Raises
    ------
    ConfigError
        No policy, or one twice.
    TraceError
        If the recording cannot be replayed.
    """
    if not policies:
        raise ConfigError("policies", list(policies), "at least one policy")
    twice = [name for name in policies if list(policies).count(name) > 1]
    if twice:
        raise ConfigError("policies", twice[0], "each policy once")
    check = self_check(rec, run, policy=check_policy)
    out = ReplayComparison(rec, check)
    if not check.ok:
        return out
    out.workload = rec.to_workload(mode)
    for name in policies:
        out.results[name] = run(name, out.workload, mode=mode)
    return out
