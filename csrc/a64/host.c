/* Host views: virtual memory, breakpoints, statistics, decoding for tools; snapshots.
 */
#include <string.h>

#include "a64.h"
#include "bits.h"
#include "debug.h"
#include "decode.h"
#include "flags.h"
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

/* --- snapshots
 * ------------------------------------------------------------------------------- */
enum { CPU_MAGIC = 0x31363443, MEM_MAGIC = 0x3136344d };

struct header {
    uint32_t magic, version;
    uint64_t size;
};

size_t a64_cpu_save_size(void)
{ return sizeof(struct header) + sizeof(struct a64_arch); }

/* NZCV in one form, however they were computed: equal CPUs, equal records. */
static void save_flags(const struct a64_cpu *cpu, uint8_t *record)
{
    uint64_t words[4];
    a64_flag_words(a64_nzcv(&cpu->a), words);
    memcpy(record + offsetof(struct a64_arch, fn), words, sizeof words);
}

int a64_cpu_save(const struct a64_cpu *cpu, void *buf, size_t len)
{
    struct header h = { CPU_MAGIC, A64_API_VERSION, sizeof(struct a64_arch) };
    if (len < a64_cpu_save_size())
        return A64_EINVAL;
    memcpy(buf, &h, sizeof h);
    memcpy((uint8_t *)buf + sizeof h, &cpu->a, sizeof cpu->a);
    save_flags(cpu, (uint8_t *)buf + sizeof h);
    return A64_OK;
}

int a64_cpu_load(struct a64_cpu *cpu, const void *buf, size_t len)
{
    struct header h;
    if (len < a64_cpu_save_size())
        return A64_EINVAL;
    memcpy(&h, buf, sizeof h);
    if (h.magic != CPU_MAGIC || h.version != A64_API_VERSION || h.size != sizeof cpu->a)
        return A64_EVERSION;
    memcpy(&cpu->a, (const uint8_t *)buf + sizeof h, sizeof cpu->a);
    a64_soft_flush(cpu);
    a64_mode_changed(cpu);
    a64_watch_reservation(cpu);
    (void)a64_debug_changed(cpu);
    return A64_OK;
}

/* Memory: header, then per present page its address, bit 0 = the page's bytes follow
 * (not zero). */
static bool page_is_zero(const uint8_t *p)
{ return p[0] == 0 && memcmp(p, p + 1, A64_PAGE_SIZE - 1) == 0; }

static size_t save_pages(const struct a64_mem *mem, uint8_t *out)
{
    size_t n = 0;
    for (uint32_t r = 0; r < mem->n_ram; r++) {
        const struct a64_ram *ram = &mem->ram[r];
        for (uint64_t off = 0; off < ram->size; off += A64_PAGE_SIZE) {
            if (!(ram->page[off / A64_PAGE_SIZE].flags & PG_PRESENT))
                continue;
            bool zero = page_is_zero(ram->host + off);
            uint64_t tag = (ram->base + off) | (zero ? 0 : 1);
            if (out != NULL)
                memcpy(out + n, &tag, sizeof tag);
            n += sizeof tag;
            if (zero)
                continue;
            if (out != NULL)
                memcpy(out + n, ram->host + off, A64_PAGE_SIZE);
            n += A64_PAGE_SIZE;
        }
    }
    return n;
}

size_t a64_mem_save_size(const struct a64_mem *mem)
{ return sizeof(struct header) + save_pages(mem, NULL); }

int a64_mem_save(const struct a64_mem *mem, void *buf, size_t len)
{
    struct header h = { MEM_MAGIC, A64_API_VERSION, a64_mem_save_size(mem) };
    if (len < h.size)
        return A64_EINVAL;
    memcpy(buf, &h, sizeof h);
    save_pages(mem, (uint8_t *)buf + sizeof h);
    return A64_OK;
}

static void clear_memory(struct a64_mem *mem)
{
    for (uint32_t r = 0; r < mem->n_ram; r++)
        for (uint64_t off = 0; off < mem->ram[r].size; off += A64_PAGE_SIZE) {
            struct a64_page *page = &mem->ram[r].page[off / A64_PAGE_SIZE];
            if (!(page->flags & PG_PRESENT))
                continue; /* never touched: still zero */
            memset(mem->ram[r].host + off, 0, A64_PAGE_SIZE);
            a64_note_store(NULL, mem, page, mem->ram[r].base + off, A64_PAGE_SIZE);
            page->flags &= ~(uint32_t)PG_PRESENT;
        }
    mem->code_gen++;
}

int a64_mem_load(struct a64_mem *mem, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    struct header h;
    if (len < sizeof h)
        return A64_EINVAL;
    memcpy(&h, in, sizeof h);
    if (h.magic != MEM_MAGIC || h.version != A64_API_VERSION || h.size > len)
        return A64_EVERSION;
    clear_memory(mem);
    for (size_t n = sizeof h; n + 8 <= h.size;) {
        static const uint8_t zero[A64_PAGE_SIZE];
        uint64_t tag;
        memcpy(&tag, in + n, sizeof tag);
        n += sizeof tag;
        bool data = tag & 1;
        if (data && n + A64_PAGE_SIZE > h.size)
            return A64_EINVAL;
        int rc = a64_mem_write(mem, tag & ~1ull, data ? in + n : zero, A64_PAGE_SIZE);
        if (rc != A64_OK)
            return A64_EVERSION; /* other memory layout */
        n += data ? A64_PAGE_SIZE : 0;
    }
    return A64_OK;
}

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
