/* timer.c - compare, output line and latency; sections 1.1 and 1.4. */
#include "hw/timer.h"

#include "account/account.h"
#include "hw/gic.h"
#include "state/deadline.h"

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

static inline void line_change(struct pcpu *p, uint32_t t, bool level,
                               uint64_t delay_cyc)
{
    p->line_target[t] = level;
    if (delay_cyc == 0) {
        p->line_due_cyc[t] = PYEMU_NEVER;
        gic_set_line(p, timer_intid(t), level);
    } else {
        p->line_due_cyc[t] = add_sat(p->now_cyc, delay_cyc);
    }
}

void timer_count_expiry(struct pyemu_machine *m, const struct pcpu *p)
{
    if (p->running != PYEMU_NONE)
        deadline_expired(m, &m->vcpus[p->running]);
}

/* The output line changed, or its change is still under way. */
static inline void line_moved(struct pyemu_machine *m, struct pcpu *p, uint32_t t,
                              bool was)
{
    const bool level = timer_line(p, t);

    if (level != was && m->s->cfg.stale_istatus != 0) {
        put_bit64(&p->flags, PYEMU_F_SYNC, false);
        p->stale = (uint8_t)(p->stale | (1U << t));
    }
    if (level && !was) {
        if (t == TIMER_V)
            timer_count_expiry(m, p);
        trace(m, p, p->running, KIND(PYEMU_E_EXPIRY, timer_intid(t)),
              p->hw[t].cval_ticks);
    }
    if (level != (p->line_target[t] != 0))
        line_change(p, t, level,
                    level ? m->s->cfg.line_assert_cyc : m->s->cfg.line_retire_cyc);
    p->horizon_cyc = min_u64(p->horizon_cyc, p->line_due_cyc[t]);
}

static inline void recalc(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    const struct timer_regs *r = &p->hw[t];
    const bool was = timer_line(p, t);
    const uint64_t can = ctl_can_fire(r->ctl);
    const uint64_t due = p->now_cyc >= r->expiry_cyc;

    p->flags = (p->flags & ~(bit64(timer_hcan(t)) | bit64(timer_hdue(t)))) |
               can << timer_hcan(t) | due << timer_hdue(t);
    if ((can & due) != was || (can & due) != p->line_target[t])
        line_moved(m, p, t, was);
    if (due == 0)
        p->horizon_cyc = min_u64(p->horizon_cyc, r->expiry_cyc);
}

/* Each timer's bits are constants of its own copy. */
void timer_recalc(struct pyemu_machine *m, struct pcpu *p, uint32_t t)
{
    if (t == TIMER_V)
        recalc(m, p, TIMER_V);
    else
        recalc(m, p, TIMER_P);
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
