"""The run contract: budgets, costs, time, stage 2, breakpoints, snapshots."""

import random

import pytest
from a64_core import (
    MASK,
    N_COSTS,
    RAM,
    Cpu,
    Mem,
    asm,
    ffi,
    identity_map,
    lib,
    machine,
)

pytestmark = pytest.mark.usefixtures("executor")

PROGRAM = (
    "mov x0,#40; ldr x1,=0x40020000; mov x2,#0; 1: ldr x3,[x1],#8; add x2,x2,x3; eor x4,x2,x0,lsl #3; str x4,[x1];"
    "udiv x5,x4,x0; mul x6,x5,x0; tbz x6,#2,2f; bl 3f; 2: subs x0,x0,#1; b.ne 1b; mrs x7,cntvct_el0; hvc #0;"
    "3: stp x2,x6,[sp,#-16]!; ldxr x8,[sp]; stxr w9,x6,[sp]; ldp x10,x11,[sp],#16; ret; .ltorg"
)


def make(costs=None, eager=True):
    mem, cpu = machine(PROGRAM, mmu=True, costs=costs, eager=eager)
    cpu["sp"] = RAM + 0x3_0000
    clock = ffi.new(
        "struct a64_clock *",
        {"num": 3, "den": 7, "cntfrq_hz": 1000, "cntvoff_ticks": 5},
    )
    assert lib.a64_set_clock(cpu.p, clock) == 0
    return mem, cpu


def state(cpu):
    return [cpu[i] for i in range(31)] + [
        cpu["sp"],
        cpu["pc"],
        cpu["pstate"],
        cpu.now,
        cpu.insns,
    ]


def cost_table(seed):
    rng = random.Random(seed)
    return [
        rng.randint(1, 63 if i <= lib.A64_COST_LAST_PLAIN else 255)
        for i in range(N_COSTS)
    ]


def test_every_budget_stops_at_exactly_that_cycle():
    _, ref = make()
    total = 0
    while ref.run(1) == "BUDGET":
        total += 1
        _, cpu = make()
        if total % 7 == 1:
            assert cpu.run(total) == "BUDGET" and cpu.now == total
            assert state(cpu) == state(ref)
    assert total > 300 and ref.now == total + 1 == ref.insns


@pytest.mark.parametrize("seed", range(4))
def test_slicing_never_changes_the_run_and_overshoot_is_below_one_instruction(seed):
    """With costs: run to absolute cycles; an instruction starts iff a cycle is left."""
    costs = cost_table(seed)
    _, whole = make(costs)
    assert whole.run(1 << 30) == "HVC"
    rng = random.Random(seed)
    _, cpu = make(costs)
    horizon = 0
    while True:
        horizon += rng.choice([1, 2, 5, 17, 60, 300])
        if horizon <= cpu.now:
            continue
        stop = cpu.run(horizon - cpu.now)
        if stop == "HVC":
            break
        assert horizon <= cpu.now < horizon + 255
    assert state(cpu) == state(whole)


def test_costs_add_up_by_class():
    costs = [1] * N_COSTS
    costs[lib.A64_COST_ALU], costs[lib.A64_COST_LOAD], costs[lib.A64_COST_BRANCH] = (
        2,
        11,
        31,
    )
    costs[lib.A64_COST_MUL], costs[lib.A64_COST_EXCEPTION] = 5, 101
    _, cpu = machine(
        "add x0,x0,#1; mul x0,x0,x0; b 1f; 1: ldr x0,2f; hvc #0; 2: .quad 0",
        mmu=True,
        costs=costs,
    )
    assert cpu.run(1000) == "HVC" and cpu.now == 2 + 5 + 31 + 11 + 101


def test_a_plain_class_may_not_cost_more_than_a_block_can_hold():
    c = ffi.new("struct a64_mem_config *", {"n_regions": 1})
    c.region[0].base, c.region[0].size = RAM, 4096
    c.cost[lib.A64_COST_ALU] = 64
    assert lib.a64_mem_create(c) == ffi.NULL


def test_the_longest_block_of_the_dearest_instructions_is_charged_exactly():
    costs = [63 if i <= lib.A64_COST_LAST_PLAIN else 255 for i in range(N_COSTS)]
    mem = Mem(costs=costs)
    cpu = Cpu(mem)
    mem.write(RAM, asm("nop") * 1023 + asm("hvc #0"))
    cpu.reset(RAM)
    assert cpu.run(1 << 20) == "HVC" and cpu.now == 63 * 1023 + 255


