"""Breakpoints, watchpoints and software step of the guest; Arm ARM D2.9, D2.10, D2.12."""

import pytest
from a64_core import RAM, asm, enc, ffi, lib
from test_exceptions import caught, guest

pytestmark = pytest.mark.usefixtures("executor")

MDSCR, OSLAR = enc(2, 0, 0, 2, 2), enc(2, 0, 1, 0, 4)
SS, KDE, MDE = 1 << 0, 1 << 13, 1 << 15
EXEC = 0x1E0 | 1  # BAS, E
EL1, EL0 = 1 << 1, 1 << 2
DATA = RAM + 0x3080
UNMASKED = 0x1C5  # EL1h, D clear
CONTEXTIDR = enc(3, 0, 13, 0, 1)


def bvr(n):
    return enc(2, 0, 0, n, 4)


def bcr(n):
    return enc(2, 0, 0, n, 5)


def wvr(n):
    return enc(2, 0, 0, n, 6)


def wcr(n):
    return enc(2, 0, 0, n, 7)


def debugged(text, *, mdscr=KDE | MDE, daif=UNMASKED, **kw):
    """A guest with the OS lock open and debug exceptions enabled."""
    mem, cpu = guest(text, **kw)
    put(cpu, OSLAR, 0)
    put(cpu, MDSCR, mdscr)
    if kw.get("el", 1) == 1:
        cpu["pstate"] = daif
    return mem, cpu


def put(cpu, reg, value):
    assert lib.a64_set_sysreg(cpu.p, reg, value) == 0


@pytest.mark.parametrize("n", range(6))
def test_a_breakpoint_is_taken_before_its_instruction(n):
    _, cpu = debugged("mov x0, #1; mov x0, #2; hvc #9")
    put(cpu, bvr(n), RAM + 4)
    put(cpu, bcr(n), EXEC | EL1)
    v, ec, iss, _, elr = caught(cpu)
    assert (v, ec, iss, elr, cpu[0]) == (4, 0x31, 0x22, RAM + 4, 1)
    assert cpu.insns == 2  # mov, and the vector's hvc


@pytest.mark.parametrize(
    ("mdscr", "daif", "control", "locked"),
    [
        (KDE, UNMASKED, EXEC | EL1, 0),  # MDE clear
        (MDE, UNMASKED, EXEC | EL1, 0),  # KDE clear: not from EL1
        (KDE | MDE, 0x3C5, EXEC | EL1, 0),  # PSTATE.D
        (KDE | MDE, UNMASKED, EXEC | EL0, 0),  # another EL
        (KDE | MDE, UNMASKED, (EXEC | EL1) & ~1, 0),  # not enabled
        (KDE | MDE, UNMASKED, EXEC | EL1 | 2 << 14, 0),  # Secure only
        (KDE | MDE, UNMASKED, EXEC | EL1, 1),  # OS lock
    ],
)
def test_what_keeps_a_breakpoint_from_being_taken(mdscr, daif, control, locked):
    _, cpu = debugged("nop; nop; hvc #9", mdscr=mdscr, daif=daif)
    put(cpu, OSLAR, locked)
    put(cpu, bvr(0), RAM + 4)
    put(cpu, bcr(0), control)
    assert cpu.run(100) == "HVC" and cpu.exit.value == 9


def test_el0_has_breakpoints_without_kde_and_whatever_d_is():
    _, cpu = debugged("nop; nop; svc #0", el=0, mdscr=MDE)
    put(cpu, bvr(0), RAM + 4)
    put(cpu, bcr(0), EXEC | EL0)
    assert caught(cpu)[:3] == (8, 0x30, 0x22)


@pytest.mark.parametrize(("context", "hit"), [(7, True), (8, False)])
def test_a_linked_breakpoint_needs_its_context_too(context, hit):
    _, cpu = debugged("nop; nop; hvc #9")
    put(cpu, CONTEXTIDR, context)
    put(cpu, bvr(0), RAM + 4)
    put(cpu, bcr(0), EXEC | EL1 | 1 << 20 | 5 << 16)
    put(cpu, bvr(5), 7)
    put(cpu, bcr(5), EXEC | EL1 | 3 << 20)
    assert cpu.run(100) == "HVC"
    assert (cpu.exit.value == 4 and cpu["ESR"] >> 26 == 0x31) == hit


