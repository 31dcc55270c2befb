/* Loads and stores from the instruction word. Arm ARM C3.2 "Loads and stores", B2.5
 * "Alignment support". */
#include "ldst.h"

#include <string.h>

#include "bits.h"
#include "debug.h"
#include "except.h"
#include "mem.h"
#include "mmu.h"

/* --- one access
 * ----------------------------------------------------------------------------- */
struct part {
    struct a64_page *page;
    uint8_t *host;
    uint64_t pa;
};

/* Translates one page's part of d and checks it. X_STOP with d->mmio = not RAM. */
static enum a64_x translate_part(struct a64_cpu *cpu, struct a64_data *d, uint64_t va,
                                 struct part *p)
{
    struct a64_xl xl;
    uint8_t *host;
    uint32_t el = d->unpriv ? 0 : cpu->a.el;
    const struct a64_req req = {
        .va = va, .acc = d->write ? ACC_WRITE : ACC_READ, .el = el, .pan = cpu->a.pan
    };
    a64_translate_va(cpu, &req, &xl);
    if (xl.fsc == FSC_STAGE2)
        return a64_stop_stage2(
            cpu, &(struct a64_exit){ .addr = xl.ipa, .va = va, .is_walk = 1 });
    if (xl.fsc < 0 && (xl.e.attrs & AT_DEVICE) && (d->va & (d->elem - 1)) != 0)
        xl.fsc = FSC_ALIGNMENT;
    if (xl.fsc >= 0) {
        a64_exception_dabt(cpu, va, (uint32_t)xl.fsc, d->write, false);
        return X_EXC;
    }
    if (A64_UNLIKELY(cpu->watch)) {
        uint32_t room = A64_PAGE_SIZE - (uint32_t)(va & (A64_PAGE_SIZE - 1));
        uint32_t left = d->len - (uint32_t)(va - d->va);
        enum a64_x x = a64_watch(cpu, d, va, left < room ? left : room);
        if (x != X_NEXT)
            return x;
    }
    p->pa = xl.pa;
    p->page = a64_page_of(cpu->mem, xl.pa, &host);
    if (p->page == NULL || (d->write && (p->page->flags & PG_ROM))) {
        d->mmio = true;
        cpu->a.exit.addr = xl.pa;
        cpu->a.exit.va = va;
        return X_STOP;
    }
    if (!(p->page->flags & PG_PRESENT))
        return a64_stop_stage2(
            cpu, &(struct a64_exit){ .addr = xl.pa, .va = va, .is_write = d->write });
    p->host = host + (va & (A64_PAGE_SIZE - 1));
    uint32_t mode = el == 0 ? MODE_EL0 : cpu->a.pan ? MODE_EL1_PAN : MODE_EL1;
    xl.page = p->page;
    xl.host = host;
    a64_ftlb_fill(cpu, va, &xl, mode);
    return X_NEXT;
}

/* The soft TLB's entry if it holds all of an access that is aligned or, being
 * unaligned, would have to look at the memory type: NULL = ask the translation. */
static const struct a64_ftlb *soft_hit(const struct a64_cpu *cpu,
                                       const struct a64_data *d)
{
    const struct a64_ftlb *e = &cpu->tlb[(d->va >> 12) % FTLB_SIZE];
    uint64_t page = d->va & ~(uint64_t)(A64_PAGE_SIZE - 1);
    if (d->unpriv || (d->va & (d->elem - 1)) != 0 ||
        ((d->va + d->len - 1) & ~(uint64_t)(A64_PAGE_SIZE - 1)) != page)
        return NULL;
    return (d->write ? e->wtag : e->rtag) == page ? e : NULL;
}

static void soft_access(struct a64_data *d, const struct a64_ftlb *e)
{
    uint8_t *host = a64_soft_host(e, d->va);
    d->pa = (e->pa & ~(uint64_t)(A64_PAGE_SIZE - 1)) | d->va % A64_PAGE_SIZE;
    if (d->probe)
        return;
    if (d->write)
        memcpy(host, d->buf, d->len);
    else
        memcpy(d->buf, host, d->len);
}

static void move(struct a64_cpu *cpu, struct a64_data *d, const struct part *p,
                 uint8_t *buf, uint32_t n)
{
    if (!d->write) {
        memcpy(buf, p->host, n);
        return;
    }
    memcpy(p->host, buf, n);
    if (p->page->flags & (PG_CODE | PG_WATCH))
        d->code_dropped |= a64_note_store(cpu, cpu->mem, p->page, p->pa, n);
}

