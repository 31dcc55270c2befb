/* Stage 1 translation table walk and permissions. Arm ARM D5 "The AArch64 Virtual
 * Memory System Architecture", pseudocode AArch64.TranslationTableWalk. */
#include "mmu.h"

#include <string.h>

#include "bits.h"
#include "mem.h"

/* One half (TTBR0 or TTBR1) of the translation regime, from TCR_EL1. */
struct half {
    uint64_t ttbr;
    uint32_t tsz, shift; /* region size; log2 granule */
    bool disabled, tbi;
};

static struct half half_of(const struct a64_cpu *cpu, uint64_t va)
{
    static const uint8_t tg0[4] = { 12, 16, 14, 12 }, tg1[4] = { 12, 14, 12, 16 };
    uint64_t tcr = cpu->a.sr[SR_TCR];
    if ((va >> 55) & 1)
        return (struct half){ cpu->a.sr[SR_TTBR1], (uint32_t)bits64(tcr, 16, 6),
                              tg1[bits64(tcr, 30, 2)], bits64(tcr, 23, 1),
                              bits64(tcr, 38, 1) };
    return (struct half){ cpu->a.sr[SR_TTBR0], (uint32_t)bits64(tcr, 0, 6),
                          tg0[bits64(tcr, 14, 2)], bits64(tcr, 7, 1),
                          bits64(tcr, 37, 1) };
}

uint64_t a64_strip_tag(const struct a64_cpu *cpu, uint64_t va)
{
    uint64_t tcr = cpu->a.sr[SR_TCR];
    bool tbi = (va >> 55) & 1 ? bits64(tcr, 38, 1) : bits64(tcr, 37, 1);
    return tbi ? sext(va, 56) : va;
}

uint16_t a64_current_asid(const struct a64_cpu *cpu)
{
    uint64_t tcr = cpu->a.sr[SR_TCR];
    uint64_t ttbr = bits64(tcr, 22, 1) ? cpu->a.sr[SR_TTBR1] : cpu->a.sr[SR_TTBR0];
    uint64_t asid = ttbr >> 48;
    return (uint16_t)(bits64(tcr, 36, 1) ? asid : asid & 0xff);
}

static uint32_t output_bits(const struct a64_cpu *cpu)
{
    static const uint8_t ips[8] = { 32, 36, 40, 42, 44, 48, 48, 48 };
    uint32_t n = ips[bits64(cpu->a.sr[SR_TCR], 32, 3)];
    return n < cpu->a.pa_bits ? n : cpu->a.pa_bits;
}

/* The leaf with the hierarchical controls of the tables above it (APTable, UXNTable,
 * PXNTable, accumulated in their descriptor positions) folded into its own bits. */
static uint64_t fold_tables(uint64_t desc, uint64_t tables)
{
    desc |= bits64(tables, 60, 1) << 54 | bits64(tables, 59, 1) << 53;
    desc |= bits64(tables, 62, 1) << 7;
    return desc & ~(bits64(tables, 61, 1) << 6);
}

/* Leaf permissions to AT_* bits, AArch64.CheckPermission(). */
static uint8_t leaf_attrs(const struct a64_cpu *cpu, uint64_t desc, uint8_t mair)
{
    bool user = bits64(desc, 6, 1), readonly = bits64(desc, 7, 1);
    bool wxn = cpu->a.sr[SR_SCTLR] & SCTLR_WXN;
    uint32_t at = AT_R1;
    if (user)
        at |= AT_R0;
    if (!readonly)
        at |= user ? AT_W0 | AT_W1 : AT_W1;
    if (!bits64(desc, 54, 1) && !(wxn && (at & AT_W0)))
        at |= AT_X0;
    /* Writable at EL0 implies PXN, whatever WXN says. */
    if (!bits64(desc, 53, 1) && !(wxn && (at & AT_W1)) && !(at & AT_W0))
        at |= AT_X1;
    if (mair >> 4 == 0)
        at |= AT_DEVICE;
    return (uint8_t)at;
}

static int32_t read_desc(const struct a64_cpu *cpu, uint64_t pa, uint64_t *desc,
                         struct a64_xl *xl)
{
    uint8_t *host;
    const struct a64_page *page = a64_page_of(cpu->mem, pa, &host);
    xl->ipa = pa;
    if (page == NULL)
        return FSC_EXTERNAL_WALK;
    if (!(page->flags & PG_PRESENT))
        return FSC_STAGE2;
    memcpy(desc, host + (pa & (A64_PAGE_SIZE - 1)), sizeof *desc);
    return -1;
}

