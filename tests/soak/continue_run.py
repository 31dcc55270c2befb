"""A machine of a soak, and the second half of a run: used in two processes."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

import pyemu as pe
from pyemu._ffi_soak import fault_report, set_faults
from pyemu.soak import FAULTS
from pyemu.soak_guest import draw

KINDS = 2 ** FAULTS.index("snapshot") - 1


def machine(policy: str, seed: int, *, faults: bool) -> pe.Machine:
    """Return a random machine, with a plan or without."""
    shape = draw(seed, 0, {})
    m = pe.Machine(shape.host, shape.vms, policy=policy, seed=seed, trace=10**6)
    if faults:
        plan = {"mean_cyc": 60_000, "overdue_cyc": 10**10, "kinds": KINDS, "seed": seed}
        set_faults(m.core, plan)
    return m


def answer(m: pe.Machine, before: int, until_cyc: int) -> dict[str, object]:
    """Run on and return the trace after the first `before` records, and statistics."""
    m.run(until_cyc=until_cyc)
    events = m.events[before:]
    ordered = [events[events["pcpu"] == p].tobytes() for p in range(len(m.pcpus))]
    res = m.result()
    stats = b"".join(
        np.ascontiguousarray(array).tobytes() for _, array in sorted(res.arrays.items())
    )
    return {
        "records": int(events.size),
        "trace": hashlib.sha256(b"".join(ordered)).hexdigest(),
        "stats": hashlib.sha256(stats).hexdigest(),
        "counters": res.counters,
        "faults": fault_report(m.core),
        "now_cyc": m.now_cyc,
    }


def main() -> None:
    """Load a snapshot and run its second half."""
    policy, seed, faults, path, until_cyc = sys.argv[1:]
    with machine(policy, int(seed), faults=faults == "1") as m:
        m.restore(pe.load_snapshot(path))
        print(json.dumps(answer(m, 0, int(until_cyc))))


if __name__ == "__main__":
    main()
