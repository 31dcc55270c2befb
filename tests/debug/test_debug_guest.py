"""`pyemu.Guest`: stopping, looking, changing; the profile by function."""

import struct

import pytest

import pyemu as pe
from pyemu.guest import symbols

ENTRY = 0x8000_0000
TABLES = 0x8010_0000


def guest(scenario="a", n=5, **more):
    """Return the shipped guest, ready to run."""
    regs = {"x1": ord(scenario), "x3": n, "x4": 12_500}
    return pe.Guest("eager-vs-lazy", board="vmm", regs=regs, **more)


def flat(tmp_path, *words):
    """Write an image of instruction words."""
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    return path


NOP, B_SELF, HVC, UNDEF = 0xD503201F, 0x14000000, 0xD4000002, 0
ADD_X0 = 0x91000400  # add x0, x0, #1


def test_a_breakpoint_stops_before_its_instruction(tmp_path):
    """x0 counts what has been executed; the next run goes past the breakpoint."""
    image = flat(tmp_path, ADD_X0, ADD_X0, ADD_X0, B_SELF)
    with pe.Guest(image, board="vmm") as one:
        one.break_at(ENTRY + 8)
        assert one.run().reason == "break"
        assert (one.vcpu, one.reg("x0"), one.reg("pc")) == (0, 2, ENTRY + 8)
        assert one.run(until_cyc=one.machine.now_cyc + 100_000).reason == "limit"
        assert one.reg("x0") == 3
        one.clear(ENTRY + 8)
        with pytest.raises(pe.ConfigError, match="no breakpoint"):
            one.clear(ENTRY + 8)


def test_a_breakpoint_in_a_loop_stops_every_time(tmp_path):
    """add; b .-4: each run is one turn."""
    image = flat(tmp_path, ADD_X0, 0x17FFFFFF)
    with pe.Guest(image, board="vmm") as one:
        one.break_at(ENTRY)
        for turn in range(4):
            assert one.run().reason == "break"
            assert one.reg("x0") == turn


def test_a_step_is_one_instruction_or_one_exception(tmp_path):
    """Retired instructions one by one; an undefined word steps to its vector."""
    image = flat(tmp_path, ADD_X0, ADD_X0, UNDEF)
    with pe.Guest(image, board="vmm") as one:
        one.set_reg("vbar_el1", ENTRY + 0x800)
        for n in (1, 2):
            assert one.step().reason == "step"
            assert (one.reg("x0"), one.insns) == (n, n)
        assert one.step().reason == "step"
        assert one.reg("pc") == ENTRY + 0x800 + 0x200
        assert one.reg("elr_el1") == ENTRY + 8
        assert one.insns == 2


def test_many_steps_are_as_many_single_ones():
    """Registers after 200 of them, exits on the way."""
    seen = []
    for sizes in ([200], [1] * 200, [7] * 28 + [4]):
        with guest("b") as one:
            for size in sizes:
                assert one.step(0, size).reason == "step"
            names = ("pc", "x0", "x9", "x10", "sp")
            seen.append([one.insns, *(one.reg(name) for name in names)])
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("scenario", ["a", "b", "d"])
def test_stepping_and_profiling_change_nothing(scenario, tmp_path):
    """Trace, cycles and counts of a run that is watched are those of one that is not.

    Hypercalls, distributor accesses, sleep until the timer.
    """
    names = tmp_path / "System.map"
    names.write_text(f"{ENTRY:x} T start\n", encoding="utf-8")
    seen = []
    for how in ("plain", "steps", "profile"):
        more = {"symbols": names, "sample_cyc": 7} if how == "profile" else {}
        with guest(scenario, 3, **more) as one:
            n_steps = 0
            while how == "steps" and one.step().reason == "step":
                n_steps += 1
            if how != "steps":
                assert one.run().reason == "done"
            result = one.report().result
            assert how != "steps" or n_steps >= one.insns - 1
            seen.append((one.insns, one.machine.now_cyc, result.exits, result.ops))
    assert seen[0] == seen[1] == seen[2]


def test_breakpoints_hold_for_every_vcpu():
    """Both vCPUs of the SGI ping-pong begin at the entry."""
    host = pe.Host(pcpus=2, profile="icount")
    with guest("J", 3, vcpus=2, host=host) as one:
        one.break_at(ENTRY)
        stops = set()
        for _ in range(2):
            assert one.run().reason == "break"
            stops.add(one.vcpu)
        assert stops == {0, 1}
        assert one.run().reason == "done"


def test_a_vcpu_that_sleeps_steps_when_it_wakes():
    """The other vCPU runs meanwhile."""
    host = pe.Host(pcpus=2, profile="icount")
    with guest("J", 3, vcpus=2, host=host) as one:
        for _ in range(300):
            stop = one.step(1)
            if stop.reason != "step":
                break
            assert one.vcpu == 1
        assert one.machine.bus.outcomes[0].exit_code in (None, 0)