enum a64_x a64_data_access(struct a64_cpu *cpu, struct a64_data *d)
{
    struct part first, second;
    uint32_t room = A64_PAGE_SIZE - (uint32_t)(d->va & (A64_PAGE_SIZE - 1));
    bool crosses = d->len > room;
    cpu->stats.slow_mem++;
    bool unaligned =
        d->aligned ? (d->va & (d->len - 1)) != 0 : (d->va & (d->elem - 1)) != 0;
    if (unaligned && (d->aligned || (cpu->a.sr[SR_SCTLR] & SCTLR_A))) {
        a64_exception_dabt(cpu, d->va, FSC_ALIGNMENT, d->write, false);
        return X_EXC;
    }
    const struct a64_ftlb *hit = soft_hit(cpu, d);
    if (hit != NULL) {
        soft_access(d, hit);
        return X_NEXT;
    }
    enum a64_x x = translate_part(cpu, d, d->va, &first);
    if (x != X_NEXT)
        return x;
    d->pa = first.pa;
    if (crosses) { /* both pages are checked before either is written */
        x = translate_part(cpu, d, d->va + room, &second);
        if (x != X_NEXT)
            return x;
    }
    if (d->probe)
        return X_NEXT;
    move(cpu, d, &first, d->buf, crosses ? room : d->len);
    if (crosses)
        move(cpu, d, &second, d->buf + room, d->len - room);
    return X_NEXT;
}

/* --- the instruction
 * -------------------------------------------------------------------------- */
struct insn {
    uint64_t va, new_base;
    uint32_t rt, rt2, rn, size,
        opc; /* opc as in the register forms: 0 store, 1 load, 2/3 signed */
    bool pair, writeback, unpriv, ordered;
};

static uint64_t reg(const struct a64_cpu *cpu, uint32_t r)
{ return cpu->a.x[r == 31 ? R_ZERO : r]; }

static void set_reg(struct a64_cpu *cpu, uint32_t r, uint64_t v)
{ cpu->a.x[r == 31 ? R_SINK : r] = v; }

static uint64_t base_reg(const struct a64_cpu *cpu, uint32_t rn)
{ return cpu->a.x[rn == 31 ? R_SP : rn]; }

static void index_modes(struct a64_cpu *cpu, struct insn *in, uint32_t mode,
                        uint64_t imm)
{
    uint64_t base = base_reg(cpu, in->rn); /* mode: 1 post, 3 pre, else offset */
    in->va = mode == 1 ? base : base + imm;
    in->new_base = base + imm;
    in->writeback = mode == 1 || mode == 3;
}

static void parse_pair(struct a64_cpu *cpu, uint32_t w, struct insn *in)
{
    uint32_t opc = bits32(w, 30, 2);
    in->pair = true;
    in->size = opc == 2 ? 3 : 2;
    in->opc = bits32(w, 22, 1) == 0 ? 0 : opc == 1 ? 2 : 1;
    in->rt2 = bits32(w, 10, 5);
    index_modes(cpu, in, bits32(w, 23, 2), sext(bits32(w, 15, 7), 7) << in->size);
}

static void parse_single(struct a64_cpu *cpu, uint32_t w, struct insn *in)
{
    in->size = bits32(w, 30, 2);
    in->opc = bits32(w, 22, 2);
    if (bits32(w, 24, 1)) {
        index_modes(cpu, in, 2, (uint64_t)bits32(w, 10, 12) << in->size);
    } else if (bits32(w, 21, 1)) {
        uint32_t option = bits32(w, 13, 3);
        uint64_t off = reg(cpu, bits32(w, 16, 5));
        if ((option & 3) == 2)
            off = option & 4 ? sext(off, 32) : (uint32_t)off;
        index_modes(cpu, in, 2, off << (bits32(w, 12, 1) ? in->size : 0));
    } else {
        index_modes(cpu, in, bits32(w, 10, 2), sext(bits32(w, 12, 9), 9));
        in->unpriv = bits32(w, 10, 2) == 2;
    }
}

