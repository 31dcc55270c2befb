"""Translated code against the interpreter: random machines in lockstep, state by state."""

import os
import random
import resource
import subprocess
import sys

import pytest
from a64_core import N_COSTS, RAM, Cpu, Mem, asm, enc, ffi, identity_map, lib, machine
from fuzzgen import alu, exclusive, memory

CODE, CODE_BYTES, VECTORS = RAM + 0x4000, 0x4000, RAM + 0x8000
DATA, STACK = RAM + 0x2_0000, RAM + 0x4_0000
WINDOW = 0x4000_0000  # + RAM: the same memory as EL0 sees it
WATCHED = ["ESR", "FAR", "ELR", "SPSR", "PAR", "SP_EL0", "TPIDR_EL0", "TPIDR_EL1"]

if not lib.a64_mem_has_jit(Mem().p):
    pytest.skip("no code generator on this host", allow_module_level=True)

# Every exception skips an instruction: the one that faulted, or the one after a call.
HANDLER = "msr tpidr_el1,x9; mrs x9,elr_el1; add x9,x9,#4; msr elr_el1,x9; mrs x9,tpidr_el1; eret"
# Moves of system registers, calls, hints, barriers, maintenance; x25 points into the
# code, x24 is an instruction: what is stored there runs.
SYSTEM = [
    asm(text)
    for text in (
        *("mrs x3,cntvct_el0", "mrs x4,tpidr_el1", "msr tpidr_el0,x5", "mrs x6,nzcv"),
        *("msr nzcv,x7", "mrs x5,currentel", "mrs x19,sp_el0", "msr daifset,#2"),
        *("msr daifclr,#2", "msr daif,x3", "mrs x2,daif", "mrs x1,midr_el1", "svc #3"),
        *("hvc #1", "brk #5", "wfi", "wfe", "sevl", "yield", "isb", "dsb sy", "clrex"),
        *(
            "tlbi vmalle1",
            "tlbi vaae1,x28",
            "at s1e1r,x28",
            "dc civac,x28",
            "dc zva,x28",
        ),
        *("str w24,[x25]", "str w24,[x25,#64]", "stur w24,[x25,#-8]", "ic ivau,x25"),
        *("msr spsel,#1", "ldp x1,x2,[x25]", "ldur x0,[x28,#-3]", "stur x0,[x28,#-5]"),
        *("eret", "adr x25,.-40", "adr x30,.-96", "adrp x22,.", "br x30", "blr x30"),
        *("ldr x5,.-64", "ldr w6,.+64", "ldrsw x7,.-32", "stp x0,x1,[x28,#-504]!"),
    )
]
N_SLOTS = CODE_BYTES // 4
SPECIAL = [0, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 32) - 1]


def anywhere(rng, at):
    """A branch to a random slot of the code, mostly close."""
    target = rng.randrange(N_SLOTS) if rng.random() < 0.1 else at + rng.randint(-30, 40)
    n = target % N_SLOTS - at
    kind = rng.randrange(6)
    if kind == 0:
        return 0x54000000 | (n & 0x7FFFF) << 5 | rng.randrange(16)
    if kind == 1:
        return rng.choice([0x34, 0x35, 0xB4, 0xB5]) << 24 | (n & 0x7FFFF) << 5 | 19
    if kind == 2:
        bit = rng.randrange(64)
        top = 0x36000000 | (bit >> 5) << 31 | rng.randrange(2) << 24
        return top | (bit & 31) << 19 | (n & 0x3FFF) << 5 | rng.randrange(31)
    if kind == 3:
        return 0x94000000 | n & 0x3FFFFFF
    if kind == 4:
        return 0xD65F03C0  # ret
    return 0x14000000 | n & 0x3FFFFFF


def program(rng):
    words = []
    while len(words) < N_SLOTS:
        r = rng.random()
        if r < 0.5:
            words.append(alu(rng))
        elif r < 0.75:
            words.extend(memory(rng))
        elif r < 0.80:
            words.extend(exclusive(rng))
        elif r < 0.88:
            words.append(anywhere(rng, len(words)))
        elif r < 0.885:
            words.append(rng.getrandbits(32))
        else:
            words.append(int.from_bytes(rng.choice(SYSTEM), "little"))
    return b"".join(w.to_bytes(4, "little") for w in words[:N_SLOTS])


