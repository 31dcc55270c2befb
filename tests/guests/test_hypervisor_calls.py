"""What a guest asks of its hypervisor, and where its devices' interrupts go."""

import pytest

import pyemu as pe
from pyemu._ffi_code import CodeCore
from pyemu.gic.vm import CorePort
from pyemu.guest import machine_code

HVC = 0xD4000002
LOOP = 0x14000000  # b .
RND64, RND32, UUID, FEATURES = 0xC4000053, 0x84000053, 0x84000052, 0x84000051
VERSION = 0x84000050
SYSTEM_OFF = 0x84000008


def movz(reg, value):
    """Return instructions that set a register to 32 bits."""
    return [
        0xD2800000 | (value & 0xFFFF) << 5 | reg,
        0xF2A00000 | (value >> 16) << 5 | reg,
    ]


def call(function, argument=0):
    """Return instructions: a call by HVC, its result moved to X9."""
    return [*movz(0, function), *movz(1, argument), HVC, 0xAA0003E9]


def after(tmp_path, words, seed=0):
    """Run them, then SYSTEM_OFF; return X9 and X1 to X3."""
    path = tmp_path / "guest.bin"
    words = [*words, *movz(0, SYSTEM_OFF), HVC]
    path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    load = machine_code.load(str(path), regs={"x0": 0})
    with pe.Machine(policy="lazy", load=load, seed=seed) as machine:
        assert machine.run(until_cyc=10**9).reason == "done"
        code = CodeCore(machine.core)
        return [code.get(0, reg) for reg in (9, 1, 2, 3)]


def test_trng_has_version_1_0_and_a_uuid(tmp_path):
    """DEN 0098 2.1 to 2.3."""
    assert after(tmp_path, call(VERSION))[0] == 0x10000
    assert after(tmp_path, call(FEATURES, RND64))[0] == 0
    assert after(tmp_path, call(FEATURES, SYSTEM_OFF))[0] == 2**64 - 1
    uuid = after(tmp_path, call(UUID))
    assert uuid[0] != 0xFFFFFFFF
    assert all(0 < word < 2**32 for word in uuid)


@pytest.mark.parametrize(
    ("function", "n_bits", "widths"),
    [
        (RND64, 1, (0, 0, 1)),
        (RND64, 64, (0, 0, 64)),
        (RND64, 100, (0, 36, 64)),
        (RND64, 192, (64, 64, 64)),
        (RND32, 33, (0, 1, 32)),
        (RND32, 96, (32, 32, 32)),
    ],
)
def test_trng_gives_the_bits_asked_for_and_no_more(tmp_path, function, n_bits, widths):
    """DEN 0098 2.4: the lowest in X3, what is not asked for is zero."""
    status, *words = after(tmp_path, call(function, n_bits))
    assert status == 0
    for word, width in zip(words, widths, strict=True):
        assert word >> width == 0
        assert width < 32 or word >> width - 16  # a chance of 2^-16 against it


@pytest.mark.parametrize(
    ("function", "n_bits"), [(RND64, 0), (RND64, 193), (RND32, 97)]
)
def test_trng_refuses_other_numbers_of_bits(tmp_path, function, n_bits):
    """INVALID_PARAMETER is -2."""
    assert after(tmp_path, call(function, n_bits))[0] == 2**64 - 2


def test_trng_follows_the_seed(tmp_path):
    """The same seed the same bits, another seed others, every call new ones."""
    once = call(RND64, 64)
    first = after(tmp_path, once, seed=1)
    assert first == after(tmp_path, once, seed=1)
    assert first != after(tmp_path, once, seed=2)
    assert first != after(tmp_path, [*once, *once], seed=1)


@pytest.mark.parametrize("gic", ["v2", "v3"])
@pytest.mark.parametrize("target", [0, 1])
def test_an_spi_reaches_the_vcpu_it_is_routed_to(tmp_path, gic, target):
    """By GICD_IROUTER or GICD_ITARGETSR, whichever vCPU's thread raises it."""
    path = tmp_path / "guest.bin"
    path.write_bytes(LOOP.to_bytes(4, "little"))
    load = machine_code.load(str(path), board="vmm", vcpus=2)
    host = pe.Host(pcpus=2, gic=gic)
    with pe.Machine(host, [pe.VM(vcpus=2)], policy="lazy", load=load) as machine:
        port = CorePort(machine.core, 0, 2, int(gic[1]))
        port.set(0, 40, "enabled", 1)
        if gic == "v2":
            port.set(0, 40, "targets", 1 << target)
        else:
            port.set(0, 40, "route", target)
        machine.run(until_cyc=10**6)
        machine.core.command("irq_line", 0, 40, 1)
        machine.run(until_cyc=2 * 10**6)
        mask = 0x3FF if gic == "v2" else 0xFFFFFFFF
        held = [
            {word & mask for word in machine.core.list_registers(vcpu)}
            for vcpu in (0, 1)
        ]
        assert 40 in held[target]
        assert 40 not in held[1 - target]


def test_only_spis_have_a_line_and_a_route():
    """Others are refused by number."""
    load = machine_code.load("eager-vs-lazy")
    with pe.Machine(policy="lazy", load=load) as machine:
        for name, args in (("irq_line", (0, 27, 1)), ("irq_route", (0, 27, 0))):
            with pytest.raises(pe.ConfigError, match="27"):
                machine.core.command(name, *args)
        with pytest.raises(pe.ConfigError, match="out of range"):
            machine.core.command("irq_route", 0, 40, 1)
