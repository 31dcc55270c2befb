/* Guest-physical memory and the coherence of everything cached from it. */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "exec.h"
#include "jit.h"
#include "ops.h"

/* Exclusives Reservation Granule, 64 bytes: CTR_EL0.ERG says so too. */
#define ERG_MASK (~63ull)

struct a64_page *a64_page_of(const struct a64_mem *mem, uint64_t pa, uint8_t **host)
{
    for (uint32_t i = 0; i < mem->n_ram; i++) {
        const struct a64_ram *ram = &mem->ram[i];
        if (pa - ram->base < ram->size) {
            uint64_t off = (pa - ram->base) & ~(uint64_t)(A64_PAGE_SIZE - 1);
            *host = ram->host + off;
            return &ram->page[off / A64_PAGE_SIZE];
        }
    }
    return NULL;
}

/* --- soft caches
 * ---------------------------------------------------------------------------- */
void a64_soft_flush(struct a64_cpu *cpu)
{
    for (int m = 0; m < N_MODES; m++)
        for (int i = 0; i < FTLB_SIZE; i++)
            cpu->ftlb[m][i].rtag = cpu->ftlb[m][i].wtag = TAG_NONE;
    for (int el = 0; el < 2; el++)
        for (int i = 0; i < FETCH_SIZE; i++)
            cpu->fetch_cache[el][i].tag = TAG_NONE;
}

void a64_drop_write_tags(struct a64_cpu *cpu)
{
    for (int m = 0; m < N_MODES; m++)
        for (int i = 0; i < FTLB_SIZE; i++)
            cpu->ftlb[m][i].wtag = TAG_NONE;
}

void a64_soft_flush_page(struct a64_cpu *cpu, uint64_t va, uint32_t shift)
{
    if (shift > 16) {
        a64_soft_flush(cpu);
        return;
    }
    for (uint32_t n = 0; n < 1u << (shift - 12); n++) {
        uint32_t idx = (uint32_t)((va >> 12) + n);
        for (int m = 0; m < N_MODES; m++) {
            struct a64_ftlb *e = &cpu->ftlb[m][idx % FTLB_SIZE];
            e->rtag = e->wtag = TAG_NONE;
        }
        for (int el = 0; el < 2; el++)
            cpu->fetch_cache[el][idx % FETCH_SIZE].tag = TAG_NONE;
    }
}

void a64_soft_catch_up(struct a64_cpu *cpu)
{
    if (cpu->code_seen != cpu->mem->code_gen)
        a64_soft_flush(cpu);
    else if (cpu->wtag_seen != cpu->mem->wtag_gen)
        a64_drop_write_tags(cpu);
    cpu->code_seen = cpu->mem->code_gen;
    cpu->wtag_seen = cpu->mem->wtag_gen;
}

/* No CPU may keep a write tag for pa: the running one drops it now, the others when
 * they run. */
static void revoke_write_tags(struct a64_cpu *cpu, struct a64_mem *mem, uint64_t pa)
{
    bool current = cpu != NULL && cpu->wtag_seen == mem->wtag_gen;
    mem->wtag_gen++;
    if (!current)
        return;
    for (int m = 0; m < N_MODES; m++)
        for (int i = 0; i < FTLB_SIZE; i++)
            if ((cpu->ftlb[m][i].pa & ~(uint64_t)FTLB_DEVICE) == pa)
                cpu->ftlb[m][i].wtag = TAG_NONE;
    cpu->wtag_seen = mem->wtag_gen;
}

/* --- decoded pages
 * ----------------------------------------------------------------------------- */
static void code_drop(struct a64_cpu *cpu, struct a64_mem *mem, struct a64_code *code)
{
    bool current = cpu != NULL && cpu->code_seen == mem->code_gen;
    code->page->flags &= ~(uint32_t)PG_CODE;
    code->page = NULL;
    code->next_free = mem->free_code;
    mem->free_code = (uint32_t)(code - mem->code) + 1;
    mem->code_gen++;
    if (!current)
        return;
    for (int el = 0; el < 2; el++)
        for (int i = 0; i < FETCH_SIZE; i++)
            if (cpu->fetch_cache[el][i].code == code)
                cpu->fetch_cache[el][i].tag = TAG_NONE;
    cpu->code_seen = mem->code_gen;
    cpu->stats.code_invalidations++;
}

struct a64_code *a64_code_get(struct a64_cpu *cpu, struct a64_page *page, uint64_t pa,
                              uint8_t *host)
{
    struct a64_mem *mem = cpu->mem;
    if (page->flags & PG_CODE)
        return &mem->code[page->code_idx];
    if (mem->free_code == 0) {
        mem->evict_code = (mem->evict_code + 1) % mem->n_code;
        code_drop(cpu, mem, &mem->code[mem->evict_code]);
    }
    uint32_t idx = mem->free_code - 1;
    struct a64_code *code = &mem->code[idx];
    mem->free_code = code->next_free;
    memset(code->slot, 0, sizeof code->slot);
    memset(code->jit, 0, sizeof code->jit);
    code->slot[SLOTS_PER_PAGE].op = OP_PAGE_END;
    code->lines = 0;
    code->page = page;
    code->host = host;
    code->pa = pa & ~(uint64_t)(A64_PAGE_SIZE - 1);
    page->code_idx = idx;
    page->flags |= PG_CODE;
    revoke_write_tags(cpu, mem, code->pa);
    return code;
}