def test_there_is_room_for_32_breakpoints():
    """The next one is refused by number."""
    with guest() as one:
        for n in range(32):
            one.break_at(ENTRY + 4 * n)
        with pytest.raises(pe.ConfigError, match="at most 32"):
            one.break_at(ENTRY + 4096)


def test_virtual_memory_is_what_the_guests_tables_say():
    """A 2 MiB block of TTBR1 onto the RAM; permissions do not matter, holes do."""
    with guest() as one:
        high = 0xFFFF_FF80_0000_0000  # 39-bit region: T1SZ 25, level 1 first
        one.write_physical(TABLES, struct.pack("<Q", (TABLES + 0x1000) | 3))
        block = ENTRY | 1 << 10 | 1 << 7 | 1  # AF, read-only
        one.write_physical(TABLES + 0x1000, struct.pack("<Q", block))
        one.set_reg("tcr_el1", 25 << 16 | 2 << 30 | 25)
        one.set_reg("ttbr1_el1", TABLES)
        one.set_reg("sctlr_el1", one.reg("sctlr_el1") | 1)
        assert one.translate(high + 0x1234) == ENTRY + 0x1234
        one.write(high + 0x8_0000 - 4, b"across")
        assert one.read_physical(ENTRY + 0x8_0000 - 4, 6) == b"across"
        assert one.read(high, 8) == one.read_physical(ENTRY, 8)
        with pytest.raises(pe.ConfigError, match="does not translate"):
            one.translate(high + 0x20_0000)
        with pytest.raises(pe.ConfigError, match="virtual"):
            one.read(high + 0x20_0000 - 2, 4)


def test_looking_does_not_touch_memory():
    """A page that was read still faults in at its first touch."""
    seen = []
    for look in (False, True):
        with guest() as one:
            if look:
                for page in range(16):
                    one.read(ENTRY + 4096 * page, 8)
            one.run()
            seen.append(one.report().result.exits)
    assert seen[0] == seen[1]
    assert seen[0]["DABT_LOW"] > 5


def test_code_that_is_written_over_is_executed(tmp_path):
    """Decoded code and the debugger's writes agree."""
    image = flat(tmp_path, ADD_X0, 0x17FFFFFF)
    with pe.Guest(image, board="vmm") as one:
        one.run(until_cyc=10_000)
        one.write(ENTRY, B_SELF.to_bytes(4, "little"))
        before = one.reg("x0")
        one.run(until_cyc=20_000)
        assert one.reg("x0") in (before, before + 1)


def test_the_profile_adds_up(tmp_path):
    """With a sample a cycle, sums are the run's: exits, guest and handling cycles."""
    names = tmp_path / "System.map"
    lines = [f"{ENTRY + 16 * n:x} T f{n}" for n in range(256)]
    names.write_text("\n".join(lines), encoding="utf-8")
    with guest("d", 5, symbols=names, sample_cyc=1) as one:
        assert one.run().reason == "done"
        report = one.report()
        rows, result = report.by_symbol(), report.result
    assert sum(row["exits"] for row in rows) == result.n_exits
    handled = sum(one["handling_cyc"] for one in result.reasons.values())
    assert sum(row["handling_cyc"] for row in rows) == handled
    assert abs(sum(row["guest_cyc"] for row in rows) - result.guest_cyc) <= 1
    assert len([row for row in rows if row["guest_cyc"]]) > 5
    assert "f" in str(report)


def test_samples_come_near_the_exact_profile(tmp_path):
    """A hot loop and a cold one: shares within 2 % at one sample in 100 cycles."""
    image = flat(
        tmp_path,
        *(0xD2807D00, 0xF1000400, 0x54FFFFE1),  # mov x0, #1000; subs; b.ne
        *(0xD2801F40, 0xF1000400, 0x54FFFFE1),  # mov x0, #250; subs; b.ne
        0x17FFFFFA,
    )
    names = tmp_path / "map"
    names.write_text(f"{ENTRY:x} T hot\n{ENTRY + 12:x} T cold\n", encoding="utf-8")
    shares = []
    for sample_cyc in (1, 100):
        with pe.Guest(image, board="vmm", symbols=names, sample_cyc=sample_cyc) as one:
            one.run(until_cyc=1_000_000)
            rows = {row["symbol"]: row["guest_cyc"] for row in one.report().by_symbol()}
            shares.append(rows["hot"] / (rows["hot"] + rows["cold"]))
    assert shares[0] == pytest.approx(0.8, abs=0.005)
    assert shares[1] == pytest.approx(shares[0], abs=0.02)


