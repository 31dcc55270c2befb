"""What a run says: immutable, saved without pickle, printed as a table.

Exit reasons carry the kernel's names with IRQ split by what ended the guest run;
``counters`` and ``ops`` carry KVM's own and the registers' names. Guest residency and
handling time are always both there. Nothing in a result needs the core to be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, TraceError, unknown_name
from .summary import summary

__all__ = ["REASONS", "Histogram", "Result"]

REASONS: Final = (
    "IRQ/vtimer",
    "IRQ/ptimer",
    "IRQ/kick",
    "IRQ/tick",
    "IRQ/device",
    "IRQ/maint",
    "WFx",
    "HVC64",
    "SMC64",
    "SYS64",
    "DABT_LOW/kernel",
    "DABT_LOW/user",
    "DABT_LOW/fault",
    "IABT_LOW",
)
HIST_HANDLING: Final = 2
HIST_GUEST: Final = 2 + len(REASONS)
FORMAT: Final = 1


@dataclass(frozen=True)
class Histogram:
    """A log-linear histogram of cycles: 16 buckets an octave, exact below 32.

    Attributes
    ----------
    counts
        Samples by bucket.
    low_cyc
        Lower bound of every bucket, cycles.
    """

    counts: NDArray[np.uint64]
    low_cyc: NDArray[np.uint64]

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.counts.sum())

    def p(self, *percents: float) -> Any:
        """Return percentiles in cycles: the upper end of the bucket they fall in.

        One percent gives one number, several give a tuple; None without samples.

        Raises
        ------
        ConfigError
            For a percentage outside 0..100.
        """
        values = tuple(self._one(percent) for percent in percents)
        return values[0] if len(values) == 1 else values

    def _one(self, percent: float) -> int | None:
        if not 0 <= percent <= 100:
            raise ConfigError("percentile", percent, "from 0 to 100")
        total = self.n
        if total == 0:
            return None
        rank = max(1, int(np.ceil(total * percent / 100)))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        if bucket + 1 < len(self.low_cyc):
            return int(self.low_cyc[bucket + 1]) - 1
        return int(self.low_cyc[bucket])

    def to_json(self) -> dict[str, Any]:
        """Return the number of samples and the usual percentiles, cycles."""
        keys = (("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100))
        return {"n": self.n, **{key: self._one(percent) for key, percent in keys}}


@dataclass(frozen=True)
class Result:
    """One run of one policy.

    Attributes
    ----------
    meta
        JSON-able: input, policy, gic, vhe, profile, seed, frequencies, the resolved
        scenario, versions and hashes, stop reason, host seconds.
    arrays
        Plain numpy arrays, read-only; see the properties for what they mean.
    """

    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for array in self.arrays.values():
            array.flags.writeable = False

    # totals, cycles

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return str(self.meta["policy"])

    @property
    def guest_cyc(self) -> int:
        """Cycles in guest mode, all vCPUs."""
        return int(self.arrays["vcpus"]["guest_cyc"].sum())

    @property
    def handling_cyc(self) -> int:
        """Host cycles handling exits, the world switch not included."""
        return int(self.arrays["vcpus"]["handling_cyc"].sum())

    @property
    def switch_cyc(self) -> int:
        """Cycles of world switches, all vCPUs."""
        return int(self.arrays["vcpus"]["switch_cyc"].sum())

    @property
    def idle_cyc(self) -> int:
        """Idle cycles, all pCPUs."""
        return int(self.arrays["pcpus"]["idle_cyc"].sum())

    @property
    def wall_cyc(self) -> int:
        """Host cycles from the first vCPU's start to the end of the run."""
        return int(self.meta["now_cyc"]) - int(self.meta["start_cyc"])

    @property
    def n_exits(self) -> int:
        """Guest exits, all reasons."""
        return int(self.arrays["reason_count"].sum())

    @property
    def epmc(self) -> float:
        """Exits per million guest cycles."""
        return self.n_exits * 1e6 / self.guest_cyc if self.guest_cyc else 0.0

    @property
    def overhead(self) -> float:
        """Host cycles spent for guests per guest cycle."""
        host = self.handling_cyc + self.switch_cyc
        return host / self.guest_cyc if self.guest_cyc else 0.0

    @property
    def switch_cyc_per_exit(self) -> float:
        """World-switch cycles an exit."""
        return self.switch_cyc / self.n_exits if self.n_exits else 0.0

    # by name

    @property
    def reasons(self) -> dict[str, dict[str, int]]:
        """Exits, handled ones, guest, handling, min and max cycles by split reason.

        The last exit of a vCPU that powers off is counted but not handled.
        """
        keys = ("count", "handled", "guest_cyc", "handling_cyc", "min_cyc", "max_cyc")
        return {
            name: {key: int(self.arrays[f"reason_{key}"][i]) for key in keys}
            for i, name in enumerate(REASONS)
        }

    @property
    def exits(self) -> dict[str, int]:
        """Exits by the kernel's names, IRQ split; they add up to `n_exits`."""
        out: dict[str, int] = {}
        for name, count in zip(REASONS, self.arrays["reason_count"], strict=True):
            key = name if name.startswith("IRQ") else name.split("/")[0]
            out[key] = out.get(key, 0) + int(count)
        return out

    @property
    def epmc_by_reason(self) -> dict[str, float]:
        """Exits per million guest cycles by the names of `exits`."""
        scale = 1e6 / self.guest_cyc if self.guest_cyc else 0.0
        return {name: count * scale for name, count in self.exits.items()}

    @property
    def counters(self) -> dict[str, int]:
        """KVM's statistics and pyemu's counters."""
        values = (int(value) for value in self.arrays["counters"])
        return dict(zip(self.meta["counter_names"], values, strict=True))

    @property
    def ops(self) -> dict[str, int]:
        """Register and active-state accesses by the host, by name."""
        out = dict.fromkeys(self.meta["op_names"], 0)
        counts = self.arrays["prim_count"]
        for prim, ops in enumerate(self.meta["prim_ops"]):
            for op in ops:
                out[op] += int(counts[prim])
        return out

    @property
    def components(self) -> dict[str, dict[str, int]]:
        """Operations and cycles by component: gp, fp, el1, vgic, timer, trap, ..."""
        out: dict[str, dict[str, int]] = {}
        counts, costs = self.arrays["prim_count"], self.arrays["cost_cyc"]
        for prim, name in enumerate(self.meta["prim_components"]):
            entry = out.setdefault(name, {"ops": 0, "cyc": 0})
            entry["ops"] += int(counts[prim])
            entry["cyc"] += int(counts[prim]) * int(costs[prim])
        return out

    def _hist(self, which: int) -> Histogram:
        return Histogram(self.arrays["hist"][which], self.arrays["hist_low_cyc"])

    @property
    def timer_latency(self) -> Histogram:
        """From the timer's deadline to the guest's acknowledge, cycles."""
        return self._hist(0)

    @property
    def injection_latency(self) -> Histogram:
        """From the injection into the vgic to the guest's acknowledge, cycles."""
        return self._hist(1)

    def handling(self, reason: str) -> Histogram:
        """Return the handling time of one split reason, cycles."""
        return self._hist(HIST_HANDLING + self._reason(reason))

    def residency(self, reason: str) -> Histogram:
        """Return the guest run lengths that ended by one split reason, cycles."""
        return self._hist(HIST_GUEST + self._reason(reason))

    @staticmethod
    def _reason(reason: str) -> int:
        if reason not in REASONS:
            raise unknown_name("reason", reason, REASONS)
        return REASONS.index(reason)

    # out

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain values; the keys are documented in the README."""
        meta, names = self.meta, ("guest_cyc", "handling_cyc", "switch_cyc")
        skip = ("counter_names", "op_names", "prim_names", "prim_ops")
        hidden = (*skip, "prim_components", "steps", "guards", "hook_names")
        vcpus = [{key: int(one[key]) for key in names} for one in self.arrays["vcpus"]]
        shown = (*names, "idle_cyc")
        pcpus = [{key: int(one[key]) for key in shown} for one in self.arrays["pcpus"]]
        return {
            "input": meta["input"],
            "policy": meta["policy"],
            "gic": meta["gic"],
            "vhe": meta["vhe"],
            "epmc": self.epmc,
            "exits": self.exits,
            "n_exits": self.n_exits,
            "ops": self.ops,
            "counters": self.counters,
            "epmc_by_reason": self.epmc_by_reason,
            **{key: getattr(self, key) for key in shown},
            "switch_cyc_per_exit": self.switch_cyc_per_exit,
            "overhead": self.overhead,
            "reasons": {key: v for key, v in self.reasons.items() if v["count"]},
            "components": self.components,
            "timer_latency_cyc": self.timer_latency.to_json(),
            "injection_latency_cyc": self.injection_latency.to_json(),
            "vcpus": vcpus,
            "pcpus": pcpus,
            "meta": {key: value for key, value in meta.items() if key not in hidden},
        }

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` run file."""
        with Path(path).open("wb") as out:
            self.write(out)

    def write(self, out: IO[bytes]) -> None:
        """Write the bytes of an ``.npz`` run file."""
        text = json.dumps({"format": FORMAT, **self.meta})
        arrays: dict[str, Any] = {"meta": np.array(text), **self.arrays}
        np.savez_compressed(out, **arrays)

    @classmethod
    def load(cls, path: str | Path | IO[bytes]) -> Result:
        """Read what `save` or `write` wrote.

        Raises
        ------
        TraceError
            If it is no run file, or of another format.
        """
        try:
            where = Path(path) if isinstance(path, str | Path) else path
            with np.load(where, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files if key != "meta"}
                meta = json.loads(str(data["meta"]))
        except (OSError, ValueError, KeyError, EOFError) as exc:
            raise TraceError(path, f"not a pyemu run file ({exc})") from exc
        except Exception as exc:  # zipfile raises its own kinds
            raise TraceError(path, f"damaged run file ({exc})") from exc
        if meta.pop("format", None) != FORMAT:
            raise TraceError(path, f"run file of another format than {FORMAT}")
        return cls(meta, arrays)

    def __str__(self) -> str:
        """Return the table of `summary`."""
        return summary(self)

    def __repr__(self) -> str:
        """Return one short line."""
        return (
            f"<Result {self.policy}: {self.n_exits} exits, EPMC {self.epmc:.2f}, "
            f"switch {self.switch_cyc_per_exit:.0f} cyc/exit>"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{summary(self)}</pre>"