/* --- stores
 * ------------------------------------------------------------------------------------
 */
static void clear_reservations(struct a64_cpu *cpu, struct a64_mem *mem,
                               struct a64_page *page, uint64_t pa, uint32_t size)
{
    bool still_watched = false;
    for (uint32_t i = 0; i < mem->n_cpus; i++) {
        struct a64_cpu *other = mem->cpu[i];
        if (other == NULL || other->a.excl.size == 0)
            continue;
        uint64_t granule = other->a.excl.pa & ERG_MASK;
        if (other != cpu && granule <= pa + size - 1 && granule + 63 >= pa) {
            other->a.excl.size = 0;
            other->a.event =
                1; /* Arm ARM "WFE wake-up events": clearing of the global monitor */
        } else if (((other->a.excl.pa ^ pa) & ~(uint64_t)(A64_PAGE_SIZE - 1)) == 0) {
            still_watched = true;
        }
    }
    if (!still_watched)
        page->flags &= ~(uint32_t)PG_WATCH;
}

bool a64_note_store(struct a64_cpu *cpu, struct a64_mem *mem, struct a64_page *page,
                    uint64_t pa, uint32_t size)
{
    if (page->flags & PG_WATCH)
        clear_reservations(cpu, mem, page, pa, size);
    if (!(page->flags & PG_CODE))
        return false;
    struct a64_code *code = &mem->code[page->code_idx];
    uint32_t first = (uint32_t)(pa >> 6) & 63,
             last = (uint32_t)((pa + size - 1) >> 6) & 63;
    if ((code->lines & (mask64(last + 1) & ~mask64(first))) == 0)
        return false;
    code_drop(cpu, mem, code);
    return true;
}

void a64_watch_reservation(struct a64_cpu *cpu)
{
    struct a64_mem *mem = cpu->mem;
    uint8_t *host;
    if (cpu->a.excl.size == 0)
        return;
    struct a64_page *page = a64_page_of(mem, cpu->a.excl.pa, &host);
    if (page != NULL && !(page->flags & PG_WATCH)) {
        page->flags |= PG_WATCH;
        revoke_write_tags(cpu, mem, cpu->a.excl.pa & ~(uint64_t)(A64_PAGE_SIZE - 1));
    }
}

/* --- create, destroy
 * ------------------------------------------------------------------------------ */
static bool config_is_valid(const struct a64_mem_config *config)
{
    if (config->n_regions < 1 || config->n_regions > A64_MAX_REGIONS ||
        config->n_cpus > A64_MAX_CPUS || config->n_code_pages > 1u << 20)
        return false;
    for (uint32_t c = 0; c < A64_N_COST_CLASSES; c++)
        if (c <= A64_COST_LAST_PLAIN && config->cost[c] > A64_COST_MAX_PLAIN)
            return false;
    for (uint32_t i = 0; i < config->n_regions; i++) {
        const struct a64_region *r = &config->region[i];
        if (r->size == 0 || (r->base | r->size) % A64_PAGE_SIZE != 0 ||
            r->base + r->size < r->base || r->base + r->size > 1ull << 48)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (r->base < config->region[j].base + config->region[j].size &&
                config->region[j].base < r->base + r->size)
                return false;
    }
    return true;
}

static bool create_regions(struct a64_mem *mem, const struct a64_mem_config *config)
{
    for (uint32_t i = 0; i < config->n_regions; i++) {
        struct a64_ram *ram = &mem->ram[i];
        size_t n = (size_t)(config->region[i].size / A64_PAGE_SIZE);
        ram->base = config->region[i].base;
        ram->size = config->region[i].size;
        ram->host =
            calloc(n, A64_PAGE_SIZE); /* zero pages cost nothing until touched */
        ram->page = calloc(n, sizeof *ram->page);
        mem->n_ram = i + 1;
        if (ram->host == NULL || ram->page == NULL)
            return false;
        uint32_t flags = (config->all_present ? (uint32_t)PG_PRESENT : 0) |
                         (config->region[i].rom ? (uint32_t)PG_ROM : 0);
        for (size_t p = 0; p < n && flags != 0; p++)
            ram->page[p].flags = flags;
    }
    return true;
}

