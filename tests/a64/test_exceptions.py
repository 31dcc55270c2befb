"""Exception entry and return, syndromes and traps; each test is named after the rule it shows."""

import pytest
from a64_core import (
    MASK,
    RAM,
    SCTLR_RES1,
    asm,
    enc,
    identity_map,
    lib,
    machine,
)

pytestmark = pytest.mark.usefixtures("executor")

VBAR = RAM + 0x1_0000
TABLE = RAM + 0x8_0000


def guest(text, el=1, mmu=True, sctlr=0, spsel=1, **kw):
    """Runs text at RAM; every vector holds HVC #(offset >> 7). EL0 code sees RAM as its own."""
    mem, cpu = machine(text, **kw)
    for v in range(16):
        mem.write(VBAR + v * 0x80, asm(f"hvc #{v}"))
    if mmu:
        identity_map(mem, cpu, TABLE)
        if (
            el == 0
        ):  # an EL0 window; EL1 cannot execute what EL0 can write, so map it read-only
            mem.w64(TABLE + 8, RAM | 1 | 1 << 10 | 3 << 8 | 3 << 6)
            mem.w64(TABLE + 16, RAM | 1 | 1 << 10 | 3 << 8 | 1 << 6)
            mem.w64(
                TABLE + 24, 0x4000_0000 | 1 | 1 << 10 | 1 << 2
            )  # device: MAIR index 1
        cpu["MAIR"] = 0x00FF
    cpu["SCTLR"] = SCTLR_RES1 | (1 if mmu else 0) | 1 << 23 | sctlr
    cpu["VBAR"] = VBAR
    cpu["sp"] = RAM + 0x2_0000
    cpu["pstate"] = 0x3C0 | (0 if el == 0 else 4 | spsel)
    return mem, cpu


def caught(cpu, budget=200):
    """Vector number, EC, ISS, FAR, ELR after the exception."""
    assert cpu.run(budget) == "HVC"
    esr = cpu["ESR"]
    assert esr >> 25 & 1 == 1
    return cpu.exit.value, esr >> 26, esr & 0x1FFFFFF, cpu["FAR"], cpu["ELR"]


def test_svc_saves_the_next_address_and_its_immediate():
    _, cpu = guest("svc #0x1234")
    v, ec, iss, _, elr = caught(cpu)
    assert (v, ec, iss, elr) == (4, 0x15, 0x1234, RAM + 4)
    assert cpu["SPSR"] == 0x3C5


@pytest.mark.parametrize("el,spsel,vector", [(1, 0, 0), (1, 1, 4), (0, 0, 8)])
def test_the_vector_is_chosen_by_el_and_stack_pointer(el, spsel, vector):
    _, cpu = guest("svc #0", el=el, spsel=spsel)
    assert caught(cpu)[0] == vector
    assert cpu["SPSR"] & 15 == (0 if el == 0 else 4 | spsel)
    assert cpu["pstate"] & 0x3CF == 0x3C5


def test_brk_returns_to_itself():
    _, cpu = guest("nop; brk #0x51")
    assert (*caught(cpu)[:3], cpu["ELR"]) == (4, 0x3C, 0x51, RAM + 4)


@pytest.mark.parametrize(
    "word",
    [
        0,
        0xD51BD0A0,
        0x1E202800,
        0x4E201C00,
        0xD53CD0A0,
        0xD5380500 | 7 << 8 << 4,
        0xB8200020,
        0xD4400000,
        0xD4A00001,
        0xD69F03E0 | 1 << 21,
    ],
)
def test_unallocated_words_are_undefined_with_ec_0(word):
    mem, cpu = guest("nop; nop")
    mem.write(RAM + 4, word.to_bytes(4, "little"))
    assert (*caught(cpu)[:3], cpu["ELR"]) == (4, 0, 0, RAM + 4)


