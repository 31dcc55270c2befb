/* timer.c - compare, output line and latency; sections 1.1 and 1.4. */
#include "hw/timer.h"

#include "account/account.h"
#include "hw/gic.h"

uint64_t timer_expiry(const struct clock *c, uint64_t cval_ticks,
                      uint64_t offset_ticks, uint64_t now_cyc)
{
    if (offset_ticks == 0)
        return clock_cyc_at(c, cval_ticks);

    /*
     * An offset ahead of PCT (a guest restored on a younger host) puts the
     * count just below 2^64, where it meets almost any CVAL at once.
     */
    const uint64_t pct = clock_ticks_at(c, now_cyc);
    const uint64_t vct = pct - offset_ticks;

    if (vct >= cval_ticks)
        return 0;
    return clock_cyc_at(c, add_sat(pct, cval_ticks - vct));
}

static void line_change(struct pcpu *p, uint32_t t, bool level, uint64_t delay_cyc)
{
    p->line_target[t] = level;
    if (delay_cyc == 0) {
        p->line_due_cyc[t] = PYEMU_NEVER;
        gic_set_line(p, timer_intid(t), level);
    } else {
        p->line_due_cyc[t] = add_sat(p->now_cyc, delay_cyc);
    }
}

/* Each deadline once, however often a restore raises its line again. */
static void count_expiry(struct pyemu_machine *m, const struct pcpu *p)
{
    if (p->running == PYEMU_NONE)
        return;
    struct vcpu *v = &m->vcpus[p->running];

    if (v->counted_cval == p->hw[TIMER_V].cval_ticks)
        return;
    v->counted_cval = p->hw[TIMER_V].cval_ticks;
    count(m, PYEMU_C_EXPIRIES);
}

void timer_recalc(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    const struct timer_regs *r = &p->hw[t];
    const bool was = timer_line(p, t);

    put_bit64(&p->flags, timer_hcan(t), ctl_can_fire(r->ctl));
    put_bit64(&p->flags, timer_hdue(t), p->now_cyc >= r->expiry_cyc);

    const bool level = timer_line(p, t);

    if (level != was && m->s->cfg.stale_istatus != 0) {
        put_bit64(&p->flags, PYEMU_F_SYNC, false);
        p->stale = (uint8_t)(p->stale | (1U << t));
    }
    if (level && !was) {
        if (t == TIMER_V)
            count_expiry(m, p);
        trace(m, p, p->running, KIND(PYEMU_E_EXPIRY, timer_intid(t)), r->cval_ticks);
    }
    if (level != (p->line_target[t] != 0))
        line_change(p, t, level,
                    level ? m->s->cfg.line_assert_cyc : m->s->cfg.line_retire_cyc);
    p->horizon_cyc = min_u64(p->horizon_cyc, p->line_due_cyc[t]);
    if (!has_bit64(p->flags, timer_hdue(t)))
        p->horizon_cyc = min_u64(p->horizon_cyc, r->expiry_cyc);
}

void timer_line_events(struct pcpu *p)
{
    for (uint32_t t = 0; t < N_TIMERS; t++) {
        if (p->line_due_cyc[t] > p->now_cyc)
            continue;
        p->line_due_cyc[t] = PYEMU_NEVER;
        gic_set_line(p, timer_intid(t), p->line_target[t] != 0);
    }
}

void timer_mem_recalc(struct vcpu *v, uint32_t t, uint64_t now_cyc)
{
    put_bit64(&v->flags, timer_can(t), ctl_can_fire(v->mem[t].ctl));
    put_bit64(&v->flags, timer_due(t), now_cyc >= v->mem[t].expiry_cyc);
}

uint64_t timer_count(const struct pyemu_machine *m, const struct pcpu *p, uint32_t t)
{
    const uint64_t pct = clock_ticks_at(&m->s->clock, p->now_cyc);

    return t == TIMER_V ? pct - p->offset_ticks : pct;
}

void timer_set_offset(struct pyemu_machine *m, struct pcpu *p, uint64_t offset_ticks)
{
    struct timer_regs *r = &p->hw[TIMER_V];

    if (p->offset_ticks == offset_ticks)
        return;
    p->offset_ticks = offset_ticks;
    r->expiry_cyc = timer_expiry(&m->s->clock, r->cval_ticks, offset_ticks, p->now_cyc);
    timer_recalc(m, p, TIMER_V);
}
