"""An initial RAM disk: a cpio archive in the "newc" form that Linux unpacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Entry", "archive", "initrd"]

# Linux Documentation/driver-api/early-userspace/buffer-format.rst.
MAGIC: Final = b"070701"
TRAILER: Final = "TRAILER!!!"
DIRECTORY, CHARACTER, REGULAR = 0o040000, 0o020000, 0o100000


@dataclass(frozen=True)
class Entry:
    """One file.

    Attributes
    ----------
    name
        Path without a leading slash.
    mode
        Type and permissions, as in ``st_mode``.
    data
        Contents of a regular file.
    device
        Major and minor number of a device node.
    """

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def _header(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    fields = (
        *(inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0),
        *(*entry.device, len(name), 0),
    )
    text = MAGIC + b"".join(b"%08x" % one for one in fields) + name
    return text + bytes(-len(text) % 4)


def archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive; the same entries give the same bytes.

    Examples
    --------
    >>> archive([])[:6], len(archive([])) % 4
    (b'070701', 0)
    """
    out = bytearray()
    for inode, entry in enumerate((*entries, Entry(TRAILER, 0)), start=1):
        out += _header(entry, inode) + entry.data
        out += bytes(-len(out) % 4)
    return bytes(out)


def initrd(init: bytes) -> bytes:
    """Return a RAM disk that holds a program as ``/init`` and the devices it needs."""
    return archive(
        [
            Entry("dev", DIRECTORY | 0o755),
            Entry("dev/console", CHARACTER | 0o600, device=(5, 1)),
            Entry("dev/urandom", CHARACTER | 0o666, device=(1, 9)),
            Entry("init", REGULAR | 0o755, init),
        ]
    )