@pytest.mark.parametrize(
    "insn",
    [
        "mrs x0, pmcr_el0",
        "mrs x0, cntvoff_el2",
        "msr sctlr_el2, x0",
        "mrs x0, icc_iar1_el1",
        "mrs x0, fpcr",
        "msr midr_el1, x0",
        "mrs x0, s3_0_c15_c2_0",
        "mrs x0, dbgbvr7_el1",
        "mrs x0, rvbar_el1",
        "msr oslsr_el1, x0",
        "mrs x0, oslar_el1",
    ],
)
def test_registers_off_the_list_are_undefined(insn):
    if insn.split()[1:] in (["oslsr_el1,", "x0"], ["x0,", "oslar_el1"]):
        pytest.skip("assembler refuses read-only forms")
    _, cpu = guest(insn)
    assert caught(cpu)[:3] == (4, 0, 0)


@pytest.mark.parametrize(
    "insn",
    [
        "mrs x0, sctlr_el1",
        "msr vbar_el1, x0",
        "mrs x0, midr_el1",
        "eret",
        "hvc #0",
        "smc #0",
        "msr spsel, #0",
        "tlbi vmalle1",
        "at s1e1r, x0",
        "ic iallu",
        "dc isw, x0",
        "mrs x0, id_aa64pfr0_el1",
        "mrs x0, currentel",
        "msr tpidrro_el0, x0",
        "dc ivac, x0",
    ],
)
def test_el1_things_are_undefined_at_el0(insn):
    _, cpu = guest(insn, el=0)
    assert caught(cpu)[:3] == (8, 0, 0)


TRAPS = {  # instruction: (SCTLR/CNTKCTL bit that allows it, Rt, read)
    "mrs x3, ctr_el0": ("SCTLR", 15),
    "dc cvac, x3": ("SCTLR", 26),
    "dc civac, x3": ("SCTLR", 26),
    "dc cvau, x3": ("SCTLR", 26),
    "ic ivau, x3": ("SCTLR", 26),
    "dc zva, x3": ("SCTLR", 14),
    "mrs x3, daif": ("SCTLR", 9),
    "msr daif, x3": ("SCTLR", 9),
    "mrs x3, cntvct_el0": ("CNTKCTL", 1),
    "mrs x3, cntpct_el0": ("CNTKCTL", 0),
    "mrs x3, cntv_ctl_el0": ("CNTKCTL", 8),
    "mrs x3, cntp_cval_el0": ("CNTKCTL", 9),
    "mrs x3, cntfrq_el0": ("CNTKCTL", 1),
}


@pytest.mark.parametrize("insn", TRAPS)
def test_el0_accesses_trap_with_ec_18_until_enabled(insn):
    reg, bit = TRAPS[insn]
    code = insn + "; svc #9"
    mem, cpu = guest(code, el=0)
    cpu[3] = 0x8000_0000 + 0x3_0000
    w = int.from_bytes(mem.read(RAM, 4), "little")
    iss = (
        (w >> 19 & 3) << 20
        | (w >> 5 & 7) << 17
        | (w >> 16 & 7) << 14
        | (w >> 12 & 15) << 10
        | (w & 31) << 5
        | (w >> 8 & 15) << 1
        | (w >> 21 & 1)
    )
    assert (*caught(cpu)[:3], cpu["ELR"]) == (8, 0x18, iss, RAM)
    mem, cpu = guest(code, el=0)
    cpu[3] = 0x8000_0000 + 0x3_0000
    cpu[reg] = cpu[reg] | 1 << bit
    assert caught(cpu)[:3] == (8, 0x15, 9)


def test_msr_daifset_at_el0_traps_unless_uma():
    _, cpu = guest("msr daifset, #2", el=0)
    assert caught(cpu)[1] == 0x18
    _, cpu = guest("msr daifclr, #2; mrs x0, daif; svc #0", el=0, sctlr=1 << 9)
    caught(cpu)
    assert cpu[0] == 0x340


@pytest.mark.parametrize("insn,bit,ti", [("wfi", 16, 0), ("wfe", 18, 1)])
def test_wfx_at_el0_traps_only_if_it_would_wait(insn, bit, ti):
    _, cpu = guest(insn, el=0)
    assert caught(cpu)[:3] == (8, 1, 1 << 24 | 0xE << 20 | ti)
    _, cpu = guest(insn, el=0, sctlr=1 << bit)
    assert cpu.run(10) == insn.upper() and cpu["pc"] == RAM + 4
    _, cpu = guest(insn + "; svc #0", el=0)
    lib.a64_set_irq(cpu.p, True, False)  # masked, but it ends a WFI
    lib.a64_set_event(cpu.p)
    assert caught(cpu)[1] == 0x15


