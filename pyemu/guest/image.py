"""Guest images: flat binaries, ELF files, arm64 Linux Images, and what packs them.

`read` says what a file is and where its bytes want to be; a gzip file and an
EFI-zboot image are unpacked first, and formats that are not are refused by name.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import TraceError

__all__ = ["Image", "Segment", "read"]

# Linux Documentation/arch/arm64/booting.rst, "Call the kernel image".
HEADER: Final = struct.Struct("<IIQQQQQQ4sI")
MAGIC: Final = b"ARM\x64"
MAGIC_AT: Final = 56
BIG_ENDIAN: Final = 1
ANYWHERE: Final = 8  # flag: the 2 MiB aligned base may be anywhere in memory
OLD_TEXT_OFFSET: Final = 0x80000  # where image_size is 0 (before 3.17)
# Linux drivers/firmware/efi/libstub/zboot-header.S.
ZBOOT: Final = struct.Struct("<4s4sIIII")
PE32_MAGIC: Final = b"MZ"
ELF_MAGIC: Final = b"\x7fELF"
ELF_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
ELF_PROGRAM: Final = struct.Struct("<IIQQQQQQ")
EM_AARCH64: Final = 183
PT_LOAD: Final = 1
PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x89LZO\x00": "lzo",
    b"\x5d\x00\x00": "lzma",
}
MOST_BYTES: Final = 1 << 30  # an unpacked image is smaller than this


@dataclass(frozen=True)
class Segment:
    """Bytes of an image and where they go.

    Attributes
    ----------
    at
        Guest physical address, or offset from the image's base if it is relative.
    size
        Bytes in memory; those behind `data` are 0.
    """

    at: int
    data: bytes
    size: int


@dataclass(frozen=True)
class Image:
    """A guest image, unpacked.

    Attributes
    ----------
    kind
        ``flat``, ``elf`` or ``linux``.
    segments
        What to place; absolute for ELF, relative to a base otherwise.
    entry
        First instruction: as the segments.
    """

    kind: str
    segments: tuple[Segment, ...]
    entry: int = 0


def read(name: str, data: bytes) -> Image:
    """Return what a file holds.

    Raises
    ------
    TraceError
        For an empty file, a format nobody here unpacks, a header that cannot be.

    Examples
    --------
    >>> read("x", bytes(8)).kind
    'flat'
    """
    data = unpack(name, data)
    if not data:
        raise TraceError(name, "the image is empty")
    if data[:4] == ELF_MAGIC:
        return _elf(name, data)
    if data[MAGIC_AT : MAGIC_AT + 4] == MAGIC:
        return _linux(name, data)
    return Image("flat", (Segment(0, data, len(data)),))


def unpack(name: str, data: bytes) -> bytes:
    """Return the image inside gzip or EFI-zboot, or the data as they are.

    Raises
    ------
    TraceError
        For another compression, by name, and for broken data.
    """
    if data[:2] == PE32_MAGIC and data[4:8] == b"zimg":
        return _zboot(name, data)
    for magic, method in PACKED.items():
        if data.startswith(magic):
            if method != "gzip":
                raise TraceError(
                    name, f"{method} is not unpacked here: unpack it first"
                )
            return _gunzip(name, data)
    return data


def _gunzip(name: str, data: bytes) -> bytes:
    try:
        unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        out = unzip.decompress(data, MOST_BYTES)
    except (zlib.error, gzip.BadGzipFile) as exc:
        raise TraceError(name, f"broken gzip data: {exc}") from exc
    if not unzip.eof:
        what = "more than 1 GiB" if unzip.unconsumed_tail else "cut short"
        raise TraceError(name, f"gzip data that are {what}")
    return out


def _zboot(name: str, data: bytes) -> bytes:
    """Unpack a zboot image: the payload's place stands in the header."""
    if len(data) < ZBOOT.size + 32:
        raise TraceError(name, "an EFI-zboot header that is cut short")
    _, _, at, size, _, _ = ZBOOT.unpack_from(data)
    method = data[ZBOOT.size : ZBOOT.size + 32].split(b"\0")[0].decode("latin-1")
    if method != "gzip":
        raise TraceError(name, f"EFI-zboot with {method!r}: only gzip is unpacked here")
    if at + size > len(data):
        words = f"EFI-zboot payload at {at:#x}, {size} bytes: behind the end"
        raise TraceError(name, words)
    return _gunzip(name, data[at : at + size])


def _linux(name: str, data: bytes) -> Image:
    """Read the 64-byte header of an arm64 Image."""
    if len(data) < HEADER.size:
        raise TraceError(name, f"an arm64 Image of {len(data)} bytes: no whole header")
    _, _, offset, size, flags, *_ = HEADER.unpack_from(data)
    if flags & BIG_ENDIAN:
        raise TraceError(name, "an arm64 Image for big-endian: only little-endian runs")
    if size == 0:
        offset, size = OLD_TEXT_OFFSET, len(data)
    if size < len(data):
        words = f"arm64 Image header: image_size {size}, but it has {len(data)} bytes"
        raise TraceError(name, words)
    if offset >= 1 << 21:
        words = f"arm64 Image header: text_offset {offset:#x} is not below 2 MiB"
        raise TraceError(name, words)
    return Image("linux", (Segment(offset, data, size),), offset)


def _elf(name: str, data: bytes) -> Image:
    """Read the program headers of an executable; p_paddr is where it goes."""
    if len(data) < ELF_HEADER.size:
        raise TraceError(name, "an ELF header that is cut short")
    ident, kind, machine, _, entry, at, _, _, _, each, n, *_ = ELF_HEADER.unpack_from(
        data
    )
    if ident[4] != 2 or ident[5] != 1 or machine != EM_AARCH64:
        words = f"ELF class {ident[4]}, data {ident[5]}, machine {machine}"
        raise TraceError(name, f"{words}: 2, 1, 183 run (little-endian AArch64)")
    if kind not in (2, 3) or each != ELF_PROGRAM.size:
        raise TraceError(name, f"ELF type {kind}: an executable (2 or 3) runs")
    segments = tuple(_segments(name, data, at, n))
    if not segments:
        raise TraceError(name, "an ELF file without anything to load")
    return Image("elf", segments, _physical(segments, data, at, n, entry))


def _programs(data: bytes, at: int, n: int) -> Iterator[tuple[int, ...]]:
    for i in range(n):
        if at + (i + 1) * ELF_PROGRAM.size <= len(data):
            yield ELF_PROGRAM.unpack_from(data, at + i * ELF_PROGRAM.size)


def _segments(name: str, data: bytes, at: int, n: int) -> Iterator[Segment]:
    for kind, _, offset, _, paddr, n_file, n_mem, _ in _programs(data, at, n):
        if kind != PT_LOAD or n_mem == 0:
            continue
        if offset + n_file > len(data) or n_file > n_mem:
            words = f"ELF segment at {offset:#x}, {n_file} bytes: behind the end"
            raise TraceError(name, words)
        yield Segment(paddr, data[offset : offset + n_file], n_mem)


def _physical(
    segments: tuple[Segment, ...], data: bytes, at: int, n: int, entry: int
) -> int:
    """Return where the entry is before the guest maps anything."""
    for kind, _, _, vaddr, paddr, _, n_mem, _ in _programs(data, at, n):
        if kind == PT_LOAD and vaddr <= entry < vaddr + n_mem:
            return entry - vaddr + paddr
    return entry