static void parse(struct a64_cpu *cpu, uint32_t w, struct insn *in)
{
    *in = (struct insn){ .rt = w & 31, .rn = bits32(w, 5, 5) };
    switch (bits32(w, 28, 2)) {
    case 0: /* LDAR, STLR */
        in->size = bits32(w, 30, 2);
        in->opc = bits32(w, 22, 1);
        in->ordered = true;
        index_modes(cpu, in, 2, 0);
        break;
    case 1: {
        uint32_t opc = bits32(w, 30, 2);
        in->size = opc == 1 ? 3 : 2;
        in->opc = opc == 2 ? 2 : 1;
        in->rn = 32; /* no base register */
        in->va = cpu->a.pc + sext((uint64_t)bits32(w, 5, 19) << 2, 21);
        break;
    }
    case 2: parse_pair(cpu, w, in); break;
    default: parse_single(cpu, w, in); break;
    }
}

static uint64_t extend(const struct insn *in, uint64_t v)
{
    if (in->opc < 2)
        return v;
    v = sext(v, 8u << in->size);
    return in->opc == 3 ? (uint32_t)v : v;
}

/* The rest of an MMIO stop: the syndrome is valid for one register without write-back.
 */
static enum a64_x stop_mmio(struct a64_cpu *cpu, const struct insn *in,
                            const struct a64_data *d)
{
    struct a64_exit *e = &cpu->a.exit;
    bool isv = !in->pair && !in->writeback && in->rn != 32;
    bool x64 = in->size == 3 || in->opc == 2;
    uint64_t ipa = e->addr, va = e->va;
    *e = (struct a64_exit){ .pc = cpu->a.pc,
                            .addr = ipa,
                            .va = va,
                            .size = (uint8_t)(1u << in->size),
                            .is_write = d->write,
                            .sign = in->opc >= 2,
                            .sixty_four = x64,
                            .rt = (uint8_t)in->rt,
                            .isv = isv };
    e->esr = (uint32_t)EC_DABT_LOW << 26 | ESR_IL | ((d->write ? 1u : 0u) << 6) |
             (FSC_TRANSLATION + 3);
    if (isv)
        e->esr |= 1u << 24 | in->size << 22 | (uint32_t)e->sign << 21 | in->rt << 16 |
                  (uint32_t)x64 << 15 | (in->ordered ? 1u : 0u) << 14;
    if (d->write)
        memcpy(&e->value, d->buf, (size_t)1 << in->size);
    cpu->a.pending = PEND_MMIO;
    cpu->stop = A64_STOP_MMIO;
    return X_STOP;
}

static bool sp_is_misaligned(struct a64_cpu *cpu, uint32_t rn)
{
    if (rn != 31 || (cpu->a.x[R_SP] & cpu->sp_mask) == 0)
        return false;
    a64_exception(cpu, EC_SP_ALIGN, 0);
    return true;
}

enum a64_x a64_ldst(struct a64_cpu *cpu, uint32_t w)
{
    struct insn in;
    parse(cpu, w, &in);
    if (sp_is_misaligned(cpu, in.rn))
        return X_EXC;
    uint32_t bytes = 1u << in.size;
    struct a64_data d = { .va = in.va,
                          .len = in.pair ? 2 * bytes : bytes,
                          .elem = bytes,
                          .write = in.opc == 0,
                          .unpriv = in.unpriv,
                          .aligned = in.ordered };
    uint64_t v = reg(cpu, in.rt), v2 = reg(cpu, in.rt2);
    if (d.write) {
        memcpy(d.buf, &v, bytes);
        memcpy(d.buf + bytes, &v2, bytes);
    }
    enum a64_x x = a64_data_access(cpu, &d);
    if (x == X_STOP && d.mmio)
        return stop_mmio(cpu, &in, &d);
    if (x != X_NEXT)
        return x;
    if (in.writeback) /* before the loads: Rt = Rn keeps the loaded value (CONSTRAINED
                         UNPREDICTABLE) */
        cpu->a.x[in.rn == 31 ? R_SP : in.rn] = in.new_base;
    if (!d.write) {
        v = v2 = 0;
        memcpy(&v, d.buf, bytes);
        memcpy(&v2, d.buf + bytes, bytes);
        set_reg(cpu, in.rt, extend(&in, v));
        if (in.pair)
            set_reg(cpu, in.rt2, extend(&in, v2));
    }
    if (!d.code_dropped)
        return X_NEXT;
    cpu->a.pc += 4;
    return X_RELOAD;
}

/* --- exclusives: B2.9 "Synchronization and semaphores"
 * ------------------------------------------- */
/* The reservation is by physical address. Another PE's store to the granule clears it
 * (mem.c), so A-B-A is caught; a store-exclusive elsewhere, or of another size, fails.
 */