def data_fault(insn, x1, el=1, **kw):
    _, cpu = guest(insn, el=el, **kw)
    cpu[1] = x1
    return caught(cpu)


@pytest.mark.parametrize(
    "insn,wnr",
    [
        ("ldr x0,[x1]", 0),
        ("str x0,[x1]", 1),
        ("ldp x2,x3,[x1]", 0),
        ("stlr w0,[x1]", 1),
        ("ldxr x0,[x1]", 0),
        ("stxr w0,x2,[x1]", 1),
    ],
)
def test_translation_fault_reports_level_wnr_and_far(insn, wnr):
    v, ec, iss, far, elr = data_fault(insn, 0x70_0000_0000)
    assert (v, ec, iss, far, elr) == (4, 0x25, wnr << 6 | 5, 0x70_0000_0000, RAM)
    v, ec, iss, far, _ = data_fault(insn, 0x1000_0000_0000)
    assert (ec, iss, far) == (0x25, wnr << 6 | 4, 0x1000_0000_0000)
    assert data_fault(insn, 0x70_0000_0000, el=0)[:3] == (8, 0x24, wnr << 6 | 5)


def test_permission_fault_levels():
    assert data_fault("str x0,[x1]", RAM + 0x100, el=0)[:4] == (
        8,
        0x24,
        1 << 6 | 0xD,
        RAM + 0x100,
    )


def test_cache_maintenance_faults_have_cm_and_wnr():
    assert data_fault("dc civac, x1", 0x70_0000_0000)[1:4] == (
        0x25,
        1 << 8 | 1 << 6 | 5,
        0x70_0000_0000,
    )
    assert data_fault("ic ivau, x1", 0x70_0000_0000)[1:3] == (0x25, 1 << 8 | 1 << 6 | 5)
    assert data_fault("dc zva, x1", 0x70_0000_0008)[1:4] == (
        0x25,
        1 << 6 | 5,
        0x70_0000_0008,
    )


def test_unaligned_accesses_fault_with_sctlr_a_only():
    assert data_fault("ldr w0,[x1]", RAM + 2, sctlr=2)[1:4] == (0x25, 0x21, RAM + 2)
    assert data_fault("strh w0,[x1]", RAM + 0x2001, sctlr=2)[1:4] == (
        0x25,
        0x61,
        RAM + 0x2001,
    )
    assert data_fault("ldr w0,[x1]; svc #0", RAM + 2)[1] == 0x15
    assert (
        data_fault("ldp x2,x3,[x1]; svc #0", RAM + 8, sctlr=2)[1] == 0x15
    )  # element alignment


@pytest.mark.parametrize(
    "insn", ["ldxr x0,[x1]", "ldar w0,[x1]", "stlrh w0,[x1]", "ldxp x2,x3,[x1]"]
)
def test_exclusive_and_ordered_accesses_are_always_aligned(insn):
    off = 8 if "xp" in insn else 1
    _v, ec, iss, far, _ = data_fault(insn, RAM + 0x2000 + off)
    assert (ec, iss & 0x3F, far) == (0x25, 0x21, RAM + 0x2000 + off)


def test_device_memory_faults_on_unaligned_and_on_dc_zva():
    mem, cpu = guest("ldr x0,[x1]", el=0)
    cpu[1] = 0xC000_0004
    cpu["pstate"] = 0x3C5
    mem.w64(TABLE + 8, RAM | 1 | 1 << 10 | 3 << 8)
    assert caught(cpu)[1:4] == (0x25, 0x21, 0xC000_0004)
    assert data_fault("ldr x0,[x1]", RAM + 4, mmu=False)[1:3] == (0x25, 0x21)
    assert data_fault("dc zva, x1", RAM + 0x40, mmu=False)[1:3] == (0x25, 0x61)
    warm = "str xzr,[x1]; dc zva, x1"  # the page is in the soft TLB by then
    assert data_fault(warm, RAM + 0x2040, mmu=False)[1:3] == (0x25, 0x61)