def test_code_runs_across_a_page_end():
    mem = Mem()
    cpu = Cpu(mem)
    mem.write(RAM, asm("add x0,x0,#1") * 3000 + asm("hvc #0"))
    cpu.reset(RAM)
    assert cpu.run(1500) == "BUDGET" and cpu[0] == 1500 and cpu["pc"] == RAM + 6000
    assert cpu.run(9999) == "HVC" and cpu[0] == 3000 and cpu.insns == 3001


@pytest.mark.parametrize(
    "num,den",
    [
        (1, 1),
        (1, 16),
        (3, 7),
        (19200000, 1900000000),
        (2**32 - 1, 2**32 - 1),
        (2**32 - 1, 1),
        (1, 2**32 - 1),
        (62500000, 1000000007),
    ],
)
def test_counter_is_the_exact_ratio_everywhere(num, den):
    cpu = Cpu(Mem())
    clock = ffi.new(
        "struct a64_clock *",
        {"num": num, "den": den, "cntfrq_hz": 1, "cntvoff_ticks": 1000},
    )
    assert lib.a64_set_clock(cpu.p, clock) == 0
    rng = random.Random(num ^ den)
    now = 0
    for _ in range(400):
        now = rng.choice(
            [
                now + rng.getrandbits(rng.randint(1, 40)),
                rng.getrandbits(rng.randint(1, 63)),
            ]
        )
        lib.a64_set_now(cpu.p, now)
        assert lib.a64_count_ticks(cpu.p, lib.A64_TIMER_PHYS) == now * num // den & MASK
        assert (
            lib.a64_count_ticks(cpu.p, lib.A64_TIMER_VIRT)
            == now * num // den - 1000 & MASK
        )


def test_cntvct_is_read_at_the_instruction_that_reads_it():
    _, cpu = machine(
        "1: mrs x0,cntvct_el0; mrs x1,cntvct_el0; nop; isb; mrs x2,cntvct_el0; hvc #0"
    )
    lib.a64_set_now(cpu.p, 1000)
    assert cpu.run(50) == "HVC" and (cpu[0], cpu[1], cpu[2]) == (1000, 1001, 1004)


def test_timer_registers():
    """CVAL, TVAL as signed 32 bits, ISTATUS derived, each write a stop of its own."""
    _, cpu = machine(
        "mov x0,#100; msr cntv_tval_el0,x0; mov x1,#1; msr cntv_ctl_el0,x1; mrs x2,cntv_ctl_el0;"
        "mrs x3,cntv_tval_el0; mrs x4,cntv_cval_el0; movn x5,#9; msr cntv_tval_el0,x5; mrs x6,cntv_ctl_el0;"
        "mrs x8,cntv_tval_el0; msr cntp_cval_el0,x0; hvc #0"
    )
    lib.a64_set_now(cpu.p, 5000)
    stops = []
    while (s := cpu.run(100)) == "TIMER_WRITE":
        stops.append(cpu.exit.rt)
    assert s == "HVC" and stops == [0, 0, 0, 1]
    assert (cpu[2], cpu[4]) == (1, 5101) and cpu[3] == 5101 - 5005
    assert cpu[6] == 5 and cpu[8] == (5008 - 10 - 5010) & 0xFFFFFFFF


def test_wfi_completes_at_once_with_a_line_up():
    _, cpu = machine("wfi; hvc #0")
    assert cpu.run(9) == "WFI" and cpu["pc"] == RAM + 4 and cpu.now == 1
    cpu.reset(RAM)
    lib.a64_set_irq(cpu.p, True, False)
    assert cpu.run(9) == "HVC"


def test_first_touches_stop_as_stage_2_faults_and_retry():
    mem = Mem(eager=False)
    cpu = Cpu(mem)
    mem.write(RAM, asm("ldr x0,[x1]; str x0,[x2]; br x3", RAM))
    cpu.reset(RAM)
    cpu[1], cpu[2], cpu[3] = RAM + 0x1000, RAM + 0x2008, RAM + 0x3000
    seen = []
    for _ in range(4):
        if cpu.run(3) == "STAGE2":
            seen.append((cpu.exit.addr, cpu.exit.is_write, cpu.exit.is_fetch))
    assert seen == [(RAM + 0x1000, 0, 0), (RAM + 0x2008, 1, 0), (RAM + 0x3000, 0, 1)]
    assert lib.a64_mem_set_present(mem.p, RAM + 0x3000, 0x1000, False) == 0
    cpu["pc"] = RAM + 0x3000
    assert cpu.run(1) == "STAGE2"


