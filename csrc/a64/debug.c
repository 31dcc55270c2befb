/* Self-hosted debug. While anything of it is enabled, every instruction is preceded by
 * its checks and run alone, in the interpreter; else nothing here is ever called. */
#include "debug.h"

#include "bits.h"
#include "except.h"
#include "exec.h"
#include "mem.h"
#include "mmu.h"

enum { REG_BVR, REG_BCR, REG_WVR, REG_WCR };
enum { FSC_DEBUG = 0x22, ISS_ISV = 1 << 24, ISS_EX = 1 << 6, ISS_WNR = 1 << 6 };
enum { BT_ADDRESS, BT_ADDRESS_LINKED, BT_CONTEXT, BT_CONTEXT_LINKED };
enum { STEP_NONE, STEP_DONE, STEP_DONE_EXCLUSIVE }; /* a.stepped */

static bool any_enabled(const struct a64_cpu *cpu, uint32_t reg, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (cpu->a.dbg[i][reg] & 1)
            return true;
    return false;
}

bool a64_debug_changed(struct a64_cpu *cpu)
{
    const uint64_t mdscr = cpu->a.sr[SR_MDSCR];
    const bool was = cpu->debug, watched = cpu->watch;
    const bool unlocked = cpu->a.sr[SR_OSLSR] == 0 && cpu->a.sr[SR_OSDLR] == 0;
    const bool monitor = unlocked && (mdscr & MDSCR_MDE) != 0;

    cpu->watch = cpu->n_wp != 0 || (monitor && any_enabled(cpu, REG_WCR, N_HW_WATCH));
    cpu->debug = cpu->watch || (unlocked && (mdscr & MDSCR_SS) != 0) ||
                 (monitor && any_enabled(cpu, REG_BCR, N_HW_BREAK));
    if (cpu->watch && !watched)
        a64_soft_flush(cpu); /* from now on every access is looked at */
    return cpu->debug != was;
}

/* AArch64.GenerateDebugExceptionsFrom(): the locks are open where this is asked. */
static bool generates(const struct a64_cpu *cpu, uint32_t el, uint32_t daif)
{
    return el == 0 || ((cpu->a.sr[SR_MDSCR] & MDSCR_KDE) != 0 && (daif & 0x200) == 0);
}

static bool generates_now(const struct a64_cpu *cpu)
{ return generates(cpu, cpu->a.el, cpu->a.daif); }

/* --- software step: D2.12 ------------------------------------------------------- */
static bool step_is_active(const struct a64_cpu *cpu)
{
    const struct a64_arch *a = &cpu->a;
    return cpu->debug && (a->sr[SR_MDSCR] & MDSCR_SS) != 0 && a->sr[SR_OSLSR] == 0 &&
           a->sr[SR_OSDLR] == 0 && generates_now(cpu);
}

void a64_step_advance(struct a64_cpu *cpu)
{
    if (!step_is_active(cpu) || cpu->a.ss == 0)
        return;
    cpu->a.ss = 0;
    cpu->a.stepped = STEP_DONE;
}

uint8_t a64_step_returns(const struct a64_cpu *cpu, uint64_t spsr, bool illegal)
{
    const uint32_t el = illegal ? cpu->a.el : (uint32_t)bits64(spsr, 2, 2);
    if (!cpu->debug || (cpu->a.sr[SR_MDSCR] & MDSCR_SS) == 0 || generates_now(cpu) ||
        !generates(cpu, el, (uint32_t)spsr))
        return 0;
    return (uint8_t)bits64(spsr, 21, 1);
}

static void debug_exception(struct a64_cpu *cpu, uint32_t ec_low, uint32_t iss)
{ a64_exception(cpu, ec_low + cpu->a.el, iss | FSC_DEBUG); }

static bool step_is_due(struct a64_cpu *cpu)
{
    if (!step_is_active(cpu) || cpu->a.ss != 0)
        return false;
    const uint32_t ex = cpu->a.stepped == STEP_DONE_EXCLUSIVE ? ISS_EX : 0;
    debug_exception(cpu, EC_STEP_LOW, cpu->a.stepped != STEP_NONE ? ISS_ISV | ex : 0);
    cpu->a.stepped = STEP_NONE;
    return true;
}

/* --- breakpoints: D2.9 ------------------------------------------------------------ */
/* PMC or PAC at bit 1, SSC at 14: the guest's world is Non-secure. HMC adds EL2. */
static bool mode_matches(uint64_t control, uint32_t el)
{
    const uint32_t mode = (uint32_t)bits64(control, 1, 2);
    return bits64(control, 14, 2) != 2 && (mode & (el == 0 ? 2u : 1u)) != 0;
}