def test_dc_zva_clears_its_block_through_a_warm_page():
    mem, cpu = machine("str x0,[x1]; dc zva, x1; hvc #0", mmu=True)
    cpu[0], cpu[1] = MASK, RAM + 0x2_0079
    mem.write(RAM + 0x2_0000, b"\xff" * 256)
    assert cpu.run(9) == "HVC"
    assert mem.read(RAM + 0x2_0000, 256) == b"\xff" * 64 + bytes(64) + b"\xff" * 128


def test_page_crossing_store_writes_nothing_if_the_second_page_faults():
    mem, cpu = guest("str x0,[x1]")
    l2, l3 = RAM + 0x8_1000, RAM + 0x8_2000
    mem.w64(TABLE + 24, l2 | 3)
    mem.w64(l2, l3 | 3)
    mem.w64(l3, (RAM + 0x3_0000) | 3 | 1 << 10 | 3 << 8)
    cpu[0], cpu[1] = MASK, 0xC000_1000 - 4
    assert caught(cpu)[1:4] == (0x25, 1 << 6 | 7, 0xC000_1000)
    assert mem.r64(RAM + 0x3_0FF8) == 0


@pytest.mark.parametrize(
    "insn",
    [
        "ldr x0,[sp]",
        "stp x0,x1,[sp,#-16]!",
        "ldrb w0,[sp,#1]",
        "ldxr x0,[sp]",
        "ldp x0,x1,[sp],#16",
        "str w0,[sp,#4]",
        "ldr x0,[sp,x1]",
    ],
)
def test_sp_alignment_is_checked_when_enabled(insn):
    for el, bit, v in ((1, 3, 4), (0, 4, 8)):
        _, cpu = guest(insn + "; svc #0", el=el, sctlr=1 << bit)
        cpu["sp"] = 0x8002_0008 if el == 0 else RAM + 0x2_0008
        cpu[1] = 0
        assert caught(cpu)[:3] == (v, 0x26, 0)
        _, cpu = guest(insn + "; svc #0", el=el)
        cpu["sp"] = 0x8002_0008 if el == 0 else RAM + 0x2_0008
        cpu[1] = 0
        assert caught(cpu)[1] == 0x15


def test_pc_alignment_fault_has_far_and_elr_at_the_target():
    for insn in ("br x1", "ret x1", "blr x1"):
        assert data_fault(insn, RAM + 6)[:5] == (4, 0x22, 0, RAM + 6, RAM + 6)


def test_instruction_abort_at_the_target():
    assert data_fault("br x1", 0x70_0000_0000) == (
        4,
        0x21,
        5,
        0x70_0000_0000,
        0x70_0000_0000,
    )
    assert data_fault("br x1", 0x8000_0000 + RAM, mmu=False)[1:3] == (
        0x21,
        0x10,
    )  # no memory there


def test_illegal_exception_return_sets_il_and_the_next_instruction_faults():
    for spsr in (0x3C9, 0x3C1, 0x3D0, 0x3CD, 0x3C6):
        _, cpu = guest(
            f"mov x0,#{spsr:#x}; msr spsr_el1,x0; adr x1,1f; msr elr_el1,x1; eret; nop; 1: nop"
        )
        v, ec, iss, _, elr = caught(cpu)
        assert (v, ec, iss, elr) == (4, 0x0E, 0, RAM + 24)
        assert cpu["SPSR"] & 0x10000F == 0x100005


def test_eret_restores_everything():
    _, cpu = guest(
        "ldr x0,=0xA0000000; msr spsr_el1,x0; adr x1,1f; msr elr_el1,x1; eret; 1: svc #3; .ltorg"
    )
    cpu["SP_EL0"] = 0x1230
    mem = cpu.mem
    mem.w64(TABLE + 8, RAM | 1 | 1 << 10 | 3 << 8 | 3 << 6)
    assert caught(cpu)[:3] == (8, 0x15, 3)
    assert (
        cpu["SPSR"] == 0xA0000000
        and cpu["sp"] == RAM + 0x2_0000
        and cpu["SP_EL0"] == 0x1230
    )


