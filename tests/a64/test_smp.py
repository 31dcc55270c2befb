"""Exclusives over several CPUs, events, and coherence of stores with decoded code."""

import random

import pytest
from a64_core import RAM, Cpu, Mem, asm, identity_map, lib

pytestmark = pytest.mark.usefixtures("executor")

LOCK = RAM + 0x2_0000


def cpus(texts, **kw):
    mem = Mem(n_cpus=len(texts), **kw)
    out = []
    for i, text in enumerate(texts):
        cpu = Cpu(mem, mpidr=i)
        mem.write(RAM + 0x1000 * i, asm(text, RAM + 0x1000 * i))
        cpu.reset(RAM + 0x1000 * i)
        identity_map(mem, cpu)
        cpu[1] = LOCK
        out.append(cpu)
    return mem, out


def test_store_exclusive_succeeds_alone():
    _, (a,) = cpus(
        ["ldxr x2,[x1]; add x2,x2,#1; stxr w3,x2,[x1]; stxr w4,x2,[x1]; hvc #0"]
    )
    assert a.run(9) == "HVC" and (a[3], a[4], a.mem.r64(LOCK)) == (0, 1, 1)


@pytest.mark.parametrize(
    "other,want",
    [
        ("str x2,[x1]", 1),
        ("str x2,[x1,#8]", 1),
        ("strb w2,[x1,#63]", 1),
        ("str x2,[x1,#64]", 0),
        ("ldr x2,[x1]", 0),
        ("stp x2,x2,[x1,#-8]", 1),
        ("ldxr x2,[x1]", 0),
        ("stur x2,[x1,#-4]", 1),
        ("ldxr x2,[x1]; stxr w3,x2,[x1]", 1),
        ("dc zva, x1", 1),
        ("stur x2,[x1,#-8]", 0),
    ],
)
def test_another_cpus_store_to_the_granule_clears_the_monitor(other, want):
    """Also with a warm write tag, and also when the stored value is the old one (ABA)."""
    for warm in (0, 1):
        _, (a, b) = cpus(
            [
                "ldxr x2,[x1]; stxr w3,x2,[x1]; hvc #0",
                f"str x9,[x1,#128]; {other}; hvc #0",
            ]
        )
        n = 1
        if warm:
            b.run(1)
            n = 5
        assert a.run(1) == "BUDGET"
        assert b.run(n + 8) == "HVC"
        a.run(9)
        assert a[3] == want, (other, warm)
        assert lib.a64_event_is_set(a.p) == bool(want)


def test_aba_through_a_warm_write_tag_is_caught():
    _, (a, b) = cpus(
        [
            "1: ldxr x2,[x1]; mov x4,#9; stxr w3,x4,[x1]; hvc #0",
            "mov x5,#1; str x5,[x1]; hvc #0; str x5,[x1]; str xzr,[x1]; str x5,[x1]; hvc #1",
        ]
    )
    assert b.run(9) == "HVC"  # b has a write tag, memory holds 1
    assert a.run(2) == "BUDGET"  # a has the reservation and has seen 1
    assert b.run(9) == "HVC"  # 1 -> 1 -> 0 -> 1
    a.run(9)
    assert a[3] == 1 and a.mem.r64(LOCK) == 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_host_store_clears_monitors(n):
    mem, (a, *_) = cpus(["ldxr x2,[x1]; stxr w3,x2,[x1]; hvc #0", "nop"][:n])
    a.run(1)
    mem.w64(LOCK, 0)
    a.run(9)
    assert a[3] == 1


@pytest.mark.parametrize(
    "mid,want", [("clrex", 1), ("nop", 0), ("add x1,x1,#8", 1), ("str x2,[x1]", 0)]
)
def test_local_monitor(mid, want):
    _, (a,) = cpus([f"ldxr x2,[x1]; {mid}; stxr w3,x2,[x1]; hvc #0"])
    a.run(9)
    assert a[3] == want


def test_exception_return_clears_the_local_monitor():
    _, (a,) = cpus(
        [
            "mov x5,#0x3c5; msr spsr_el1,x5; adr x6,1f; msr elr_el1,x6; ldxr x2,[x1]; eret;"
            "1: stxr w3,x2,[x1]; hvc #0"
        ]
    )
    a.run(20)
    assert a[3] == 1


def test_exception_return_sets_the_event_register():
    _, (a,) = cpus(
        [
            "mov x5,#0x3c5; msr spsr_el1,x5; adr x6,1f; msr elr_el1,x6; eret; 1: wfe; hvc #0"
        ]
    )
    assert a.run(20) == "HVC"