static bool context_matches(const struct a64_cpu *cpu, uint32_t n)
{ return (uint32_t)cpu->a.dbg[n][REG_BVR] == (uint32_t)cpu->a.sr[SR_CONTEXTIDR]; }

/* A link to a breakpoint that cannot compare contexts never matches. */
static bool link_matches(const struct a64_cpu *cpu, uint64_t control)
{
    const uint32_t n = (uint32_t)bits64(control, 16, 4);
    if (n < N_HW_BREAK - N_HW_CONTEXT || n >= N_HW_BREAK)
        return false;
    const uint64_t other = cpu->a.dbg[n][REG_BCR];
    return (other & 1) != 0 && bits64(other, 20, 4) == BT_CONTEXT_LINKED &&
           context_matches(cpu, n);
}

static bool breakpoint_matches(const struct a64_cpu *cpu, uint32_t n)
{
    const uint64_t control = cpu->a.dbg[n][REG_BCR];
    if ((control & 1) == 0 || !mode_matches(control, cpu->a.el))
        return false;
    const bool here = ((sext(cpu->a.dbg[n][REG_BVR], 49) ^ cpu->a.pc) & ~3ull) == 0;
    switch (bits64(control, 20, 4)) {
    case BT_ADDRESS: return here;
    case BT_ADDRESS_LINKED: return here && link_matches(cpu, control);
    case BT_CONTEXT:
        return n >= N_HW_BREAK - N_HW_CONTEXT && context_matches(cpu, n);
    default: return false;
    }
}

/* Faults of the fetch come first. */
static bool fetches(struct a64_cpu *cpu)
{
    struct a64_xl xl;
    const struct a64_req req = {
        .va = cpu->a.pc, .acc = ACC_FETCH, .el = cpu->a.el, .no_tlb = true
    };
    a64_translate_va(cpu, &req, &xl);
    return (cpu->a.pc & 3) == 0 && xl.fsc < 0;
}

static bool breakpoint_is_hit(struct a64_cpu *cpu)
{
    if ((cpu->a.sr[SR_MDSCR] & MDSCR_MDE) == 0 || cpu->a.sr[SR_OSLSR] != 0 ||
        cpu->a.sr[SR_OSDLR] != 0 || !generates_now(cpu))
        return false;
    for (uint32_t n = 0; n < N_HW_BREAK; n++)
        if (breakpoint_matches(cpu, n)) {
            if (!fetches(cpu))
                return false;
            debug_exception(cpu, EC_BREAK_LOW, 0);
            return true;
        }
    return false;
}

/* --- watchpoints: D2.10 ----------------------------------------------------------- */
static bool byte_matches(uint64_t value, uint64_t control, uint64_t va)
{
    const uint32_t bottom = value & 4 ? 2 : 3, mask = (uint32_t)bits64(control, 24, 5);
    const uint32_t from = mask > bottom ? mask : bottom;
    const uint64_t select = va & mask64(bottom);
    return bits64(control, 5 + (uint32_t)select, 1) != 0 &&
           ((sext(value, 49) ^ sext(va, 56)) & ~mask64(from)) == 0;
}

static bool watchpoint_matches(const struct a64_cpu *cpu, uint32_t n,
                               const struct a64_data *d, uint64_t va, uint32_t len)
{
    const uint64_t value = cpu->a.dbg[n][REG_WVR], control = cpu->a.dbg[n][REG_WCR];
    const uint32_t el = d->unpriv ? 0 : cpu->a.el;
    if ((control & 1) == 0 || !mode_matches(control, el) ||
        bits64(control, d->write ? 4 : 3, 1) == 0)
        return false;
    if (bits64(control, 20, 1) != 0 && !link_matches(cpu, control))
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (byte_matches(value, control, va + i))
            return true;
    return false;
}

static bool guest_watches(struct a64_cpu *cpu, const struct a64_data *d, uint64_t va,
                          uint32_t len)
{
    if ((cpu->a.sr[SR_MDSCR] & MDSCR_MDE) == 0 || cpu->a.sr[SR_OSLSR] != 0 ||
        cpu->a.sr[SR_OSDLR] != 0 || !generates_now(cpu))
        return false;
    for (uint32_t n = 0; n < N_HW_WATCH; n++)
        if (watchpoint_matches(cpu, n, d, va, len)) {
            cpu->a.sr[SR_FAR] = va;
            debug_exception(cpu, EC_WATCH_LOW, d->write ? ISS_WNR : 0);
            return true;
        }
    return false;
}