def test_sp_el0_is_undefined_when_it_is_the_current_stack():
    _, cpu = guest("msr spsel,#0; mrs x0,sp_el0")
    assert caught(cpu)[:2] == (0, 0)


def test_pan_blocks_el1_but_not_ldtr_and_span_controls_entry():
    text = "ldr x0,[x1]; msr pan,#1; ldtr x2,[x1]; ldr x3,[x1]; nop"
    mem, cpu = guest(text)
    mem.w64(TABLE + 16, RAM | 1 | 1 << 10 | 3 << 8 | 1 << 6)
    cpu[1] = 0x8000_0000 + 0x3_0000
    assert caught(cpu)[1:] == (0x25, 0xD, cpu[1], RAM + 12)
    for span in (0, 1):
        mem, cpu = guest("svc #0")
        cpu["SCTLR"] = SCTLR_RES1 | 1 | span << 23
        caught(cpu)
        assert cpu["pstate"] >> 22 & 1 == 1 - span


def test_pan_is_absent_unless_advertised():
    _, cpu = guest("msr pan,#1", pan=False)
    assert caught(cpu)[1] == 0


def test_interrupts_are_taken_when_unmasked_at_the_next_instruction():
    _, cpu = guest("nop; msr daifclr,#2; nop; nop")
    lib.a64_set_irq(cpu.p, True, False)
    assert cpu.run(200) == "HVC"
    assert (cpu.exit.value, cpu["ELR"]) == (5, RAM + 8) and cpu["SPSR"] & 0x3C0 == 0x340
    _, cpu = guest("msr daifclr,#1; nop")
    lib.a64_set_irq(cpu.p, False, True)
    assert cpu.run(200) == "HVC" and cpu.exit.value == 6
    _, cpu = guest("mov x0,#0; msr daif,x0; nop")
    lib.a64_set_serror(cpu.p, True, 0x42)
    assert caught(cpu)[:3] == (7, 0x2F, 0x42)


def test_an_interrupt_is_taken_by_eret_that_unmasks():
    _, cpu = guest(
        "mov x0,#0x345; msr spsr_el1,x0; adr x1,1f; msr elr_el1,x1; eret; 1: nop; nop"
    )
    lib.a64_set_irq(cpu.p, True, False)
    assert cpu.run(200) == "HVC" and (cpu.exit.value, cpu["ELR"]) == (5, RAM + 20)


def test_an_exception_loop_uses_up_the_budget():
    _, cpu = guest("svc #0")
    cpu["VBAR"] = 0xDEAD_0000_0000_0000
    assert cpu.run(1000) == "BUDGET" and cpu.now == 1000


def test_tbi_ignores_the_tag_and_far_keeps_it():
    _, cpu = guest("ldr x0,[x1]; svc #0")
    cpu["TCR"] = cpu["TCR"] | 1 << 37
    cpu[1] = 0xAB << 56 | RAM + 0x100
    assert caught(cpu)[1] == 0x15
    _, cpu = guest("br x1")
    cpu["TCR"] = cpu["TCR"] | 1 << 37
    cpu.mem.write(RAM + 0x100, asm("svc #5"))
    cpu[1] = 0xAB << 56 | RAM + 0x100
    assert (*caught(cpu)[1:3], cpu["ELR"]) == (0x15, 5, RAM + 0x104)


def test_hvc_and_smc_stop_past_themselves():
    _, cpu = guest("hvc #0x77; smc #0x66")
    assert cpu.run(9) == "HVC" and (cpu.exit.value, cpu["pc"]) == (0x77, RAM + 4)
    assert cpu.exit.esr == 0x16 << 26 | 1 << 25 | 0x77
    assert cpu.run(9) == "SMC" and (cpu.exit.value, cpu["pc"]) == (0x66, RAM + 8)


MMIO = [
    ("ldr x0,[x1]", 8, 0, 1),
    ("ldrb w0,[x1]", 1, 0, 0),
    ("ldrsb x0,[x1]", 1, 1, 1),
    ("ldrsh w0,[x1]", 2, 1, 0),
    ("ldrsw x0,[x1]", 4, 1, 1),
    ("ldar w0,[x1]", 4, 0, 0),
]


