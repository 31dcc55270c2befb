"""Holds a replay against its own recording before anything is compared.

Trap exits, user exits and sleeps are copied, so they must agree exactly; what is really
tested is where expiries fall, the number of interrupt exits and wall time. Outside
tolerance means: no comparison on this recording is sound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .recording import Recording
from .replay import ReplayWorkload

__all__ = ["Check", "Row", "Runner", "check_result", "self_check"]

CONTENDED_SHARE: Final = 0.01
RECORDED_POLICY: Final = "v6.1"
PAIR_WRITES: Final = 9
TIMER_WRITES: Final = (
    *("cntv_ctl_w", "cntv_cval_w", "cntvoff_w"),
    *("cntp_ctl_w", "cntp_cval_w", "cntkctl_w"),
)


class Runner(Protocol):
    """Runs one policy on a replay workload; returns something like a `Result`.

    The result has ``exits``, ``counters`` and ``ops`` (name to count), ``epmc`` and
    ``wall_cyc`` (first vCPU start to the end); ``guest_cyc`` is used if it is there.
    """

    def __call__(self, policy: str, workload: ReplayWorkload, *, mode: str) -> Any:
        """Run."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the check; within `percent` or within `absolute` is in tolerance."""

    name: str
    recorded: int
    replayed: int
    percent: float = 0.0
    absolute: int = 0
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the replay is within tolerance."""
        off = abs(self.replayed - self.recorded)
        return off <= max(self.absolute, self.recorded * self.percent / 100)

    @property
    def tolerance(self) -> str:
        """The tolerance in words."""
        parts = [f"+-{self.percent:g} %"] if self.percent else []
        parts += [f"+-{self.absolute}"] if self.absolute else []
        return " or ".join(parts) or "exact"


@dataclass(frozen=True, slots=True)
class Check:
    """The whole self-check of one recording.

    Examples
    --------
    >>> check = Check("x", "v6.1", [Row("expiries", 290, 291, 2.0, 2)])
    >>> check.ok, check.failed
    (True, [])
    """

    name: str
    policy: str
    rows: list[Row] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Names of the rows outside tolerance."""
        return [row.name for row in self.rows if not row.ok]

    @property
    def ok(self) -> bool:
        """Whether every row is within tolerance."""
        return not self.failed

    def text(self) -> str:
        """Return the table, recorded beside replayed."""
        head = f"Self-check: {self.name} replayed under {self.policy}, as recorded"
        width = max([len(row.name) for row in self.rows], default=4)
        lines = [head, f"  {'':{width}}  {'recorded':>12}  {'replayed':>12}"]
        for row in self.rows:
            verdict = "ok" if row.ok else "FAILED"
            note = f"  {row.note}" if row.note else ""
            lines.append(
                f"  {row.name:{width}}  {row.recorded:>12}  {row.replayed:>12}  "
                f"{verdict} ({row.tolerance}){note}"
            )
        if not self.ok:
            failed = ", ".join(self.failed)
            lines.append(f"  outside tolerance: {failed}: no comparison is sound")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the check as plain values."""
        rows = [
            {
                "name": row.name,
                "recorded": row.recorded,
                "replayed": row.replayed,
                "tolerance": row.tolerance,
                "ok": row.ok,
            }
            for row in self.rows
        ]
        return {
            "recording": self.name,
            "policy": self.policy,
            "ok": self.ok,
            "failed": self.failed,
            "rows": rows,
        }


def _exits(result: Any) -> Counter[str]:
    """Return exits by whole kernel names: what follows a slash is summed."""
    out: Counter[str] = Counter()
    for name, count in result.exits.items():
        out[name.split("/")[0]] += int(count)
    return out


def self_check(rec: Recording, run: Runner, *, policy: str = RECORDED_POLICY) -> Check:
    """Replay the recorded kernel's policy as recorded and compare the counts.

    Parameters
    ----------
    rec
        The recording.
    run
        Runs a policy, see `Runner`.
    policy
        The policy of the recorded kernel.
    """
    work = rec.to_workload("as-recorded")
    return check_result(rec, work, run(policy, work, mode="as-recorded"), policy)


def check_result(
    rec: Recording, work: ReplayWorkload, result: Any, policy: str = RECORDED_POLICY
) -> Check:
    """Compare an as-recorded replay's result with its recording."""
    share = rec.contended_ns / max(1, rec.wall_ns * len(rec.vcpus))
    hog = share > CONTENDED_SHARE
    note = f"{100 * share:.0f} % of the time another thread ran" if hog else ""
    check = Check(rec.name or rec.path, policy)
    _exit_rows(check, work, result, (hog, note))
    counters: Mapping[str, int] = result.counters
    wide = 8.0 if hog else 2.0

    def add(name: str, recorded: int, key: str, *tolerance: Any) -> None:
        if key in counters:
            check.rows.append(Row(name, recorded, int(counters[key]), *tolerance))

    user = sum(seg.kind == "user" for seg in rec.all_segments())
    user -= work.expected_exits.get("HVC64", 0) - rec.exits.get("HVC64", 0)
    add("user MMIO exits", user, "mmio_exit_user")
    blocks = [s.block for s in rec.all_segments() if s.block and s.next_ns is not None]
    sleeps = sum(block.out_ns is not None for block in blocks)
    if any(block.polled for block in blocks):
        words = "halt polling is emulated, so sleeping is an effect"
        add("sleeps", sleeps, "vcpu_sleep", 2.0, 3, words)
    else:
        add("sleeps", sleeps, "vcpu_sleep")
    add("expiries", len(rec.expiries), "expiries", wide, 2, note)
    vtimer = rec.n_host_vtimer_irqs
    add("host vtimer IRQs", vtimer, "host_vtimer_irq", wide, 2, note)
    pair: tuple[Any, ...] = (wide, 0, note) if rec.preemptions else ()
    add("vcpu loads", rec.n_loads, "vcpu_load", *pair)
    add("vcpu puts", rec.n_puts, "vcpu_put", *pair)
    if rec.vhe and all(name in result.ops for name in TIMER_WRITES):
        writes = sum(int(result.ops[name]) for name in TIMER_WRITES)
        check.rows.append(Row("timer writes", PAIR_WRITES * rec.n_puts, writes, *pair))
    wall = 8.0 if hog else 0.5
    check.rows.append(
        Row("wall cycles", work.wall_cyc, int(result.wall_cyc), wall, 0, note)
    )
    guest = getattr(result, "guest_cyc", None)
    if guest is not None:
        ops = sum(len(ops) for ops in work.programs) + 8 * len(rec.expiries)
        words = "every operation takes a cycle"
        check.rows.append(
            Row("guest cycles", work.guest_cyc, int(guest), 0.0, ops, words)
        )
    return check


def _exit_rows(
    check: Check, work: ReplayWorkload, result: Any, hog: tuple[bool, str]
) -> None:
    got = _exits(result)
    want = Counter(work.expected_exits)
    for name in sorted(set(want) | {key for key, count in got.items() if count}):
        if name == "IRQ":
            continue
        check.rows.append(Row(f"exits {name}", want[name], got[name]))
    percent = 8.0 if hog[0] else 2.0
    check.rows.append(Row("exits IRQ", want["IRQ"], got["IRQ"], percent, 5, hog[1]))