static void leaf_entry(const struct a64_cpu *cpu, uint64_t va, uint64_t desc,
                       uint32_t shift, struct a64_tlbe *e)
{
    e->va = sext(va, 56) & ~mask64(shift);
    e->pa = desc & 0x0000ffffffffffffull & ~mask64(shift);
    e->asid = a64_current_asid(cpu);
    e->shift = (uint8_t)shift;
    e->global = !bits64(desc, 11, 1);
    e->mair = (uint8_t)(cpu->a.sr[SR_MAIR] >> (8 * bits64(desc, 2, 3)));
    e->attrs = leaf_attrs(cpu, desc, e->mair);
    e->sh = (uint8_t)bits64(desc, 8, 2);
}

/* Walks for va; returns -1 and fills xl->e, or a fault status code with its level. */
static int32_t walk(struct a64_cpu *cpu, uint64_t va, const struct half *h,
                    struct a64_xl *xl)
{
    uint32_t stride = h->shift - 3, out_bits = output_bits(cpu);
    uint32_t va_bits = 64 - h->tsz;
    uint32_t levels = (va_bits - h->shift + stride - 1) / stride;
    uint32_t level = 4 - levels, top = va_bits;
    uint64_t tables = 0;
    uint64_t base = h->ttbr & 0x0000fffffffffffeull;
    base &= ~mask64(va_bits - h->shift - (levels - 1) * stride + 3);
    cpu->stats.walks++;
    if (base >> out_bits != 0)
        return FSC_ADDRESS_SIZE; /* TTBR: level 0, whatever the first level is */
    for (;; level++) {
        uint32_t shift = h->shift + stride * (3 - level);
        uint64_t desc = 0, idx = bits64(va, shift, top - shift);
        int32_t fsc = read_desc(cpu, base + idx * 8, &desc, xl);
        if (fsc >= 0)
            return fsc == FSC_STAGE2 ? fsc : fsc + (int32_t)level;
        bool table = level < 3 && (desc & 3) == 3;
        bool block_ok = level == 2 || (level == 1 && h->shift == 12);
        bool leaf = level == 3 ? (desc & 3) == 3 : (desc & 3) == 1 && block_ok;
        if (!table && !leaf)
            return FSC_TRANSLATION + (int32_t)level;
        base = desc & 0x0000ffffffffffffull & ~mask64(table ? h->shift : shift);
        if (base >> out_bits != 0)
            return FSC_ADDRESS_SIZE + (int32_t)level;
        xl->e.level = (uint8_t)level;
        if (leaf) {
            if (!bits64(desc, 10, 1))
                return FSC_ACCESS_FLAG + (int32_t)level;
            leaf_entry(cpu, va, fold_tables(desc, tables), shift, &xl->e);
            return -1;
        }
        tables |= desc & 0x7800000000000000ull;
        top = shift;
    }
}

/* --- the architectural TLB
 * ----------------------------------------------------------------- */
/* The set of a page: TLB_WAYS entries, so that a few ASIDs' translations of one VA
 * coexist. */
static struct a64_tlbe *page_set(struct a64_cpu *cpu, uint64_t va, uint32_t shift)
{ return &cpu->a.tlb_page[(va >> shift) % (TLB_PAGES / TLB_WAYS) * TLB_WAYS]; }

static bool entry_hits(const struct a64_tlbe *e, uint64_t va, uint16_t asid)
{
    return e->shift != 0 && ((e->va ^ va) >> e->shift) == 0 &&
           (e->global || e->asid == asid);
}

static const struct a64_tlbe *tlb_lookup(struct a64_cpu *cpu, uint64_t va,
                                         uint32_t shift)
{
    uint16_t asid = a64_current_asid(cpu);
    const struct a64_tlbe *set = page_set(cpu, va, shift);
    for (uint32_t w = 0; w < TLB_WAYS; w++)
        if (set[w].shift == shift && entry_hits(&set[w], va, asid))
            return &set[w];
    for (uint32_t i = 0; i < TLB_BLOCKS; i++)
        if (entry_hits(&cpu->a.tlb_block[i], va, asid))
            return &cpu->a.tlb_block[i];
    return NULL;
}

/* The soft caches hold only what the TLB holds, so that a TLBI that hits nothing here
 * has nothing to do there: dropping an entry drops its pages. */
static void tlb_drop(struct a64_cpu *cpu, struct a64_tlbe *e)
{
    if (e->shift == 0)
        return;
    a64_soft_flush_page(cpu, e->va, e->shift);
    e->shift = 0;
}

static void tlb_insert(struct a64_cpu *cpu, const struct a64_tlbe *e,
                       uint32_t page_shift)
{
    struct a64_tlbe *slot;
    if (e->shift == page_shift) {
        struct a64_tlbe *set = page_set(cpu, e->va, page_shift);
        slot = &set[cpu->a.next_way++ % TLB_WAYS];
        for (uint32_t w = 0; w < TLB_WAYS && slot->shift != 0; w++)
            slot = set[w].shift == 0 ? &set[w] : slot;
    } else {
        slot = &cpu->a.tlb_block[cpu->a.next_block];
        cpu->a.next_block = (cpu->a.next_block + 1) % TLB_BLOCKS;
    }
    tlb_drop(cpu, slot);
    *slot = *e;
}

