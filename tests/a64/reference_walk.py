"""A slow, plain stage 1 walker, written from the Arm ARM pseudocode and sharing nothing with the C."""

GRANULE = {0: {0: 12, 1: 16, 2: 14}, 1: {1: 14, 2: 12, 3: 16}}
IPS = [32, 36, 40, 42, 44, 48, 48, 48]


def bits(v, hi, lo):
    return v >> lo & (1 << hi - lo + 1) - 1


class Fault(Exception):
    def __init__(self, kind, level):
        base = {
            "size": 0,
            "translation": 4,
            "flag": 8,
            "permission": 12,
            "external": 0x14,
        }[kind]
        self.fsc = base + level


def walk(read64, va, regs, el, write, fetch=False, pan=False, wxn=False, pa_bits=40):
    """Returns the physical address, or raises Fault. read64 returns None outside RAM."""
    tcr = regs["TCR"]
    upper = bits(va, 55, 55)
    tbi = bits(tcr, 38, 38) if upper else bits(tcr, 37, 37)
    if tbi:
        va = va & (1 << 56) - 1
        if upper:
            va |= 0xFF << 56
    tsz = bits(tcr, 21, 16) if upper else bits(tcr, 5, 0)
    page = GRANULE[upper][bits(tcr, 31, 30) if upper else bits(tcr, 15, 14)]
    epd = bits(tcr, 23, 23) if upper else bits(tcr, 7, 7)
    if not 16 <= tsz <= 39 or epd:
        raise Fault("translation", 0)
    width = 64 - tsz
    if bits(va, 63, width) != ((1 << tsz) - 1 if upper else 0):
        raise Fault("translation", 0)
    per_level = page - 3
    level, top = 3, page
    while top + per_level < width:
        level -= 1
        top += per_level
    out_bits = min(IPS[bits(tcr, 34, 32)], pa_bits)
    table = regs["TTBR1" if upper else "TTBR0"] & (1 << 48) - 2
    size = 8 << (width - top)
    table = table // size * size
    if table >> out_bits:
        raise Fault("size", 0)
    no_user = read_only = uxn_t = pxn_t = False
    hi = width
    while True:
        lo = page + per_level * (3 - level)
        d = read64(table + 8 * bits(va, hi - 1, lo))
        if d is None:
            raise Fault("external", level)
        if d & 1 == 0:
            raise Fault("translation", level)
        if level < 3 and d & 2:
            table = bits(d, 47, page) << page
            if table >> out_bits:
                raise Fault("size", level)
            no_user |= bool(d >> 61 & 1)
            read_only |= bool(d >> 62 & 1)
            uxn_t |= bool(d >> 60 & 1)
            pxn_t |= bool(d >> 59 & 1)
            hi, level = lo, level + 1
            continue
        if level == 3 and not d & 2:
            raise Fault("translation", level)
        if level < 3 and not (level == 2 or (level == 1 and page == 12)):
            raise Fault("translation", level)
        break
    base = bits(d, 47, lo) << lo
    if base >> out_bits:
        raise Fault("size", level)
    if not d >> 10 & 1:
        raise Fault("flag", level)
    user = bool(d >> 6 & 1) and not no_user
    writable = not (d >> 7 & 1) and not read_only
    uxn, pxn = bool(d >> 54 & 1) or uxn_t, bool(d >> 53 & 1) or pxn_t
    if fetch:
        if el == 0:
            ok = not (uxn or (wxn and user and writable))
        else:
            ok = not (pxn or (user and writable) or (wxn and writable))
    elif el == 0:
        ok = user and (writable or not write)
    else:
        ok = (writable or not write) and not (pan and user)
    if not ok:
        raise Fault("permission", level)
    return base | va & (1 << lo) - 1
