"""Rules of units: exact conversions, readable sizes, numbers as people write them."""

import pytest

from pyemu import units
from pyemu.errors import ConfigError


@pytest.mark.parametrize(("cpu", "frq"), [(10**9, 62_500_000), (7, 3), (3, 7), (1, 1)])
def test_first_cycle_of_a_tick_is_exact(cpu, frq):
    """The counter reads t at the cycle of t and less one cycle before, always."""
    for ticks in (1, 2, 5, 1000, 2**40):
        cyc = units.ticks_to_cyc(ticks, cpu, frq)
        assert units.cyc_to_ticks(cyc, cpu, frq) >= ticks
        assert units.cyc_to_ticks(cyc - 1, cpu, frq) < ticks


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("1_000", 1000),
        ("1e6", 10**6),
        ("2.5G", 2_500_000_000),
        ("0x10", 16),
    ],
)
def test_integers_are_read_as_people_write_them(text, value):
    """Suffixes, exponents and hex give whole numbers."""
    assert units.parse_int("n", text) == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "nan", "inf", "1e400", "-"])
def test_what_is_no_integer_is_refused(text):
    """NaN, infinities, fractions and words are named errors."""
    with pytest.raises(ConfigError, match="n = "):
        units.parse_int("n", text)


@pytest.mark.parametrize(
    ("value", "hz"),
    [("2.4GHz", 2_400_000_000), (5, 5), (1e9, 10**9), ("62500k", 62_500_000)],
)
def test_frequencies(value, hz):
    """Numbers and words with units."""
    assert units.parse_hz("host.cpu_hz", value) == hz


@pytest.mark.parametrize("value", [True, None, 1.5, float("nan"), "fast", []])
def test_what_is_no_frequency_is_refused(value):
    """Named errors."""
    with pytest.raises(ConfigError):
        units.parse_hz("host.cpu_hz", value)
