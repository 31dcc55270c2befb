"""Random A64 integer instructions that never leave their sequence, for differential tests.

x26 and x27 hold small indexes (x27 only in its low word), x28 the data base and SP a stack address; no generated instruction writes
them, and x28 or SP only by write-back (they are set again before every sequence).
"""

from a64_core import ffi, lib

# (weight, value, mask): the bits outside mask are random.
TEMPLATES = [
    (6, 0x11000000, 0x1F800000),  # add/sub immediate
    (6, 0x0B000000, 0x1F200000),  # add/sub shifted
    (4, 0x0B200000, 0x1FE00000),  # add/sub extended
    (5, 0x12000000, 0x1F800000),  # logical immediate
    (6, 0x0A000000, 0x1F000000),  # logical shifted
    (3, 0x12800000, 0x1F800000),  # move wide
    (6, 0x13000000, 0x1F800000),  # bitfield
    (2, 0x13800000, 0x7FA00000),  # extract
    (2, 0x10000000, 0x1F000000),  # adr, adrp
    (3, 0x1A000000, 0x1FE0FC00),  # adc, sbc
    (4, 0x3A400000, 0x3FE00410),  # ccmp, ccmn
    (5, 0x1A800000, 0x3FE00800),  # csel
    (5, 0x1AC00000, 0x7FE0C000),  # two sources
    (3, 0x5AC00000, 0x7FFFE000),  # one source
    (5, 0x1B000000, 0x7F000000),  # three sources
]
MEM = [
    (5, 0x39000000, 0x3F000000),  # unsigned offset
    (3, 0x38000000, 0x3F200C00),  # unscaled
    (2, 0x38000400, 0x3F200C00),  # post
    (2, 0x38000C00, 0x3F200C00),  # pre
    (1, 0x38000800, 0x3F200C00),  # unprivileged
    (4, 0x38200800, 0x3F200C00),  # register offset
    (4, 0x28000000, 0x3E000000),  # pairs
    (1, 0x18000000, 0x3F000000),  # literal
    (1, 0x089FFC00, 0x3FBFFC00),  # ldar, stlr
]


def op_name(w):
    return ffi.string(lib.a64_op_name(w, True, False)).decode()


def pick(rng, table):
    total = sum(t[0] for t in table)
    n = rng.randrange(total)
    for weight, value, mask in table:
        n -= weight
        if n < 0:
            return (rng.getrandbits(32) & ~mask) | value
    raise AssertionError


def free_reg(rng):
    r = rng.randrange(30)
    return r if r not in (26, 27, 28) else 31


def set_field(w, lsb, v):
    return (w & ~(31 << lsb)) | v << lsb


def alu(rng):
    while True:
        w = pick(rng, TEMPLATES)
        if w & 31 in (26, 27, 28):
            continue
        name = op_name(w)
        if name == "UNDEF":
            continue
        # add/sub and logical immediates may write SP: then Rd = 31 is SP, keep it out
        if (
            w & 31 == 31
            and (
                (w & 0x1F000000) in (0x11000000, 0x12000000)
                or (w & 0x1F200000) == 0x0B200000
            )
            and not w >> 29 & 1
        ):
            continue
        if w & 31 == 31 and (w & 0x1F800000) == 0x12000000:
            continue
        return w


def memory(rng):
    while True:
        w = pick(rng, MEM)
        if (w >> 26) & 1:
            continue
        literal = (w & 0x3B000000) == 0x18000000
        pair = (w & 0x3A000000) == 0x28000000
        single = (w & 0x3B000000) in (0x38000000, 0x39000000)
        if not literal:
            w = set_field(
                w,
                5,
                31 if rng.random() < 0.2 and w & 1056964608 != 134217728 else 28,
            )
        else:
            w = (w & ~(0x7FFFF << 5)) | rng.randrange(-64, 64) % (1 << 19) << 5
        w = set_field(w, 0, free_reg(rng))
        if pair:
            w = set_field(w, 10, free_reg(rng))
            if w >> 22 & 1 and w & 31 == w >> 10 & 31:
                continue
        if (
            single and (w & 0x01200400) == 0x00000400
        ):  # write-back keeps the base 16-byte aligned
            w &= ~(15 << 12)
        if pair:
            w &= ~(3 << 15)
        if single and (w & 0x01200C00) == 0x00200800:
            w = set_field(w, 16, 26 if w >> 13 & 1 else 27)
        if op_name(w) == "UNDEF":
            continue
        return [w]


def exclusive(rng):
    """A load-exclusive and a store-exclusive of the same size and place, or a failing one."""
    size, rs, rt, rt2 = rng.randrange(4), 8, 9, 10
    acq, rel = rng.randrange(2), rng.randrange(2)
    pair = size >= 2 and rng.random() < 0.4
    ld = size << 30 | 0x085F7C00 | acq << 15 | 28 << 5 | rt
    st = size << 30 | 0x08007C00 | rel << 15 | rs << 16 | 28 << 5 | free_reg(rng)
    if pair:
        ld = (ld | 1 << 21) & ~(31 << 10) | rt2 << 10
        st = (st | 1 << 21) & ~(31 << 10) | free_reg(rng) << 10
    seq = [ld]
    if rng.random() < 0.3:
        seq.append(alu(rng) if rng.random() < 0.7 else 0xD503201F)
    if rng.random() < 0.15:
        seq.append(0xD5033F5F)  # clrex: the store must fail
    for w in seq[1:]:
        if w & 31 in (8, 9, 10):
            return [0xD503201F]
    return [*seq, st]


def branch(rng, room):
    """Forward, at most room instructions."""
    n = rng.randint(1, max(1, min(room, 6)))
    kind = rng.randrange(4)
    if kind == 0:
        return 0x54000000 | n << 5 | rng.randrange(16)
    if kind == 1:
        return (
            0x34000000
            | rng.randrange(2) << 31
            | rng.randrange(2) << 24
            | n << 5
            | rng.randrange(31)
        )
    if kind == 2:
        return (
            0x36000000
            | rng.randrange(2) << 31
            | rng.randrange(2) << 24
            | rng.randrange(32) << 19
            | n << 5
            | rng.randrange(31)
        )
    return 0x14000000 | n


def sequence(rng, n):
    """n words. The exclusives come in pairs and are never a branch target in between: branches
    stop short of them by construction (a pair is emitted only when no branch is open)."""
    out, open_until = [], 0
    while len(out) < n - 4:
        r = rng.random()
        if r < 0.62:
            out.append(alu(rng))
        elif r < 0.88:
            out.extend(memory(rng))
        elif r < 0.93 and len(out) >= open_until:
            out.extend(exclusive(rng))
        else:
            w = branch(rng, n - len(out) - 1)
            out.append(w)
            off = (w >> 5 & 0x3FFF) if (w >> 26) != 5 else w & 0x3FFFFFF
            open_until = max(open_until, len(out) - 1 + min(off, 6))
    while len(out) < n + 6:
        out.append(0xD503201F)
    return out