def watch(cpu, address, control, n=0):
    put(cpu, wvr(n), address)
    put(cpu, wcr(n), control | EL1 | 1)


LOAD, STORE = 1 << 3, 2 << 3
ALL = 0xFF << 5


@pytest.mark.parametrize(
    ("text", "control", "at", "wnr"),
    [
        ("ldr x0, [x1]", LOAD | ALL, 0, 0),
        ("str x0, [x1]", STORE | ALL, 0, 1),
        ("ldrb w0, [x1, #5]", LOAD | 1 << 10, 5, 0),
        ("stp x0, x2, [x1, #-8]", STORE | 1 << 5, -8, 1),
        ("ldxr x0, [x1]", LOAD | ALL, 0, 0),
        ("dc zva, x1", STORE | ALL, 0, 1),
        ("str w0, [x1, #0x7c]", STORE | ALL | 7 << 24, 0x7C, 1),  # MASK: 128 bytes
    ],
)
def test_a_watchpoint_is_taken_before_the_access(text, control, at, wnr):
    mem, cpu = debugged(f"{text}; hvc #9")
    mem.w64(DATA, 0x1122334455667788)
    cpu[0], cpu[1] = 0, DATA
    watch(cpu, DATA, control)
    v, ec, iss, far, elr = caught(cpu)
    assert (v, ec, iss, far, elr) == (4, 0x35, wnr << 6 | 0x22, DATA + at, RAM)
    assert mem.r64(DATA) == 0x1122334455667788 and cpu[0] == 0


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("ldr x0, [x1]", STORE | ALL),
        ("str x0, [x1]", LOAD | ALL),
        ("ldrb w0, [x1, #4]", LOAD | 1 << 10),  # byte 5 alone
        ("ldr x0, [x1, #8]", LOAD | ALL),
        ("ldtr x0, [x1]", LOAD | ALL),  # as EL0, which the watchpoint does not watch
    ],
)
def test_what_a_watchpoint_does_not_see(text, control):
    mem, cpu = debugged(f"{text}; hvc #9")
    if text.startswith("ldtr"):
        mem.w64(RAM + 0x80000 + 8, RAM | 1 | 1 << 10 | 3 << 8 | 3 << 6 | 1 << 53)
        mem.w64(RAM + 0x80000 + 8, RAM | 1 | 1 << 10 | 3 << 8 | 3 << 6)
    cpu[1] = DATA
    watch(cpu, DATA, control)
    assert cpu.run(100) == "HVC" and cpu.exit.value == 9


def test_a_watchpoint_sees_what_ran_before_it_was_set():
    """Translations and code cached without it do not hide an access."""
    _, cpu = debugged(
        "mov x2, #3; loop: str x0, [x1]; ldr x0, [x1]; subs x2, x2, #1; b.ne loop;"
        "msr dbgwvr0_el1, x1; msr dbgwcr0_el1, x3; str x0, [x1]; hvc #9",
    )
    cpu[1], cpu[3] = DATA, STORE | ALL | EL1 | 1
    assert caught(cpu)[1] == 0x35
    assert cpu["ELR"] == RAM + 7 * 4


def stepped(text, spsr=UNMASKED | 1 << 21, **kw):
    """ERET with SPSR.SS set into the text, from where debug exceptions are masked."""
    mem, cpu = debugged(text, mdscr=KDE | SS, daif=0x3C5, **kw)
    entry = RAM + 0x5000
    mem.write(entry, asm("eret"))
    cpu["ELR"], cpu["SPSR"], cpu["pc"] = RAM, spsr, entry
    return mem, cpu


