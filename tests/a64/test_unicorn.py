"""Random instruction sequences against Unicorn (an oracle for tests only, never shipped)."""

import os
import random

import pytest

unicorn = pytest.importorskip("unicorn")
from a64_core import RAM, Cpu, Mem, identity_map  # noqa: E402
from fuzzgen import sequence  # noqa: E402
from unicorn import UC_ARCH_ARM64, UC_MODE_ARM, Uc  # noqa: E402
from unicorn import arm64_const as U  # noqa: E402

# Data is the same RAM seen through a second window that EL0 may use too (LDTR, STTR).
WINDOW = 0x8000_0000
CODE, DATA, STACK = RAM + 0x1000, WINDOW + 0x2_0000, WINDOW + 0x4_0000
DATA_PA = RAM + 0x2_0000
SCRATCH = 0x3_0000
LEN = 40
XREGS = [U.UC_ARM64_REG_X0 + i for i in range(29)] + [
    U.UC_ARM64_REG_X29,
    U.UC_ARM64_REG_X30,
]


class Pair:
    """A CPU and Unicorn. budgets: how long the CPU's runs are."""

    def __init__(self, jit, budgets):
        self.budgets = budgets
        self.mem = Mem(jit=jit)
        self.cpu = Cpu(self.mem)
        identity_map(self.mem, self.cpu)
        self.mem.w64(RAM + 0x8_0010, RAM | 1 | 1 << 10 | 3 << 8 | 1 << 6)
        self.uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(U.UC_CPU_ARM64_MAX)
        self.uc.mem_map(RAM, 1 << 16)
        self.uc.mem_map(WINDOW, 1 << 20)

    def set_state(self, rng, words):
        code = b"".join(w.to_bytes(4, "little") for w in [*words, 0xD4000002])
        blob = rng.randbytes(SCRATCH)
        special = [
            0,
            1,
            (1 << 64) - 1,
            1 << 63,
            (1 << 63) - 1,
            1 << 31,
            (1 << 31) - 1,
            0xFFFFFFFF,
        ]
        regs = [
            rng.choice(special) if rng.random() < 0.25 else rng.getrandbits(64)
            for _ in range(31)
        ]
        regs[26] = rng.choice([0, 1, 8, 64, 255, -8, -64]) & (1 << 64) - 1
        regs[27] = rng.getrandbits(8) | rng.getrandbits(32) << 32
        regs[28] = DATA + 0x8000 + rng.randrange(64) * 16
        sp = STACK + 16 * rng.randrange(256)
        nzcv = rng.getrandbits(4) << 28
        self.mem.write(CODE, code)
        self.mem.write(DATA_PA, blob)
        self.uc.mem_write(CODE, code)
        self.uc.ctl_remove_cache(CODE, CODE + 0x1000)
        self.uc.mem_write(DATA, blob)
        for i, v in enumerate(regs):
            self.cpu[i] = v
            self.uc.reg_write(XREGS[i], v)
        self.cpu["sp"] = sp
        self.uc.reg_write(U.UC_ARM64_REG_SP, sp)
        self.cpu["pstate"] = 0x3C5 | nzcv
        self.uc.reg_write(U.UC_ARM64_REG_NZCV, nzcv)
        self.cpu["pc"] = CODE

    def run(self, end, count=0):
        self.uc.emu_start(CODE, end, count=count)
        if count:
            return self.cpu.run(count)
        while True:  # an HVC follows the sequence; odd budgets stop anywhere
            stop = self.cpu.run(self.budgets)
            if stop == "HVC" and self.cpu["pc"] == end + 4:
                return "BUDGET"
            if stop != "BUDGET" or self.cpu.stats()["exceptions"] != 0:
                return stop

    def difference(self):
        out = []
        for i in range(31):
            a, b = self.cpu[i], self.uc.reg_read(XREGS[i])
            if a != b:
                out.append((f"x{i}", hex(a), hex(b)))
        if self.cpu["sp"] != self.uc.reg_read(U.UC_ARM64_REG_SP):
            out.append(
                ("sp", hex(self.cpu["sp"]), hex(self.uc.reg_read(U.UC_ARM64_REG_SP)))
            )
        a, b = self.cpu["pstate"] >> 28, self.uc.reg_read(U.UC_ARM64_REG_NZCV) >> 28
        if a != b:
            out.append(("nzcv", bin(a), bin(b)))
        if self.mem.read(DATA_PA, SCRATCH) != bytes(self.uc.mem_read(DATA, SCRATCH)):
            out.append(("memory",))
        return out


def one(pair, seed):
    rng = random.Random(seed)
    words = sequence(rng, LEN)
    state = rng.getstate()
    pair.set_state(rng, words)
    end = CODE + 4 * len(words)
    stop = pair.run(end)
    diff = pair.difference() if stop == "BUDGET" else [(stop, hex(pair.cpu["ESR"]))]
    if not diff:
        return len(words)
    for n in range(1, len(words) + 1):  # the first instruction that differs
        rng.setstate(state)
        pair.set_state(rng, words)
        pair.run(end, count=n)
        d = pair.difference()
        if d:
            pc = pair.cpu["pc"]
            raise AssertionError(
                f"seed {seed}: step {n}, pc now {pc:#x}, {d[:4]}; words "
                + " ".join(f"{w:08x}" for w in words[: n + 2])
            )
    raise AssertionError(f"seed {seed}: {diff[:4]} (not reproduced by stepping)")


@pytest.mark.parametrize(
    ("part", "jit", "budgets"),
    [(n, n % 2 == 1, 13) for n in range(4)] + [(n, True, 9999) for n in range(4, 8)],
)
def test_random_sequences_agree_with_unicorn(part, jit, budgets):
    """>= 200,000 instructions over the eight parts; A64_FUZZ_SEQS scales it, the seed is printed."""
    pair = Pair(jit, budgets)
    n_seqs = int(os.environ.get("A64_FUZZ_SEQS", "1000"))
    for i in range(n_seqs):
        one(pair, part * 1_000_000 + i)
    assert pair.cpu.insns >= 25_000 or n_seqs < 1000
