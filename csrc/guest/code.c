/*
 * code.c - the loop of a machine code guest. The processor runs to the horizon or to
 * a stop; a stop is an access the hardware answers (virtual CPU interface, timers), or
 * a trap, put into the words of an op so that exit handlers know only ops.
 */
#include "guest/code.h"

#include "account/account.h"
#include "guest/guest.h"
#include "guest/watch.h"
#include "host/horizon.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "policy/paths.h"
#include "policy/trip.h"
#include "kvm/vgic.h"
#include "run/code_call.h"
#include "run/rules.h"
#include "run/trap.h"
#include "state/deadline.h"
#include "state/reset.h"

enum { MARK_BEGIN = 80, MARK_END = 81, GICV_BYTES = 0x2000 };

/* Timer and counter registers of the processor, from the pCPU's. */
static void sync_in(const struct pyemu_machine *m, const struct pcpu *p,
                    struct a64_cpu *cpu)
{
    struct a64_clock clock;
    const uint64_t offset = p->offset_ticks;

    a64_set_now(cpu, p->now_cyc);
    a64_get_clock(cpu, &clock);
    if (clock.cntvoff_ticks != offset) {
        clock.cntvoff_ticks = offset;
        (void)a64_set_clock(cpu, &clock);
    }
    for (uint32_t t = 0; t < N_TIMERS; t++)
        if (t == TIMER_V || m->s->cfg.direct_ptimer != 0)
            a64_set_timer(cpu, t == TIMER_V ? A64_TIMER_VIRT : A64_TIMER_PHYS,
                          p->hw[t].ctl, p->hw[t].cval_ticks);
}

/* The guest has written one: the same as an op's write (guest/ops.c). */
static void timer_written(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                          enum a64_timer which)
{
    const uint32_t t = which == A64_TIMER_VIRT ? TIMER_V : TIMER_P;
    const uint64_t offset = t == TIMER_V ? p->offset_ticks : 0;
    struct timer_regs *r = &p->hw[t];

    a64_get_timer(code_cpu(m, v), which, &r->ctl, &r->cval_ticks);
    r->expiry_cyc = timer_expiry(&m->s->clock, r->cval_ticks, offset, p->now_cyc);
    if (t == TIMER_V) {
        deadline_withdraw(m, v, timer_line(p, TIMER_V));
        deadline_arm(m, v, r);
    }
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_TIMER_WRITE, t), r->cval_ticks);
    timer_recalc(m, p, t);
    if (t == TIMER_V && timer_line(p, TIMER_V))
        deadline_expired(m, v);
    horizon_update(m, p);
}

/* A trap that v->trap describes; true if it went round and the guest goes on. */
static bool take(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    const struct pyemu_op *op = &v->trap;

    if (RULES[op->op].simple != 0 && m->paths != NULL && !guest_must_return(m) &&
        !watch_profiles(m)) {
        const uint32_t reason = op->op == PYEMU_OP_FAULT && (op->flags & 1U) != 0
                                    ? (uint32_t)PYEMU_X_IABT_LOW
                                    : RULES[op->op].reason;

        uint64_t host_cyc = 0;

        if (trap_trip(m, p, v, reason, &host_cyc))
            return true;
    }
    trap_take(m, p, v, op);
    return false;
}

static bool trap_as(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                    uint32_t op)
{
    v->trap = (struct pyemu_op){.op = (uint8_t)op};
    return take(m, p, v);
}

static bool inside(uint64_t address, uint64_t base, uint64_t bytes)
{
    return address >= base && address - base < bytes;
}

/* Loads and stores outside memory: GICV, distributor, device, or nothing. */
static bool mmio(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                 const struct a64_exit *e)
{
    const struct pyemu_code_config *c = &m->code_vms[v->vm].cfg;
    struct a64_cpu *cpu = code_cpu(m, v);

    if (e->isv == 0) { /* no valid syndrome: KVM cannot emulate it either */
        if (e->is_fetch != 0)
            a64_inject_iabt(cpu, e->va);
        else
            a64_inject_dabt(cpu, e->va);
        v->trap = (struct pyemu_op){.op = PYEMU_OP_FAULT, .flags = e->is_fetch};
        return take(m, p, v);
    }
    if (c->gicv != 0 && inside(e->addr, c->gicv, GICV_BYTES)) {
        code_gicv(m, p, v, e, e->addr - c->gicv);
        p->now_cyc = a64_now(cpu);
        return true;
    }
    const bool in_kernel = inside(e->addr, c->gicd, c->gicd_bytes) ||
                           inside(e->addr, c->gicr, c->gicr_bytes);

    v->mmio = (struct pyemu_mmio){.address = e->addr,
                                  .value = e->is_write != 0 ? e->value : 0,
                                  .size = e->size,
                                  .is_user = !in_kernel,
                                  .is_write = e->is_write};
    v->waits_user = !in_kernel;
    return trap_as(m, p, v, in_kernel ? PYEMU_OP_GIC_MMIO : PYEMU_OP_MMIO_USER);
}