@pytest.mark.parametrize(
    ("text", "iss", "elr"),
    [
        ("nop; nop", 0x1000022, RAM + 4),
        ("b . + 16; nop", 0x1000022, RAM + 16),
        ("ldxr x0, [x1]; nop", 0x1000062, RAM + 4),
    ],
)
def test_software_step_runs_one_instruction(text, iss, elr):
    _, cpu = stepped(text)
    cpu[1] = DATA
    assert caught(cpu) == (4, 0x33, iss, 0, elr)
    assert cpu["SPSR"] >> 21 & 1 == 0
    assert cpu.insns == 3  # eret, the step, the vector's hvc


def test_a_step_is_due_at_once_without_pstate_ss():
    _, cpu = stepped("nop; nop", spsr=UNMASKED)
    assert (*caught(cpu)[1:3], cpu["ELR"]) == (0x33, 0x22, RAM)


def test_a_fault_while_stepping_keeps_ss_and_a_call_does_not():
    """D2.12: the return address of SVC is the next instruction, the step is over."""
    _, cpu = stepped("brk #1")
    assert caught(cpu)[1] == 0x3C and cpu["SPSR"] >> 21 & 1 == 1
    _, cpu = stepped("svc #1")
    assert caught(cpu)[1] == 0x15 and cpu["SPSR"] >> 21 & 1 == 0


def test_the_loop_goes_on_translated_when_nothing_is_enabled_any_more():
    """MDSCR_EL1 written back and forth by the guest, in the middle of a run."""
    _, cpu = debugged(
        "msr mdscr_el1, x1; nop; msr mdscr_el1, xzr; mov x2, #100;"
        "loop: subs x2, x2, #1; b.ne loop; hvc #9",
        mdscr=0,
    )
    cpu[1] = KDE | MDE
    put(cpu, bvr(0), RAM + 0x100)
    put(cpu, bcr(0), EXEC | EL1)
    assert cpu.run(1000) == "HVC"
    assert (cpu.exit.value, cpu.insns, cpu.now) == (9, 205, 205)


@pytest.mark.parametrize("left", range(12))
def test_the_budget_is_exact_while_debugging(left):
    """Stops at the same instruction whatever the slices."""
    text = "nop; ldr x0, [x1]; nop; nop; nop; b . - 20"
    _, cpu = debugged(text)
    cpu[1] = DATA
    put(cpu, bvr(0), RAM + 0x100)
    put(cpu, bcr(0), EXEC | EL1)
    assert cpu.run(left) == "BUDGET"
    assert (cpu.now, cpu.insns, cpu["pc"]) == (left, left, RAM + left % 6 * 4)


def test_the_hosts_watchpoint_stops_once_before_the_access():
    mem, cpu = guest("mov x0, #7; str x0, [x1]; ldr x2, [x1]; hvc #9")
    cpu[1] = DATA
    w = ffi.new("struct a64_watchpoint *", (DATA + 4, 1, lib.A64_WATCH_WRITE))
    assert lib.a64_watchpoint(cpu.p, w, True) == 0
    assert cpu.run(100) == "WATCHPOINT"
    assert (cpu.exit.va, cpu["pc"], mem.r64(DATA)) == (DATA + 4, RAM + 4, 0)
    assert cpu.run(100) == "HVC" and (cpu[2], cpu.exit.value) == (7, 9)
    assert lib.a64_watchpoint(cpu.p, w, False) == 0
    assert lib.a64_watchpoint(cpu.p, w, False) == lib.A64_EINVAL


def test_a_walk_outside_memory_is_the_hosts_to_answer():
    """Stage 2 has nothing there: an exit with S1PTW, then KVM's external abort."""
    _, cpu = guest("ldr x0, [x1]; hvc #9", mmu=True)
    cpu["TTBR1"] = 1 << 35
    cpu["TCR"] = cpu["TCR"] & ~(1 << 23)
    cpu[1] = 0xFFFFFFC000000000
    assert cpu.run(100) == "MMIO"
    e = cpu.exit
    assert (e.isv, e.is_walk, e.addr >> 30, e.esr >> 7 & 1) == (0, 1, 1 << 5, 1)
    lib.a64_inject_dabt(cpu.p, e.va)
    assert caught(cpu)[:4] == (4, 0x25, 0x10, 0xFFFFFFC000000000)
