"""Builds op programs: readable calls in, one structured numpy array out.

`Program.build` lays out main code first, then one vector that acknowledges, dispatches
on the INTID, ends the interrupt and returns. C checks every operand again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import _ffi
from ..errors import ConfigError, unknown_name

__all__ = ["OP", "PTIMER", "VTIMER", "Compiled", "Program", "op_dtype"]

OP: Final = _ffi.enum("opcode", "PYEMU_OP_")
VTIMER: Final = 0
PTIMER: Final = 1
PPI_VTIMER: Final = 27
PPI_PTIMER: Final = 30
N_REGS: Final = 8
BASE_REG: Final = 7  # WAIT_REG compares against c + this register
U32: Final = 2**32 - 1
U64: Final = 2**64 - 1
_MAIN: Final = -1


def op_dtype() -> np.dtype[Any]:
    """Return the layout of ``struct pyemu_op``."""
    return _ffi.dtype("op")


@dataclass(frozen=True)
class Compiled:
    """An op program ready for the core.

    Attributes
    ----------
    ops, tables
        1-D array of `op_dtype`; value tables by index, each 1-D uint64.
    entry, irq_entry
        First op, and the vector; ``0xffffffff`` keeps interrupts masked.
    """

    ops: NDArray[Any]
    tables: tuple[NDArray[np.uint64], ...] = ()
    entry: int = 0
    irq_entry: int = U32

    @property
    def key(self) -> bytes:
        """Content by which identical programs are shared."""
        tables = b"".join(table.tobytes() for table in self.tables)
        return self.ops.tobytes() + tables


@dataclass
class _Op:
    op: int
    flags: int
    a: int
    b: int
    c: int
    label: str | None


def _range(field: str, value: int, high: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ConfigError(field, value, f"a whole number from 0 to {high}")
    if not 0 <= int(value) <= high:
        raise ConfigError(field, value, f"a whole number from 0 to {high}")
    return int(value)


class Program:
    """An op program under construction; every call appends and returns self.

    Examples
    --------
    >>> len(Program("hvc").hvc().end().build().ops)
    2
    """

    def __init__(self, name: str = "program") -> None:
        self.name = name
        self._code: dict[int, list[_Op]] = {_MAIN: []}
        self._labels: dict[str, tuple[int, int]] = {}
        self._section = _MAIN
        self._tables: list[NDArray[np.uint64]] = []
        self._loops = 0
        self._auto = 0
        self._dir = False

    def emit(
        self,
        op: str,
        *,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        flags: int = 0,
        to: str | None = None,
    ) -> Program:
        """Append one operation by its name in ``enum pyemu_opcode``; `to` is a label.

        Raises
        ------
        ConfigError
            For an unknown operation or an operand that does not fit.
        """
        if op not in OP or op == "n":
            raise unknown_name(f"{self.name}.op", op, [k for k in OP if k != "n"])
        where = f"{self.name}.{op}"
        self._code[self._section].append(
            _Op(
                OP[op],
                _range(f"{where}.flags", flags, 255),
                _range(f"{where}.a", a, 0xFFFF),
                _range(f"{where}.b", b, U32),
                _range(f"{where}.c", c, U64),
                to,
            )
        )
        return self

    def label(self, name: str) -> Program:
        """Name the next operation."""
        if name in self._labels:
            raise ConfigError(f"{self.name}.label", name, "a name not used before")
        self._labels[name] = (self._section, len(self._code[self._section]))
        return self

    def new_label(self) -> str:
        """Return a label name that nothing uses."""
        self._auto += 1
        return f".{self._auto}"

    def table(self, values: Sequence[int] | NDArray[np.uint64]) -> int:
        """Add a table of numbers (cycles or ticks) and return its index."""
        arr = np.ascontiguousarray(values, dtype=np.uint64)
        if arr.ndim != 1 or arr.size == 0:
            raise ConfigError(f"{self.name}.table", arr.shape, "a non-empty list")
        self._tables.append(arr)
        return len(self._tables) - 1

    @contextmanager
    def loop(self, n: int) -> Iterator[Program]:
        """Run the body `n` times, n >= 1; loops nest up to three deep."""
        if _range(f"{self.name}.loop", n, U64) == 0:
            raise ConfigError(f"{self.name}.loop", n, "at least 1 turn")
        if self._loops == 3:
            raise ConfigError(f"{self.name}.loop", n, "at most three nested loops")
        reg = 6 - self._loops
        self._loops += 1
        top = self.new_label()
        self.label(top)
        yield self
        self.emit("loop", a=reg, c=n, to=top)
        self._loops -= 1

    @contextmanager
    def forever(self) -> Iterator[Program]:
        """Repeat the body without end; it must take guest time."""
        top = self.new_label()
        self.label(top)
        yield self
        self.jump(top)

    @contextmanager
    def on_irq(self, intid: int) -> Iterator[Program]:
        """Write the handler of one INTID; the acknowledge and EOI are added."""
        _range(f"{self.name}.intid", intid, 1019)
        if intid in self._code:
            raise ConfigError(f"{self.name}.on_irq", intid, "one handler an INTID")
        self._code[intid] = []
        outer, self._section = self._section, intid
        yield self
        self._section = outer

    # guest work
    def compute(self, cyc: int) -> Program:
        """Use `cyc` guest cycles."""
        return self.emit("compute", c=cyc)

    def compute_from(self, table: int) -> Program:
        """Use guest cycles drawn at random from a table."""
        return self.emit("compute_dist", a=table)

    def jump(self, to: str) -> Program:
        """Go to a label."""
        return self.emit("jump", to=to)

    def count(self, reg: int, by: int = 1) -> Program:
        """Add to a register."""
        return self.emit("count", a=self._reg(reg), c=by)

    def until(self, reg: int, at_least: int, back: str) -> Program:
        """Go to `back` while the register is below a value."""
        return self.emit("until", a=self._reg(reg), c=at_least, to=back)

    def wait_reg(self, reg: int, more: int, back: str) -> Program:
        """Go to `back` while the register is below `more` + register 7."""
        return self.emit("wait_reg", a=self._reg(reg), c=more, to=back)

    def chance(self, probability: float, to: str) -> Program:
        """Go to a label with a probability from 0 to 1."""
        if not 0.0 <= probability <= 1.0:
            raise ConfigError(f"{self.name}.chance", probability, "from 0 to 1")
        return self.emit("rand", c=min(round(probability * 2**32), U32), to=to)

    def mark(self, value: int) -> Program:
        """Write a trace record."""
        return self.emit("mark", c=value)

    def reset_stats(self) -> Program:
        """Begin the measured region: every statistic restarts from zero."""
        return self.emit("reset_stats")

    def end(self) -> Program:
        """Power this vCPU off for good."""
        return self.emit("end")

    # timers; `timer` is VTIMER or PTIMER
    def timer_set(self, ticks: int, timer: int = VTIMER) -> Program:
        """Arm `ticks` from now, enabled and unmasked."""
        return self.emit("timer_set", a=timer, c=ticks)

    def timer_cval(self, ticks: int, timer: int = VTIMER) -> Program:
        """Write CVAL, absolute."""
        return self.emit("timer_cval", a=timer, c=ticks)

    def timer_tval(self, ticks: int, timer: int = VTIMER) -> Program:
        """Write TVAL, a signed 32-bit number of ticks from now."""
        if not -(2**31) <= ticks < 2**31:
            raise ConfigError(f"{self.name}.tval", ticks, "a signed 32-bit number")
        return self.emit("timer_tval", a=timer, c=ticks & U32)

    def timer_ctl(self, enable: bool, mask: bool, timer: int = VTIMER) -> Program:
        """Write CTL: ENABLE and IMASK."""
        return self.emit("timer_ctl", a=timer, c=int(enable) | int(mask) << 1)

    def timer_next(
        self, ticks: int, *, skip_missed: bool, timer: int = VTIMER
    ) -> Program:
        """Re-arm: CVAL += ticks; with `skip_missed`, from now if that is past."""
        return self.emit("timer_next", a=timer, c=ticks, flags=int(skip_missed))

    def timer_list(self, timer: int = VTIMER) -> Program:
        """Re-arm: CVAL += the next entry of the vCPU's list (see `list_seek`)."""
        return self.emit("timer_list", a=timer)

    def list_seek(self, table: int, at: int, stop: int) -> Program:
        """Choose the vCPU's list: a table, from a position, stopping before one."""
        return self.emit("list_seek", a=table, b=stop, c=at)

    # exits
    def wfi(self) -> Program:
        """Wait for interrupt."""
        return self.emit("wfi")

    def wfe(self) -> Program:
        """Wait for event: a yield."""
        return self.emit("wfe")

    def hvc(self, extra_cyc: int = 0) -> Program:
        """Hypercall, with extra host cycles."""
        return self.emit("hvc", b=extra_cyc)

    def smc(self, extra_cyc: int = 0) -> Program:
        """Secure monitor call, trapped."""
        return self.emit("smc", b=extra_cyc)

    def sysreg(self, extra_cyc: int = 0) -> Program:
        """Trapped system register access."""
        return self.emit("sysreg", b=extra_cyc)

    def mmio_kernel(self, extra_cyc: int = 0) -> Program:
        """Access to the in-kernel distributor."""
        return self.emit("mmio_kernel", b=extra_cyc)

    def mmio_user(self, before: int = 0, user: int = 0, after: int = 0) -> Program:
        """MMIO exit to user space: extra host cycles loaded, unloaded, loaded."""
        after = _range(f"{self.name}.mmio_user", after, U32)
        user = _range(f"{self.name}.mmio_user", user, U32)
        return self.emit("mmio_user", b=before, c=user | after << 32)

    def fault(self, extra_cyc: int = 0, *, instruction: bool = False) -> Program:
        """Stage-2 fault, on data or on an instruction."""
        return self.emit("fault", b=extra_cyc, flags=int(instruction))

    def cpu_on(self, vcpu: int, at: str) -> Program:
        """PSCI CPU_ON: vCPU of the same VM starts at a label."""
        return self.emit("cpu_on", a=vcpu, to=at)

    def cpu_off(self) -> Program:
        """PSCI CPU_OFF."""
        return self.emit("cpu_off")

    def system_off(self) -> Program:
        """PSCI SYSTEM_OFF."""
        return self.emit("system_off")

    # interrupts
    def sgi(self, intid: int, vcpu: int) -> Program:
        """Send an SGI to one vCPU of the same VM."""
        return self.emit("sgi", a=_range(f"{self.name}.sgi", intid, 15), b=vcpu)

    def sgi_others(self, intid: int) -> Program:
        """Send an SGI to every other vCPU of the VM."""
        return self.emit("sgi", a=_range(f"{self.name}.sgi", intid, 15), c=1)

    def irq_on(self) -> Program:
        """Unmask interrupts: PSTATE.I := 0."""
        return self.emit("irq_on")

    def irq_off(self) -> Program:
        """Mask interrupts: PSTATE.I := 1."""
        return self.emit("irq_off")

    def irq_window(self) -> Program:
        """Take what is pending, then mask again, as an idle loop does after WFI."""
        return self.irq_on().irq_off()

    def pmr(self, priority: int) -> Program:
        """Write the priority mask."""
        return self.emit("pmr", c=priority)

    def gic_enable(self, intid: int) -> Program:
        """Enable an INTID: a distributor exit."""
        return self.emit("gic_enable", a=intid)

    # distributor words that the register model answers
    def gic_write(self, address: int, value: int) -> Program:
        """Store a word."""
        return self.emit("gic_mmio", flags=1, b=address, c=value)

    def gic_read(self, address: int, reg: int) -> Program:
        """Load a word into a register."""
        return self.emit("gic_mmio", b=address, a=self._reg(reg))

    def eoimode(self, mode: int) -> Program:
        """Choose EOImode; with 1 the handlers built here also write DIR."""
        self._dir = bool(_range(f"{self.name}.eoimode", mode, 1))
        return self.emit("eoimode", c=mode)

    def _reg(self, reg: int) -> int:
        return _range(f"{self.name}.register", reg, N_REGS - 1)

    def _handlers(self) -> list[_Op]:
        """Lay out the vector: ack, one comparison an INTID, EOI, return."""
        code: list[_Op] = [_Op(OP["ack"], 0, 0, 0, 0, None)]
        for intid, body in self._code.items():
            if intid == _MAIN:
                continue
            skip = self.new_label()
            code.append(_Op(OP["if_intid"], 0, intid, 0, 0, skip))
            for name, (section, at) in list(self._labels.items()):
                if section == intid:
                    self._labels[name] = (U32, len(code) + at)
            code += body
            code.append(_Op(OP["eoi"], 0, 0, 0, 0, None))
            if self._dir:
                code.append(_Op(OP["dir"], 0, 0, 0, 0, None))
            code.append(_Op(OP["eret"], 0, 0, 0, 0, None))
            self._labels[skip] = (U32, len(code))
        code.append(_Op(OP["eret"], 0, 0, 0, 0, None))
        return code

    def build(self) -> Compiled:
        """Resolve labels and return the arrays.

        Raises
        ------
        ConfigError
            For a label that is nowhere, or an empty program.
        """
        saved = dict(self._labels)
        main = self._code[_MAIN]
        if not main:
            raise ConfigError(f"{self.name}", [], "at least one operation")
        vector = self._handlers() if len(self._code) > 1 else []
        ops = np.zeros(len(main) + len(vector), dtype=op_dtype())
        for i, op in enumerate(main + vector):
            b = op.b if op.label is None else self._target(op.label, len(main))
            ops[i] = (op.op, op.flags, op.a, b, op.c)
        self._labels = saved
        irq_entry = len(main) if vector else U32
        return Compiled(ops, tuple(self._tables), 0, irq_entry)

    def _target(self, label: str, vector_at: int) -> int:
        if label not in self._labels:
            raise unknown_name(f"{self.name}.label", label, self._labels)
        section, at = self._labels[label]
        return at if section == _MAIN else vector_at + at