void a64_tlb_flush_all(struct a64_cpu *cpu)
{
    memset(cpu->a.tlb_page, 0, sizeof cpu->a.tlb_page);
    memset(cpu->a.tlb_block, 0, sizeof cpu->a.tlb_block);
    a64_soft_flush(cpu);
}

void a64_tlb_flush_asid(struct a64_cpu *cpu, uint16_t asid)
{
    for (uint32_t i = 0; i < TLB_PAGES; i++)
        if (!cpu->a.tlb_page[i].global && cpu->a.tlb_page[i].asid == asid)
            cpu->a.tlb_page[i].shift = 0;
    for (uint32_t i = 0; i < TLB_BLOCKS; i++)
        if (!cpu->a.tlb_block[i].global && cpu->a.tlb_block[i].asid == asid)
            cpu->a.tlb_block[i].shift = 0;
    a64_soft_flush(cpu);
}

static bool va_matches(const struct a64_tlbe *e, uint64_t va, uint16_t asid,
                       bool all_asids)
{
    return e->shift != 0 && ((e->va ^ va) >> e->shift) == 0 &&
           (all_asids || e->global || e->asid == asid);
}

void a64_tlb_flush_va(struct a64_cpu *cpu, uint64_t va, uint16_t asid, bool all_asids)
{
    for (uint32_t shift = 12; shift <= 16; shift += 2) {
        struct a64_tlbe *set = page_set(cpu, va, shift);
        for (uint32_t w = 0; w < TLB_WAYS; w++)
            if (va_matches(&set[w], va, asid, all_asids))
                tlb_drop(cpu, &set[w]);
    }
    for (uint32_t i = 0; i < TLB_BLOCKS; i++)
        if (va_matches(&cpu->a.tlb_block[i], va, asid, all_asids))
            tlb_drop(cpu, &cpu->a.tlb_block[i]);
}

/* --- translation
 * ------------------------------------------------------------------------------ */
static bool is_allowed(uint8_t attrs, const struct a64_req *req)
{
    static const uint8_t need[2][3] = { { AT_R0, AT_W0, AT_X0 },
                                        { AT_R1, AT_W1, AT_X1 } };
    if (req->el == 1 && req->pan && req->acc != ACC_FETCH && (attrs & AT_R0))
        return false;
    return attrs & need[req->el][req->acc];
}

static void translate_flat(struct a64_cpu *cpu, uint64_t va, enum a64_access acc,
                           struct a64_xl *xl)
{
    /* Arm ARM "Behavior when stage 1 address translation is disabled": data is
     * Device-nGnRnE, instructions are Normal. */
    xl->e = (struct a64_tlbe){ .va = va & ~mask64(12),
                               .pa = va & ~mask64(12),
                               .shift = 12,
                               .global = 1,
                               .sh = 2,
                               .attrs = 0x3f };
    if (acc != ACC_FETCH)
        xl->e.attrs |= AT_DEVICE;
    xl->pa = va;
    xl->fsc = va >> cpu->a.pa_bits != 0 ? FSC_ADDRESS_SIZE : -1;
}

void a64_translate_va(struct a64_cpu *cpu, const struct a64_req *req, struct a64_xl *xl)
{
    uint64_t va = req->va;
    *xl = (struct a64_xl){ .fsc = -1 };
    struct half h = half_of(cpu, va);
    if (h.tbi)
        va = sext(va, 56);
    if (!(cpu->a.sr[SR_SCTLR] & SCTLR_M)) {
        translate_flat(cpu, va, req->acc, xl);
        return;
    }
    const struct a64_tlbe *hit = req->no_tlb ? NULL : tlb_lookup(cpu, va, h.shift);
    if (hit != NULL) {
        xl->e = *hit;
    } else {
        uint64_t extra = (va >> 55) & 1 ? ~va : va;
        if (h.tsz < 16 || h.tsz > 39 || extra >> (64 - h.tsz) != 0 || h.disabled)
            xl->fsc = FSC_TRANSLATION;
        else
            xl->fsc = walk(cpu, va, &h, xl);
        /* A table outside memory is a stage 2 fault; only a host that asks hears of it
         * as an abort. */
        if (!req->no_tlb && (xl->fsc & ~3) == FSC_EXTERNAL_WALK)
            xl->fsc = FSC_STAGE2;
        if (xl->fsc >= 0)
            return;
        if (!req->no_tlb)
            tlb_insert(cpu, &xl->e, h.shift);
    }
    xl->pa = xl->e.pa | (va & mask64(xl->e.shift));
    if (!is_allowed(xl->e.attrs, req))
        xl->fsc = FSC_PERMISSION + xl->e.level;
}
