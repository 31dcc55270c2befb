"""Guests that go astray end in the architecture's own fault, with a report."""

import pytest

import pyemu as pe

ENTRY = 0x8000_0000
IABT_SAME, DABT_SAME = 0x21, 0x25  # exception classes of ESR_EL1
EXTERNAL, PC_ALIGNMENT = 0x10, 0x22


def guest(tmp_path, *words, **more):
    """Return a guest of instruction words on board vmm, its vectors at +0x800."""
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    one = pe.Guest(path, board="vmm", **more)
    one.set_reg("vbar_el1", ENTRY + 0x800)
    one.write(ENTRY + 0xA00, (0x14000000).to_bytes(4, "little"))  # b .
    return one


def syndrome(one):
    """Return class and fault status of ESR_EL1."""
    esr = one.reg("esr_el1")
    return esr >> 26, esr & 0x3F


def test_a_jump_to_where_no_memory_is(tmp_path):
    """KVM exits, finds no memory slot and injects a prefetch abort."""
    with guest(tmp_path, 0xD61F0020, regs={"x1": 0x1000}) as one:  # br x1
        assert one.run(until_cyc=10**6).reason == "limit"
        assert one.reg("pc") == ENTRY + 0xA00
        assert syndrome(one) == (IABT_SAME, EXTERNAL)
        assert one.reg("elr_el1") == one.reg("far_el1") == 0x1000
        assert one.report().result.exits["IABT_LOW"] == 1


def test_vectors_where_no_memory_is(tmp_path):
    """An endless chain of prefetch aborts, an exit each; it ends at the limit."""
    with guest(tmp_path, 0) as one:
        one.set_reg("vbar_el1", 0x1000)
        stop = one.run(until_cyc=10**6)
        assert stop.reason == "limit"
        exits = one.report().result.exits["IABT_LOW"]
        assert 100 < exits < 10**6 // 1000


@pytest.mark.parametrize(
    ("word", "reason", "fault"),
    [(0xF9400020, "DABT_LOW", DABT_SAME), (0xD61F0020, "IABT_LOW", IABT_SAME)],
)
def test_a_table_where_no_memory_is(tmp_path, word, reason, fault):
    """KVM exits for the walk, finds no memory slot and injects an external abort."""
    there = 0xFFFF_FFC0_0000_0000  # ldr x0, [x1]; br x1
    with guest(tmp_path, word, regs={"x1": there}) as one:
        block = 0x8000_0000 | 1 | 1 << 10 | 3 << 8  # 1 GiB, Normal, at its own address
        one.write(ENTRY + 0x10010, block.to_bytes(8, "little"))
        for name, value in (
            ("mair_el1", 0xFF),
            ("tcr_el1", 25 | 25 << 16 | 2 << 30 | 2 << 32),
            ("ttbr0_el1", ENTRY + 0x10000),
            ("ttbr1_el1", 1 << 36),
            ("sctlr_el1", 0x30D00981),
        ):
            one.set_reg(name, value)
        one.run(until_cyc=10**6)
        assert syndrome(one) == (fault, EXTERNAL)
        assert one.reg("far_el1") == there
        assert one.report().result.exits[reason] >= 1


def test_a_jump_to_an_address_that_is_none(tmp_path):
    """PC alignment, taken without an exit."""
    with guest(tmp_path, 0xD61F0020, regs={"x1": ENTRY + 2}) as one:
        one.run(until_cyc=10**6)
        assert syndrome(one)[0] == PC_ALIGNMENT
        assert one.reg("far_el1") == ENTRY + 2


@pytest.mark.parametrize("word", [0xA9400440, 0xF8008440])  # ldp; str x0, [x2], #8
def test_a_device_access_without_syndrome(tmp_path, word):
    """A pair, a write-back: no syndrome, so KVM injects a data abort."""
    with guest(tmp_path, word, regs={"x2": 0x0A00_0000}) as one:
        assert one.run(until_cyc=10**6).reason == "limit"
        assert syndrome(one) == (DABT_SAME, EXTERNAL)
        assert one.reg("far_el1") == one.reg("x2") == 0x0A00_0000


def test_code_that_changes_itself(tmp_path):
    """A store over the next instruction, then ISB: the new one is executed."""
    words = [
        0x180000A1,  # ldr w1, the word at +20
        0xB9000C41,  # str w1, [x2, #12]
        0xD5033FDF,  # isb
        0xD2800000,  # mov x0, #0: becomes mov x0, #42
        0x14000000,  # b .
        0xD2800540,  # mov x0, #42
    ]
    with guest(tmp_path, *words, regs={"x2": ENTRY}) as one:
        one.break_at(ENTRY + 16)
        assert one.run(until_cyc=10**6).reason == "break"
        assert one.reg("x0") == 42


def test_nine_vcpus_are_too_many_for_a_gicv2(tmp_path):
    """By number, before anything runs."""
    host = pe.Host(pcpus=9, gic="v2", profile="icount")
    with pytest.raises(pe.ConfigError, match="at most 8 vCPUs"):
        guest(tmp_path, 0x14000000, vcpus=9, host=host)