static enum a64_x store_exclusive(struct a64_cpu *cpu, struct a64_data *d, uint32_t rs)
{
    d->probe = true; /* faults come before the monitor decides */
    enum a64_x x = a64_data_access(cpu, d);
    if (x != X_NEXT)
        return x;
    bool pass = cpu->a.excl.size == d->len && cpu->a.excl.pa == d->pa;
    cpu->a.excl.size = 0;
    set_reg(cpu, rs, pass ? 0 : 1);
    if (!pass)
        return X_NEXT;
    d->probe = false;
    return a64_data_access(cpu, d);
}

enum a64_x a64_ldst_exclusive(struct a64_cpu *cpu, uint32_t w)
{
    uint32_t size = bits32(w, 30, 2), rs = bits32(w, 16, 5), rt = w & 31,
             rt2 = bits32(w, 10, 5);
    uint32_t rn = bits32(w, 5, 5), bytes = 1u << size;
    bool load = bits32(w, 22, 1), pair = bits32(w, 21, 1);
    if (sp_is_misaligned(cpu, rn))
        return X_EXC;
    struct a64_data d = { .va = base_reg(cpu, rn),
                          .len = pair ? 2 * bytes : bytes,
                          .elem = bytes,
                          .write = !load,
                          .aligned = true };
    uint64_t v = reg(cpu, rt), v2 = reg(cpu, rt2);
    memcpy(d.buf, &v, bytes);
    memcpy(d.buf + bytes, &v2, bytes);
    enum a64_x x = load ? a64_data_access(cpu, &d) : store_exclusive(cpu, &d, rs);
    if (x == X_STOP && d.mmio) {
        struct insn in = { .rt = rt, .size = size, .opc = load, .pair = true };
        return stop_mmio(cpu, &in, &d); /* pair: no valid syndrome for an exclusive */
    }
    if (x != X_NEXT)
        return x;
    if (load) {
        v = v2 = 0;
        memcpy(&v, d.buf, bytes);
        memcpy(&v2, d.buf + bytes, bytes);
        set_reg(cpu, rt, v);
        if (pair)
            set_reg(cpu, rt2, v2);
        cpu->a.excl = (struct a64_excl){ .pa = d.pa, .size = d.len };
    }
    if (!d.code_dropped)
        return X_NEXT;
    cpu->a.pc += 4;
    return X_RELOAD;
}

/* DC ZVA reports the operand's own address, and always faults on Device memory. */
static bool zero_faults(struct a64_cpu *cpu, uint64_t va)
{
    struct a64_xl xl;
    const struct a64_req req = {
        .va = va, .acc = ACC_WRITE, .el = cpu->a.el, .pan = cpu->a.pan
    };
    a64_translate_va(cpu, &req, &xl);
    if (xl.fsc < 0 && (xl.e.attrs & AT_DEVICE))
        xl.fsc = FSC_ALIGNMENT;
    if (xl.fsc < 0 || xl.fsc == FSC_STAGE2)
        return false;
    a64_exception_dabt(cpu, va, (uint32_t)xl.fsc, true, false);
    return true;
}

enum a64_x a64_zero_block(struct a64_cpu *cpu, uint64_t va)
{
    bool dropped = false;
    const struct a64_ftlb *e = &cpu->tlb[(va >> 12) % FTLB_SIZE];
    if (e->wtag == (va & ~(uint64_t)(A64_PAGE_SIZE - 1)) && !(e->pa & FTLB_DEVICE)) {
        memset(a64_soft_host(e, va & ~63ull), 0, 64);
        return X_NEXT;
    }
    if (zero_faults(cpu, va))
        return X_EXC;
    if (cpu->watch) { /* nothing is written if any of it is watched */
        struct a64_data all = { .write = true };
        enum a64_x x = a64_watch(cpu, &all, va & ~63ull, 64);
        if (x != X_NEXT)
            return x;
    }
    for (uint64_t off = 0; off < 64; off += 16) {
        struct a64_data d = {
            .va = (va & ~63ull) + off, .len = 16, .elem = 1, .write = true
        };
        enum a64_x x = a64_data_access(cpu, &d);
        if (x == X_STOP && d.mmio) {
            struct insn in = { .rt = 31,
                               .size = 3,
                               .pair = true }; /* no valid syndrome */
            return stop_mmio(cpu, &in, &d);
        }
        if (x != X_NEXT)
            return x;
        dropped |= d.code_dropped;
    }
    if (!dropped)
        return X_NEXT;
    cpu->a.pc += 4;
    return X_RELOAD;
}
