/* From translations to the executor's soft caches: data tags, fetch entries, stage 2
 * stops. */
#include "bits.h"
#include "except.h"
#include "mem.h"
#include "mmu.h"

void a64_mode_changed(struct a64_cpu *cpu)
{
    uint32_t mode = cpu->a.el == 0 ? MODE_EL0 : cpu->a.pan ? MODE_EL1_PAN : MODE_EL1;
    cpu->tlb = cpu->ftlb[mode];
    cpu->fetch = cpu->fetch_cache[cpu->a.el];
    uint64_t check = cpu->a.el == 0 ? SCTLR_SA0 : SCTLR_SA;
    cpu->sp_mask = cpu->a.sr[SR_SCTLR] & check ? 15 : 0;
}

void a64_ftlb_fill(struct a64_cpu *cpu, uint64_t va, const struct a64_xl *xl,
                   uint32_t mode)
{
    uint64_t tag = va & ~mask64(12);
    if (A64_UNLIKELY(cpu->watch))
        return; /* every access is to come by a64_data_access() */
    struct a64_ftlb *e = &cpu->ftlb[mode][(va >> 12) % FTLB_SIZE];
    uint32_t attrs = xl->e.attrs, read = mode == MODE_EL0 ? AT_R0 : AT_R1;
    uint32_t write = mode == MODE_EL0 ? AT_W0 : AT_W1;
    if (mode == MODE_EL1_PAN && (attrs & AT_R0))
        attrs = 0;
    e->rtag = attrs & read ? tag : TAG_NONE;
    e->wtag = (attrs & write) && !(xl->page->flags & (PG_CODE | PG_WATCH | PG_ROM))
                  ? tag
                  : TAG_NONE;
    e->pa = (xl->pa & ~mask64(12)) | (attrs & AT_DEVICE ? FTLB_DEVICE : 0u);
    e->add = (uint64_t)(uintptr_t)xl->host - tag;
}

enum a64_x a64_stop_stage2(struct a64_cpu *cpu, const struct a64_exit *what)
{
    uint8_t *host;
    struct a64_page *page = a64_page_of(cpu->mem, what->addr, &host);
    if (page != NULL)
        page->flags |= PG_PRESENT;
    uint32_t ec = what->is_fetch ? EC_IABT_LOW : EC_DABT_LOW;
    cpu->a.exit = *what;
    cpu->a.exit.pc = cpu->a.pc;
    cpu->a.exit.esr = (ec << 26) | ESR_IL | (uint32_t)what->is_walk << 7 |
                      (uint32_t)what->is_write << 6 | (FSC_TRANSLATION + 3);
    /* Tables outside memory: the host has nothing to make present there either. */
    cpu->stop = page != NULL ? A64_STOP_STAGE2 : A64_STOP_MMIO;
    return X_STOP;
}

/* A fetch from where no memory is: the host's to answer (KVM: a64_inject_iabt). */
static enum a64_x stop_outside(struct a64_cpu *cpu, uint64_t ipa)
{
    cpu->a.exit = (struct a64_exit){ .pc = cpu->a.pc,
                                     .addr = ipa,
                                     .va = cpu->a.pc,
                                     .esr = (uint32_t)EC_IABT_LOW << 26 | ESR_IL |
                                            (FSC_TRANSLATION + 3),
                                     .is_fetch = 1 };
    cpu->stop = A64_STOP_MMIO;
    return X_STOP;
}

enum a64_x a64_fetch_page(struct a64_cpu *cpu, struct a64_code **code)
{
    struct a64_xl xl;
    uint8_t *host;
    cpu->a.pc = a64_strip_tag(cpu, cpu->a.pc); /* AArch64.BranchAddr() */
    uint64_t pc = cpu->a.pc;
    if (pc & 3) {
        a64_exception_pc_alignment(cpu);
        return X_EXC;
    }
    const struct a64_req req = { .va = pc, .acc = ACC_FETCH, .el = cpu->a.el };
    a64_translate_va(cpu, &req, &xl);
    if (xl.fsc == FSC_STAGE2)
        return a64_stop_stage2(
            cpu, &(struct a64_exit){
                     .addr = xl.ipa, .va = pc, .is_fetch = 1, .is_walk = 1 });
    if (xl.fsc >= 0) {
        a64_exception_iabt(cpu, pc, (uint32_t)xl.fsc);
        return X_EXC;
    }
    struct a64_page *page = a64_page_of(cpu->mem, xl.pa, &host);
    if (page == NULL)
        return stop_outside(cpu, xl.pa);
    if (!(page->flags & PG_PRESENT))
        return a64_stop_stage2(
            cpu, &(struct a64_exit){ .addr = xl.pa, .va = pc, .is_fetch = 1 });
    *code = a64_code_get(cpu, page, xl.pa, host);
    struct a64_fetch *f = &cpu->fetch[(pc >> 12) % FETCH_SIZE];
    f->tag = pc & ~mask64(12);
    f->code = *code;
    return X_NEXT;
}
