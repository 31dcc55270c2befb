"""The only module that touches the compiled core.

It refuses a core built from another header, maps each status to an exception, derives
numpy layouts from the C types and lends arrays to C. `Core`: one thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import (
    CapacityError,
    ConfigError,
    GuestError,
    InternalError,
    PyemuError,
    StateError,
)

__all__ = ["API_VERSION", "Core", "borrow", "dtype", "enum", "hist_lows", "trace_hash"]

API_VERSION: Final = 9
NONE_U32: Final = 0xFFFFFFFF

try:
    from ._core import ffi, lib
except ImportError as exc:  # pragma: no cover - depends on the installation
    raise ImportError(
        "pyemu's compiled core is missing or does not load "
        f"({exc}); build it with `pip install -e .` from the project root"
    ) from exc


def require_version(built: int, wanted: int = API_VERSION) -> None:
    """Refuse a core compiled from another version of csrc/pyemu_api.h.

    Raises
    ------
    ImportError
        If the versions differ.
    """
    if built != wanted:
        raise ImportError(
            f"pyemu's compiled core speaks API version {built}, this Python code "
            f"version {wanted}: rebuild it with `pip install -e .` (an editable "
            "install does not rebuild by itself when csrc/pyemu_api.h changes)"
        )


require_version(int(lib.pyemu_api_version()))

_SCALARS: Final[dict[str, str]] = {
    "uint8_t": "u1",
    "uint16_t": "u2",
    "uint32_t": "u4",
    "uint64_t": "u8",
    "int32_t": "i4",
    "int64_t": "i8",
}


def _numpy_type(ctype: Any) -> Any:
    """Translate one cffi type; arrays become ``(type, length)``."""
    if ctype.kind == "array":
        return (_numpy_type(ctype.item), (ctype.length,))
    if ctype.kind == "struct":
        return _struct_dtype(ctype)
    return _SCALARS[ctype.cname]


def _struct_dtype(ctype: Any) -> np.dtype[Any]:
    fields = ctype.fields
    return np.dtype(
        {
            "names": [name for name, _ in fields],
            "formats": [_numpy_type(field.type) for _, field in fields],
            "offsets": [field.offset for _, field in fields],
            "itemsize": ffi.sizeof(ctype),
        }
    )


@cache
def dtype(struct: str) -> np.dtype[Any]:
    """Return the numpy layout of ``struct pyemu_<struct>``.

    Examples
    --------
    >>> dtype("op").names
    ('op', 'flags', 'a', 'b', 'c')
    """
    return _struct_dtype(ffi.typeof(f"struct pyemu_{struct}"))


def enum(name: str, prefix: str) -> dict[str, int]:
    """Return the members of ``enum pyemu_<name>``, lower case, without `prefix`.

    ``count`` is kept; inner bounds such as ``step_count`` are not.

    Examples
    --------
    >>> enum("stop", "PYEMU_STOP_")["done"]
    1
    """
    members = ffi.typeof(f"enum pyemu_{name}").relements
    picked = {
        key.removeprefix(prefix).lower(): int(value)
        for key, value in members.items()
        if not key.endswith("_STEP_COUNT")
    }
    return dict(sorted(picked.items(), key=lambda item: item[1]))


def borrow(
    arr: NDArray[Any], want: np.dtype[Any], decl: str, *, writable: bool = False
) -> Any:
    """Lend an array to C, zero-copy; keep a reference to it during the call.

    Parameters
    ----------
    arr, want
        One-dimensional and C-contiguous, of exactly the dtype `want`.
    decl, writable
        The C type, such as ``"struct pyemu_op[]"``, and whether C writes into it.

    Raises
    ------
    ConfigError
        If the array is anything else.
    """
    if not isinstance(arr, np.ndarray) or arr.dtype != want:
        got = getattr(arr, "dtype", type(arr).__name__)
        raise ConfigError("array", str(got), f"a numpy array of dtype {want}")
    if arr.ndim != 1 or not arr.flags.c_contiguous:
        raise ConfigError("array", arr.shape, "one dimension, C-contiguous")
    if writable and not arr.flags.writeable:
        raise ConfigError("array", "read-only", "a writeable array")
    if arr.size == 0:
        return ffi.NULL
    return ffi.from_buffer(decl, arr, require_writable=writable)


def status_error(status: int, context: str, text: str) -> PyemuError:
    """Build the exception for a failed call; an unknown status is a bug."""
    if status == lib.PYEMU_EINVAL:
        return ConfigError(context, text, "rejected by the core")
    if status == lib.PYEMU_ENOMEM:
        return CapacityError(f"{context}: {text or 'out of memory'}", "memory")
    if status == lib.PYEMU_ECAPACITY:
        return CapacityError(f"{context}: {text}", text)
    if status == lib.PYEMU_EGUEST:
        return GuestError(f"{context}: {text}")
    if status == lib.PYEMU_ESTATE:
        return StateError(f"{context}: {text}")
    if status == lib.PYEMU_EBUG:
        return InternalError(
            f"{context}: {text}: an internal check failed; please report it with the "
            "scenario and the seed"
        )
    return InternalError(f"{context}: unknown status {status}: {text}")


def _as_dict(pointer: Any) -> dict[str, int]:
    """Return the integer fields of a struct."""
    fields = ffi.typeof(pointer).item.fields
    return {name: int(getattr(pointer, name)) for name, _ in fields}


U32: Final = np.dtype("u4")
U64: Final = np.dtype("u8")


class Core:
    """One machine handle of the C core.

    Parameters
    ----------
    cfg
        Fields of ``struct pyemu_config``.

    Raises
    ------
    ConfigError, CapacityError
        If the core refuses the machine.
    """

    def __init__(self, cfg: Mapping[str, int]) -> None:
        self.lent: dict[object, NDArray[Any]] = {}
        out = ffi.new("struct pyemu_machine **")
        status = lib.pyemu_machine_new(ffi.new("struct pyemu_config *", dict(cfg)), out)
        self._m: Any = ffi.gc(out[0], lib.pyemu_machine_free)
        if status != 0:
            text = ffi.string(lib.pyemu_error(self._m)).decode()
            self.close()
            raise status_error(status, "machine", text)

    def close(self) -> None:
        """Free the machine; every later call raises StateError."""
        if self._m is not None:
            ffi.release(self._m)
            self._m = None
            self.lent.clear()

    @property
    def handle(self) -> Any:
        """The C handle.

        Raises
        ------
        StateError
            After `close`.
        """
        if self._m is None:
            raise StateError("the machine is closed")
        return self._m

    def _call(self, name: str, *args: Any) -> None:
        """Call ``pyemu_<name>(machine, ...)`` and raise what its status means."""
        handle = self.handle
        status = getattr(lib, f"pyemu_{name}")(handle, *args)
        if status != 0:
            text = ffi.string(lib.pyemu_error(handle)).decode()
            raise status_error(status, name, text)

    def set_costs(self, cost_cyc: NDArray[np.uint32]) -> None:
        """Set the cost of every primitive, cycles, in enum pyemu_prim order."""
        self._call("set_costs", borrow(cost_cyc, U32, "uint32_t[]"), cost_cyc.size)

    def set_policy(
        self,
        steps: NDArray[Any],
        hook_start: NDArray[np.uint32],
        guards: NDArray[Any],
        switches: int,
    ) -> None:
        """Set the step table: arrays of ``step`` and ``guard``, starts by hook."""
        self._call(
            "set_policy",
            borrow(steps, dtype("step"), "struct pyemu_step[]"),
            steps.size,
            borrow(hook_start, U32, "uint32_t[]"),
            borrow(guards, dtype("guard"), "struct pyemu_guard[]"),
            guards.size,
            switches,
        )

    def set_array(self, what: str, arr: NDArray[Any], *index: int) -> None:
        """Lend a program, table, moves or outside list; C reads it in place."""
        struct = {"program": "op", "moves": "move", "outside": "outside"}.get(what)
        want = dtype(struct) if struct else U64
        decl = f"struct pyemu_{struct}[]" if struct else "uint64_t[]"
        self._call(f"set_{what}", *index, borrow(arr, want, decl), arr.size)
        self.lent[(what, *index)] = arr

    def set_item(self, what: str, index: int, fields: Mapping[str, int]) -> None:
        """Describe one ``vm``, ``vcpu`` or ``task``."""
        value = ffi.new(f"struct pyemu_{what}_config *", dict(fields))
        self._call(f"set_{what}", index, value)

    def set_items(self, what: str, arr: NDArray[Any]) -> None:
        """Describe every ``vcpu`` or ``task`` from one structured array."""
        struct = f"struct pyemu_{what}_config"
        base = borrow(arr, dtype(f"{what}_config"), struct + "[]")
        for index in range(arr.size):
            self._call(f"set_{what}", index, base + index)

    def set_trace(self, buf: NDArray[Any]) -> None:
        """Lend the trace buffer, an array of ``event``; an empty one ends tracing."""
        ptr = borrow(buf, dtype("event"), "struct pyemu_event[]", writable=True)
        self._call("set_trace", ptr, buf.size)
        self.lent["trace"] = buf

    def start(self) -> None:
        """Finish the description: the machine may run."""
        self._call("start")

    def run(
        self, until_cyc: int, guest_cyc: int = 0, exits: int = 0, pause_cyc: int = 0
    ) -> dict[str, int]:
        """Run until a limit or a reason; return ``struct pyemu_result`` as a dict."""
        words = (until_cyc, guest_cyc, exits, pause_cyc)
        limits = ffi.new("struct pyemu_limits *", words)
        out = ffi.new("struct pyemu_result *")
        self._call("run", limits, out)
        return _as_dict(out)

    def interrupt(self) -> None:
        """Make the run in progress (in another thread) come back."""
        lib.pyemu_interrupt(self.handle)

    def command(self, name: str, *args: int) -> None:
        """Call a function that takes integers only, such as move or vcpu_pause."""
        self._call(name, *args)

    def get_vcpu(self, vcpu: int) -> NDArray[Any]:
        """Return the ONE_REG view of a stopped vCPU: one ``vcpu_state`` record."""
        out = np.zeros(1, dtype=dtype("vcpu_state"))
        decl = "struct pyemu_vcpu_state[]"
        self._call("get_vcpu", vcpu, borrow(out, out.dtype, decl, writable=True))
        return out

    def set_vcpu_state(self, vcpu: int, state: NDArray[Any]) -> None:
        """Restore what `get_vcpu` read."""
        want, decl = dtype("vcpu_state"), "struct pyemu_vcpu_state[]"
        self._call("set_vcpu_state", vcpu, borrow(state, want, decl))

    def mmio(self, vcpu: int) -> dict[str, int]:
        """Return the distributor access a vCPU waits for."""
        out = ffi.new("struct pyemu_mmio *")
        self._call("mmio_get", vcpu, out)
        return _as_dict(out)

    def irq_get(self, vcpu: int, intid: int) -> dict[str, int]:
        """Return the stored facts of an interrupt."""
        out = ffi.new("struct pyemu_irq_state *")
        self._call("irq_get", vcpu, intid, out)
        return _as_dict(out)

    def irq_set(self, vcpu: int, intid: int, facts: Mapping[str, int]) -> None:
        """Change them; the vgic queues and kicks as it must."""
        new = ffi.new("struct pyemu_irq_state *", dict(facts))
        self._call("irq_set", vcpu, intid, new)

    def list_registers(self, vcpu: int) -> list[int]:
        """Return a vCPU's list registers in the format of its GIC."""
        words = self.read_u64("list_registers", int(lib.PYEMU_MAX_LRS), vcpu)
        return [int(word) for word in words]

    def count_ticks(self, cyc: int) -> int:
        """Return the system counter at a cycle, ticks."""
        return int(lib.pyemu_count_ticks(self.handle, cyc))

    def ticks_to_cyc(self, ticks: int) -> int:
        """Return the first cycle at which the counter reads `ticks`."""
        return int(lib.pyemu_ticks_to_cyc(self.handle, ticks))

    def read_u64(self, what: str, n: int, *index: int) -> NDArray[np.uint64]:
        """Read step_counts, prim_counts, counters or a histogram: n numbers."""
        out = np.zeros(n, dtype=U64)
        ptr = borrow(out, U64, "uint64_t[]", writable=True)
        self._call(what, *index, ptr, n)
        return out

    def read_stats(self, what: str, n: int) -> NDArray[Any]:
        """Read ``vcpu_stats`` or ``pcpu_stats`` of the first n."""
        out = np.zeros(n, dtype=dtype(what))
        decl = f"struct pyemu_{what}[]"
        self._call(what, 0, n, borrow(out, out.dtype, decl, writable=True))
        return out

    def reason_sums(self, n: int) -> dict[str, NDArray[np.uint64]]:
        """Read count, guest, handling, least and largest cycles by exit reason."""
        keys = ("count", "guest_cyc", "handling_cyc", "min_cyc", "max_cyc")
        out = {key: np.zeros(n, dtype=U64) for key in keys}
        ptrs = [borrow(out[key], U64, "uint64_t[]", writable=True) for key in keys]
        self._call("reason_sums", *ptrs, n)
        return out

    def snapshot(self) -> NDArray[np.uint8]:
        """Return the machine as bytes."""
        out = np.zeros(int(lib.pyemu_snapshot_bytes(self.handle)), dtype="u1")
        ptr = borrow(out, out.dtype, "uint8_t[]", writable=True)
        self._call("snapshot_save", ptr, out.size)
        return out

    def restore(self, blob: NDArray[np.uint8]) -> None:
        """Load what `snapshot` returned, from a machine of the same shape."""
        ptr = borrow(blob, np.dtype("u1"), "uint8_t[]")
        self._call("snapshot_load", ptr, blob.size)

    def bytes_used(self) -> int:
        """Return the size of the one allocation, bytes."""
        return int(lib.pyemu_machine_bytes(self.handle))


def vcpu_bytes() -> int:
    """Return the memory of one more vCPU, bytes."""
    return int(lib.pyemu_vcpu_bytes())


@cache
def hist_lows() -> NDArray[np.uint64]:
    """Return the lower bound of every histogram bucket, cycles."""
    n = int(lib.PYEMU_HIST_BUCKETS)
    out = np.array([lib.pyemu_hist_low(b) for b in range(n)], dtype=U64)
    out.flags.writeable = False
    return out


def trace_hash(events: NDArray[Any], chains: NDArray[np.uint64]) -> None:
    """Feed trace records into one hash chain a pCPU, in place."""
    ptr = borrow(events, dtype("event"), "struct pyemu_event[]")
    out = borrow(chains, U64, "uint64_t[]", writable=True)
    lib.pyemu_trace_hash(ptr, events.size, out, chains.size)