struct a64_mem *a64_mem_create(const struct a64_mem_config *config)
{
    if (!config_is_valid(config))
        return NULL;
    struct a64_mem *mem = calloc(1, sizeof *mem);
    if (mem == NULL)
        return NULL;
    mem->max_cpus = config->n_cpus ? config->n_cpus : 1;
    mem->n_code = config->n_code_pages < 4 ? (config->n_code_pages ? 4 : 1024)
                                           : config->n_code_pages;
    mem->has_crc32 = config->has_crc32;
    mem->has_pan = config->has_pan;
    for (uint32_t c = 0; c < A64_N_COST_CLASSES; c++)
        mem->cost[c] = config->cost[c] ? config->cost[c] : 1;
    mem->cpu = calloc(mem->max_cpus, sizeof(struct a64_cpu *));
    mem->code = calloc(mem->n_code, sizeof *mem->code);
    mem->fast_tab = calloc(OP_N, sizeof(void *));
    mem->step_tab = calloc(OP_N, sizeof(void *));
    if (!create_regions(mem, config) || mem->cpu == NULL || mem->code == NULL ||
        mem->fast_tab == NULL || mem->step_tab == NULL) {
        a64_mem_destroy(mem);
        return NULL;
    }
    for (uint32_t i = 0; i < mem->n_code; i++)
        mem->code[i].next_free = i + 1 < mem->n_code ? i + 2 : 0;
    mem->free_code = 1;
    a64_exec_init(mem);
    if (!config->no_jit)
        mem->jit = a64_jit_create(mem);
    return mem;
}

void a64_mem_destroy(struct a64_mem *mem)
{
    if (mem == NULL)
        return;
    for (uint32_t i = 0; i < mem->n_ram; i++) {
        free(mem->ram[i].host);
        free(mem->ram[i].page);
    }
    a64_jit_destroy(mem->jit);
    free(mem->cpu);
    free(mem->code);
    free(mem->fast_tab);
    free(mem->step_tab);
    free(mem);
}

/* --- host access
 * -----------------------------------------------------------------------------------
 */
static bool range_is_ram(const struct a64_mem *mem, uint64_t ipa, uint64_t len)
{
    for (uint32_t i = 0; i < mem->n_ram; i++) {
        const struct a64_ram *ram = &mem->ram[i];
        if (ipa - ram->base < ram->size && len <= ram->size - (ipa - ram->base))
            return true;
    }
    return false;
}

const uint8_t *a64_mem_peek(struct a64_mem *mem, uint64_t ipa, size_t len)
{
    uint8_t *host;
    if (!range_is_ram(mem, ipa, len) || a64_page_of(mem, ipa, &host) == NULL)
        return NULL;
    return host + ipa % A64_PAGE_SIZE;
}

int a64_mem_read(struct a64_mem *mem, uint64_t ipa, void *buf, size_t len)
{
    const uint8_t *p = a64_mem_peek(mem, ipa, len);
    if (p == NULL)
        return A64_EFAULT;
    memcpy(buf, p, len);
    return A64_OK;
}

int a64_mem_write(struct a64_mem *mem, uint64_t ipa, const void *buf, size_t len)
{
    const uint8_t *src = buf;
    if (!range_is_ram(mem, ipa, len))
        return A64_EFAULT;
    while (len > 0) {
        uint8_t *host;
        struct a64_page *page = a64_page_of(mem, ipa, &host);
        if (page == NULL)
            return A64_EFAULT;
        size_t off = (size_t)(ipa % A64_PAGE_SIZE), n = A64_PAGE_SIZE - off;
        n = n < len ? n : len;
        memcpy(host + off, src, n);
        page->flags |= PG_PRESENT;
        a64_note_store(NULL, mem, page, ipa, (uint32_t)n);
        ipa += n;
        src += n;
        len -= n;
    }
    return A64_OK;
}

bool a64_mem_is_present(const struct a64_mem *mem, uint64_t ipa)
{
    uint8_t *host;
    const struct a64_page *page = a64_page_of(mem, ipa, &host);
    return page != NULL && (page->flags & PG_PRESENT);
}

bool a64_mem_has_jit(const struct a64_mem *mem)
{ return mem->jit != NULL; }

int a64_mem_set_present(struct a64_mem *mem, uint64_t ipa, uint64_t len, bool present)
{
    if ((ipa | len) % A64_PAGE_SIZE != 0 || !range_is_ram(mem, ipa, len))
        return A64_EINVAL;
    for (uint64_t off = 0; off < len; off += A64_PAGE_SIZE) {
        uint8_t *host;
        struct a64_page *page = a64_page_of(mem, ipa + off, &host);
        if (page == NULL)
            return A64_EINVAL;
        page->flags = (page->flags & ~(uint32_t)PG_PRESENT) |
                      (present ? (uint32_t)PG_PRESENT : 0);
    }
    mem->code_gen++; /* every CPU looks its pages up again */
    return A64_OK;
}

int a64_trap_sysreg(struct a64_mem *mem, uint32_t enc, bool reads, bool writes)
{
    if (enc > 0xffff)
        return A64_EINVAL;
    uint64_t bit = 1ull << (enc & 63);
    mem->trap_r[enc >> 6] = (mem->trap_r[enc >> 6] & ~bit) | (reads ? bit : 0);
    mem->trap_w[enc >> 6] = (mem->trap_w[enc >> 6] & ~bit) | (writes ? bit : 0);
    for (uint32_t i = 0; i < mem->n_code;
         i++) /* decoded fast forms may no longer apply */
        if (mem->code[i].page != NULL)
            code_drop(NULL, mem, &mem->code[i]);
    return A64_OK;
}
