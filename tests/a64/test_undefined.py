"""Which words are UNDEFINED: the decoder against capstone (and objdump where present)."""

import random
import re
import shutil
import subprocess
import tempfile

import pytest
from a64_core import ffi, lib

# Mnemonics of extensions after v8.0 (and of FP/SIMD, which this PE does not have) are allowed to be
# undefined here and known to the disassembler. Everything else must agree.
LATER = re.compile(
    r"^(ld|st)?(cas|casp|swp|ldadd|ldclr|ldeor|ldset|ldsmax|ldsmin|ldumax|ldumin|stadd|stclr|steor|stset"
    r"|stsmax|stsmin|stumax|stumin)[a-z]*$"
    r"|^(ldlar|stllr|ldapr|ldapur|stlur|ldraa|ldrab|ld64b|st64b|st64bv0?)[a-z]*$"
    r"|^(pac|aut|xpac|bra|blra|reta|ereta)[a-z0-9]*$"
    r"|^(irg|gmi|subp|subps|addg|subg|stg|st2g|stzg|stz2g|ldg|stgp|ldgm|stgm|stzgm)$"
    r"|^(rmif|setf8|setf16|cfinv|xaflag|axflag|bc\..*|bti|sb|wfet|wfit|dgh|tcancel|tcommit|tstart|ttest"
    r"|hlt|dcps[123]|drps|eretaa|eretab|clrbhb|gcs.*|chkfeat)$"
    r"|^(sys|sysl|mrs|msr|at|dc|ic|tlbi|cfp|dvp|cpp|brb|trcit|tlbip|sysp|mrrs|msrr)$"
    r"|^(cpy|set)[a-z]*$|^(smax|smin|umax|umin|ctz|cnt|abs)$|^udf$"
)
FP = re.compile(r"\b[bhsdqvzp]\d+\b|\b(za|ffr)\b")


def ours(w):
    return ffi.string(lib.a64_op_name(w, True, True)).decode() != "UNDEF"


def words(seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        w = rng.getrandbits(32)
        top = rng.randrange(8)
        if top < 3:  # half of the words in the integer spaces, FP and SVE are dull
            w = (w & ~(0xF << 25)) | rng.choice([8, 9, 10, 11, 5, 13, 4, 12]) << 25
        elif top == 3:
            w = (w & 0x003FFFFF) | 0xD5000000
        elif top == 4:
            w = (w & 0x01FFFC1F) | 0xD6000000 | rng.choice([0, 0x1F]) << 5
        elif top == 5:
            w = (w & 0xFF9FFFFF) | rng.choice([0x1AC00000, 0x5AC00000]) & 0x7FFFFFFF
        yield w


def unpredictable(w):
    """CONSTRAINED UNPREDICTABLE forms, which some disassemblers refuse: should-be-one fields of the
    exclusive and ordered group, register overlaps of pairs and write-back."""
    exclusive = (w & 0x3F000000) == 0x08000000
    pair = (w & 0x3E000000) == 0x28000000
    writeback = (w & 0x3F200000) == 0x38000000 and w & 31 == w >> 5 & 31
    return exclusive or pair or writeback


def judge(known):
    """known: word -> (mnemonic, operands) or None. Lists the disagreements."""
    bad = []
    for w, dis in known:
        mine = ours(w)
        if dis is None:
            if mine and not unpredictable(w):
                bad.append((f"{w:08x}", "we define it"))
        elif w >> 25 & 15 == 2:  # SVE
            if mine:
                bad.append((f"{w:08x}", "SVE"))
        elif not mine and not LATER.match(dis[0]) and not FP.search(dis[1]):
            bad.append((f"{w:08x}", *dis))
    return bad


def test_undefined_words_agree_with_objdump():
    """100,000 words; CONSTRAINED UNPREDICTABLE register overlaps are defined in both."""
    tool = shutil.which("aarch64-linux-gnu-objdump")
    if not tool:
        pytest.skip("no cross objdump")
    ws = list(words(1, 100_000))
    with tempfile.NamedTemporaryFile(suffix=".bin") as f:
        f.write(b"".join(w.to_bytes(4, "little") for w in ws))
        f.flush()
        out = subprocess.run(
            [tool, "-D", "-b", "binary", "-maarch64", "-M", "no-aliases", "-z", f.name],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    known = []
    for line in out.splitlines():
        m = re.match(r"\s*[0-9a-f]+:\s+([0-9a-f]{8})\s+(\S+)\s*(.*)", line)
        if m:
            und = m[2] in (".inst", "undefined") or "undefined" in m[3]
            known.append((int(m[1], 16), None if und else (m[2], m[3])))
    assert len(known) == len(ws)
    bad = judge(known)
    assert bad == [], (len(bad), bad[:20])


def test_undefined_words_agree_with_capstone():
    capstone = pytest.importorskip("capstone")
    md = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    known = []
    for w in words(2, 60_000):
        got = next(md.disasm_lite(w.to_bytes(4, "little"), 0), None)
        known.append((w, None if got is None else (got[2], got[3])))
    bad = judge(known)
    assert bad == [], (len(bad), bad[:20])
