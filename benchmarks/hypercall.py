"""The peers of the hypercall loop, prepared once a session for every configuration."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from measure import Measured, Peer
from peers import floor, python_model, simpy_model
from peers.flow import Flow

__all__ = ["CASES", "PROFILE", "SwitchPeers"]

PROFILE = {"v2": "seattle-a57-gicv2", "v3": "n1-altra-gicv3"}
CASES = [
    (policy, vhe, gic)
    for policy in ("eager", "lazy", "v4.18", "v6.1")
    for vhe in ("vhe", "nvhe")
    for gic in ("v2", "v3")
]
SLOW_N = 400  # switches a round of an interpreted model
LEAN_N = 2000
FLOOR_N = 200_000


class SwitchPeers:
    """SimPy with equal accounting, a lean one, plain Python, and the floor."""

    def __init__(self, folder: Path) -> None:
        flows = {"-".join(case): self.flow(*case) for case in CASES}
        self._floor = floor.build(
            {name: flow.path() for name, flow in flows.items()},
            {name: flow.cost for name, flow in flows.items()},
            folder,
        )

    @staticmethod
    @cache
    def flow(policy: str, vhe: str, gic: str) -> Flow:
        """Return the interpreted flow of a configuration."""
        return Flow(policy, gic=gic, vhe=vhe == "vhe", profile=PROFILE[gic])

    def of(self, policy: str, vhe: str, gic: str) -> dict[str, Peer]:
        """Return the peers of one configuration."""
        flow = self.flow(policy, vhe, gic)
        run_floor = self._floor.runner(f"{policy}-{vhe}-{gic}")
        simpy, lean = simpy_model.run, simpy_model.run_lean
        python = python_model.run
        return {
            "simpy": Peer.function(lambda: simpy(flow, SLOW_N), SLOW_N),
            "simpy_lean": Peer.function(lambda: lean(LEAN_N, 2, 2500), LEAN_N),
            "reference": Peer.function(lambda: python(flow, SLOW_N), SLOW_N),
            "floor": Peer.function(lambda: run_floor(FLOOR_N), FLOOR_N),
        }

    @staticmethod
    def ratios(got: Measured) -> None:
        """Put the ratios into extra_info: times faster, and times the floor."""
        for name in ("simpy", "simpy_lean", "reference"):
            got.info[f"ratio_{name}"] = got.info[f"ns_{name}"] / got.best_ns
        got.info["ratio_floor"] = got.best_ns / got.info["ns_floor"]