def test_a_run_stops_at_a_text(tmp_path):
    """The console of board vmm, byte by byte; the guest goes on afterwards."""
    put = 0xB9000020  # str w0, [x1]: the mailbox prints
    image = flat(tmp_path, put, ADD_X0, 0x17FFFFFE)
    (device,) = pe.guest.board.get("vmm").devices
    regs = {"x0": ord("a"), "x1": device.base}
    with pe.Guest(image, board="vmm", regs=regs) as one:
        assert one.run(until_text="de").reason == "text"
        assert one.console == b"abcde"
        assert one.run(until_exits=9).reason == "exit_limit"
        assert one.console.startswith(b"abcdef")


def test_bad_requests_are_refused_by_name(tmp_path):
    """Registers, vCPUs, addresses, values, symbols."""
    with guest() as one:
        for call in (
            lambda: one.reg("q0"),
            lambda: one.reg("x0", 3),
            lambda: one.read(-1, 4),
            lambda: one.read(0x10, 4),
            lambda: one.read(ENTRY, 2**40),
            lambda: one.read(2**64 - 2, 8),
            lambda: one.set_reg("x0", 2**64),
            lambda: one.set_reg("pstate", 0x10),
            lambda: one.set_reg("currentel", 1),
            lambda: one.break_at("main"),
            lambda: one.step(0, 0),
            lambda: one.report().by_symbol(),
        ):
            with pytest.raises(pe.ConfigError):
                call()
    with pytest.raises(pe.StateError):
        one.reg("x0")


def elf(*entries):
    """Return an ELF file that is a symbol table: name, address, bytes, type, data?."""
    text, table = b"\0", bytes(24)
    for name, value, size, kind, section in entries:
        table += struct.pack("<IBBHQQ", len(text), kind, 0, section, value, size)
        text += name.encode() + b"\0"
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 183, 1)
    header += struct.pack("<QQQIHHHHHH", 0, 0, 64, 0, 64, 0, 0, 64, 5, 0)
    at = 64 + 5 * 64
    sections = bytes(64)
    for kind, flags, first, where, size, link in (
        (1, 6, 0x1000, 0, 0x1000, 0),
        (1, 3, 0x3000, 0, 0, 0),
        (2, 0, 0, at, len(table), 4),
        (3, 0, 0, at + len(table), len(text), 0),
    ):
        sections += struct.pack(
            "<IIQQQQIIQQ", 0, kind, flags, first, where, size, link, 0, 0, 0
        )
    return header + sections + table + text


def test_symbols_of_an_elf_file(tmp_path):
    """Functions, labels, data, mapping symbols, holes between functions."""
    path = tmp_path / "vmlinux"
    path.write_bytes(
        elf(
            ("main", 0x1000, 0x20, 0x12, 1),
            ("$x", 0x1000, 0, 0, 1),
            ("label", 0x1040, 0, 0x10, 1),
            ("a_local", 0x1000, 0x40, 2, 1),
            ("_text", 0x1000, 0, 0x10, 1),
            ("table", 0x1010, 8, 1, 2),
            ("absent", 0, 0, 2, 0),
        )
    )
    have = symbols.read(path)
    assert have.address("table") == 0x1010
    assert [int(a) for a in have.starts] == [0x1000, 0x1020, 0x1040, 0x2000]
    assert have.locate(0x1004) == "main+0x4"
    assert have.locate(0x1020) == "0x1020"
    assert have.locate(0x1048) == "label+0x8"
    assert have.locate(0x2000) == "0x2000"  # behind the section
    assert have.locate(0xFFF) == "0xfff"
    moved = symbols.read(f"{path}@0x80000000")
    assert moved.locate(0x8000_1000) == "main"
    with pytest.raises(pe.ConfigError, match="did you mean 'main'"):
        have.address("maim")


@pytest.mark.parametrize("cut", [5, 64, 200, 400, 430, 437])
def test_damaged_elf_files_are_refused(tmp_path, cut):
    """At any length."""
    path = tmp_path / "cut"
    path.write_bytes(elf(("main", 0x1000, 0x20, 2, 1))[:cut])
    with pytest.raises(pe.TraceError):
        symbols.read(path)


def test_what_is_no_symbol_file_is_refused_by_line(tmp_path):
    """Undefined symbols are none. Text of another form; an empty, an absent file."""
    path = tmp_path / "map"
    path.write_text("                 U printf\n0010 T main\n", encoding="utf-8")
    assert dict(symbols.read(path).addresses) == {"main": 16}
    path.write_text("ffff800008000000 T _text\nnonsense\n", encoding="utf-8")
    with pytest.raises(pe.TraceError, match="2"):
        symbols.read(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(pe.TraceError, match="no symbols"):
        symbols.read(path)
    with pytest.raises(pe.TraceError, match="no readable"):
        symbols.read(tmp_path / "absent")
