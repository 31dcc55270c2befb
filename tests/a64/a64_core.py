"""cffi (ABI mode) access to the core for its tests, and an assembler with a committed cache."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import cffi
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "csrc" / "a64"
CACHE = pathlib.Path(__file__).with_name("asm_cache.json")
CFLAGS = ["-std=c11", "-O2", "-fPIC", *os.environ.get("A64_CFLAGS", "").split()]


def build():
    """Build the core alone into build/, once per state of its sources."""
    if "A64_LIB" in os.environ:
        return os.environ["A64_LIB"]
    if shutil.which("gcc") is None:
        pytest.skip("no gcc", allow_module_level=True)
    state = hashlib.sha256(" ".join(CFLAGS).encode())
    for path in sorted(SOURCES.iterdir()):
        state.update(path.read_bytes())
    folder = ROOT / "build" / f"a64-{state.hexdigest()[:16]}"
    library = folder / "liba64.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        files = sorted(SOURCES.glob("*.c"))
        jobs = [
            subprocess.Popen(["gcc", *CFLAGS, "-c", f, "-o", folder / f"{f.stem}.o"])
            for f in files
        ]
        codes = [job.wait() for job in jobs]
        assert not any(codes)
        beside = folder / "liba64.tmp"
        objects = [folder / f"{f.stem}.o" for f in files]
        subprocess.run(["gcc", "-shared", "-o", beside, *objects], check=True)
        beside.rename(library)
    return str(library)


ffi = cffi.FFI()
_text = (SOURCES / "a64.h").read_text()
ffi.cdef("\n".join(line for line in _text.splitlines() if not line.startswith("#")))
lib = ffi.dlopen(build())

STOP = {getattr(lib, n): n[9:] for n in dir(lib) if n.startswith("A64_STOP_")}
RAM = 0x4000_0000
JIT = True  # the executor of memories that name none; see conftest.py
N_COSTS = lib.A64_N_COST_CLASSES


def enc(op0, op1, crn, crm, op2):
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


SYS = {
    "SCTLR": enc(3, 0, 1, 0, 0),
    "TTBR0": enc(3, 0, 2, 0, 0),
    "TTBR1": enc(3, 0, 2, 0, 1),
    "TCR": enc(3, 0, 2, 0, 2),
    "SPSR": enc(3, 0, 4, 0, 0),
    "ELR": enc(3, 0, 4, 0, 1),
    "ESR": enc(3, 0, 5, 2, 0),
    "FAR": enc(3, 0, 6, 0, 0),
    "PAR": enc(3, 0, 7, 4, 0),
    "MAIR": enc(3, 0, 10, 2, 0),
    "VBAR": enc(3, 0, 12, 0, 0),
    "CNTKCTL": enc(3, 0, 14, 1, 0),
    "SP_EL0": enc(3, 0, 4, 1, 0),
    "TPIDR_EL0": enc(3, 3, 13, 0, 2),
    "TPIDR_EL1": enc(3, 0, 13, 0, 4),
}
SCTLR_RES1 = 0x30500980
MASK = (1 << 64) - 1


class Mem:
    def __init__(
        self,
        regions=((RAM, 1 << 20, False),),
        eager=True,
        n_cpus=1,
        costs=None,
        code_pages=0,
        crc32=True,
        pan=True,
        jit=None,
    ):
        c = ffi.new("struct a64_mem_config *")
        c.n_regions = len(regions)
        for i, (base, size, rom) in enumerate(regions):
            c.region[i].base, c.region[i].size, c.region[i].rom = base, size, rom
        c.all_present, c.n_cpus, c.n_code_pages = eager, n_cpus, code_pages
        c.has_crc32, c.has_pan = crc32, pan
        c.no_jit = not (JIT if jit is None else jit)
        for i in range(N_COSTS):
            c.cost[i] = costs[i] if costs else 1
        self.p = lib.a64_mem_create(c)
        assert self.p != ffi.NULL
        self.cpus = []

    def write(self, ipa, data):
        assert lib.a64_mem_write(self.p, ipa, data, len(data)) == 0

    def read(self, ipa, n):
        buf = ffi.new("uint8_t[]", n)
        assert lib.a64_mem_read(self.p, ipa, buf, n) == 0
        return bytes(ffi.buffer(buf))

    def w64(self, ipa, v):
        self.write(ipa, (v & MASK).to_bytes(8, "little"))

    def r64(self, ipa):
        return int.from_bytes(self.read(ipa, 8), "little")

    def save(self):
        n = lib.a64_mem_save_size(self.p)
        buf = ffi.new("uint8_t[]", n)
        assert lib.a64_mem_save(self.p, buf, n) == 0
        return bytes(ffi.buffer(buf))

    def load(self, data):
        assert lib.a64_mem_load(self.p, data, len(data)) == 0

    def close(self):
        for c in self.cpus:
            lib.a64_cpu_destroy(c.p)
        lib.a64_mem_destroy(self.p)
        self.p = None


class Cpu:
    def __init__(self, mem, mpidr=0, pa_bits=0):
        c = ffi.new("struct a64_cpu_config *")
        c.mpidr, c.pa_bits = mpidr, pa_bits
        self.p = lib.a64_cpu_create(mem.p, c)
        assert self.p != ffi.NULL
        self.mem = mem
        mem.cpus.append(self)
        self.exit = ffi.new("struct a64_exit *")

    def run(self, budget):
        """Run; a fetch from where no memory is gets KVM's answer, at a cycle's cost."""
        end = lib.a64_now(self.p) + budget
        while True:
            stop = STOP[lib.a64_run(self.p, budget, self.exit)]
            if stop != "MMIO" or not self.exit.is_fetch:
                return stop
            lib.a64_inject_iabt(self.p, self.exit.va)
            lib.a64_set_now(self.p, lib.a64_now(self.p) + 1)
            budget = max(0, end - lib.a64_now(self.p))

    def reset(self, pc):
        lib.a64_reset(self.p, pc)

    def __getitem__(self, key):
        if isinstance(key, int):
            return lib.a64_get_x(self.p, key)
        if key == "pc":
            return lib.a64_get_pc(self.p)
        if key == "pstate":
            return lib.a64_get_pstate(self.p)
        if key == "sp":
            return lib.a64_get_x(self.p, 31)
        v = ffi.new("uint64_t *")
        e = SYS[key] if isinstance(key, str) else enc(*key)
        rc = lib.a64_get_sysreg(self.p, e, v)
        assert rc == 0, key
        return v[0]

    def __setitem__(self, key, value):
        value &= MASK
        if isinstance(key, int):
            lib.a64_set_x(self.p, key, value)
        elif key == "pc":
            lib.a64_set_pc(self.p, value)
        elif key == "pstate":
            assert lib.a64_set_pstate(self.p, value) == 0
        elif key == "sp":
            lib.a64_set_x(self.p, 31, value)
        else:
            e = SYS[key] if isinstance(key, str) else enc(*key)
            assert lib.a64_set_sysreg(self.p, e, value) == 0, key

    @property
    def now(self):
        return lib.a64_now(self.p)

    @property
    def insns(self):
        return lib.a64_insns(self.p)

    def save(self):
        n = lib.a64_cpu_save_size()
        buf = ffi.new("uint8_t[]", n)
        assert lib.a64_cpu_save(self.p, buf, n) == 0
        return bytes(ffi.buffer(buf))

    def load(self, data):
        assert lib.a64_cpu_load(self.p, data, len(data)) == 0

    def translate(self, va, el=1, write=False):
        out = ffi.new("uint64_t *")
        rc = lib.a64_translate(self.p, va, el, write, out)
        return rc, out[0]

    def stats(self):
        s = ffi.new("struct a64_stats *")
        lib.a64_get_stats(self.p, s)
        return {f: getattr(s, f) for f, _ in ffi.typeof("struct a64_stats").fields}


_cache = json.loads(CACHE.read_text()) if CACHE.exists() else {}


def asm(text, base=0):
    """Machine code of text at address base; needs the cross assembler only for new texts."""
    key = f"{base:x}|" + re.sub(r"\s+", " ", text.replace("\n", ";")).strip()
    if key not in _cache:
        if not shutil.which("aarch64-linux-gnu-as"):
            pytest.skip("new assembly text and no aarch64-linux-gnu-as")
        with tempfile.TemporaryDirectory() as d:
            src, obj, out = (os.path.join(d, n) for n in ("a.s", "a.o", "a.bin"))
            pathlib.Path(src).write_text(text.replace(";", "\n") + "\n")
            subprocess.run(
                ["aarch64-linux-gnu-as", "-march=armv8.2-a+crc", src, "-o", obj],
                check=True,
            )
            subprocess.run(
                [
                    "aarch64-linux-gnu-ld",
                    f"-Ttext={base:#x}",
                    "--no-warn-mismatch",
                    "-e0",
                    obj,
                    "-o",
                    obj + ".elf",
                ],
                check=True,
            )
            subprocess.run(
                ["aarch64-linux-gnu-objcopy", "-O", "binary", obj + ".elf", out],
                check=True,
            )
            _cache[key] = pathlib.Path(out).read_bytes().hex()
        CACHE.write_text(json.dumps(_cache, indent=0, sort_keys=True) + "\n")
    return bytes.fromhex(_cache[key])


def identity_map(mem, cpu, table=RAM + 0x8_0000, attr=0, extra=0, el0=False):
    """Turns the MMU on: 1 GiB identity blocks (4K granule, T0SZ 25), Normal memory."""
    ap = 1 << 6 if el0 else 0
    for i in range(4):
        mem.w64(table + 8 * i, i << 30 | 1 | 1 << 10 | 3 << 8 | attr << 2 | ap | extra)
    cpu["MAIR"] = 0x00FF
    cpu["TCR"] = 25 | 25 << 16 | 2 << 30 | 1 << 23 | 2 << 32
    cpu["TTBR0"] = table
    cpu["SCTLR"] = SCTLR_RES1 | 1 | 1 << 23


def machine(text, base=RAM, mmu=False, **kw):
    mem = Mem(**kw)
    cpu = Cpu(mem)
    mem.write(base, asm(text, base))
    cpu.reset(base)
    if mmu:
        identity_map(mem, cpu)
    return mem, cpu
