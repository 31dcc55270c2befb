"""PSCI 1.0 by registers: CPU_ON, AFFINITY_INFO, FEATURES, and what there is not."""

import pytest

import pyemu as pe

HVC, SMC, WFI, B_SELF = 0xD4000002, 0xD4000003, 0xD503207F, 0x14000000
ENTRY = 0x8000_0000
VERSION, CPU_OFF, CPU_ON, CPU_ON_64 = 0x84000000, 0x84000002, 0x84000003, 0xC4000003
AFFINITY_INFO, FEATURES, SYSTEM_OFF = 0xC4000004, 0x8400000A, 0x84000008
OK, NOT_SUPPORTED, INVALID, ALREADY_ON = 0, -1, -2, -4


def load(reg, value):
    """Return instructions that set a register to 64 bits."""
    words = [0xD2800000 | (value & 0xFFFF) << 5 | reg]
    for part in (1, 2, 3):
        bits = value >> 16 * part & 0xFFFF
        words.append(0xF2800000 | part << 21 | bits << 5 | reg)
    return words


def call(keep, function, *arguments, how=HVC):
    """Return a call whose result goes to a register from X10 up."""
    words = load(0, function)
    for n, value in enumerate(arguments, 1):
        words += load(n, value)
    return [*words, how, 0xAA0003E0 | keep]  # mov keep, x0


def results(tmp_path, calls, vcpus=1, others=(B_SELF,)):
    """Run calls on vCPU 0, then power off; return their results, signed.

    What CPU_ON starts begins at the end of the image.
    """
    words = [word for n, one in enumerate(calls) for word in call(10 + n, *one)]
    words += [*call(9, SYSTEM_OFF), *others]
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    board = tmp_path / "board.toml"
    board.write_text(
        f"name = 'b'\nload = {ENTRY}\nentry = {ENTRY}\n"
        f"[ram]\nbase = {ENTRY}\nbytes = 0x1000000\n"
        "[gic]\ngicd = 0x08000000\ngicc = 0x08010000\ngicr = 0x080a0000\n",
        encoding="utf-8",
    )
    host = pe.Host(pcpus=vcpus, profile="icount")
    with pe.Guest(path, board=str(board), vcpus=vcpus, host=host) as guest:
        assert guest.run(until_cyc=10**8).reason == "done"
        values = [guest.reg(f"x{10 + n}") for n in range(len(calls))]
    return [value - 2**64 if value >> 63 else value for value in values]


def other(calls):
    """Return where the code for other vCPUs begins."""
    words = [word for n, one in enumerate(calls) for word in call(10 + n, *one)]
    return ENTRY + 4 * len([*words, *call(9, SYSTEM_OFF)])


def test_a_cpu_is_on_from_the_call_on(tmp_path):
    """CPU_ON twice in a row: ALREADY_ON; AFFINITY_INFO says ON, too."""
    calls = [(CPU_ON_64, 1, 0, 7), (CPU_ON_64, 1, 0, 7), (AFFINITY_INFO, 1, 0)]
    at = other(calls)
    calls = [(f, a, at if f == CPU_ON_64 else b, *c) for f, a, b, *c in calls]
    assert results(tmp_path, calls, vcpus=2) == [OK, ALREADY_ON, 0]


def test_a_cpu_that_is_absent_or_running(tmp_path):
    """INVALID_PARAMETERS for one that is not there, ALREADY_ON for the caller."""
    calls = [
        (CPU_ON_64, 2, ENTRY, 0),
        (CPU_ON_64, 16, ENTRY, 0),
        (CPU_ON_64, 1 << 32, ENTRY, 0),
        (CPU_ON_64, 0, ENTRY, 0),
    ]
    assert results(tmp_path, calls, vcpus=2) == [INVALID] * 3 + [ALREADY_ON]


def test_affinity_levels(tmp_path):
    """Level 1 asks for a cluster: one CPU that is on is enough; level 4 is none."""
    calls = [
        (AFFINITY_INFO, 0, 0),
        (AFFINITY_INFO, 1, 0),
        (AFFINITY_INFO, 5, 0),
        (AFFINITY_INFO, 5, 1),
        (AFFINITY_INFO, 0x100, 1),
        (AFFINITY_INFO, 0x100, 2),
        (AFFINITY_INFO, 0, 4),
    ]
    want = [0, 1, INVALID, 0, INVALID, 0, INVALID]
    assert results(tmp_path, calls, vcpus=2) == want


def test_the_32_bit_form_takes_low_words(tmp_path):
    """CPU_ON by 0x84000003: what stands in the high words does not count."""
    calls = [(CPU_ON, 1 | 1 << 40, 0, 0), (AFFINITY_INFO, 1, 0)]
    calls[0] = (CPU_ON, 1 | 1 << 40, other(calls), 0)
    assert results(tmp_path, calls, vcpus=2) == [OK, 0]


@pytest.mark.parametrize(
    "function", [0x84000005, 0x8400000B, 0xC4000000, 0xC4000008, 0x04000000, 0x12345678]
)
def test_an_unknown_function_is_not_supported(tmp_path, function):
    """Nor does FEATURES know it; the guest goes on."""
    got = results(tmp_path, [(function,), (FEATURES, function), (VERSION,)])
    assert got == [NOT_SUPPORTED, NOT_SUPPORTED, 0x10000]


def test_features_knows_both_widths(tmp_path):
    """CPU_ON, AFFINITY_INFO and CPU_SUSPEND have two forms, the others one."""
    known = [0x84000001, 0xC4000001, CPU_ON, CPU_ON_64, AFFINITY_INFO, CPU_OFF]
    assert results(tmp_path, [(FEATURES, one) for one in known]) == [OK] * 6


def test_smc_is_no_way_to_psci(tmp_path):
    """KVM answers NOT_SUPPORTED and goes on behind it."""
    words = [*call(10, VERSION, how=SMC), *call(9, SYSTEM_OFF)]
    path = tmp_path / "guest.bin"
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    with pe.Guest(path, board="vmm") as guest:
        assert guest.run(until_cyc=10**8).reason == "done"
        assert guest.reg("x10") == 2**64 - 1
        assert guest.report().result.exits["SMC64"] == 1