/* A trapped system register: CPU interface, emulated timer, identification. */
static bool sysreg(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                   const struct a64_exit *e)
{
    struct a64_cpu *cpu = code_cpu(m, v);
    const uint32_t enc = (uint32_t)e->addr;
    uint64_t value = 0;

    switch (code_icc(m, p, v, e)) {
    case CODE_DONE: p->now_cyc = a64_now(cpu); return true;
    case CODE_SGI:
        p->now_cyc = a64_now(cpu);
        return take(m, p, v);
    default: break;
    }
    v->trap = (struct pyemu_op){.op = PYEMU_OP_SYSREG};
    if (code_timer_access(m, p, v, e, &value)) {
        (void)a64_sysreg_complete(cpu, value);
    } else if (e->is_write == 0 && a64_get_sysreg(cpu, enc, &value) == A64_OK) {
        (void)a64_sysreg_complete(cpu, value); /* identification, as it is */
    } else {
        a64_inject_undef(cpu);
    }
    p->now_cyc = a64_now(cpu);
    return take(m, p, v);
}

/* HINT 80 and 81 in an image that marks its measured region. */
static void mark(struct pyemu_machine *m, const struct pcpu *p, const struct vcpu *v,
                 uint64_t number)
{
    trace(m, p, vcpu_idx(m, v), PYEMU_E_MARK, number);
    if (number == MARK_BEGIN) {
        paths_fold(m); /* what stands in variants belongs to the time before */
        machine_reset_stats(m);
        watch_reset(m);
    } else if (number == MARK_END) {
        m->stop = PYEMU_STOP_MARK + 1;
        m->stop_vcpu = vcpu_idx(m, v);
    }
}

/* A debugger wants to look. */
static void stop_here(struct pyemu_machine *m, const struct vcpu *v,
                      enum pyemu_stop why)
{
    m->stop = (uint32_t)why + 1;
    m->stop_vcpu = vcpu_idx(m, v);
}

static bool wait_for(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, bool wfi)
{
    if (wfi ? guest_wfi_completes(p) : guest_wfe_completes(m, p))
        return true;
    return trap_as(m, p, v, wfi ? PYEMU_OP_WFI : PYEMU_OP_WFE);
}

/* --- hypercalls without leaving the processor ------------------------------------ */
/* Round trips of one a64_run(), as guest.c has them for op programs. */
struct calls {
    struct pyemu_machine *m;
    struct pcpu *p;
    struct vcpu *v;
    uint64_t limit_cyc;
    uint64_t *x; /* registers of the processor */
    bool open;   /* flow holds what p, v and the sums will be */
    bool called; /* the registers have the answer already */
    struct flow flow;
};

static void calls_begin(struct calls *c)
{
    const struct pyemu_machine *m = c->m;
    const struct pcpu *p = c->p;
    const struct vcpu *v = c->v;
    uint32_t found = vgic_steady(m, p, v);

    if (found == VGIC_UNSTEADY)
        found = vgic_alone(m, p, v);
    c->open = true;
    c->flow = (struct flow){.limit_cyc = PYEMU_NEVER,
                            .horizon_cyc = p->horizon_cyc,
                            .flags = p->flags | v->flags | offset_flag(m, p, v) |
                                     (uint64_t)found << FI_VGIC,
                            .entry_cyc = v->entry_cyc,
                            .pc = v->gpc};
    if (trips_allowed(m, v) && (c->flow.flags & FLAG(RESCHED)) == 0)
        c->flow.max_exits = trips_left(m);
}

static struct a64_called on_call(void *context, uint64_t now_cyc)
{
    struct calls *c = context;
    struct flow *f = &c->flow;
    int64_t result;

    if (!c->open)
        calls_begin(c);
    const bool quick = code_quick_call((uint32_t)c->x[0], &result);

    if (quick)
        c->x[0] = (uint64_t)result;
    else
        code_call(c->m, c->p, c->v, true);
    f->now_cyc = now_cyc;
    f->until_cyc = 1;
    if ((!quick && c->v->trap.op != PYEMU_OP_HVC) || f->max_exits == 0 ||
        !trip_take(c->m, c->p, c->v, f, (struct trip){.reason = PYEMU_X_HVC64})) {
        if (quick)
            c->v->trap = (struct pyemu_op){.op = PYEMU_OP_HVC};
        c->called = true;
        return (struct a64_called){0, 0};
    }
    /* 0: something moved that the loop must look at */
    const uint64_t until =
        f->until_cyc == 0 ? f->now_cyc : min_u64(c->limit_cyc, f->horizon_cyc);

    return (struct a64_called){until, f->now_cyc};
}

static void calls_end(struct calls *c, uint64_t now_cyc)
{
    if (!c->open)
        return;
    c->flow.now_cyc = now_cyc;
    flow_end(c->m, c->p, c->v, &c->flow);
    c->open = false;
}

