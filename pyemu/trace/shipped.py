"""The recordings that come with pyemu, with what is known of each from elsewhere."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from ..errors import InternalError, unknown_name
from .read import read_trace
from .recording import Recording

__all__ = ["ShippedRecording", "shipped", "shipped_recording"]

NAMES: Final = ("lx_boot_1v", "lx_roi_1v")


@dataclass(frozen=True, slots=True)
class ShippedRecording:
    """One shipped recording; nothing is read before `load`.

    Attributes
    ----------
    name
        Short name.
    meta
        Origin, kernel, ``cpu_hz``, ``cntfrq_hz``, ``gic``, ``vhe`` and the recording's
        own ``counts``, taken with other tools.
    """

    name: str
    meta: Mapping[str, Any]

    def load(self, *, overhead: int | str = "auto") -> Recording:
        """Read the recording (about a second for the longest)."""
        data = _folder().joinpath(f"{self.name}.trace.gz").read_bytes()
        stream = io.BytesIO(data)
        stream.name = f"{self.name}.trace.gz"
        out = read_trace(
            stream,
            cpu_hz=int(self.meta["cpu_hz"]),
            cntfrq_hz=int(self.meta["cntfrq_hz"]),
            gic=str(self.meta["gic"]),
            overhead=overhead,
        )
        out.name = self.name
        out.meta = dict(self.meta)
        return out


def _folder() -> Any:
    return resources.files("pyemu").joinpath("data", "recordings")


def shipped_recording(name: str) -> ShippedRecording:
    """Return one shipped recording by name.

    Raises
    ------
    ConfigError
        For a name that is not shipped.
    """
    if name not in NAMES:
        raise unknown_name("recording", name, NAMES)
    try:
        text = _folder().joinpath(f"{name}.toml").read_text("utf-8")
    except OSError as exc:
        raise InternalError(f"shipped recording {name} is missing: {exc}") from exc
    return ShippedRecording(name, tomllib.loads(text))


def shipped() -> list[ShippedRecording]:
    """Return every shipped recording, the longest first."""
    return [shipped_recording(name) for name in NAMES]
