"""What gdb's packets ask of a guest: replies, and when to run it.

vCPU n is thread n + 1; a stop stops all. The session knows no socket: `handle` returns
a reply, or what is to be run before `stopped` says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigError, GuestError, PyemuError
from .guest import Guest
from .packet import MOST
from .target import N_CORE, REGISTERS, XML

__all__ = ["Resume", "Session"]

OK: Final = b"OK"
BAD: Final = b"E01"  # what was asked for cannot be
FAULT: Final = b"E0e"  # EFAULT: no memory there
UNKNOWN: Final = b""  # the protocol's word for "not supported"
FEATURES: Final = (
    f"PacketSize={MOST:x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
    "vContSupported+"
).encode()
SIGINT, SIGTRAP, SIGSEGV = 2, 5, 11
WATCHES: Final = {b"2": "write", b"3": "read", b"4": "access"}
HELP: Final = (
    "report: exits and cycles so far\n"
    "physical ADDRESS N: guest physical memory in hex\n"
    "translate ADDRESS: guest physical address behind a virtual one\n"
)


@dataclass(frozen=True)
class Resume:
    """The guest is to go on: ``run``, ``step``, ``detach`` or ``kill``."""

    what: str
    vcpu: int = 0


def _number(text: bytes) -> int:
    """Return a hexadecimal number; ValueError for anything else, signs included."""
    if not text or not all(byte in b"0123456789abcdefABCDEF" for byte in text):
        raise ValueError(text)
    return int(text, 16)


class Session:
    """One client and one guest.

    Attributes
    ----------
    acks
        Whether packets are acknowledged; off once the client asks so.
    """

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.acks = True
        self._thread = 0  # vCPU of register and memory packets
        self._run_thread = 0  # vCPU of plain steps
        self._handlers: dict[bytes, Callable[[bytes], bytes | Resume]] = {
            b"?": lambda _rest: self.stopped("start"),
            b"g": lambda _rest: self._read_all(),
            b"G": self._write_all,
            b"p": self._read_one,
            b"P": self._write_one,
            b"m": self._read_memory,
            b"M": self._write_hex,
            b"X": self._write_binary,
            b"Z": lambda rest: self._breakpoint(rest, True),
            b"z": lambda rest: self._breakpoint(rest, False),
            b"H": self._choose,
            b"T": lambda rest: OK if self._vcpu(rest) >= 0 else BAD,
            b"c": lambda rest: self._go("run", rest),
            b"s": lambda rest: self._go("step", rest),
            b"C": lambda rest: self._go("run", rest.partition(b";")[2]),
            b"S": lambda rest: self._go("step", rest.partition(b";")[2]),
            b"v": self._verbose,
            b"q": self._query,
            b"Q": self._set,
            b"D": lambda _rest: Resume("detach"),
            b"k": lambda _rest: Resume("kill"),
        }

    def handle(self, packet: bytes) -> bytes | Resume:
        """Return the reply to a packet, or what must run first."""
        handler = self._handlers.get(packet[:1])
        if handler is None:
            return UNKNOWN
        try:
            return handler(packet[1:])
        except (ValueError, IndexError, PyemuError):
            return BAD

    def stopped(self, reason: str, exit_code: int | None = None) -> bytes:
        """Return the stop reply for the reason a run ended with."""
        if reason in ("break", "step", "watch"):
            self._thread = self._run_thread = self.guest.vcpu or 0
        signals = {"asked": SIGINT, "fault": SIGSEGV}
        if reason in ("start", "break", "step", "watch", "asked", "fault"):
            number = signals.get(reason, SIGTRAP)
            what = "swbreak:;" if reason == "break" else ""
            if reason == "watch":
                what = f"{self._watch_word()}:{self.guest.watched or 0:x};"
            return f"T{number:02x}thread:{self._thread + 1:x};{what}".encode()
        return f"W{(exit_code or 0) & 0xFF:02x}".encode()

    # registers

    def _read_all(self) -> bytes:
        return b"".join(self._register(n) for n in range(N_CORE))

    def _register(self, number: int) -> bytes:
        name, size = REGISTERS[number]
        value = self.guest.reg(name, self._thread) & ((1 << 8 * size) - 1)
        return value.to_bytes(size, "little").hex().encode()

    def _write_all(self, rest: bytes) -> bytes:
        data = bytes.fromhex(rest.decode("ascii"))
        if len(data) != sum(size for _, size in REGISTERS[:N_CORE]):
            return BAD
        at = 0
        for name, size in REGISTERS[:N_CORE]:
            value = int.from_bytes(data[at : at + size], "little")
            self.guest.set_reg(name, value, self._thread)
            at += size
        return OK

    def _read_one(self, rest: bytes) -> bytes:
        return self._register(_number(rest))

    def _write_one(self, rest: bytes) -> bytes:
        number, _, text = rest.partition(b"=")
        name, size = REGISTERS[_number(number)]
        data = bytes.fromhex(text.decode("ascii"))
        if len(data) != size:
            return BAD
        self.guest.set_reg(name, int.from_bytes(data, "little"), self._thread)
        return OK

    # memory

    def _range(self, text: bytes) -> tuple[int, int]:
        address, _, n = text.partition(b",")
        return _number(address), _number(n)

    def _read_memory(self, rest: bytes) -> bytes:
        address, n = self._range(rest)
        try:
            return (
                self.guest.read(address, min(n, MOST // 2), self._thread).hex().encode()
            )
        except ConfigError:
            return FAULT

    def _write_hex(self, rest: bytes) -> bytes:
        head, _, text = rest.partition(b":")
        return self._write(head, bytes.fromhex(text.decode("ascii")))

    def _write_binary(self, rest: bytes) -> bytes:
        head, _, data = rest.partition(b":")
        return self._write(head, data)

    def _write(self, head: bytes, data: bytes) -> bytes:
        address, n = self._range(head)
        if n != len(data):
            return BAD
        if not data:
            return OK
        try:
            self.guest.write(address, data, self._thread)
        except ConfigError:
            return FAULT
        return OK

    # breakpoints and threads

    def _breakpoint(self, rest: bytes, insert: bool) -> bytes:
        kind, address, size = rest.split(b";")[0].split(b",")
        where = _number(address)
        if kind in WATCHES:
            return self._watchpoint(where, _number(size), WATCHES[kind], insert)
        if kind not in (b"0", b"1"):
            return UNKNOWN
        if insert:
            self.guest.break_at(where)
        elif where in self.guest.breakpoints:
            self.guest.clear(where)
        return OK

    def _watchpoint(self, where: int, n: int, on: str, insert: bool) -> bytes:
        if insert:
            self.guest.watch(where, n, on)
        elif (where, n, on) in self.guest.watchpoints:
            self.guest.unwatch(where, n, on)
        return OK

    def _watch_word(self) -> str:
        """Return gdb's word for the watchpoint that has been hit."""
        words = {"write": "watch", "read": "rwatch", "access": "awatch"}
        hit = self.guest.watched or 0
        kinds = (on for at, n, on in self.guest.watchpoints if at <= hit < at + n)
        return words[next(kinds, "write")]

    def _vcpu(self, text: bytes) -> int:
        """Return the vCPU of a thread number; 0 and -1, any and all, are the chosen."""
        if text in (b"0", b"-1", b""):
            return self._thread
        number = _number(text) - 1
        if not 0 <= number < self.guest.n_vcpus:
            raise ValueError(text)
        return number

    def _choose(self, rest: bytes) -> bytes:
        if rest[:1] == b"g":
            self._thread = self._vcpu(rest[1:])
        elif rest[:1] == b"c":
            self._run_thread = self._vcpu(rest[1:])
        else:
            return BAD
        return OK

    # running

    def _go(self, what: str, address: bytes) -> Resume:
        if address:
            self.guest.set_reg("pc", _number(address), self._run_thread)
        return Resume(what, self._run_thread)

    def _verbose(self, rest: bytes) -> bytes | Resume:
        name, _, actions = rest.partition(b";")
        if name == b"Cont?":
            return b"vCont;c;C;s;S"
        if name == b"Cont":
            return self._continue(actions.split(b";"))
        return Resume("kill") if name == b"Kill" else UNKNOWN

    def _continue(self, actions: list[bytes]) -> bytes | Resume:
        """Let the first thread step that is to; the others run beside it."""
        for action in actions:
            how, _, thread = action.partition(b":")
            if how[:1] not in (b"c", b"C", b"s", b"S"):
                return BAD
            vcpu = self._vcpu(thread)
            if how[:1] in b"sS":
                return Resume("step", vcpu)
        return Resume("run")

    # questions

    def _query(self, rest: bytes) -> bytes | Resume:
        name, _, argument = rest.partition(b":")
        name = name.partition(b",")[0]
        if name == b"Supported":
            return FEATURES
        if name == b"C":
            return f"QC{self._thread + 1:x}".encode()
        if name == b"fThreadInfo":
            numbers = (f"{n + 1:x}" for n in range(self.guest.n_vcpus))
            return b"m" + ",".join(numbers).encode()
        if name == b"sThreadInfo":
            return b"l"
        if name == b"Attached":
            return b"1"
        if name == b"Xfer":
            return self._transfer(argument)
        if name == b"ThreadExtraInfo":
            return self._about(rest.partition(b",")[2])
        if name == b"Rcmd":
            text = bytes.fromhex(rest.partition(b",")[2].decode("ascii"))
            return (
                self._monitor(text.decode("utf-8", "replace")).encode().hex().encode()
            )
        return UNKNOWN

    def _transfer(self, argument: bytes) -> bytes:
        what, _, place = argument.rpartition(b":")
        if what != b"features:read:target.xml":
            return UNKNOWN
        at, n = self._range(place)
        part = XML[at : at + min(n, MOST - 1)]
        return (b"m" if at + len(part) < len(XML) else b"l") + part

    def _about(self, thread: bytes) -> bytes:
        vcpu = self._vcpu(thread)
        return f"vCPU {vcpu} at {self.guest.where(vcpu)}".encode().hex().encode()

    def _monitor(self, line: str) -> str:
        """Return what ``monitor ...`` prints."""
        words = line.split()
        try:
            if words == ["report"]:
                return str(self.guest.report())[: MOST // 2 - 2] + "\n"
            if len(words) == 3 and words[0] == "physical":
                n = min(int(words[2], 0), MOST // 8)
                return self.guest.read_physical(int(words[1], 0), n).hex() + "\n"
            if len(words) == 2 and words[0] == "translate":
                found = self.guest.translate(int(words[1], 0), self._thread)
                return f"{found:#x}\n"
        except (ValueError, ConfigError, GuestError) as exc:
            return f"{exc}\n"
        return HELP

    def _set(self, rest: bytes) -> bytes:
        if rest != b"StartNoAckMode":
            return UNKNOWN
        self.acks = False
        return OK