class Twin:
    """The same machine, translated and interpreted."""

    def __init__(self, rng, n_cpus):
        self.rng = rng
        costs = [
            rng.randint(1, 63 if i <= lib.A64_COST_LAST_PLAIN else 255)
            for i in range(N_COSTS)
        ]
        unit, eager, pan = rng.random() < 0.6, rng.random() < 0.6, rng.random() < 0.5
        pool, stop_on = rng.choice([0, 4]), [rng.choice([0, 15]) for _ in range(n_cpus)]
        self.mems = [
            Mem(
                regions=((RAM, 1 << 20, False), (0x1000_0000, 0x1000, True)),
                n_cpus=n_cpus,
                costs=None if unit else costs,
                eager=eager,
                pan=pan,
                code_pages=pool,
                jit=jit,
            )
            for jit in (True, False)
        ]
        self.code, blob = program(rng), rng.randbytes(0x1_0000)
        table = RAM + 0x8_0000
        for mem in self.mems:
            mem.write(CODE, self.code)
            mem.write(DATA, blob)
            for n in range(16):
                mem.write(VECTORS + 0x80 * n, asm(HANDLER))
            for n in range(n_cpus):
                cpu = Cpu(mem, mpidr=n)
                cpu.reset(CODE)
                identity_map(mem, cpu)
                cpu["VBAR"], cpu["CNTKCTL"] = VECTORS, 3
                clock = {"num": 3, "den": 7, "cntfrq_hz": 1000, "cntvoff_ticks": 5}
                lib.a64_set_clock(cpu.p, ffi.new("struct a64_clock *", clock))
                lib.a64_set_stop_on(cpu.p, stop_on[n])
            mem.w64(table + 16, RAM | 1 | 1 << 10 | 3 << 8 | 1 << 6)
        for pair in self.pairs():
            self.scramble(pair)
            if rng.random() < 0.4:  # alignment is checked
                for cpu in pair:
                    cpu["SCTLR"] |= 2

    def pairs(self):
        return list(zip(*(mem.cpus for mem in self.mems), strict=True))

    def scramble(self, pair):
        """New registers, a new place, EL0 or EL1: the same for both."""
        rng = self.rng
        el0 = rng.random() < 0.3
        shift = WINDOW if el0 else 0
        regs = [rng.getrandbits(rng.choice([1, 8, 32, 64])) for _ in range(31)]
        for n in rng.sample(range(20), 6):
            regs[n] = rng.choice(SPECIAL)
        regs[26] = rng.choice([0, 1, 8, 64, -8]) & (1 << 64) - 1
        regs[27] = rng.getrandbits(8) | rng.getrandbits(32) << 32
        regs[28] = DATA + shift + 0x8000 + rng.randrange(64) * 16
        regs[30] = CODE + shift + 4 * rng.randrange(N_SLOTS)
        regs[25] = CODE + shift + 4 * rng.randrange(2, N_SLOTS)
        regs[24] = alu(rng)
        pc = CODE + shift + 4 * rng.randrange(N_SLOTS)
        daif = rng.choice([0, 0x80, 0x3C0])
        pstate = rng.getrandbits(4) << 28 | daif | (0 if el0 else 5)
        sp = STACK + shift + 16 * rng.randrange(256) + rng.choice([0, 0, 0, 8])
        for cpu in pair:
            cpu["pstate"], cpu["pc"], cpu["sp"] = pstate, pc, sp
            for n, value in enumerate(regs):
                cpu[n] = value

    def slice(self, pair):
        """One run of both; the host's answer to its stop."""
        rng = self.rng
        budget = rng.choice([1, 2, 7, 30, 30, 200, 1000, 20_000])
        irq = rng.random() < 0.1
        value, complete = rng.getrandbits(64), rng.random() < 0.9
        stops = []
        for cpu in pair:
            lib.a64_set_irq(cpu.p, irq, False)
            stop = cpu.run(budget)
            stops.append((stop, bytes(ffi.buffer(cpu.exit))))
            if stop == "MMIO" and (
                not complete or lib.a64_mmio_complete(cpu.p, value) != 0
            ):
                lib.a64_inject_dabt(cpu.p, cpu.exit.va)
            if stop == "BRK":
                cpu["pc"] += 4
        assert stops[0] == stops[1]

    def check(self, pair):
        a, b = ([*map(cpu.__getitem__, WATCHED)] for cpu in pair)
        assert a == b
        for what in ["pc", "pstate", "sp", *range(31)]:
            assert pair[0][what] == pair[1][what], what
        assert (pair[0].now, pair[0].insns) == (pair[1].now, pair[1].insns)