/* The debugger's: reported before the access, as hardware does it, once. */
static const struct a64_watchpoint *host_watches(const struct a64_cpu *cpu,
                                                 const struct a64_data *d, uint64_t va,
                                                 uint32_t len)
{
    const uint32_t on = d->write ? A64_WATCH_WRITE : A64_WATCH_READ;
    for (uint32_t i = 0; i < cpu->n_wp && cpu->a.skip_wp != cpu->a.pc + 1; i++) {
        const struct a64_watchpoint *w = &cpu->wp[i];
        if ((w->on & on) != 0 && va < w->va + w->len && w->va < va + len)
            return w;
    }
    return NULL;
}

enum a64_x a64_watch(struct a64_cpu *cpu, const struct a64_data *d, uint64_t va,
                     uint32_t len)
{
    if (guest_watches(cpu, d, va, len))
        return X_EXC;
    const struct a64_watchpoint *w = host_watches(cpu, d, va, len);
    if (w == NULL)
        return X_NEXT;
    cpu->a.exit = (struct a64_exit){ .pc = cpu->a.pc,
                                     .va = va < w->va ? w->va : va,
                                     .value = w->on,
                                     .is_write = d->write };
    cpu->a.skip_wp = cpu->a.pc + 1;
    cpu->stop = A64_STOP_WATCHPOINT;
    return X_STOP;
}

int a64_watchpoint(struct a64_cpu *cpu, const struct a64_watchpoint *w, bool insert)
{
    uint32_t i = 0;
    if (w->len == 0 || w->va + w->len < w->va || (w->on & 3) == 0 || w->on > 3)
        return A64_EINVAL;
    while (i < cpu->n_wp && (cpu->wp[i].va != w->va || cpu->wp[i].len != w->len ||
                             cpu->wp[i].on != w->on))
        i++;
    if (insert && i == cpu->n_wp) {
        if (cpu->n_wp == A64_MAX_WATCHPOINTS)
            return A64_EINVAL;
        cpu->wp[cpu->n_wp++] = *w;
    } else if (!insert) {
        if (i == cpu->n_wp)
            return A64_EINVAL;
        cpu->wp[i] = cpu->wp[--cpu->n_wp];
    }
    (void)a64_debug_changed(cpu);
    return A64_OK;
}

/* --- execution -------------------------------------------------------------------- */
static bool is_load_exclusive(struct a64_cpu *cpu)
{
    uint32_t word;
    return a64_virt_read(cpu, cpu->a.pc, &word, sizeof word) == A64_OK &&
           (word & 0x3fc00000) == 0x08400000;
}

/* One instruction, or the interrupt before it. */
static enum a64_stop one(struct a64_cpu *cpu)
{
    struct a64_arch *a = &cpu->a;
    const bool steps = step_is_active(cpu) && a->ss != 0;
    const bool exclusive = steps && is_load_exclusive(cpu);
    const uint64_t insns = a->n_insns;
    cpu->deadline_cyc = a->now_cyc + 1;
    const enum a64_stop stop = a64_exec(cpu);
    if (a->n_insns != insns) {
        a->skip_wp = 0;
        if (steps && step_is_active(cpu)) {
            a->ss = 0;
            a->stepped = exclusive ? STEP_DONE_EXCLUSIVE : STEP_DONE;
        }
    }
    return stop;
}

static bool goes_on(enum a64_stop stop)
{ return stop == A64_STOP_BUDGET || stop == (enum a64_stop)STOP_MODE; }

enum a64_stop a64_debug_exec(struct a64_cpu *cpu)
{
    const uint64_t end_cyc = cpu->deadline_cyc;
    struct a64_arch *a = &cpu->a;
    enum a64_stop stop = A64_STOP_BUDGET;
    do {
        if (a64_take_interrupt(cpu))
            a->now_cyc += cpu->mem->cost[A64_COST_EXCEPTION];
        else if (a->now_cyc >= end_cyc)
            break;
        else if (step_is_due(cpu) || breakpoint_is_hit(cpu))
            a->now_cyc += cpu->mem->cost[A64_COST_EXCEPTION];
        else
            stop = one(cpu);
    } while (goes_on(stop) && a->now_cyc < end_cyc && cpu->debug);
    cpu->deadline_cyc = end_cyc;
    if (goes_on(stop))
        stop = a->now_cyc < end_cyc ? (enum a64_stop)STOP_MODE : A64_STOP_BUDGET;
    return stop;
}