@pytest.mark.parametrize("insn,size,sign,x64", MMIO)
def test_mmio_reads_stop_with_a_valid_syndrome_and_complete(insn, size, sign, x64):
    _, cpu = guest(insn, mmu=False)
    cpu[1] = 0x0900_0000
    assert cpu.run(5) == "MMIO" and cpu["pc"] == RAM
    e = cpu.exit
    assert (e.addr, e.size, e.sign, e.sixty_four, e.is_write, e.rt, e.isv) == (
        0x0900_0000,
        size,
        sign,
        x64,
        0,
        0,
        1,
    )
    assert (
        e.esr >> 24 & 1 == 1
        and e.esr >> 22 & 3 == size.bit_length() - 1
        and e.esr >> 15 & 1 == x64
    )
    assert lib.a64_mmio_complete(cpu.p, 0x8F8F_8F8F_8F8F_8F8F) == 0
    v = 0x8F8F_8F8F_8F8F_8F8F & (1 << 8 * size) - 1
    if sign:
        v = v - (1 << 8 * size) & ((1 << 64) - 1 if x64 else 0xFFFFFFFF)
    assert (
        cpu[0] == v and cpu["pc"] == RAM + 4 and lib.a64_mmio_complete(cpu.p, 0) == -3
    )


def test_mmio_write_carries_the_value_and_odd_forms_have_no_syndrome():
    _, cpu = guest("strh w2,[x1,#6]; str w2,[x1],#4", mmu=False)
    cpu[1], cpu[2] = 0x0900_0000, 0x12345678
    assert cpu.run(5) == "MMIO"
    assert (cpu.exit.addr, cpu.exit.value, cpu.exit.is_write, cpu.exit.size) == (
        0x0900_0006,
        0x5678,
        1,
        2,
    )
    lib.a64_mmio_complete(cpu.p, 0)
    assert (
        cpu.run(5) == "MMIO"
        and cpu.exit.isv == 0
        and lib.a64_mmio_complete(cpu.p, 0) == -3
    )
    lib.a64_inject_dabt(cpu.p, cpu.exit.va)
    assert caught(cpu)[1:4] == (0x25, 0x10, 0x0900_0000)


def test_rom_reads_directly_and_writes_stop():
    mem, cpu = guest(
        "ldr x0,[x1]; str x0,[x1]",
        regions=((RAM, 1 << 20, False), (0x2000_0000, 4096, True)),
    )
    mem.w64(0x2000_0000, 55)
    cpu[1] = 0x2000_0000
    assert cpu.run(5) == "MMIO" and cpu.exit.is_write == 1 and cpu[0] == 55


def test_trapped_system_registers_stop_and_complete():
    iar = enc(3, 0, 12, 12, 0)
    mem, cpu = guest("mrs x7, icc_iar1_el1; msr icc_eoir1_el1, x7; nop")
    lib.a64_trap_sysreg(mem.p, iar, True, False)
    lib.a64_trap_sysreg(mem.p, enc(3, 0, 12, 12, 1), False, True)
    assert cpu.run(9) == "SYSREG" and (
        cpu.exit.addr,
        cpu.exit.is_write,
        cpu.exit.rt,
    ) == (iar, 0, 7)
    assert lib.a64_sysreg_complete(cpu.p, 27) == 0 and cpu[7] == 27
    assert cpu.run(9) == "SYSREG" and (cpu.exit.is_write, cpu.exit.value) == (1, 27)


def test_a_trap_set_late_applies_to_decoded_code():
    mem, cpu = guest("1: mrs x0, cntvct_el0; b 1b")
    assert cpu.run(20) == "BUDGET"
    lib.a64_trap_sysreg(mem.p, enc(3, 3, 14, 0, 2), True, True)
    assert cpu.run(20) == "SYSREG"


def test_debug_registers_store_and_do_nothing():
    _, cpu = guest(
        "mov x0,#5; msr dbgbcr0_el1,x0; msr oslar_el1,xzr; mrs x1,oslsr_el1; mrs x2,dbgbcr0_el1;"
        "msr mdscr_el1,xzr; svc #0"
    )
    assert caught(cpu)[1] == 0x15 and (cpu[1], cpu[2]) == (8, 5)