def lockstep(seed, n_cpus, slices):
    twin = Twin(random.Random(seed), n_cpus)
    pairs = twin.pairs()
    for n in range(slices):
        pair = twin.rng.choice(pairs)
        if twin.rng.random() < 0.05:
            twin.scramble(pair)
        twin.slice(pair)
        try:
            twin.check(pair)
        except AssertionError as error:
            error.add_note(f"seed {seed}, {n_cpus} CPUs, slice {n}")
            raise
        if n % 50 == 49:
            assert twin.mems[0].save() == twin.mems[1].save()
            # what lives between the block's end and the registers is saved alike
    translated = sum(pair[0].stats()["blocks_translated"] for pair in pairs)
    assert all(pair[1].stats()["blocks_translated"] == 0 for pair in pairs)
    insns = sum(pair[0].insns for pair in pairs)
    for mem in twin.mems:
        mem.close()
    return translated, insns


@pytest.mark.parametrize("part", range(4))
def test_random_machines_run_alike(part):
    """One and three CPUs, unit and random costs, faults, traps, patched code, slices.
    A64_JIT_SEEDS scales it."""
    n_seeds = int(os.environ.get("A64_JIT_SEEDS", "12"))
    total = [0, 0]
    for seed in range(part * 1_000_000, part * 1_000_000 + n_seeds):
        got = lockstep(seed, 1 + 2 * (seed % 2), 150)
        total = [x + y for x, y in zip(total, got, strict=True)]
    assert total[0] > 100 * n_seeds and total[1] > 10_000 * n_seeds


def test_translations_are_dropped_when_their_memory_is_full():
    """16 MiB of code: a loop that patches itself is translated anew each time."""
    text = (
        "mov x0,#0; movz x5,#:abs_g1_nc:0x40000; mov x5,#0x8000; adr x2,2f; ldr w3,2f;"
        "1: str w3,[x2]; 2: add x0,x0,#1;"
    )
    text += "add x1,x1,x0; ldr x6,[x2]; eor x1,x1,x6;" * 60
    text += "subs x5,x5,#1; b.ne 1b; hvc #0"
    text = text.replace("movz x5,#:abs_g1_nc:0x40000; ", "")
    _, ref = machine(text, mmu=True, jit=False)
    _, cpu = machine(text, mmu=True, jit=True)
    assert ref.run(1 << 40) == cpu.run(1 << 40) == "HVC"
    assert cpu.stats()["code_invalidations"] == 0x8000
    assert (cpu[0], cpu[1], cpu.now) == (ref[0], ref[1], ref.now)


def test_breakpoints_are_the_interpreters():
    _, cpu = machine("1: add x0,x0,#1; nop; b 1b")
    assert cpu.run(300) == "BUDGET" and cpu.stats()["blocks_translated"] > 0
    assert lib.a64_breakpoint(cpu.p, RAM + 4, True) == 0
    assert cpu.run(100) == "BREAKPOINT" and cpu["pc"] == RAM + 4 and cpu[0] == 101
    assert lib.a64_breakpoint(cpu.p, RAM + 4, False) == 0
    assert cpu.run(300) == "BUDGET"


def test_snapshots_of_both_executors_are_the_same_bytes():
    text = "mov x0,#9; 1: subs x0,x0,#2; ccmp x0,#3,#5,ne; b.ne 1b; hvc #0"
    records = []
    for jit in (True, False):
        _, cpu = machine(text, mmu=True, jit=jit)
        assert cpu.run(6) == "BUDGET"
        records.append(cpu.save())
    assert records[0] == records[1]


