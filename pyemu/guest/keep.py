"""What a snapshot keeps of the devices that Python emulates, as plain JSON values.

Consoles and results of every VM, registers of its devices, and the part of the
interrupt controller that the core does not hold. All of it is checked when it comes
back: it may come from a file.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from ..errors import PyemuError, StateError
from ..result import Result

if TYPE_CHECKING:
    from ..machine import Machine
    from .bus import Bus

__all__ = ["checked", "kept", "put_back"]

MOST: int = 2**64 - 1


def kept(machine: Machine) -> dict[str, Any]:
    """Return everything that Python holds beside the core's state."""
    return {
        "vms": [_vm(machine.bus, vm) for vm in range(len(machine.bus.outcomes))],
        "region": None if machine.region is None else _text(_region(machine.region)),
    }


def _vm(bus: Bus, vm: int) -> dict[str, Any]:
    out = bus.outcomes[vm]
    return {
        "console": _text(bytes(out.console)),
        "handed_on": out.console.handed_on,
        "results": sorted(map(list, out.results.items())),
        "exit_code": out.exit_code,
        "devices": [int(getattr(device, "reads", 0)) for device in bus.devices(vm)],
        "gic": bus.gics.state(vm),
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _region(result: Result) -> bytes:
    out = io.BytesIO()
    result.write(out)
    return out.getvalue()


class _BadFieldError(Exception):
    """What does not fit, by its name."""


def _whole(value: Any, name: str, most: int = MOST) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise _BadFieldError(
            f"{name}: {value!r:.60} is not a whole number from 0 to {most}"
        )
    return value


def _bytes(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise _BadFieldError(f"{name}: not base64") from None


def _list(value: Any, name: str, n: int | None = None) -> list[Any]:
    if not isinstance(value, list) or n not in (None, len(value)):
        raise _BadFieldError(f"{name}: not a list{'' if n is None else f' of {n}'}")
    return value


def _table(value: Any, name: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise _BadFieldError(f"{name}: not a table of {', '.join(sorted(keys))}")
    return value


VM_KEYS = {"console", "handed_on", "results", "exit_code", "devices", "gic"}


def _checked_vm(bus: Bus, vm: int, state: Any) -> dict[str, Any]:
    name = f"devices.vms[{vm}]"
    _table(state, name, VM_KEYS)
    console = _bytes(state["console"], f"{name}.console")
    code = state["exit_code"]
    results = {}
    for pair in _list(state["results"], f"{name}.results"):
        slot, value = _list(pair, f"{name}.results", 2)
        results[_whole(slot, f"{name}.results", 31)] = _whole(value, f"{name}.results")
    reads = _list(state["devices"], f"{name}.devices", len(bus.devices(vm)))
    try:
        bus.gics.check(vm, state["gic"])
    except ValueError as exc:
        raise _BadFieldError(f"{name}.gic: {exc}") from None
    return {
        "console": console,
        "handed_on": _whole(state["handed_on"], f"{name}.handed_on", len(console)),
        "results": results,
        "exit_code": None if code is None else _whole(code, f"{name}.exit_code"),
        "devices": [_whole(n, f"{name}.devices") for n in reads],
        "gic": state["gic"],
    }


def _checked_region(text: Any) -> Result | None:
    if text is None:
        return None
    try:
        return Result.load(io.BytesIO(_bytes(text, "devices.region")))
    except PyemuError as exc:
        raise _BadFieldError(f"devices.region: {exc}") from None


def checked(machine: Machine, state: Any) -> dict[str, Any]:
    """Return what `put_back` takes; nothing has changed yet.

    Raises
    ------
    StateError
        For anything that this machine cannot have had.
    """
    bus = machine.bus
    try:
        _table(state, "devices", {"vms", "region"})
        vms = _list(state["vms"], "devices.vms", len(bus.outcomes))
        return {
            "vms": [_checked_vm(bus, vm, one) for vm, one in enumerate(vms)],
            "region": _checked_region(state["region"]),
        }
    except _BadFieldError as exc:
        raise StateError(f"snapshot.{exc}") from None


def put_back(machine: Machine, state: dict[str, Any]) -> None:
    """Restore what `checked` has let through."""
    bus = machine.bus
    machine.region = state["region"]
    for vm, one in enumerate(state["vms"]):
        out = bus.outcomes[vm]
        out.console.put_back(one["console"], one["handed_on"])
        out.results.clear()
        out.results.update(one["results"])
        out.exit_code = one["exit_code"]
        for device, reads in zip(bus.devices(vm), one["devices"], strict=True):
            if hasattr(device, "reads"):
                device.reads = reads
        bus.gics.put_back(vm, one["gic"])
