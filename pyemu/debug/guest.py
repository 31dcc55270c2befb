"""A guest that one can stop, look into and change.

>>> from pyemu.debug import Guest
>>> with Guest("eager-vs-lazy", board="vmm", regs={"x1": ord("a"), "x3": 10}) as guest:
...     guest.break_at(guest.reg("pc") + 8)
...     guest.run().reason, guest.reg("pc") == guest.breakpoints[0]
('break', True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from .._ffi_code import PC, PSTATE, SP, CodeCore, CodeProfile
from ..config import VM, Host, whole
from ..errors import ConfigError, unknown_name
from ..guest import machine_code, sysregs
from ..guest.symbols import NOWHERE, Symbols
from ..guest.symbols import read as read_symbols
from ..machine import Machine, Stop
from ..result import Result
from ..summary import align
from ..vcpu import check_index

__all__ = ["LIMIT_S", "Guest", "GuestReport"]

LIMIT_S: Final = 60  # emulated seconds, unless a run says otherwise
MOST_BYTES: Final = 2**28
U64: Final = 2**64 - 1
NUMBERS: Final = {f"x{n}": n for n in range(31)} | {
    **{"sp": SP, "pc": PC, "pstate": PSTATE, "lr": 30, "fp": 29}
}
SHOWN: Final = 20
WATCHES: Final = {"read": 1, "write": 2, "access": 3}


@dataclass(frozen=True)
class GuestReport:
    """What a guest did, in all and by function.

    Attributes
    ----------
    result
        As of any run.
    rows
        ``symbol exits guest_cyc handling_cyc``, most guest cycles first.
    sample_cyc
        Guest cycles that a sample stands for; 0 without symbols.
    """

    result: Result
    rows: tuple[dict[str, Any], ...]
    sample_cyc: int

    def by_symbol(self) -> list[dict[str, Any]]:
        """Return exits, guest cycles and handling cycles of each function.

        An exit and its handling belong to the function that exited. Guest cycles are
        samples times `sample_cyc`. Counts begin with the run or its measured region.

        Raises
        ------
        ConfigError
            Without symbols.
        """
        if not self.sample_cyc:
            raise ConfigError("symbols", None, "a symbol file, to tell functions apart")
        return [dict(row) for row in self.rows]

    def __str__(self) -> str:
        """Return the summary, then the functions as a table."""
        if not self.rows:
            return str(self.result)
        return f"{self.result}\n\n{self.table()}"

    def table(self) -> str:
        """Return the first functions, a line each."""
        if not self.rows:
            return "no function has run"
        rows = [[str(v) for v in row.values()] for row in self.rows[:SHOWN]]
        lines = [align([list(self.rows[0]), *rows])]
        if len(self.rows) > SHOWN:
            lines.append(f"... and {len(self.rows) - SHOWN} more")
        lines.append(f"guest cycles sampled every {self.sample_cyc}")
        return "\n".join(lines)


class Guest:
    """One VM of machine code on a machine of its own.

    Parameters
    ----------
    image, vcpus, more
        As `machine_code.load` takes them: `board`, `regs`, `mem_bytes`.
    initrd, append
        Initial RAM disk, shipped or a file, and command line of a Linux Image.
    policy, host, seed
        As `Machine` takes them; the default host has a pCPU for each vCPU and
        the cost profile ``icount``.
    symbols
        Symbol files, ELF or ``nm`` text.
    sample_cyc
        Guest cycles between samples of the profile by function; 1 is exact and slow.

    Raises
    ------
    ConfigError, TraceError
        For what cannot be, or cannot be read.
    """

    def __init__(
        self,
        image: str | Path,
        *,
        policy: Any = "lazy",
        host: Host | None = None,
        vcpus: int = 1,
        initrd: str | None = None,
        append: str | None = None,
        symbols: str | Path | Sequence[str | Path] = (),
        sample_cyc: int = 1000,
        seed: int = 0,
        **more: Any,
    ) -> None:
        disk = None if initrd is None else machine_code.initrd_bytes(initrd)
        boot = machine_code.Boot(disk, append)
        load = machine_code.load(str(image), vcpus=vcpus, boot=boot, **more)
        machine = Machine(
            host or Host(pcpus=vcpus, profile="icount"),
            [VM(vcpus=vcpus)],
            policy=policy,
            load=load,
            seed=seed,
        )
        paths = [symbols] if isinstance(symbols, (str, Path)) else list(symbols)
        try:
            self._look_into(machine, paths, sample_cyc)
        except BaseException:
            machine.close()
            raise

    @classmethod
    def of(
        cls,
        machine: Machine,
        symbols: Sequence[str | Path] = (),
        sample_cyc: int = 1000,
    ) -> Self:
        """Return the view of a machine whose VM 0 runs machine code."""
        self = cls.__new__(cls)
        self._look_into(machine, symbols, sample_cyc)
        return self

    def _look_into(
        self, machine: Machine, paths: Sequence[str | Path], sample_cyc: int
    ) -> None:
        self.machine = machine
        self.symbols: Symbols = read_symbols(*paths)
        self.breakpoints: list[int] = []
        self.watchpoints: list[tuple[int, int, str]] = []
        self.vcpu: int | None = None
        self.watched: int | None = None
        self.n_vcpus = machine.blueprint.vms[0].n_vcpus
        self._code = CodeCore(machine.core)
        self._sample_cyc = whole("guest.sample_cyc", sample_cyc, 1, 2**32)
        self._profile: CodeProfile | None = None
        if paths:
            starts = self.symbols.starts
            self._profile = CodeProfile(machine.core, starts, self._sample_cyc)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the machine; every later call raises StateError."""
        self.machine.close()

    # running

    def run(
        self,
        *,
        until_cyc: int | None = None,
        until_guest_cyc: int = 0,
        until_exits: int = 0,
        until_text: str = "",
    ) -> Stop:
        """Run to a limit, a breakpoint (``break``, ``watch``), the end, or Ctrl-C.

        Parameters
        ----------
        until_cyc
            Host cycle; the default is 60 emulated seconds.
        until_guest_cyc, until_exits
            Totals over all vCPUs; 0 is no limit.
        until_text
            What the console shows at last (``text``).

        Raises
        ------
        GuestError
            For an access to an address where the board has nothing.
        """
        if until_cyc is None:
            until_cyc = LIMIT_S * self.machine.blueprint.clock.cpu_hz
        console = self.machine.bus.outcomes[0].console
        before = console.until
        console.until = until_text.encode() or before
        try:
            stop = self.machine.run(
                until_cyc=until_cyc,
                until_guest_cyc=until_guest_cyc,
                until_exits=until_exits,
            )
        finally:
            console.until = before
        about = stop.reason in ("break", "step", "watch")
        self.vcpu = self._code.stopped() if about else None
        self.watched = self._code.watched() if stop.reason == "watch" else None
        return stop

    def step(self, vcpu: int = 0, n: int = 1, *, until_cyc: int | None = None) -> Stop:
        """Run until a vCPU has executed `n` instructions; the others run beside it.

        Taking an exception is a step of its own. Whatever else stops a run ends it,
        too: `Stop.reason` says so.
        """
        check_index("vcpu", vcpu, self.n_vcpus)
        self._code.set_step(vcpu, whole("step.n", n, 1, 2**63 - 1))
        try:
            return self.run(until_cyc=until_cyc)
        finally:
            self._code.set_step(None)

    def break_at(self, where: int | str) -> None:
        """Stop before an instruction is executed, by address or symbol, at most 32.

        Addresses are virtual and of every address space.
        """
        address = self._address(where)
        self._code.set_break(0, address, True)
        if address not in self.breakpoints:
            self.breakpoints.append(address)

    def clear(self, where: int | str) -> None:
        """Remove a breakpoint.

        Raises
        ------
        ConfigError
            If there is none.
        """
        address = self._address(where)
        self._code.set_break(0, address, False)
        self.breakpoints.remove(address)

    def watch(self, where: int | str, n: int = 8, on: str = "write") -> None:
        """Stop before accesses to `n` bytes: ``read``, ``write`` or ``access``.

        Run's reason is then ``watch`` and `watched` the address; at most 16 at once.
        Code is interpreted while there is one.
        """
        span = (self._address(where), whole("watch.n", n, 1, 2**32), on)
        if span not in self.watchpoints:
            self._code.set_watch(0, (*span[:2], _on(on)), True)
            self.watchpoints.append(span)

    def unwatch(self, where: int | str, n: int = 8, on: str = "write") -> None:
        """Remove what `watch` set; ConfigError if it is not there."""
        span = (self._address(where), n, on)
        self._code.set_watch(0, (*span[:2], _on(on)), False)
        self.watchpoints.remove(span)

    def _address(self, where: int | str) -> int:
        if isinstance(where, str):
            return self.symbols.address(where)
        return whole("address", where, 0, U64)

    # looking and changing

    def read(self, where: int | str, n: int, vcpu: int = 0) -> bytes:
        """Read memory at a virtual address, as a vCPU's EL1 translates it.

        Raises
        ------
        ConfigError
            If nothing is mapped there, or no memory.
        """
        check_index("vcpu", vcpu, self.n_vcpus)
        n_bytes = whole("read.n", n, 0, MOST_BYTES, "bytes")
        return self._code.read_virtual(vcpu, self._address(where), n_bytes)

    def write(self, where: int | str, data: bytes, vcpu: int = 0) -> None:
        """Write memory at a virtual address, read-only pages and code included."""
        check_index("vcpu", vcpu, self.n_vcpus)
        self._code.write_virtual(vcpu, self._address(where), data)

    def read_physical(self, address: int, n: int) -> bytes:
        """Read memory at a guest physical address."""
        n_bytes = whole("read.n", n, 0, MOST_BYTES, "bytes")
        return self._code.read(0, self._address(address), n_bytes)

    def write_physical(self, address: int, data: bytes) -> None:
        """Write memory at a guest physical address."""
        self._code.write(0, self._address(address), data)

    def translate(self, where: int | str, vcpu: int = 0) -> int:
        """Return the guest physical address behind a virtual one."""
        check_index("vcpu", vcpu, self.n_vcpus)
        return self._code.translate(vcpu, self._address(where))

    def reg(self, name: str, vcpu: int = 0) -> int:
        """Return ``x0`` to ``x30``, ``sp``, ``pc``, ``pstate`` or a system register."""
        check_index("vcpu", vcpu, self.n_vcpus)
        if name in NUMBERS:
            return self._code.get(vcpu, NUMBERS[name])
        return self._code.get_sysreg(vcpu, sysregs.encoding(name))

    def set_reg(self, name: str, value: int, vcpu: int = 0) -> None:
        """Change a register.

        Raises
        ------
        ConfigError
            For one that does not exist or a value it cannot have.
        """
        check_index("vcpu", vcpu, self.n_vcpus)
        word = whole(f"register {name}", value, 0, U64)
        if name in NUMBERS:
            self._code.set(vcpu, NUMBERS[name], word)
        else:
            self._code.set_sysreg(vcpu, sysregs.encoding(name), word)

    def where(self, vcpu: int = 0) -> str:
        """Return where a vCPU is, by function."""
        return self.symbols.locate(self.reg("pc", vcpu))

    @property
    def console(self) -> bytes:
        """Everything the guest has printed."""
        return bytes(self.machine.bus.outcomes[0].console)

    @property
    def insns(self) -> int:
        """Instructions that all vCPUs have retired."""
        return sum(self._code.insns(vcpu) for vcpu in range(self.n_vcpus))

    def report(self) -> GuestReport:
        """Return what the guest has done so far."""
        result = self.machine.result()
        if self._profile is None:
            return GuestReport(result, (), 0)
        sums = self._profile.sums.reshape(-1, 3)
        names = [NOWHERE, *self.symbols.names]
        return GuestReport(result, _rows(names, sums), self._sample_cyc)


def _on(how: str) -> int:
    """Return which accesses a word means."""
    if how not in WATCHES:
        raise unknown_name("watch.on", how, list(WATCHES))
    return WATCHES[how]


def _rows(names: Sequence[str], sums: NDArray[np.uint64]) -> tuple[Any, ...]:
    """Add up what has one name: nowhere, or local functions of several files."""
    keys = ("exits", "guest_cyc", "handling_cyc")
    total: dict[str, list[int]] = {}
    for index in np.flatnonzero(sums.any(axis=1)):
        have = total.setdefault(names[int(index)], [0, 0, 0])
        for column, value in enumerate(sums[index]):
            have[column] += int(value)
    rows: list[Mapping[str, Any]] = [
        {"symbol": name, **dict(zip(keys, values, strict=True))}
        for name, values in total.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row["guest_cyc"], row["symbol"])))