def test_a_host_that_gives_no_executable_memory_interprets():
    """No file, no second mapping: the memory is made, and says so."""
    script = (
        "import a64_core as a\n"
        "import resource as r\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (3, 3))\n"
        "m = a.Mem()\n"
        "assert not a.lib.a64_mem_has_jit(m.p)\n"
        "c = a.Cpu(m)\n"
        "m.write(a.RAM, bytes.fromhex('00040091') * 5)\n"
        "c.reset(a.RAM)\n"
        "assert c.run(5) == 'BUDGET' and c[0] == 5\n"
    )
    assert resource.RLIMIT_NOFILE is not None
    subprocess.run(
        [sys.executable, "-c", script], cwd=os.path.dirname(__file__), check=True
    )


def test_the_switch_of_the_configuration():
    assert not lib.a64_mem_has_jit(Mem(jit=False).p)
    assert enc(3, 3, 14, 0, 2)


CALLS = (
    "mov x19,#40; 1: mov x0,x19; mov x5,x19; hvc #0; add x20,x20,x0; ldr x2,[x28]; tbz x19,#2,2f;"
    "hvc #1; 2: subs x19,x19,#1; b.ne 1b; brk #0"
)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("slice_cyc", [3, 50, 100_000])
def test_calls_answered_inside_are_those_answered_at_a_stop(unit, slice_cyc):
    """Host time, answer and the end of the run as if the processor had stopped; one call
    in five does stop."""
    costs = None if unit else [1 + n % 7 for n in range(N_COSTS)]
    host_cyc, ends = 37, []
    for jit in (True, False):
        _, cpu = machine(CALLS, mmu=True, costs=costs, jit=jit)
        cpu[28] = RAM + 0x2_0000
        regs, state = lib.a64_regs(cpu.p), {"until": 0, "inside": 0}

        @ffi.callback("a64_call_fn")
        def on_call(_context, now_cyc, regs=regs, state=state):
            out = ffi.new("struct a64_called *")[0]
            if regs[0] % 5 != 0:
                regs[0] = regs[0] * 3 + regs[5]
                state["inside"] += 1
                out.now_cyc = now_cyc + host_cyc
                out.until_cyc = state["until"]
            return out

        lib.a64_set_call(cpu.p, on_call, ffi.NULL)
        lib.a64_set_stop_on(cpu.p, lib.A64_ON_BRK)
        end, stop = 0, ""
        while stop != "BRK":
            if cpu.now >= end:
                end = cpu.now + slice_cyc
            state["until"] = end
            stop = cpu.run(end - cpu.now)
            if stop == "HVC" and cpu[0] % 5 != 0:
                cpu[0] = cpu[0] * 3 + cpu[5]
                lib.a64_set_now(cpu.p, cpu.now + host_cyc)
        assert (state["inside"] > 20) == jit or slice_cyc == 3
        ends.append([cpu[n] for n in range(31)] + [cpu.now, cpu.insns, cpu["pc"]])
    assert ends[0] == ends[1]


def test_calls_of_el0_are_undefined_whoever_listens():
    _, cpu = machine("hvc #0", mmu=True, jit=True)

    @ffi.callback("a64_call_fn")
    def on_call(_context, _now):
        raise AssertionError("asked")

    lib.a64_set_call(cpu.p, on_call, ffi.NULL)
    cpu["pstate"], cpu["VBAR"], cpu["pc"] = 0x3C0, VECTORS, RAM
    assert cpu.run(1) == "BUDGET" and cpu["ESR"] >> 26 in (0, 0x20)


@pytest.mark.parametrize("jit", [True, False])
def test_divisions_that_trap_on_the_host(jit):
    """By zero it is 0; the least number by -1 wraps."""
    _, cpu = machine(
        "sdiv x0,x1,x2; sdiv w3,w4,w2; udiv x5,x1,xzr; sdiv x6,x1,xzr; hvc #0", jit=jit
    )
    cpu[1], cpu[2], cpu[4], cpu[5], cpu[6] = 1 << 63, (1 << 64) - 1, 1 << 31, 1, 1
    assert cpu.run(9) == "HVC"
    assert (cpu[0], cpu[3], cpu[5], cpu[6]) == (1 << 63, 1 << 31, 0, 0)