/* What a stop asks for; false: the vCPU has left the guest. */
static bool on_stop(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                    enum a64_stop stop, const struct a64_exit *e)
{
    switch (stop) {
    case A64_STOP_TIMER_WRITE:
        timer_written(m, p, v, (enum a64_timer)e->rt);
        return true;
    case A64_STOP_SYSREG: return sysreg(m, p, v, e);
    case A64_STOP_MMIO: return mmio(m, p, v, e);
    case A64_STOP_STAGE2:
        v->trap = (struct pyemu_op){.op = PYEMU_OP_FAULT, .flags = e->is_fetch};
        return take(m, p, v);
    case A64_STOP_HVC:
    case A64_STOP_SMC:
        return take(m, p, v);
    case A64_STOP_WFI: return wait_for(m, p, v, true);
    case A64_STOP_WFE: return wait_for(m, p, v, false);
    case A64_STOP_MARK: mark(m, p, v, e->value); return true;
    case A64_STOP_BREAKPOINT: stop_here(m, v, PYEMU_STOP_BREAK); return true;
    case A64_STOP_WATCHPOINT:
        m->stop_address = e->va;
        stop_here(m, v, PYEMU_STOP_WATCH);
        return true;
    default: return true; /* budget: the horizon; others are not asked for */
    }
}

/* Accounts for a watched run of the processor; left: the exit that ended it. */
static void watched(struct pyemu_machine *m, const struct pcpu *p, const struct vcpu *v,
                    uint64_t from_cyc, const struct a64_exit *left)
{
    /* a region that began in it leaves nothing before its beginning */
    watch_ran(m, v, p->now_cyc - max_u64(from_cyc, v->entry_cyc));
    if (left == NULL)
        return;
    watch_left(m, v, left->pc);
    if (watch_stepped(m, v))
        stop_here(m, v, PYEMU_STOP_STEP);
}

/* A deliverable physical interrupt; true: it went round and the guest goes on. */
static bool interrupted(struct calls *c, bool watch)
{
    uint64_t host_cyc = 0;

    if (!watch && trap_irq_trip(c->m, c->p, c->v, &host_cyc)) {
        sync_in(c->m, c->p, code_cpu(c->m, c->v));
        return !guest_must_return(c->m);
    }
    trap_irq(c->m, c->p, c->v);
    if (watch)
        watch_left(c->m, c->v, a64_get_pc(code_cpu(c->m, c->v)));
    return false;
}

/* One run of the processor; false: the vCPU has left the guest. */
static bool processor_run(struct calls *c, bool watch, uint64_t until_cyc)
{
    struct pyemu_machine *m = c->m;
    struct pcpu *p = c->p;
    struct vcpu *v = c->v;
    struct a64_cpu *cpu = code_cpu(m, v);
    struct a64_exit e;
    const uint64_t from = p->now_cyc, room = until_cyc - from;

    a64_set_irq(cpu, code_irq_line(p, v), false);
    a64_set_now(cpu, from);
    const uint64_t budget = watch ? watch_budget(m, v, room) : room;
    const enum a64_stop stop = a64_run(cpu, budget, &e);

    p->now_cyc = a64_now(cpu);
    calls_end(c, p->now_cyc);
    if ((stop == A64_STOP_HVC || stop == A64_STOP_SMC) && !c->called)
        code_call(m, p, v, stop == A64_STOP_HVC);
    c->called = false;
    const bool inside = on_stop(m, p, v, stop, &e);

    if (watch)
        watched(m, p, v, from, inside ? NULL : &e);
    return inside && !guest_must_return(m);
}

static void loop(struct calls *c, bool watch)
{
    struct pyemu_machine *m = c->m;
    struct pcpu *p = c->p;

    while (m->stop == 0) {
        if ((p->uie | p->eisr) != 0)
            guest_maintenance(p, c->v);
        if (watch && watch_stepped(m, c->v)) {
            stop_here(m, c->v, PYEMU_STOP_STEP);
            return;
        }
        if ((p->flags & FLAG(PIRQ)) != 0 && p->horizon_cyc > p->now_cyc) {
            if (!interrupted(c, watch))
                return;
            continue;
        }
        const uint64_t until = min_u64(c->limit_cyc, p->horizon_cyc);

        if (p->now_cyc >= until || !processor_run(c, watch, until))
            return;
    }
}

void code_run(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
              uint64_t limit_cyc)
{
    struct a64_cpu *cpu = code_cpu(m, v);
    struct calls calls; /* field by field: its flow is large, and rarely used */

    calls.m = m;
    calls.p = p;
    calls.v = v;
    calls.limit_cyc = limit_cyc;
    calls.x = a64_regs(cpu);
    calls.open = calls.called = false;
    const bool watch = watch_is_on(m);

    sync_in(m, p, cpu);
    if (watch)
        watch_begin(m, v);
    a64_set_call(cpu, watch ? NULL : on_call, &calls);
    loop(&calls, watch);
    a64_set_call(cpu, NULL, NULL);
}
