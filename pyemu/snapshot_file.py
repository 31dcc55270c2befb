"""Snapshot files: a machine's state on disk, checked before any of it is believed.

A first line names the format, then come its version, the length of a JSON header, the
header, the core's bytes, and a SHA-256 of all that. Files are written beside their
name and moved there whole. A checksum finds damage, it is no signature: load only
files from somebody you trust.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from . import _ffi
from .errors import StateError
from .snapshot import Snapshot

__all__ = ["FORMAT", "VERSION", "load_file", "save_file"]

FORMAT: Final = b"pyemu snapshot\n"
VERSION: Final = 2
SUM_BYTES: Final = 32
FIXED_BYTES: Final = len(FORMAT) + 4 + 8
MOST_HEADER: Final = 1 << 26


def save_file(snapshot: Snapshot, path: str | os.PathLike[str]) -> None:
    """Write a snapshot; the file appears whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    header = {
        "api_version": _ffi.API_VERSION,
        "key": dict(snapshot.key),
        "blob_bytes": int(snapshot.blob.size),
        "now_cyc": snapshot.now_cyc,
        "online": list(snapshot.online),
        "paused": sorted(snapshot.paused),
        "cntvoff_ticks": list(snapshot.cntvoff_ticks),
        "affinity": [list(one) for one in snapshot.affinity],
        "periods": snapshot.periods,
        "devices": dict(snapshot.devices),
        "notes": dict(snapshot.notes),
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    numbers = VERSION.to_bytes(4, "little") + len(text).to_bytes(8, "little")
    body = b"".join((FORMAT, numbers, text, snapshot.blob.tobytes()))
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(body + hashlib.sha256(body).digest())
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_file(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot.

    Raises
    ------
    StateError
        For a file that is damaged, cut off, or not a snapshot of this version; it names
        the field. `Machine.restore` refuses one of another machine or policy.
    OSError
        If it cannot be read.
    """
    return parse(Path(path).read_bytes(), str(path))


def parse(data: bytes, name: str = "snapshot") -> Snapshot:
    """Return the snapshot in a file's bytes; see `load_file`."""
    if data[: len(FORMAT)] != FORMAT:
        raise StateError(f"{name}: format: not a pyemu snapshot")
    at = len(FORMAT)
    version = int.from_bytes(data[at : at + 4], "little")
    if len(data) >= FIXED_BYTES and version != VERSION:
        raise StateError(f"{name}: version {version} is not {VERSION}")
    if len(data) < FIXED_BYTES + SUM_BYTES:
        raise StateError(f"{name}: length: cut off after {len(data)} bytes")
    size = int.from_bytes(data[at + 4 : at + 12], "little")
    if size > min(MOST_HEADER, len(data) - FIXED_BYTES - SUM_BYTES):
        raise StateError(f"{name}: length: cut off, a header of {size} bytes")
    if hashlib.sha256(data[:-SUM_BYTES]).digest() != data[-SUM_BYTES:]:
        raise StateError(f"{name}: checksum: the file is damaged or cut off")
    try:
        header = json.loads(data[FIXED_BYTES : FIXED_BYTES + size])
    except (ValueError, RecursionError) as exc:
        raise StateError(f"{name}: header: {exc}") from None
    return _snapshot(_Fields(header, name), data[FIXED_BYTES + size : -SUM_BYTES])


class _Fields:
    """A header whose every field is checked by name when it is taken."""

    def __init__(self, header: object, name: str) -> None:
        if not isinstance(header, dict):
            raise StateError(f"{name}: header: not an object")
        self.header, self.name = header, name

    def take(self, field: str, fits: Callable[[Any], bool], words: str) -> Any:
        value = self.header.get(field)
        if not fits(value):
            raise StateError(f"{self.name}: {field}: {value!r:.60} is not {words}")
        return value

    def number(self, field: str, most: int) -> int:
        words = f"a whole number from 0 to {most}"
        return int(self.take(field, lambda v: _whole(v, most), words))

    def numbers(self, field: str, most: int) -> list[int]:
        words = f"a list of whole numbers from 0 to {most}"
        return list(self.take(field, lambda v: _wholes(v, most), words))


def _whole(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _wholes(value: object, most: int) -> bool:
    return isinstance(value, list) and all(_whole(one, most) for one in value)


def _key(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(part, str) for one in value.items() for part in one
    )


def _table(value: object) -> bool:
    return isinstance(value, dict)


def _bools(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, bool) for one in value)


def _lists(value: object) -> bool:
    return isinstance(value, list) and all(_wholes(one, 2**32 - 1) for one in value)


def _snapshot(fields: _Fields, blob: bytes) -> Snapshot:
    api = fields.number("api_version", 2**32)
    if api != _ffi.API_VERSION:
        words = f"{fields.name}: api_version: {api} is not {_ffi.API_VERSION}"
        raise StateError(f"{words}: another version of pyemu wrote it")
    if fields.number("blob_bytes", 2**62) != len(blob):
        raise StateError(f"{fields.name}: blob_bytes: the file has {len(blob)}")
    return Snapshot(
        key=fields.take("key", _key, "a table of digests"),
        blob=np.frombuffer(blob, dtype=np.uint8),
        now_cyc=fields.number("now_cyc", 2**62),
        online=tuple(fields.take("online", _bools, "a list of true and false")),
        paused=frozenset(fields.numbers("paused", 2**32 - 1)),
        cntvoff_ticks=tuple(fields.numbers("cntvoff_ticks", 2**64 - 1)),
        affinity=tuple(
            map(tuple, fields.take("affinity", _lists, "a list of lists of pCPUs"))
        ),
        periods=fields.number("periods", 2**62),
        devices=fields.take("devices", _table, "a table"),
        notes=fields.take("notes", _table, "a table"),
    )
