"""The PL011 of board virt: registers, interrupt, text (DDI 0183 3.3)."""

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.guest import board, machine_code

UART = 0x0900_0000
DR, FR, IMSC, RIS, MIS, ICR, ID = 0x00, 0x18, 0x38, 0x3C, 0x40, 0x44, 0xFE0
TX = 1 << 5
LOOP = 0x14000000  # b .
SPI = 33


def store(offset, value):
    """Return mov w0, #value; str w0, [x1, #offset]."""
    return [0x52800000 | value << 5, 0xB9000020 | offset // 4 << 10]


def load(offset, reg):
    """Return ldr wN, [x1, #offset]."""
    return [0xB9400020 | offset // 4 << 10 | reg]


def machine(tmp_path, words):
    """Return a machine that runs them with X1 at the UART, then loops.

    Its SPI is level-sensitive, as a driver sets it: KVM resets SPIs to edge.
    """
    path = tmp_path / "guest.bin"
    data = b"".join(word.to_bytes(4, "little") for word in [*words, LOOP])
    path.write_bytes(data)
    what = machine_code.load(str(path), regs={"x0": 0, "x1": UART})
    made = pe.Machine(policy="lazy", load=what)
    made.core.irq_set(0, SPI, {**made.core.irq_get(0, SPI), "edge": 0})
    return made


def line(m):
    """Return the level of its SPI."""
    return m.core.irq_get(0, SPI)["line"]


def test_registers_read_as_a_pl011_that_is_always_empty(tmp_path):
    """FR: both FIFOs empty; RIS and MIS before and after a byte; the first ID."""
    words = [*load(RIS, 2), *store(DR, ord("x")), *load(RIS, 3), *load(MIS, 4)]
    words += [*store(IMSC, TX), *load(MIS, 5), *load(FR, 6), *load(ID, 7)]
    words += [*load(IMSC, 8), *load(0x100, 9)]
    with machine(tmp_path, words) as m:
        m.run(until_cyc=10**7)
        got = [CodeCore(m.core).get(0, reg) for reg in range(2, 10)]
    assert got == [0, TX, 0, TX, 0x90, 0x11, TX, 0]


def test_its_interrupt_is_a_byte_sent_while_unmasked(tmp_path):
    """Masked: no line; unmasked: high; cleared: low."""
    byte, unmask, clear = store(DR, ord("x")), store(IMSC, TX), store(ICR, TX)
    seen = []
    for words in (byte, [*byte, *unmask], [*byte, *unmask, *clear], unmask):
        with machine(tmp_path, words) as m:
            m.run(until_cyc=10**7)
            seen.append(line(m))
    assert seen == [0, 1, 0, 0]


def test_text_comes_at_the_end_of_a_line_and_of_a_run(tmp_path):
    """A run in pieces loses and repeats nothing; long lines come too."""
    text = "one\n" + "y" * 700 + "\ntwo"
    words = [word for char in text for word in store(DR, ord(char))]
    lines = []
    with machine(tmp_path, words) as m:
        console = m.bus.outcomes[0].console
        console.on_line.append(lines.append)
        for at in range(100_000, 20_000_000, 777_777):
            m.run(until_cyc=at)
        assert console.decode() == text
    assert lines == [b"one\n", b"y" * 700 + b"\n"]


def test_a_run_stops_at_a_text_within_a_line(tmp_path):
    """The byte after it is not sent yet."""
    words = [word for char in "say: hello" for word in store(DR, ord(char))]
    with machine(tmp_path, words) as m:
        console = m.bus.outcomes[0].console
        console.until = b": "
        assert m.run(until_cyc=10**8).reason == "text"
        assert console == b"say: "
        console.until = b"llo"
        assert m.run(until_cyc=10**8).reason == "text"
        assert console == b"say: hello"


def test_a_board_has_one_console_with_an_spi(tmp_path):
    """Two of them, or another interrupt, are refused by name."""
    head = "name='x'\nload=0\nentry=0\n[ram]\nbase=0\nbytes=4096\n"
    head += "[gic]\ngicd=65536\ngicc=131072\ngicr=196608\n"
    one = "[[device]]\nkind='pl011'\nbase=0x90000\nbytes=4096\n"
    path = tmp_path / "two.toml"
    path.write_text(head + one + one, encoding="utf-8")
    with pytest.raises(pe.ConfigError, match="at most one pl011"):
        board.get(str(path))
    path = tmp_path / "ppi.toml"
    path.write_text(f"{head}{one}intid=27\n", encoding="utf-8")
    with pytest.raises(pe.ConfigError, match="from 32 to 127"):
        board.get(str(path))
