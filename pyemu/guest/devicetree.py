"""The device tree a board's guest finds, written with libfdt (extra ``guest``)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigError, TraceError
from ..gic.port import MemoryPort
from ..gic.regmap import GICC_BYTES, GICD_BYTES, GICR_BYTES
from .board import Board, DeviceSpec

__all__ = ["Chosen", "build", "patch"]

Value = str | bytes | int | tuple[str, ...] | tuple[int, ...] | None

GIC, CLOCK = 1, 2  # phandles
SPI, PPI = 0, 1  # first cell of an interrupt (bindings: arm,gic)
FIRST_PPI, FIRST_SPI = 16, 32
LEVEL_HIGH: Final = 4
# Secure, non-secure, virtual and hypervisor's timer (bindings: arm,arch_timer).
TIMER_INTIDS: Final = (29, 30, 27, 26)
UART_HZ: Final = 24_000_000


@dataclass(frozen=True)
class Chosen:
    """What node /chosen says.

    Attributes
    ----------
    append
        Kernel command line.
    initrd
        First address and the one behind the last; None without one.
    seed
        Of the random bytes for the guest's generator.
    """

    append: str
    initrd: tuple[int, int] | None = None
    seed: int = 0

    def properties(self, stdout: str = "") -> dict[str, Value]:
        """Return the node's properties."""
        out: dict[str, Value] = {"bootargs": self.append}
        if stdout:
            out["stdout-path"] = stdout
        if self.initrd:
            out["linux,initrd-start"] = _pair(self.initrd[0])
            out["linux,initrd-end"] = _pair(self.initrd[1])
        out["rng-seed"] = random.Random(self.seed).randbytes(64)
        return out


def library() -> Any:
    """Return module libfdt.

    Raises
    ------
    ConfigError
        If it is not installed, with what to install.
    """
    try:
        import libfdt  # noqa: PLC0415 - an extra: only boards with a tree need it
    except ImportError as exc:
        words = "module libfdt: pip install pylibfdt, or 'pyemu-kvm[guest]'"
        raise ConfigError("board.dtb", None, words) from exc
    return libfdt


def _pair(value: int) -> tuple[int, int]:
    """Return the two cells of an address or a size."""
    return value >> 32, value & 0xFFFF_FFFF


def _reg(*ranges: tuple[int, int]) -> tuple[int, ...]:
    return tuple(cell for at, size in ranges for cell in (*_pair(at), *_pair(size)))


