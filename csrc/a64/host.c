/* Host views: virtual memory, breakpoints, statistics, decoding for tools. */
#include <string.h>

#include "a64.h"
#include "bits.h"
#include "decode.h"
#include "mem.h"
#include "mmu.h"

int a64_translate(struct a64_cpu *cpu, uint64_t va, uint32_t el, bool is_write,
                  uint64_t *ipa)
{
    struct a64_xl xl;
    uint64_t walks = cpu->stats.walks;
    if (el > 1)
        return A64_EINVAL;
    const struct a64_req req = { .va = va,
                                 .acc = is_write ? ACC_WRITE : ACC_READ,
                                 .el = el,
                                 .pan = cpu->a.pan,
                                 .no_tlb = true };
    a64_translate_va(cpu, &req, &xl);
    cpu->stats.walks = walks;
    *ipa = xl.fsc < 0 ? xl.pa : (uint64_t)xl.fsc;
    return xl.fsc < 0 ? A64_OK : A64_EFAULT;
}

/* One page at a time, ignoring permissions as a debugger does. */
static int virt_copy(struct a64_cpu *cpu, uint64_t va, uint8_t *out, const uint8_t *in,
                     size_t len)
{
    while (len > 0) {
        struct a64_xl xl;
        size_t n = A64_PAGE_SIZE - (size_t)(va % A64_PAGE_SIZE);
        n = n < len ? n : len;
        const struct a64_req req = {
            .va = va, .acc = ACC_READ, .el = 1, .no_tlb = true
        };
        a64_translate_va(cpu, &req, &xl);
        if (xl.fsc >= 0)
            return A64_EFAULT;
        int rc = in != NULL ? a64_mem_write(cpu->mem, xl.pa, in, n)
                            : a64_mem_read(cpu->mem, xl.pa, out, n);
        if (rc != A64_OK)
            return rc;
        va += n;
        len -= n;
        if (in != NULL)
            in += n;
        else
            out += n;
    }
    return A64_OK;
}

int a64_virt_read(struct a64_cpu *cpu, uint64_t va, void *buf, size_t len)
{ return virt_copy(cpu, va, buf, NULL, len); }

int a64_virt_write(struct a64_cpu *cpu, uint64_t va, const void *buf, size_t len)
{ return virt_copy(cpu, va, NULL, buf, len); }

int a64_breakpoint(struct a64_cpu *cpu, uint64_t pc, bool insert)
{
    uint32_t i = 0;
    while (i < cpu->n_bp && cpu->bp[i] != pc)
        i++;
    if (insert && i == cpu->n_bp) {
        if (cpu->n_bp == A64_MAX_BREAKPOINTS)
            return A64_EINVAL;
        cpu->bp[cpu->n_bp++] = pc;
    } else if (!insert) {
        if (i == cpu->n_bp)
            return A64_EINVAL;
        cpu->bp[i] = cpu->bp[--cpu->n_bp];
    }
    return A64_OK;
}

void a64_get_stats(const struct a64_cpu *cpu, struct a64_stats *stats)
{ *stats = cpu->stats; }

/* --- names for tools and tests
 * ----------------------------------------------------------------- */
static const char op_names[][16] = {
#define NAME_OP1(n) #n,
#define NAME_COND_N(c, n) "B" #c "_N",
#define NAME_CSEL(k, c, n) #k "_" #c,
#define NAME_CSEL_C(c, n) A64_CSEL_KINDS(NAME_CSEL, c, n)
#define NAME_MODE(t, m, c, v) #t "_" #m,
#define NAME_TYPE(t, c, v) A64_MODES(NAME_MODE, t, c, v)
#define NAME_PAIR(n, m, t) #n,
    A64_CTL_OPS(NAME_OP1) A64_CONDS(NAME_COND_N) A64_ALU_OPS(NAME_OP1)
        A64_CONDS(NAME_CSEL_C) A64_LOAD_TYPES(NAME_TYPE) A64_STORE_TYPES(NAME_TYPE)
            A64_PAIR_OPS(NAME_PAIR) A64_STPAIR_OPS(NAME_PAIR)
};

const char *a64_op_name(uint32_t word, bool has_crc32, bool has_pan)
{
    static const struct a64_mem none[4] = {
        { .has_crc32 = 0, .has_pan = 0 },
        { .has_crc32 = 1, .has_pan = 0 },
        { .has_crc32 = 0, .has_pan = 1 },
        { .has_crc32 = 1, .has_pan = 1 },
    };
    struct a64_slot s;
    a64_decode(&none[(has_crc32 ? 1 : 0) + (has_pan ? 2 : 0)], word, 0, &s);
    return op_names[s.op];
}
