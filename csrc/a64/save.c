/* Snapshots of CPUs and memory. What comes in is checked field by field before anything
 * changes: a record may come from a file that somebody has edited. */
#include <string.h>

#include "a64.h"
#include "bits.h"
#include "debug.h"
#include "flags.h"
#include "mem.h"
#include "mmu.h"

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

/* --- checks
 * --------------------------------------------------------------------------------- */
static const char *bad_pstate(const struct a64_arch *a)
{
    if (a->el > 1 || a->spsel > 1 || a->pan > 1 || a->il > 1)
        return "el, spsel, pan or il";
    if (a->irq > 1 || a->fiq > 1 || a->serror > 1 || a->event > 1)
        return "irq, fiq, serror or event";
    if ((a->daif & ~0x3c0u) != 0 || a->fc > 1)
        return "daif or flags";
    if (a->ss > 1 || a->stepped > 2)
        return "ss or stepped";
    if (a->x[R_ZERO] != 0)
        return "the zero register";
    return a->serror_iss >> 25 != 0 || a->stop_on > 15 ? "serror_iss or stop_on" : NULL;
}

static const char *bad_exit(const struct a64_arch *a)
{
    const struct a64_exit *e = &a->exit;
    uint32_t size = e->size;
    if (a->pending > PEND_SYSREG)
        return "pending";
    if (size > 8 || (size & (size - 1)) != 0 || e->rt > 31 ||
        (a->pending == PEND_MMIO && size == 0))
        return "exit.size or exit.rt";
    uint32_t bools = e->is_write | e->sign | e->sixty_four | e->isv;
    return (bools | e->is_fetch | e->is_walk) > 1 ? "exit" : NULL;
}

static const char *bad_clock(const struct a64_cpu *cpu, const struct a64_arch *a)
{
    const struct a64_clock_state *c = &a->clock, *own = &cpu->a.clock;
    if (c->num != own->num || c->den != own->den || c->recip != own->recip ||
        c->rem0 >= own->den || c->cyc0 > a->now_cyc)
        return "clock";
    return ((a->timer[0].ctl | a->timer[1].ctl) & ~3u) != 0 ? "timer" : NULL;
}

/* Identification is the CPU's own: it follows from its configuration. */
static const char *bad_identity(const struct a64_cpu *cpu, const struct a64_arch *a)
{
    const size_t n = sizeof a->sr - SR_MIDR * sizeof a->sr[0];
    if (a->pa_bits != cpu->a.pa_bits)
        return "pa_bits";
    bool same = memcmp(&a->sr[SR_MIDR], &cpu->a.sr[SR_MIDR], n) == 0;
    return same ? NULL : "identification";
}

static bool tlbe_fits(const struct a64_tlbe *e, bool is_page)
{
    bool page_shift = e->shift == 12 || e->shift == 14 || e->shift == 16;
    if (e->shift == 0)
        return true;
    return (is_page ? page_shift : e->shift > 12 && e->shift < 48) && e->global <= 1 &&
           e->attrs < 2 * AT_DEVICE && e->sh <= 3 && e->level <= 3 && e->pa >> 48 == 0;
}

static const char *bad_tlb(const struct a64_arch *a)
{
    for (uint32_t i = 0; i < TLB_PAGES; i++)
        if (!tlbe_fits(&a->tlb_page[i], true))
            return "tlb_page";
    for (uint32_t i = 0; i < TLB_BLOCKS; i++)
        if (!tlbe_fits(&a->tlb_block[i], false))
            return "tlb_block";
    return a->next_block >= TLB_BLOCKS ? "next_block" : NULL;
}

static const char *bad_excl(const struct a64_arch *a)
{
    uint32_t size = a->excl.size;
    return size > 16 || (size & (size - 1)) != 0 ? "excl.size" : NULL;
}

const char *a64_cpu_check(const struct a64_cpu *cpu, const void *buf, size_t len)
{
    struct header h;
    struct a64_arch a;
    const char *bad = NULL;
    if (len < a64_cpu_save_size())
        return "length";
    memcpy(&h, buf, sizeof h);
    if (h.magic != CPU_MAGIC || h.version != A64_API_VERSION || h.size != sizeof a)
        return "format";
    memcpy(&a, (const uint8_t *)buf + sizeof h, sizeof a);
    if ((bad = bad_pstate(&a)) == NULL && (bad = bad_exit(&a)) == NULL &&
        (bad = bad_clock(cpu, &a)) == NULL && (bad = bad_identity(cpu, &a)) == NULL &&
        (bad = bad_tlb(&a)) == NULL)
        bad = bad_excl(&a);
    return bad;
}

int a64_cpu_load(struct a64_cpu *cpu, const void *buf, size_t len)
{
    if (a64_cpu_check(cpu, buf, len) != NULL)
        return len < a64_cpu_save_size() ? A64_EINVAL : A64_EVERSION;
    memcpy(&cpu->a, (const uint8_t *)buf + sizeof(struct header), sizeof cpu->a);
    a64_soft_flush(cpu);
    a64_mode_changed(cpu);
    a64_watch_reservation(cpu);
    (void)a64_debug_changed(cpu);
    return A64_OK;
}

/* --- memory: header, then per present page its address, bit 0 = the page's bytes
 * follow (not zero), in ascending order of regions and addresses
 * ------------------------------------------------------------------------------- */
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

/* A position in the order of regions and pages; 0: not in memory. */
static uint64_t place_of(const struct a64_mem *mem, uint64_t pa)
{
    uint64_t before = 1;
    for (uint32_t r = 0; r < mem->n_ram; r++) {
        if (pa - mem->ram[r].base < mem->ram[r].size)
            return before + (pa - mem->ram[r].base) / A64_PAGE_SIZE;
        before += mem->ram[r].size / A64_PAGE_SIZE;
    }
    return 0;
}

const char *a64_mem_check(const struct a64_mem *mem, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    struct header h;
    uint64_t last = 0;
    size_t n = sizeof h;
    if (len < sizeof h)
        return "length";
    memcpy(&h, in, sizeof h);
    if (h.magic != MEM_MAGIC || h.version != A64_API_VERSION || h.size > len)
        return "format";
    while (n + sizeof last <= h.size) {
        uint64_t tag, place;
        memcpy(&tag, in + n, sizeof tag);
        place = place_of(mem, tag & ~1ull);
        if ((tag & (A64_PAGE_SIZE - 1) & ~1ull) != 0 || place <= last)
            return "page address";
        last = place;
        n += sizeof tag + (tag & 1 ? A64_PAGE_SIZE : 0);
    }
    return n != h.size ? "length" : NULL;
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
    if (a64_mem_check(mem, buf, len) != NULL)
        return len < sizeof h ? A64_EINVAL : A64_EVERSION;
    memcpy(&h, in, sizeof h);
    clear_memory(mem);
    for (size_t n = sizeof h; n < h.size;) {
        static const uint8_t zero[A64_PAGE_SIZE];
        uint64_t tag;
        memcpy(&tag, in + n, sizeof tag);
        n += sizeof tag;
        bool data = tag & 1;
        (void)a64_mem_write(mem, tag & ~1ull, data ? in + n : zero, A64_PAGE_SIZE);
        n += data ? A64_PAGE_SIZE : 0;
    }
    return A64_OK;
}