def _encode(value: Value) -> bytes:
    """Return a property's bytes: strings, cells, bytes as they are, None empty."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    values = value if isinstance(value, tuple) else (value,)
    return b"".join(
        one.encode() + b"\0" if isinstance(one, str) else one.to_bytes(4, "big")
        for one in values
    )


class _Tree:
    """A flattened tree being written."""

    def __init__(self) -> None:
        self._fdt = library().FdtSw()
        self._fdt.finish_reservemap()

    @contextmanager
    def node(self, name: str, props: Mapping[str, Value]) -> Iterator[None]:
        """Write a node with its properties; nodes written inside are its children."""
        with self._fdt.add_node(name):
            for key, value in props.items():
                self._fdt.property(key, _encode(value))
            yield

    def leaf(self, name: str, props: Mapping[str, Value]) -> None:
        """Write a node without children."""
        with self.node(name, props):
            pass

    def blob(self) -> bytes:
        """Return the tree."""
        tree = self._fdt.as_fdt()
        tree.pack()
        return bytes(tree.as_bytearray())


def _cpus(tree: _Tree, n: int) -> None:
    port = MemoryPort(n, 64, 3)  # it knows the affinities
    with tree.node("cpus", {"#address-cells": 1, "#size-cells": 0}):
        for i in range(n):
            props: dict[str, Value] = {
                "device_type": "cpu",
                "compatible": "arm,armv8",
                "reg": port.affinity(i),
            }
            if n > 1:
                props["enable-method"] = "psci"
            tree.leaf(f"cpu@{port.affinity(i):x}", props)


def _gic(tree: _Tree, board: Board, version: int, n: int) -> None:
    size = GICD_BYTES[version]
    if version == 2:
        second, kind = (board.gicc, GICC_BYTES), "arm,cortex-a15-gic"
    else:
        second, kind = (board.gicr, GICR_BYTES * n), "arm,gic-v3"
    props: dict[str, Value] = {
        "compatible": kind,
        "interrupt-controller": None,
        "#interrupt-cells": 3,
        "#address-cells": 2,
        "#size-cells": 2,
        "reg": _reg((board.gicd, size), second),
        "phandle": GIC,
    }
    tree.leaf(f"intc@{board.gicd:x}", props)


def _timer(tree: _Tree, version: int, n: int) -> None:
    cpus = (1 << n) - 1 << 8 if version == 2 else 0
    cells = [(PPI, intid - FIRST_PPI, cpus | LEVEL_HIGH) for intid in TIMER_INTIDS]
    props: dict[str, Value] = {
        "compatible": ("arm,armv8-timer", "arm,armv7-timer"),
        "interrupts": tuple(cell for one in cells for cell in one),
        "always-on": None,
    }
    tree.leaf("timer", props)


def _pl011(tree: _Tree, spec: DeviceSpec) -> str:
    name = f"pl011@{spec.base:x}"
    props: dict[str, Value] = {
        "compatible": ("arm,pl011", "arm,primecell"),
        "reg": _reg((spec.base, spec.n_bytes)),
        "interrupts": (SPI, spec.intid - FIRST_SPI, LEVEL_HIGH),
        "clocks": (CLOCK, CLOCK),
        "clock-names": ("uartclk", "apb_pclk"),
    }
    tree.leaf(name, props)
    return f"/{name}"


def build(board: Board, version: int, n_vcpus: int, chosen: Chosen) -> bytes:
    """Return the flattened device tree of a board.

    Parameters
    ----------
    board
        Memory map and devices.
    version
        Of the interrupt controller, 2 or 3.
    n_vcpus
        Processors.
    chosen
        Command line, initial RAM disk.

    Raises
    ------
    ConfigError
        Without libfdt.
    """
    tree = _Tree()
    root: dict[str, Value] = {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": f"pyemu,{board.name}",
        "model": f"pyemu,{board.name}",
        "interrupt-parent": GIC,
    }
    base, size = board.ram
    memory: dict[str, Value] = {"device_type": "memory", "reg": _reg((base, size))}
    psci: dict[str, Value] = {
        "compatible": ("arm,psci-1.0", "arm,psci-0.2"),
        "method": "hvc",
    }
    clock: dict[str, Value] = {
        "compatible": "fixed-clock",
        "#clock-cells": 0,
        "clock-frequency": UART_HZ,
        "phandle": CLOCK,
    }
    with tree.node("", root):
        tree.leaf(f"memory@{base:x}", memory)
        _cpus(tree, n_vcpus)
        tree.leaf("psci", psci)
        _gic(tree, board, version, n_vcpus)
        _timer(tree, version, n_vcpus)
        tree.leaf("apb-pclk", clock)
        uarts = [_pl011(tree, one) for one in board.devices if one.kind == "pl011"]
        tree.leaf("chosen", chosen.properties(uarts[0] if uarts else ""))
    return tree.blob()


def patch(name: str, blob: bytes, chosen: Chosen) -> bytes:
    """Return a user's tree with /chosen saying what `chosen` says.

    Raises
    ------
    ConfigError
        Without libfdt.
    TraceError
        If it is no device tree.
    """
    libfdt = library()
    try:
        tree = libfdt.Fdt(blob)
        tree.resize(tree.totalsize() + len(chosen.append) + 4096)
        at = tree.path_offset("/chosen", [libfdt.NOTFOUND])
        if at < 0:
            at = tree.add_subnode(0, "chosen")
        for key, value in chosen.properties().items():
            tree.setprop(at, key, _encode(value))
        tree.pack()
    except (ValueError, libfdt.FdtException) as exc:
        raise TraceError(name, f"no device tree: {exc}") from exc
    return bytes(tree.as_bytearray())
