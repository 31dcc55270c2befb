"""A machine code guest and the second half of its run: used in two processes."""

from __future__ import annotations

import hashlib
import json
import sys

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import machine_code
from pyemu.guest.phases import Phases

TRACE = 10**6


def machine(image: str, policy: str, vcpus: int) -> pe.Machine:
    """Return a machine that runs an image; a path is a kernel with the shipped init."""
    is_kernel = "/" in image
    regs = {} if is_kernel else {"x3": 300}
    init = machine_code.initrd_bytes("phases") if is_kernel else None
    load = machine_code.load(
        image, vcpus=vcpus, regs=regs, boot=machine_code.Boot(init)
    )
    gic = "v2" if image.endswith("-g2") else "v3"
    host = pe.Host(pcpus=vcpus, profile="icount", gic=gic)
    vms = [pe.VM(vcpus=vcpus)]
    return pe.Machine(host, vms, policy=policy, load=load, seed=3, trace=TRACE)


def phases_of(m: pe.Machine) -> Phases:
    """Follow the guest's phases on its console."""
    code = CodeCore(m.core)
    return Phases(lambda: (m.result(), sum(code.insns(vcpu.index) for vcpu in m.vcpus)))


def answer(m: pe.Machine, phases: Phases, before: int, until_cyc: int) -> dict:
    """Run on and return all that a guest and its host can show for it."""
    stop = m.run(until_cyc=until_cyc)
    events = m.events[-(m.n_events - before) :]
    assert m.n_events - before <= TRACE
    ordered = [events[events["pcpu"] == p].tobytes() for p in range(len(m.pcpus))]
    out, code = m.bus.outcomes[0], CodeCore(m.core)
    region = None if m.region is None else m.region.counters
    return {
        "stop": stop.reason,
        "records": int(events.size),
        "trace": hashlib.sha256(b"".join(ordered)).hexdigest(),
        "counters": m.result().counters,
        "exits": m.result().exits,
        "regs": [[code.get(v.index, n) for n in range(34)] for v in m.vcpus],
        "insns": [code.insns(v.index) for v in m.vcpus],
        "console": bytes(out.console).decode(),
        "results": sorted(out.results.items()),
        "exit_code": out.exit_code,
        "region": region,
        "phases": phases.to_json(),
        "state": hashlib.sha256(m.core.snapshot().tobytes()).hexdigest(),
        "now_cyc": m.now_cyc,
    }


def main() -> None:
    """Load a snapshot and run its second half."""
    image, policy, vcpus, path, until_cyc = sys.argv[1:]
    with machine(image, policy, int(vcpus)) as m:
        phases = phases_of(m)
        m.bus.outcomes[0].console.on_line.append(phases.line)
        saved = pe.load_snapshot(path)
        m.restore(saved)
        phases.put_back(saved.notes["phases"])
        print(json.dumps(answer(m, phases, 0, int(until_cyc))))


if __name__ == "__main__":
    main()
