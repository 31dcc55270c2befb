"""The gdb stub: one client on a local port, from its first packet to its end.

Whatever ends the session, a detach, a lost connection, Ctrl-C on either side, the
caller gets to know how and may report what the guest did.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Final

from ..config import whole
from ..errors import ConfigError, GuestError
from ..interrupt import ctrl_c
from ..machine import Stop
from .guest import Guest
from .packet import Event, Reader, frame
from .session import Resume, Session

__all__ = ["serve"]

HOST: Final = "127.0.0.1"
POLL_S: Final = 0.05  # between looks for the client's Ctrl-C
WAIT_S: Final = 0.2  # between looks for a Ctrl-C here
BLOCK: Final = 4096
MOST_WAITING: Final = 10_000  # packets; who sends more while the guest runs is no gdb


class _Asked(Exception):  # noqa: N818 - it ends a run, it is no error
    """The client wants the guest to stop."""


class _Gone(Exception):  # noqa: N818 - likewise
    """The client is not there any more."""


class _Pressed(Exception):  # noqa: N818 - likewise
    """Ctrl-C or SIGTERM on this side."""


def _wait(ready: socket.socket, pressed: list[bool]) -> None:
    """Wait until there is something to take from a socket."""
    while not select.select([ready], [], [], WAIT_S)[0]:
        if pressed[0]:
            raise _Pressed


class _Line:
    """The connection: events in, packets out."""

    def __init__(self, peer: socket.socket, pressed: list[bool]) -> None:
        self._peer = peer
        self._pressed = pressed
        self._reader = Reader()
        self._waiting: list[Event] = []
        self._last = b""
        self._next_look = 0.0

    def _receive(self) -> None:
        try:
            data = self._peer.recv(BLOCK)
        except OSError as exc:
            raise _Gone from exc
        if not data or len(self._waiting) > MOST_WAITING:
            raise _Gone
        self._waiting += self._reader.feed(data)

    def event(self) -> Event:
        """Wait for the next event."""
        while not self._waiting:
            _wait(self._peer, self._pressed)
            self._receive()
        return self._waiting.pop(0)

    def look(self) -> None:
        """Raise _Asked if the client has pressed Ctrl-C, _Gone if it left."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + POLL_S
        while select.select([self._peer], [], [], 0)[0]:
            self._receive()
        for event in self._waiting:
            if event.kind == "interrupt":
                self._waiting.remove(event)
                raise _Asked

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._peer.sendall(data)
        except OSError as exc:
            raise _Gone from exc

    def reply(self, content: bytes) -> None:
        """Send a packet."""
        self._last = frame(content)
        self.send(self._last)

    def again(self) -> None:
        """Send the last packet once more."""
        self.send(self._last)


class _Server:
    def __init__(self, guest: Guest, line: _Line, until_cyc: int | None) -> None:
        self._guest = guest
        self._line = line
        self._session = Session(guest)
        self._until_cyc = until_cyc

    def converse(self) -> str:
        """Answer until the session is over; return how it ended."""
        while True:
            event = self._line.event()
            if event.kind == "again":
                self._line.again()
            if event.kind in ("packet", "bad") and self._session.acks:
                self._line.send(b"+" if event.kind == "packet" else b"-")
            if event.kind != "packet":
                continue
            answer = self._session.handle(event.data)
            if isinstance(answer, bytes):
                self._line.reply(answer)
                continue
            ended = self._resume(answer)
            if ended is not None:
                return ended

    def _resume(self, how: Resume) -> str | None:
        """Let the guest go on; return how the session ended, if it did."""
        if how.what in ("detach", "kill"):
            self._line.reply(b"OK")
            return how.what
        reason, exit_code = self._run(how)
        self._line.reply(self._session.stopped(reason, exit_code))
        return (
            None if reason in ("break", "step", "watch", "asked", "fault") else reason
        )

    def _run(self, how: Resume) -> tuple[str, int | None]:
        machine = self._guest.machine

        def look(_stop: Stop) -> None:
            self._line.look()

        before, machine.progress = machine.progress, look
        try:
            if how.what == "step":
                stop = self._guest.step(how.vcpu, until_cyc=self._until_cyc)
            else:
                stop = self._guest.run(until_cyc=self._until_cyc)
        except _Asked:
            return "asked", None
        except GuestError as exc:
            self._line.reply(b"O" + f"{exc}\n".encode().hex().encode())
            return "fault", None
        finally:
            machine.progress = before
        return stop.reason, machine.bus.outcomes[0].exit_code


def _accept(listener: socket.socket, pressed: list[bool]) -> socket.socket:
    _wait(listener, pressed)
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def serve(
    guest: Guest,
    port: int,
    *,
    until_cyc: int | None = None,
    listening: Callable[[int], None] = lambda port: None,
) -> str:
    """Wait for a gdb on a local port and let it drive the guest.

    Parameters
    ----------
    guest
        What it drives; breakpoints are gone in the end.
    port
        TCP port of 127.0.0.1; 0 takes a free one.
    until_cyc
        Host cycle at which the guest ends.
    listening
        Told the port once clients may come.

    Returns
    -------
    str
        ``detach``, ``kill``, ``gone`` (the client left), ``interrupted`` (Ctrl-C
        here), or why the guest itself ended.

    Raises
    ------
    ConfigError
        For a port that cannot be had.
    """
    whole("gdb.port", port, 0, 65535)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as exc:
            raise ConfigError(
                "gdb.port", port, f"a free port ({exc.strerror})"
            ) from exc
        listener.listen(1)
        try:
            with ctrl_c() as pressed:
                listening(int(listener.getsockname()[1]))
                with _accept(listener, pressed) as peer:
                    line = _Line(peer, pressed)
                    return _Server(guest, line, until_cyc).converse()
        except _Gone:
            return "gone"
        except _Pressed:
            return "interrupted"
        finally:
            for address in list(guest.breakpoints):
                guest.clear(address)
