"""Rules of the guest-visible GIC registers; a name is a rule, a section its source.

"v2" is IHI 0048B, "v3" IHI 0069; "kut" is what kvm-unit-tests' arm gic tests expect.
"""

import itertools
from dataclasses import replace

import pytest

from pyemu.errors import ConfigError, GuestError
from pyemu.gic import (
    GICC,
    GICD_V2,
    GICD_V3,
    GICR,
    VIRT,
    CpuInterface,
    Distributor,
    Effect,
    Gic,
    MemoryPort,
    Redistributor,
)
from pyemu.gic.port import FIELDS, is_pending
from pyemu.gic.regmap import find

SPI = 40
CTLR, TYPER, IIDR = 0x0, 0x4, 0x8
IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR = 0x80, 0x100, 0x180, 0x200, 0x280
ISACTIVER, ICACTIVER, IPRIORITYR, ITARGETSR, ICFGR = 0x300, 0x380, 0x400, 0x800, 0xC00
SGIR, CPENDSGIR, SPENDSGIR, IROUTER = 0xF00, 0xF10, 0xF20, 0x6000
RD_TYPER, WAKER, SGI = 0x8, 0x14, 0x10000
BIT = 1 << (SPI % 32)
WORD = 4 * (SPI // 32)


@pytest.fixture
def port():
    return MemoryPort(n_vcpus=4, n_irqs=128)


@pytest.fixture
def gicd(port):
    return Distributor(port, version=2)


@pytest.fixture
def port3():
    return MemoryPort(n_vcpus=20, n_irqs=128, version=3)


@pytest.fixture
def gicd3(port3):
    return Distributor(port3, version=3)


# --- the tables


@pytest.mark.parametrize("table", [GICD_V2, GICD_V3, GICR, GICC])
def test_registers_do_not_overlap_and_cite_their_section(table):
    spans = sorted((r.offset, r.end) for r in table)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert all(r.section.startswith(("v2 ", "v3 ")) for r in table)
    assert all(r.field in (*FIELDS, "pending", "") for r in table)
    assert all(r.offset % min(r.sizes) == 0 for r in table)


@pytest.mark.parametrize("table", [GICD_V2, GICD_V3, GICR, GICC])
def test_every_rule_is_implemented(table):
    """A rule is a common one or a method of its frame."""
    frame = {id(GICR): Redistributor, id(GICC): CpuInterface}.get(
        id(table), Distributor
    )
    common = {"set", "clear", "value", "const", "raz", "config", "targets", "route"}
    for register in table:
        known = register.rule in common
        for verb in ("read", "write"):
            known |= hasattr(frame, f"{verb}_{register.rule}")
        assert known, register


# --- decode


@pytest.mark.parametrize("offset", [0x00C, 0x7C, 0xF04, 0xF30, 0xFD0, 0xFFC])
def test_reserved_registers_are_raz_wi(gicd, offset):
    assert gicd.write(offset, 4, 0xFFFFFFFF) == []
    assert gicd.read(offset, 4) == 0


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_word_register_ignores_other_sizes(gicd, size):
    """v2 4.1.4: only 32-bit accesses unless stated otherwise."""
    assert gicd.write(ISENABLER + 4, size, (1 << 8 * size) - 1) == []
    assert gicd.read(TYPER, size) == 0
    assert gicd.read(ISENABLER + 4, 4) == 0


def test_an_unaligned_access_is_raz_wi(gicd):
    assert gicd.write(ISENABLER + 5, 4, 0xFFFFFFFF) == []
    assert gicd.read(TYPER + 2, 4) == 0


@pytest.mark.parametrize("base", [IPRIORITYR, ITARGETSR, CPENDSGIR, SPENDSGIR])
def test_byte_registers_take_bytes_and_words_only(gicd, base):
    """v2 4.3.11, 4.3.12, 4.3.16, 4.3.17; kut: byte access."""
    register = find(GICD_V2, base)
    assert register is not None
    assert register.sizes == (1, 4)
    assert gicd.write(base + SPI - SPI % 2, 2, 0xFFFF) == []


@pytest.mark.parametrize(
    ("offset", "size"), [(-4, 4), (0x1000, 4), (0xFFC, 8), (0, 3), (0, 0), (4, 16)]
)
def test_an_access_outside_the_frame_is_a_named_error(gicd, offset, size):
    for call in (lambda: gicd.read(offset, size), lambda: gicd.write(offset, size, 0)):
        with pytest.raises(ConfigError, match=r"gic\.(offset|size)"):
            call()


def test_values_and_vcpus_are_checked(gicd):
    with pytest.raises(ConfigError, match=r"gic\.value"):
        gicd.write(CTLR, 4, 1 << 32)
    with pytest.raises(ConfigError, match=r"gic\.value"):
        gicd.write(CTLR, 4, -1)
    with pytest.raises(ConfigError, match=r"gic\.vcpu"):
        gicd.read(CTLR, 4, vcpu=4)


def test_impossible_ports_are_named_errors():
    for bad in ({"n_vcpus": 0}, {"n_vcpus": 9}, {"n_vcpus": 1, "n_irqs": 100}):
        with pytest.raises(ConfigError):
            MemoryPort(**bad)
    with pytest.raises(ConfigError):
        Distributor(MemoryPort(1), version=4)
    with pytest.raises(ConfigError):
        Redistributor(MemoryPort(1, version=3), owner=1)


# --- identification


def test_typer_v2_counts_lines_and_cpus(gicd):
    """v2 4.3.2; kut: all CPUs are in TYPER."""
    assert gicd.read(TYPER, 4) == (128 // 32 - 1) | (4 - 1) << 5


def test_typer_v3_has_no_cpu_number_with_affinity_routing(gicd3):
    """v3 12.9: CPUNumber is 0, IDbits 9: INTIDs of 10 bits."""
    assert gicd3.read(TYPER, 4) == 3 | 9 << 19


@pytest.mark.parametrize("offset", [TYPER, IIDR, 0xFE8])
def test_identification_is_read_only(gicd, offset):
    """kut: TYPER, IIDR and ICPIDR2 are read-only."""
    before = gicd.read(offset, 4)
    assert gicd.write(offset, 4, ~before & 0xFFFFFFFF) == []
    assert gicd.read(offset, 4) == before


def test_pidr2_tells_the_architecture_version(gicd, gicd3):
    """v2 4.3.18 and v3 12.9: ArchRev in bits 7..4."""
    gicr = Redistributor(gicd3.port, owner=0)
    versions = [gicd.read(0xFE8, 4), gicd3.read(0xFFE8, 4), gicr.read(0xFFE8, 4)]
    assert [value >> 4 & 0xF for value in versions] == [2, 3, 3]


def test_iidr_names_kvm(gicd, gicd3):
    for frame in (gicd, gicd3):
        assert frame.read(IIDR, 4) >> 24 == ord("K")
        assert frame.read(IIDR, 4) & 0xFFF == 0x43B


def test_ctlr_v2_has_the_enable_bit_only(gicd):
    assert gicd.write(CTLR, 4, 0xFFFFFFFF, vcpu=2) == [Effect("dist_enable", 2, -1, 1)]
    assert gicd.read(CTLR, 4) == 1
    assert gicd.write(CTLR, 4, 1) == []
    assert gicd.write(CTLR, 4, 0) == [Effect("dist_enable", 0, -1, 0)]


def test_ctlr_v3_reads_affinity_routing_and_no_security(gicd3):
    """v3 12.9: ARE and DS are RAO/WI, RWP is 0."""
    assert gicd3.read(CTLR, 4) == 1 << 4 | 1 << 6
    gicd3.write(CTLR, 4, 0x2)
    assert gicd3.read(CTLR, 4) == 0x52


# --- enable, pending, active: write 1 to set, write 1 to clear


@pytest.mark.parametrize(
    ("set_at", "clear_at", "field"),
    [
        (ISENABLER, ICENABLER, "enabled"),
        (ISPENDR, ICPENDR, "latch"),
        (ISACTIVER, ICACTIVER, "active"),
    ],
)
def test_set_and_clear_registers(gicd, port, set_at, clear_at, field):
    """v2 4.3.5-4.3.10: zeros have no effect, both read the state."""
    assert gicd.write(set_at + WORD, 4, BIT) == [Effect(field, 0, SPI, 1)]
    assert gicd.write(set_at + WORD, 4, 0) == []
    assert gicd.write(set_at + WORD, 4, BIT) == []
    assert gicd.read(set_at + WORD, 4) == gicd.read(clear_at + WORD, 4) == BIT
    assert gicd.write(clear_at + WORD, 4, BIT) == [Effect(field, 0, SPI, 0)]
    assert port.get(0, SPI, field) == 0


def test_private_interrupts_are_banked_by_the_accessing_cpu(gicd):
    """v2 4.1.4: GICD_ISENABLER0 and its kind are banked."""
    gicd.write(ISENABLER, 4, 1 << 27, vcpu=1)
    reads = [gicd.read(ISENABLER, 4, vcpu=v) >> 27 & 1 for v in range(4)]
    assert reads == [0, 1, 0, 0]


def test_spis_are_not_banked(gicd):
    gicd.write(ISENABLER + WORD, 4, BIT, vcpu=1)
    assert gicd.read(ISENABLER + WORD, 4, vcpu=3) == BIT


def test_a_level_interrupt_is_pending_while_its_line_is_high(gicd, port):
    """v2 4.3.8: ICPENDR clears the latch, not the line."""
    port.set(0, SPI, "line", 1)
    assert gicd.read(ISPENDR + WORD, 4) == BIT
    gicd.write(ICPENDR + WORD, 4, BIT)
    assert gicd.read(ISPENDR + WORD, 4) == BIT
    port.set(0, SPI, "line", 0)
    assert gicd.read(ISPENDR + WORD, 4) == 0


def test_a_level_interrupt_made_pending_by_software_stays_so(gicd, port):
    """v2 4.3.7: the latch holds until cleared, whatever the line does."""
    gicd.write(ISPENDR + WORD, 4, BIT)
    port.set(0, SPI, "line", 1)
    port.set(0, SPI, "line", 0)
    assert gicd.read(ISPENDR + WORD, 4) == BIT


def test_an_edge_interrupt_does_not_follow_its_line(gicd, port):
    gicd.write(ICFGR + 4 * (SPI // 16), 4, 2 << 2 * (SPI % 16))
    port.set(0, SPI, "line", 1)
    assert gicd.read(ISPENDR + WORD, 4) == 0


def test_pending_sgis_are_read_only_in_ispendr_v2(gicd):
    """v2 4.3.7, 4.3.8: use GICD_SPENDSGIR and GICD_CPENDSGIR."""
    assert gicd.write(ISPENDR, 4, 0xFFFF) == []
    gicd.write(SPENDSGIR, 4, 1 << 8, vcpu=0)
    assert gicd.read(ISPENDR, 4) == 1 << 1
    assert gicd.write(ICPENDR, 4, 0xFFFF) == []


def test_active_state_of_an_sgi_can_be_cleared(gicd):
    """kut active: ICACTIVER in the handler clears the active bit."""
    gicd.write(ISACTIVER, 4, 1 << 3, vcpu=1)
    assert gicd.read(ISACTIVER, 4, vcpu=1) == 1 << 3
    gicd.write(ICACTIVER, 4, 1 << 3, vcpu=1)
    assert gicd.read(ISACTIVER, 4, vcpu=1) == 0


def test_sgis_are_enabled_after_reset(gicd, gicd3):
    assert gicd.read(ISENABLER, 4) == 0xFFFF
    assert Redistributor(gicd3.port, 7).read(SGI + ISENABLER, 4) == 0xFFFF


def test_unimplemented_interrupts_are_raz_wi(gicd, gicd3):
    """kut: fields beyond the implemented INTIDs are RAZ/WI."""
    for frame in (gicd, gicd3):
        assert frame.write(ISENABLER + 128 // 8, 4, 0xFFFFFFFF) == []
        assert frame.read(ISENABLER + 128 // 8, 4) == 0
        assert frame.write(IPRIORITYR + 128, 4, 0xFFFFFFFF) == []
        assert frame.read(IPRIORITYR + 128, 4) == 0


def test_special_intids_never_are_interrupts():
    """v2 3.2: 1020-1023 are special, even with all lines implemented."""
    gicd = Distributor(MemoryPort(1, n_irqs=1024))
    gicd.write(ISENABLER + 124, 4, 0xFFFFFFFF)
    assert gicd.read(ISENABLER + 124, 4) == 0x0FFFFFFF


# --- priority, targets, configuration, group


def test_priorities_have_five_bits(gicd):
    """v2 4.3.11; kut: the mask is found by writing 0xff, bytes are independent."""
    gicd.write(IPRIORITYR + SPI, 4, 0xFFFFFFFF)
    assert gicd.read(IPRIORITYR + SPI, 4) == 0xF8F8F8F8
    gicd.write(IPRIORITYR + SPI, 4, 0)
    assert gicd.read(IPRIORITYR + SPI, 4) == 0


def test_byte_accesses_hit_one_field(gicd):
    """kut test_byte_access: a pattern by word reads by byte, and back."""
    gicd.write(IPRIORITYR + SPI, 4, 0x40302010)
    assert [gicd.read(IPRIORITYR + SPI + n, 1) for n in range(4)] == [
        *(0x10, 0x20, 0x30, 0x40)
    ]
    gicd.write(IPRIORITYR + SPI + 2, 1, 0x08)
    assert gicd.read(IPRIORITYR + SPI, 4) == 0x40082010


def test_targets_of_private_interrupts_read_as_the_accessing_cpu(gicd):
    """v2 4.3.12: GICD_ITARGETSR0-7 are read-only and banked."""
    assert gicd.read(ITARGETSR, 4, vcpu=2) == 0x04040404
    assert gicd.write(ITARGETSR + 28, 4, 0xFFFFFFFF) == []


def test_targets_of_absent_cpus_are_raz_wi(gicd):
    """kut: bits of CPUs that are not implemented are RAZ/WI."""
    gicd.write(ITARGETSR + SPI, 4, 0xFFFFFFFF)
    assert gicd.read(ITARGETSR + SPI, 4) == 0x0F0F0F0F
    assert gicd.write(ITARGETSR + SPI, 1, 0x02) == [Effect("targets", 0, SPI, 2)]


def test_sgis_are_edge_and_ppis_keep_their_kind(gicd):
    """v2 4.3.13: SGI fields are read-only; KVM's PPIs are, too."""
    assert gicd.read(ICFGR, 4) == 0xAAAAAAAA
    assert gicd.write(ICFGR, 4, 0) == []
    assert gicd.write(ICFGR + 4, 4, 0xFFFFFFFF) == []
    assert gicd.read(ICFGR + 4, 4) == 0


def test_spis_are_configured_by_the_upper_bit(gicd):
    gicd.write(ICFGR + 8, 4, 0xFFFFFFFF)
    assert gicd.read(ICFGR + 8, 4) == 0xAAAAAAAA


def test_group_after_reset(gicd, gicd3):
    """v2 4.3.4: group 0; KVM's GICv3: group 1."""
    assert gicd.read(IGROUPR + 4, 4) == 0
    assert gicd3.read(IGROUPR + 4, 4) == 0xFFFFFFFF
    assert gicd.write(IGROUPR + WORD, 4, BIT) == [Effect("group", 0, SPI, 1)]


# --- SGIs of GICv2


@pytest.mark.parametrize(
    ("chosen", "mask", "targets"),
    [(0, 0b0110, [1, 2]), (0, 0xF0, []), (1, 0, [1, 2, 3]), (2, 0xFF, [0]), (3, 7, [])],
)
def test_sgir_chooses_targets(gicd, port, chosen, mask, targets):
    """v2 4.3.15: a list, all but oneself, oneself; 3 is reserved."""
    effects = gicd.write(SGIR, 4, chosen << 24 | mask << 16 | 5)
    assert [e for e in effects if e.kind == "sgi"] == [
        Effect("sgi", target, 5, 0) for target in targets
    ]
    assert [v for v in range(4) if is_pending(port, v, 5)] == targets
    assert gicd.read(SGIR, 4) == 0


def test_sgi_sources_are_kept_apart(gicd):
    """v2 4.3.17: one pending bit a source; the SGI is pending while one is left."""
    gicd.write(SGIR, 4, 1 << 19 | 5, vcpu=0)
    gicd.write(SGIR, 4, 1 << 19 | 5, vcpu=2)
    assert gicd.read(SPENDSGIR + 5, 1, vcpu=3) == 0b101
    gicd.write(CPENDSGIR + 5, 1, 0b001, vcpu=3)
    assert gicd.read(CPENDSGIR + 5, 1, vcpu=3) == 0b100
    assert gicd.read(ISPENDR, 4, vcpu=3) == 1 << 5
    gicd.write(CPENDSGIR + 4, 4, 0xFF00, vcpu=3)
    assert gicd.read(ISPENDR, 4, vcpu=3) == 0


def test_spendsgir_makes_an_sgi_pending_from_existing_cpus_only(gicd):
    gicd.write(SPENDSGIR, 4, 0xFFFFFFFF, vcpu=1)
    assert gicd.read(SPENDSGIR, 4, vcpu=1) == 0x0F0F0F0F
    assert gicd.read(ISPENDR, 4, vcpu=1) == 0xF


# --- GICv3: affinity routing and redistributors


@pytest.mark.parametrize("offset", [ISENABLER, ISPENDR, ISACTIVER, ICFGR, IPRIORITYR])
def test_private_interrupts_are_raz_wi_in_the_distributor_v3(gicd3, offset):
    """v3 12.9: with ARE they are in the redistributor."""
    assert gicd3.write(offset, 4, 0xFFFFFFFF) == []
    assert gicd3.read(offset, 4) == 0


@pytest.mark.parametrize("offset", [ITARGETSR + SPI, SGIR, CPENDSGIR, SPENDSGIR])
def test_legacy_registers_are_raz_wi_with_affinity_routing(gicd3, offset):
    assert gicd3.write(offset, 4, 0xFFFFFFFF) == []
    assert gicd3.read(offset, 4) == 0


def test_irouter_holds_an_affinity(gicd3):
    """v3 12.9: 64 bits, or two halves; Interrupt_Routing_Mode is RAZ/WI here."""
    at = IROUTER + 8 * SPI
    gicd3.write(at, 8, 0xFFFF_FFFF_FFFF_FFFF)
    assert gicd3.read(at, 8) == 0xFF_00FF_FFFF
    gicd3.write(at, 4, 0x0001_0203)
    assert gicd3.read(at, 8) == 0xFF_0001_0203
    gicd3.write(at + 4, 4, 0)
    assert (gicd3.read(at, 4), gicd3.read(at + 4, 4)) == (0x0001_0203, 0)


def test_irouter_of_private_interrupts_is_reserved(gicd3):
    assert gicd3.write(IROUTER + 8 * 27, 8, 1) == []
    assert gicd3.read(IROUTER + 8 * 27, 8) == 0


def test_redistributor_typer_names_its_cpu(port3):
    """v3 12.11: affinity, processor number, Last on the last one only."""
    frames = [Redistributor(port3, owner) for owner in range(20)]
    assert [f.read(RD_TYPER, 8) >> 32 for f in frames[14:18]] == [14, 15, 0x100, 0x101]
    assert [f.read(RD_TYPER, 4) >> 8 for f in frames] == list(range(20))
    assert [f.read(RD_TYPER, 4) >> 4 & 1 for f in frames] == [0] * 19 + [1]
    assert frames[16].read(RD_TYPER + 4, 4) == 0x100


def test_redistributor_is_awake_and_has_no_lpis(port3):
    gicr = Redistributor(port3, 0)
    for offset in (0x0, WAKER, 0x10):
        assert gicr.write(offset, 4, 0xFFFFFFFF) == []
        assert gicr.read(offset, 4) == 0
    assert gicr.read(0x70, 8) == 0


def test_sgi_frame_holds_its_owners_interrupts(port3):
    """v3 12.11: whoever accesses it."""
    gicr = Redistributor(port3, 5)
    assert gicr.write(SGI + ISENABLER, 4, 1 << 27, vcpu=2) == [
        Effect("enabled", 5, 27, 1)
    ]
    assert Redistributor(port3, 6).read(SGI + ISENABLER, 4) == 0xFFFF
    assert gicr.read(SGI + ICENABLER, 4) == 1 << 27 | 0xFFFF


def test_sgi_pending_is_writable_in_the_redistributor(port3):
    """v3: GICR_ISPENDR0 replaces SPENDSGIR."""
    gicr = Redistributor(port3, 5)
    gicr.write(SGI + ISPENDR, 4, 1 << 3)
    assert is_pending(port3, 5, 3)
    gicr.write(SGI + ICPENDR, 4, 1 << 3)
    assert not is_pending(port3, 5, 3)


def test_sgi_frame_has_32_interrupts_of_each_kind(port3):
    gicr = Redistributor(port3, 0)
    assert gicr.write(SGI + ISENABLER + 4, 4, 0xFFFFFFFF) == []
    gicr.write(SGI + IPRIORITYR + 27, 1, 0xA7)
    assert gicr.read(SGI + IPRIORITYR + 24, 4) == 0xA0000000
    assert gicr.read(SGI + IPRIORITYR + 32, 4) == 0
    assert gicr.read(SGI + ICFGR, 4) == 0xAAAAAAAA


# --- the GICv2 CPU interface


@pytest.fixture
def gicc(port):
    frame = CpuInterface(port)
    for vcpu in range(4):
        frame.write(0x0, 4, 1, vcpu=vcpu)
        frame.write(0x4, 4, 0xF8, vcpu=vcpu)
    return frame


def raise_irq(port, intid, prio=0xA0, vcpu=0):
    port.set(vcpu, intid, "enabled", 1)
    port.set(vcpu, intid, "prio", prio)
    port.set(vcpu, intid, "line", 1)


def test_acknowledge_takes_the_highest_priority(port, gicc):
    """v2 4.4.4: the lowest value first, then the lowest INTID; 1023 if none."""
    raise_irq(port, 27, 0xA0)
    raise_irq(port, SPI, 0x40)
    assert gicc.read(0x18, 4) == SPI
    assert gicc.read(0xC, 4) == SPI
    assert gicc.read(0x14, 4) == 0x40
    assert gicc.read(0xC, 4) == 1023
    gicc.write(0x10, 4, SPI)
    port.set(0, SPI, "line", 0)
    assert gicc.read(0xC, 4) == 27


def test_priority_must_be_below_the_mask(port, gicc):
    """v2 4.4.2: equal to PMR is not enough."""
    raise_irq(port, 27, 0xA0)
    gicc.write(0x4, 4, 0xA0)
    assert gicc.read(0xC, 4) == 1023
    gicc.write(0x4, 4, 0xFF)
    assert gicc.read(0x4, 4) == 0xF8
    assert gicc.read(0xC, 4) == 27


def test_the_binary_point_groups_priorities(port, gicc):
    """v2 3.3.3: only a higher group priority preempts; 5 bits allow no BPR below 2."""
    gicc.write(0x8, 4, 5)
    raise_irq(port, 27, 0xA0)
    assert gicc.read(0xC, 4) == 27
    assert gicc.read(0x14, 4) == 0x80
    raise_irq(port, SPI, 0x90)
    assert gicc.read(0xC, 4) == 1023
    port.set(0, SPI, "prio", 0x78)
    assert gicc.read(0xC, 4) == SPI
    gicc.write(0x8, 4, 0)
    assert gicc.read(0x8, 4) == 2


def test_eoimode_splits_drop_and_deactivation(port, gicc):
    """v2 4.4.5, 4.4.15: with EOImode 1 only DIR deactivates."""
    raise_irq(port, 27)
    assert gicc.write(0x1000, 4, 27) == []
    gicc.write(0x0, 4, 0x201)
    assert gicc.read(0xC, 4) == 27
    gicc.write(0x10, 4, 27)
    assert (gicc.read(0x14, 4), port.get(0, 27, "active")) == (0xFF, 1)
    assert gicc.read(0xC, 4) == 1023
    gicc.write(0x1000, 4, 27)
    assert port.get(0, 27, "active") == 0


def test_an_sgi_tells_its_source(port, gicc):
    """v2 4.4.4: CPUID in bits 12..10, one acknowledge a source."""
    gicd = Distributor(port)
    gicd.write(SGIR, 4, 1 << 16 | 5, vcpu=3)
    gicd.write(SGIR, 4, 1 << 16 | 5, vcpu=1)
    assert gicc.read(0xC, 4) == 5 | 1 << 10
    gicc.write(0x10, 4, 5 | 1 << 10)
    assert gicc.read(0xC, 4) == 5 | 3 << 10
    gicc.write(0x10, 4, 5 | 3 << 10)
    assert gicc.read(0xC, 4) == 1023


def test_group_1_needs_ackctl_to_be_acknowledged_here(port, gicc):
    """v2 4.4.4: 1022 tells that a group 1 interrupt is pending."""
    raise_irq(port, 27)
    port.set(0, 27, "group", 1)
    assert gicc.read(0xC, 4) == 1023
    gicc.write(0x0, 4, 0x3)
    assert gicc.read(0xC, 4) == gicc.read(0x18, 4) == 1022
    gicc.write(0x0, 4, 0x7)
    assert gicc.read(0xC, 4) == 27


def test_an_spi_goes_to_its_targets_only(port, gicc):
    raise_irq(port, SPI)
    port.set(0, SPI, "targets", 0b10)
    assert [gicc.read(0x18, 4, vcpu=v) for v in range(3)] == [1023, SPI, 1023]


def test_an_edge_interrupt_is_taken_once(port, gicc):
    port.set(0, SPI, "edge", 1)
    port.set(0, SPI, "latch", 1)
    port.set(0, SPI, "enabled", 1)
    assert gicc.read(0xC, 4) == SPI
    gicc.write(0x10, 4, SPI)
    assert gicc.read(0xC, 4) == 1023


@pytest.mark.parametrize("intid", [1023, 1022, 1020, 500])
def test_eoi_of_no_interrupt_is_ignored(gicc, intid):
    assert gicc.write(0x10, 4, intid) == []
    assert gicc.write(0x1000, 4, intid) == []


def test_interface_registers_read_back(gicc):
    assert gicc.write(0x1C, 4, 0) == []
    assert gicc.read(0x1C, 4) == 3
    assert gicc.write(0x1C, 4, 6) == [Effect("abpr", 0, -1, 6)]
    assert gicc.write(0xD0, 4, 1 << 20, vcpu=1) == [Effect("apr", 1, -1, 1 << 20)]
    assert gicc.read(0xD0, 4, vcpu=1) == 1 << 20
    assert gicc.read(0x14, 4, vcpu=1) == 0xA0
    assert gicc.read(0x0, 4) == 1
    assert gicc.read(0xFC, 4) & 0xFFF == 0x43B


def test_a_disabled_distributor_forwards_nothing(port):
    """v2 4.3.1: pending state is kept, no CPU interface sees it."""
    gic = Gic(port)
    gic.cpu_interface.write(0x0, 4, 1)
    gic.cpu_interface.write(0x4, 4, 0xF8)
    raise_irq(port, 27)
    assert [gic.cpu_interface.read(at, 4) for at in (0x18, 0xC)] == [1023, 1023]
    gic.distributor.write(CTLR, 4, 1)
    assert gic.cpu_interface.read(0xC, 4) == 27


def test_waking_a_redistributor_completes_at_once(port3):
    """v3 12.11: software clears ProcessorSleep, then waits for ChildrenAsleep = 0."""
    gicr = Redistributor(port3, 0)
    gicr.write(WAKER, 4, gicr.read(WAKER, 4) & ~0x2)
    assert gicr.read(WAKER, 4) & 0x4 == 0


# --- the frames of a board


def test_decode_finds_the_frames_of_a_gicv2(port):
    gic = Gic(port)
    assert gic.decode(VIRT.gicd + 0xFE8) == (gic.distributor, 0xFE8)
    assert gic.decode(VIRT.gicc + 0x1000) == (gic.cpu_interface, 0x1000)
    for outside in (
        0,
        VIRT.gicd - 1,
        VIRT.gicd + 0x1000,
        VIRT.gicc + 0x2000,
        VIRT.gicr,
    ):
        assert gic.decode(outside) is None


def test_decode_finds_the_redistributor_of_each_vcpu(port3):
    """v3 12.10: two frames of 64 KiB a vCPU, one vCPU behind the other."""
    gic = Gic(port3, version=3)
    place = gic.decode(VIRT.gicr + 19 * 0x20000 + SGI + ISENABLER)
    assert (place.frame.owner, place.offset) == (19, SGI + ISENABLER)
    assert gic.decode(VIRT.gicr + 20 * 0x20000) is None
    assert gic.decode(VIRT.gicd + 0xFFE8) == (gic.distributor, 0xFFE8)
    assert gic.decode(VIRT.gicc) is None
    lasts = [gic.read(VIRT.gicr + n * 0x20000 + RD_TYPER, 4) >> 4 & 1 for n in (0, 19)]
    assert lasts == [0, 1]


def test_an_access_by_address_is_that_of_the_frame(port):
    gic = Gic(port)
    at = VIRT.gicd + ISENABLER
    assert gic.write(at, 4, 1 << 27, vcpu=1) == [Effect("enabled", 1, 27, 1)]
    assert gic.read(at, 4, vcpu=1) == 1 << 27 | 0xFFFF


@pytest.mark.parametrize("address", [0, VIRT.gicd + 0xFFD, VIRT.gicc + 0x2000])
def test_an_access_to_no_frame_is_the_guests_fault(port, address):
    gic = Gic(port)
    with pytest.raises(GuestError, match="no GIC frame"):
        gic.read(address, 4)
    with pytest.raises(GuestError, match="no GIC frame"):
        gic.write(address, 4, 0)


def test_impossible_boards_are_named_errors(port, port3):
    for bad in ({"gicd": 0x801}, {"gicc": -0x1000}, {"gicc": VIRT.gicd - 0x1000}):
        with pytest.raises(ConfigError, match=r"gic\.gic"):
            Gic(port, board=replace(VIRT, **bad))
    with pytest.raises(ConfigError, match=r"gic\.gicd"):
        Gic(port3, 3, replace(VIRT, gicd=VIRT.gicr + 0x1000))
    with pytest.raises(ConfigError, match=r"gic\.gicr"):
        Gic(port3, 3, replace(VIRT, gicd=VIRT.gicr + 19 * 0x20000))
