/* ops.c - register side of op programs; control flow is guest.c's. */
#include "guest/ops.h"

#include "account/account.h"
#include "base/rng.h"
#include "host/horizon.h"
#include "hw/timer.h"
#include "hw/vcpuif.h"
#include "kvm/vgic.h"
#include "state/deadline.h"

uint64_t ops_random(const struct pyemu_machine *m, struct vcpu *v)
{
    return rng_at(m->s->cfg.seed ^ rng_mix(vcpu_idx(m, v) + 1U), v->rng_n++);
}

uint64_t ops_draw(const struct pyemu_machine *m, struct vcpu *v, uint32_t table)
{
    const struct value_table *t = &m->tables[table];

    return t->values[rng_below(ops_random(m, v), (uint32_t)t->n)];
}

/* Next interval of the vCPU's list; at the end the last one repeats. */
static uint64_t list_next(const struct pyemu_machine *m, struct vcpu *v)
{
    const struct value_table *t = &m->tables[v->list_table];

    if (v->list_pos < v->list_end)
        return t->values[v->list_pos++];
    return v->list_end == 0 ? 0 : t->values[v->list_end - 1];
}

static void set_cval(const struct pyemu_machine *m, struct pcpu *p, uint32_t t,
                     uint64_t cval_ticks)
{
    const uint64_t offset = t == TIMER_V ? p->offset_ticks : 0;

    p->hw[t].cval_ticks = cval_ticks;
    p->hw[t].expiry_cyc = timer_expiry(&m->s->clock, cval_ticks, offset, p->now_cyc);
}

static void write_timer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                        const struct pyemu_op *op)
{
    const uint32_t t = op->a;
    struct timer_regs *r = &p->hw[t];

    switch (op->op) {
    case PYEMU_OP_TIMER_SET:
        r->ctl = CTL_ENABLE;
        set_cval(m, p, t, timer_count(m, p, t) + op->c);
        break;
    case PYEMU_OP_TIMER_CVAL: set_cval(m, p, t, op->c); break;
    case PYEMU_OP_TIMER_TVAL: {
        const uint64_t low = op->c & UINT32_MAX;
        const uint64_t sext = (low >> 31) != 0 ? low | ~(uint64_t)UINT32_MAX : low;

        set_cval(m, p, t, timer_count(m, p, t) + sext);
        break;
    }
    case PYEMU_OP_TIMER_CTL:
        r->ctl = (uint32_t)op->c & (CTL_ENABLE | CTL_IMASK);
        break;
    case PYEMU_OP_TIMER_LIST:
        set_cval(m, p, t, r->cval_ticks + list_next(m, v));
        break;
    default: {
        uint64_t next = r->cval_ticks + op->c;

        if ((op->flags & 1U) != 0) {
            const uint64_t count_now = timer_count(m, p, t);

            if (next <= count_now)
                next = count_now + op->c;
        }
        set_cval(m, p, t, next);
        break;
    }
    }
}

bool ops_timer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct pyemu_op *op)
{
    /* CNTHCTL.EL1PCEN grants CNTP_*; on VHE it is clear for good (1.2) */
    if (op->a == TIMER_P && m->s->cfg.direct_ptimer == 0 &&
        (m->s->cfg.vhe != 0 || p->cnthctl == CNTHCTL_GUEST))
        return false;
    const uint64_t before_cyc = p->hw[op->a].expiry_cyc;

    charge(m, p, PYEMU_P_G_SYSREG);
    if (op->a == TIMER_V)
        deadline_withdraw(m, v, timer_line(p, TIMER_V));
    write_timer(m, p, v, op);
    if (op->a == TIMER_V)
        deadline_arm(m, v, &p->hw[TIMER_V]);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_TIMER_WRITE, op->a),
          p->hw[op->a].cval_ticks);
    timer_recalc(m, p, op->a);
    if (op->a == TIMER_V && timer_line(p, TIMER_V))
        deadline_expired(m, v); /* the line may have been high before */
    if (before_cyc == p->horizon_cyc) /* else recalc has done what is needed */
        horizon_update(m, p);
    return true;
}

/* Deadline -> guest acknowledge, and injection -> acknowledge (design 8). */
static void ack_vtimer(struct pyemu_machine *m, const struct pcpu *p, struct vcpu *v)
{
    count(m, PYEMU_C_TICKS_ACKED);
    if (timer_line(p, TIMER_V)) {
        deadline_ack(m, v);
        hist_add(m, HIST_TIMER, p->now_cyc - p->hw[TIMER_V].expiry_cyc);
    } else {
        count(m, PYEMU_C_GUEST_SPURIOUS);
    }
    if (v->injected_cyc != PYEMU_NEVER && v->injected_cyc <= p->now_cyc)
        hist_add(m, HIST_INJECT, p->now_cyc - v->injected_cyc);
    v->injected_cyc = PYEMU_NEVER;
}

void ops_ack(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    charge(m, p, PYEMU_P_G_ACK);
    v->iar = vcpuif_ack(p, v);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_ACK, v->iar & 0xffU), v->iar);
    if (v->iar == INTID_VTIMER)
        ack_vtimer(m, p, v);
}

void ops_eoi(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v, bool dir)
{
    charge(m, p, PYEMU_P_G_EOI);
    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_EOI, v->iar & 0xffU), dir);
    if (dir)
        (void)vcpuif_dir(m, p, v, v->iar);
    else
        (void)vcpuif_eoi(m, p, v, v->iar);
}
