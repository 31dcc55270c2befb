"""Packets of gdb's remote serial protocol: framing, checksums, escapes.

`Reader` takes whatever bytes come and never fails: what is no packet is dropped, a
packet with a wrong checksum is reported as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["MOST", "Event", "Reader", "frame"]

MOST: Final = 0x4000  # bytes of a packet's content, as PacketSize promises
INTERRUPT: Final = 0x03
ESCAPED: Final = b"#$}*"


class Event(NamedTuple):
    """What arrived: ``packet``, ``bad`` (its checksum), ``again`` or ``interrupt``."""

    kind: str
    data: bytes = b""


def frame(content: bytes) -> bytes:
    """Return a packet with escapes and checksum.

    Examples
    --------
    >>> frame(b"OK")
    b'$OK#9a'
    """
    out = bytearray()
    for byte in content:
        out += bytes([0x7D, byte ^ 0x20]) if byte in ESCAPED else bytes([byte])
    return b"$" + bytes(out) + f"#{sum(out) % 256:02x}".encode()


class Reader:
    """Cuts a stream into events."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what is complete with these bytes."""
        self._rest += data
        while self._rest:
            event, used = self._next()
            if not used:
                return
            del self._rest[:used]
            if event is not None:
                yield event

    def _next(self) -> tuple[Event | None, int]:
        """Return the first event and its bytes; 0 bytes: more must come."""
        first = self._rest[0]
        if first == INTERRUPT:
            return Event("interrupt"), 1
        if first == ord("-"):
            return Event("again"), 1
        if first != ord("$"):
            return None, 1
        end = self._rest.find(b"#")
        if end < 0:
            return None, len(self._rest) if len(self._rest) > 2 * MOST else 0
        if len(self._rest) < end + 3:
            return None, 0
        raw = bytes(self._rest[1:end])
        return self._packet(raw, bytes(self._rest[end + 1 : end + 3])), end + 3

    @staticmethod
    def _packet(raw: bytes, checksum: bytes) -> Event:
        if f"{sum(raw) % 256:02x}".encode() != checksum.lower() or len(raw) > MOST:
            return Event("bad")
        out = bytearray()
        escaped = False
        for byte in raw:
            if byte == 0x7D and not escaped:
                escaped = True
                continue
            out.append(byte ^ 0x20 if escaped else byte)
            escaped = False
        return Event("packet", bytes(out))
