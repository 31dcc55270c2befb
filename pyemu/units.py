"""Cycles, ticks and nanoseconds: the only conversions and their formatting.

Every quantity in pyemu is an integer whose name carries its unit. Conversions are
exact integer arithmetic, so a CNTFRQ that does not divide the CPU frequency is no
special case.
"""

from __future__ import annotations

from typing import NewType

from .errors import ConfigError

__all__ = [
    "Cycles",
    "Ns",
    "Ticks",
    "cyc_to_ns",
    "cyc_to_ticks",
    "format_cyc",
    "format_hz",
    "ns_to_cyc",
    "parse_hz",
    "parse_int",
    "ticks_to_cyc",
]

Cycles = NewType("Cycles", int)
Ticks = NewType("Ticks", int)
Ns = NewType("Ns", int)

_NS_PER_S = 1_000_000_000
_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def cyc_to_ticks(cyc: int, cpu_hz: int, cntfrq_hz: int) -> Ticks:
    """Return the counter value at a cycle: the floor, as the hardware shows it.

    Examples
    --------
    >>> cyc_to_ticks(7, cpu_hz=3, cntfrq_hz=2)
    4
    """
    return Ticks(cyc * cntfrq_hz // cpu_hz)


def ticks_to_cyc(ticks: int, cpu_hz: int, cntfrq_hz: int) -> Cycles:
    """Return the first cycle at which the counter reads at least `ticks`.

    Examples
    --------
    >>> cyc = ticks_to_cyc(4, cpu_hz=3, cntfrq_hz=2)
    >>> cyc, cyc_to_ticks(cyc, 3, 2), cyc_to_ticks(cyc - 1, 3, 2)
    (6, 4, 3)
    """
    return Cycles(-(-ticks * cpu_hz // cntfrq_hz))


def ns_to_cyc(ns: int, cpu_hz: int) -> Cycles:
    """Return nanoseconds in cycles, rounded down.

    Examples
    --------
    >>> ns_to_cyc(10, cpu_hz=2_400_000_000)
    24
    """
    return Cycles(ns * cpu_hz // _NS_PER_S)


def cyc_to_ns(cyc: int, cpu_hz: int) -> Ns:
    """Return cycles in nanoseconds, rounded down.

    Examples
    --------
    >>> cyc_to_ns(24, cpu_hz=2_400_000_000)
    10
    """
    return Ns(cyc * _NS_PER_S // cpu_hz)


def format_cyc(cyc: int) -> str:
    """Return cycles in a readable size with their unit.

    Examples
    --------
    >>> format_cyc(999), format_cyc(58_300_000), format_cyc(1_000_000_000)
    ('999 cyc', '58.30 Mcyc', '1.000 Gcyc')
    """
    if cyc >= 10**9:
        return f"{cyc / 1e9:.3f} Gcyc"
    if cyc >= 10**6:
        return f"{cyc / 1e6:.2f} Mcyc"
    if cyc >= 10**4:
        return f"{cyc / 1e3:.1f} kcyc"
    return f"{cyc} cyc"


def format_hz(hz: int) -> str:
    """Return a frequency in a readable size.

    Examples
    --------
    >>> format_hz(62_500_000), format_hz(2_400_000_000)
    ('62.5 MHz', '2.4 GHz')
    """
    for scale, name in ((10**9, "GHz"), (10**6, "MHz"), (10**3, "kHz")):
        if hz >= scale:
            return f"{hz / scale:g} {name}"
    return f"{hz} Hz"


def parse_int(field: str, text: str) -> int:
    """Return an integer written as ``1000``, ``1_000``, ``1e6``, ``0x10`` or ``2.5G``.

    Raises
    ------
    ConfigError
        If the text is no integer after scaling.

    Examples
    --------
    >>> parse_int("n", "1e6"), parse_int("n", "2.4G"), parse_int("n", "0x10")
    (1000000, 2400000000, 16)
    """
    word = text.strip().replace("_", "")
    try:
        return int(word, 0)
    except ValueError:
        pass
    number, scale = word, 1
    if word and word[-1].lower() in _SUFFIX:
        number, scale = word[:-1], _SUFFIX[word[-1].lower()]
    try:
        value = float(number) * scale
        whole = int(value)
    except (ValueError, OverflowError):
        raise ConfigError(field, text, "an integer such as 1000, 1e6 or 2.5G") from None
    if whole != value:
        raise ConfigError(field, text, "a whole number")
    return whole


def parse_hz(field: str, value: object) -> int:
    """Return a frequency in Hz from an int, ``"2.4GHz"``, ``"2.4e9"`` or ``"62500k"``.

    Raises
    ------
    ConfigError
        If it is no whole number of Hz.

    Examples
    --------
    >>> parse_hz("host.cpu_hz", "2.4GHz"), parse_hz("host.cpu_hz", 1000)
    (2400000000, 1000)
    """
    if isinstance(value, bool):
        raise ConfigError(field, value, "a frequency in Hz")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        word = value.strip()
        return parse_int(field, word[:-2] if word.lower().endswith("hz") else word)
    raise ConfigError(field, value, "a whole frequency in Hz")
