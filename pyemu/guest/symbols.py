"""Symbol files: the symbol table of an ELF file, or what ``nm`` prints.

A kernel's ``System.map`` is of the second form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import TraceError, unknown_name
from ..units import parse_int

__all__ = ["NOWHERE", "Symbols", "read"]

NOWHERE: Final = "-"  # where no function is
SECTION: Final = np.dtype(
    {
        "names": ["kind", "flags", "at", "offset", "size", "link"],
        "formats": ["<u4", "<u8", "<u8", "<u8", "<u8", "<u4"],
        "offsets": [4, 8, 16, 24, 32, 40],
        "itemsize": 64,
    }
)
SYMBOL: Final = np.dtype(
    [
        *(("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2")),
        *(("value", "<u8"), ("size", "<u8")),
    ]
)
SYMTAB: Final = 2
EXECUTABLE: Final = 4
NOTYPE, OBJECT, FUNC = 0, 1, 2
LINE: Final = re.compile(r"([0-9a-fA-F]*) *([a-zA-Z]) (\S+)(?:\s+\[\w+\])?\s*")
RANKS: Final = {"T": 0, "t": 1, "W": 1, "w": 1}
DATA: Final = 3  # a rank: lower ones are code, the best 0


class _Row(NamedTuple):
    """A symbol; of several at one address the least by rank and name is shown."""

    at: int
    rank: int
    name: str
    end: int  # where it is over at the latest, 0: nobody says


@dataclass(frozen=True)
class Symbols:
    """Names and addresses.

    Attributes
    ----------
    addresses
        Of every symbol, code and data.
    starts, names
        Functions by first address, ascending; `NOWHERE` where one is over and none
        follows at once.
    """

    addresses: Mapping[str, int]
    starts: NDArray[np.uint64]
    names: Sequence[str]

    def address(self, name: str) -> int:
        """Return a symbol's address.

        Raises
        ------
        ConfigError
            If there is no such symbol.
        """
        if name not in self.addresses:
            raise unknown_name("symbol", name, list(self.addresses)[:8])
        return self.addresses[name]

    def locate(self, address: int) -> str:
        """Return ``function+0x10`` for an address, or the address in hex."""
        where = np.uint64(address % 2**64)
        at = int(np.searchsorted(self.starts, where, side="right")) - 1
        if at < 0 or self.names[at] == NOWHERE:
            return f"{address:#x}"
        offset = address - int(self.starts[at])
        return self.names[at] + (f"+{offset:#x}" if offset else "")


def read(*paths: str | Path) -> Symbols:
    """Read symbol files, joined; ``FILE@OFFSET`` moves one's addresses.

    Raises
    ------
    TraceError
        For a file that cannot be read or holds no symbols.
    ConfigError
        For an offset that is no number.
    """
    rows: list[_Row] = []
    for path in paths:
        name, sign, offset = str(path).rpartition("@")
        if not sign or Path(str(path)).exists():
            name, offset = str(path), "0"
        moved = parse_int(f"symbols {name}", offset)
        try:
            data = Path(name).read_bytes()
        except OSError as exc:
            raise TraceError(name, f"no readable symbols: {exc.strerror}") from exc
        found = _elf(name, data) if data[:4] == b"\x7fELF" else _text(name, data)
        if not found:
            raise TraceError(name, "no symbols in it")
        rows += [_moved(row, moved) for row in found]
    return _join(rows)


def _moved(row: _Row, by: int) -> _Row:
    end = (row.end + by) % 2**64 if row.end else 0
    return row._replace(at=(row.at + by) % 2**64, end=end)


def _elf(name: str, data: bytes) -> list[_Row]:
    """Read the symbol table of a little-endian 64-bit ELF file."""
    if data[4:6] != b"\x02\x01" or len(data) < 64:
        raise TraceError(name, "ELF of another class or byte order than 64-bit little")
    at = int.from_bytes(data[0x28:0x30], "little")
    n = int.from_bytes(data[0x3C:0x3E], "little")
    try:
        sections = np.frombuffer(data, SECTION, n, at)
        out: list[_Row] = []
        for table in sections[sections["kind"] == SYMTAB]:
            strings = sections[int(table["link"])]
            first = int(strings["offset"])
            text = data[first : first + int(strings["size"])]
            count = int(table["size"]) // SYMBOL.itemsize
            symbols = np.frombuffer(data, SYMBOL, count, int(table["offset"]))
            out += _rows(symbols, sections, text)
    except (ValueError, IndexError) as exc:
        raise TraceError(name, f"a damaged ELF file ({exc})") from exc
    return out


def _rows(
    symbols: NDArray[np.void], sections: NDArray[np.void], text: bytes
) -> list[_Row]:
    out: list[_Row] = []
    for one in symbols:
        kind, section = int(one["info"]) & 15, int(one["section"])
        if kind > FUNC or not 0 < section < len(sections):
            continue
        at = int(one["name"])
        name = text[at : text.index(b"\0", at)].decode("utf-8", "replace")
        if not name or name[0] == "$":  # mapping symbols: $x, $d
            continue
        where = sections[section]
        runs = int(where["flags"]) & EXECUTABLE and kind != OBJECT
        local = int(one["info"]) >> 4 == 0
        rank = (int(local) if kind == FUNC else 2) if runs else DATA
        first, size = int(one["value"]), int(one["size"])
        end = first + size if size else int(where["at"]) + int(where["size"])
        out.append(_Row(first, rank, name, end))
    return out


def _text(name: str, data: bytes) -> list[_Row]:
    out: list[_Row] = []
    lines = data.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise TraceError(name, "neither ELF nor `ADDRESS TYPE NAME`", number)
        address, kind, symbol = found.groups()
        if len(address) > 16:
            raise TraceError(name, f"address {address} has more than 64 bits", number)
        if address:  # without one it is undefined
            rank = RANKS.get(kind, DATA)
            out.append(_Row(int(address, 16), rank, symbol, 0))
    return out


def _join(rows: list[_Row]) -> Symbols:
    """One function an address; what is behind the last of a piece is `NOWHERE`."""
    addresses = {row.name: row.at for row in reversed(rows)}
    code: list[_Row] = []
    for row in sorted(rows):
        if row.rank < DATA and not (code and code[-1].at == row.at):
            code.append(row)
    starts: list[int] = []
    names: list[str] = []
    for row, after in zip_longest(code, code[1:]):
        starts.append(row.at)
        names.append(row.name)
        if row.at < row.end and (after is None or row.end < after.at):
            starts.append(row.end)
            names.append(NOWHERE)
    return Symbols(addresses, np.array(starts, dtype=np.uint64), tuple(names))