def test_table_walks_fault_in_too():
    mem = Mem(eager=False)
    cpu = Cpu(mem)
    mem.write(RAM, asm("ldr x0,[x1]"))
    cpu.reset(RAM)
    identity_map(mem, cpu)
    assert lib.a64_mem_set_present(mem.p, RAM + 0x8_0000, 0x1000, False) == 0
    assert cpu.run(1) == "STAGE2" and (cpu.exit.is_walk, cpu.exit.is_fetch) == (1, 1)
    assert cpu.run(1) == "BUDGET" or True


def test_breakpoints_stop_before_and_step_over():
    _, cpu = machine("mov x0,#0; 1: add x0,x0,#1; nop; b 1b")
    assert lib.a64_breakpoint(cpu.p, RAM + 8, True) == 0
    for n in range(1, 4):
        assert cpu.run(100) == "BREAKPOINT" and cpu["pc"] == RAM + 8 and cpu[0] == n
    assert lib.a64_breakpoint(cpu.p, RAM + 8, False) == 0
    assert cpu.run(100) == "BUDGET"


@pytest.mark.parametrize("k", [1, 5, 37, 150, 290])
def test_snapshot_law_run_n_plus_k_is_run_n_save_restore_run_k(k):
    mem, cpu = make()
    assert cpu.run(60) == "BUDGET"
    image, record = mem.save(), cpu.save()
    cpu.run(k)
    want, wantmem = state(cpu), mem.save()
    mem2, cpu2 = make()
    cpu2.run(123)  # something else has happened there
    mem2.load(image)
    cpu2.load(record)
    cpu2.run(k)
    assert state(cpu2) == want and mem2.save() == wantmem
    mem.load(image)
    cpu.load(record)
    cpu.run(k)
    assert state(cpu) == want


def test_snapshots_keep_reservations_and_stale_tlb_entries():
    _mem, cpu = machine("ldxr x2,[x1]; stxr w3,x2,[x1]; hvc #0", mmu=True)
    cpu[1] = RAM + 0x2_0000
    cpu.run(1)
    record = cpu.save()
    cpu.run(5)
    cpu.load(record)
    cpu.run(5)
    assert cpu[3] == 0
    assert (
        lib.a64_cpu_load(cpu.p, b"x" * lib.a64_cpu_save_size(), lib.a64_cpu_save_size())
        == -4
    )


@pytest.mark.parametrize(
    "regions",
    [
        ((RAM + 1, 4096, False),),
        ((RAM, 100, False),),
        (),
        ((RAM, 8192, False), (RAM + 4096, 4096, False)),
        ((0, 0, False),),
    ],
)
def test_bad_memory_maps_are_refused(regions):
    c = ffi.new("struct a64_mem_config *", {"n_regions": len(regions)})
    for i, (b, s, r) in enumerate(regions):
        c.region[i].base, c.region[i].size, c.region[i].rom = b, s, r
    assert lib.a64_mem_create(c) == ffi.NULL


def test_virtual_memory_access_for_the_host():
    mem, cpu = machine("nop", mmu=True)
    buf = ffi.new("uint8_t[]", 5000)
    assert lib.a64_virt_write(cpu.p, RAM + 0x3_0F00, b"q" * 5000, 5000) == 0
    assert (
        lib.a64_virt_read(cpu.p, RAM + 0x3_0F00, buf, 5000) == 0
        and bytes(buf) == b"q" * 5000
    )
    assert lib.a64_virt_read(cpu.p, 0x70_0000_0000, buf, 1) == -2
    assert lib.a64_mem_write(mem.p, RAM + (1 << 20) - 1, b"ab", 2) == -2


def test_yield_stops_only_when_asked():
    _, cpu = machine("yield; sev; hvc #0")
    lib.a64_set_stop_on(cpu.p, lib.A64_ON_YIELD | lib.A64_ON_SEV | lib.A64_ON_BRK)
    assert (cpu.run(9), cpu.run(9), cpu.run(9)) == ("YIELD", "EVENT", "HVC")