INC = (
    "mov x9,#0; 1: ldaxr x2,[x1]; add x2,x2,#1; stlxr w3,x2,[x1]; cbnz w3,1b; add x9,x9,#1; cmp x9,#200;"
    "b.ne 1b; hvc #0"
)


@pytest.mark.parametrize("seed", range(5))
def test_atomic_increments_are_never_lost_under_any_slicing(seed):
    rng = random.Random(seed)
    n = rng.choice([2, 3, 5])
    mem, group = cpus([INC] * n)
    alive = list(group)
    while alive:
        cpu = rng.choice(alive)
        if cpu.run(rng.randint(1, 9)) == "HVC":
            alive.remove(cpu)
    assert mem.r64(LOCK) == 200 * n


def test_wfe_and_sev():
    _, (a, b) = cpus(["wfe; wfe; hvc #0", "sev; sevl; wfe; wfe; hvc #0"])
    assert a.run(9) == "WFE"
    assert (
        b.run(9) == "WFE" and b.now == 4
    )  # sev set its own event, sevl again: one wfe passes
    assert lib.a64_event_is_set(a.p)
    assert a.run(9) == "HVC"


def test_a_spin_lock_waiter_is_woken_by_the_release():
    """ldaxr; cbz; wfe: the plain store of the owner clears the monitor, which is a WFE event."""
    _, (a, b) = cpus(
        ["sevl; 1: wfe; ldaxr w2,[x1]; cbnz w2,1b; hvc #0", "str wzr,[x1]; hvc #0"]
    )
    a.mem.w64(LOCK, 1)
    assert a.run(20) == "WFE" and not lib.a64_event_is_set(a.p)
    assert b.run(9) == "HVC" and lib.a64_event_is_set(a.p)
    assert a.run(9) == "HVC"


# --- self-modifying code -----------------------------------------------------------------------
def test_code_patched_in_its_own_page_runs_patched():
    _, (a,) = cpus(
        [
            "adr x2,2f; ldr w3,3f; mov x0,#0; 1: bl 2f; str w3,[x2]; ic ivau,x2; dsb ish; isb; bl 2f; hvc #0;"
            "2: add x0,x0,#1; ret; 3: add x0,x0,#100"
        ]
    )
    assert a.run(99) == "HVC" and a[0] == 101


def test_the_very_next_instruction_can_be_patched():
    _, (a,) = cpus(
        [
            "adr x2,1f; ldr w3,3f; mov x0,#0; bl 2f; str w3,[x2]; 1: add x0,x0,#1; hvc #0;"
            "2: ret; 3: add x0,x0,#100"
        ]
    )
    assert a.run(99) == "HVC" and a[0] == 100


def test_another_cpu_patches_code_that_is_decoded():
    _mem, (a, b) = cpus(
        [
            "mov x0,#0; 1: add x0,x0,#1; b 1b",
            "ldr w3,3f; str w3,[x2]; hvc #0; 3: hvc #5",
        ]
    )
    b[2] = RAM + 4
    assert a.run(21) == "BUDGET"
    assert b.run(9) == "HVC"
    assert a.run(9) == "HVC" and a.exit.value == 5


def test_host_writes_and_pool_eviction_reach_decoded_code():
    """Five code pages through a pool of four, patched by the host between rounds."""
    mem = Mem(code_pages=4)
    cpu = Cpu(mem)
    text = "add x0,x0,#1; br x30"
    for i in range(5):
        mem.write(RAM + 0x1000 * (i + 1), asm(text))
    mem.write(
        RAM,
        asm(
            "mov x0,#0; mov x5,#20; 1: mov x1,#0x1000; mov x2,#5; mov x3,#0x40000000; add x3,x3,x1;"
            "2: blr x3; add x3,x3,x1; subs x2,x2,#1; b.ne 2b; subs x5,x5,#1; b.ne 1b; hvc #0",
            RAM,
        ),
    )
    cpu.reset(RAM)
    assert cpu.run(10_000) == "HVC" and cpu[0] == 100
    mem.write(RAM + 0x3000, asm("add x0,x0,#2; br x30"))
    cpu.reset(RAM)
    assert cpu.run(10_000) == "HVC" and cpu[0] == 120


def test_data_beside_code_does_not_invalidate_it():
    _, (a,) = cpus(
        [
            "adr x2,3f; mov x3,#100; 1: str x3,[x2]; subs x3,x3,#1; b.ne 1b; hvc #0; .balign 64; 3: .quad 0"
        ]
    )
    assert a.run(999) == "HVC" and a.stats()["code_invalidations"] == 0
