/* block.c - the order of kvm_vcpu_block; its timer steps are the policy's. */
#include "run/block.h"

#include "account/account.h"
#include "run/run.h"

void block_check(struct pyemu_machine *m, struct vcpu *v, uint32_t cont)
{
    v->woken = 0; /* TASK_INTERRUPTIBLE comes before the check */
    v->flags &= ~FLAG(WAKE);
    if ((v->flags & FLAG(SIGNAL)) != 0 || v->off != 0)
        v->flags |= FLAG(WAKE);
    run_hook(v, m, PYEMU_H_CHECK, cont);
}

static void block_hook(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    count(m, PYEMU_C_TIMER_BLOCK);
    trace(m, p, vcpu_idx(m, v), PYEMU_E_BLOCK, 0);
    run_hook(v, m, PYEMU_H_BLOCK, CONT_BLOCK);
}

void block_begin(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    count(m, PYEMU_C_VCPU_BLOCK);
    charge(m, p, PYEMU_P_BLOCK_PATH);
    v->block_cyc = p->now_cyc;
    v->poll = 0;
    if (v->halt_poll_cyc == 0) {
        block_hook(m, p, v);
        return;
    }
    count(m, PYEMU_C_POLL_ATTEMPTED);
    v->poll = 1;
    v->poll_until_cyc = p->now_cyc + v->halt_poll_cyc;
    v->stage = STAGE_POLL_NEXT;
}

/* Time spent blocked decides the next block's polling (2.5). */
static void adapt_polling(const struct pyemu_machine *m, const struct pcpu *p,
                          struct vcpu *v)
{
    const uint64_t max = m->s->cfg.halt_poll_max_cyc;
    const uint64_t d = p->now_cyc - v->block_cyc;

    if (max == 0 || d <= v->halt_poll_cyc)
        return;
    if (v->halt_poll_cyc > 0 && d > max)
        v->halt_poll_cyc = 0;
    else if (d < max)
        v->halt_poll_cyc = v->halt_poll_cyc == 0
                               ? min_u64(m->s->cfg.halt_poll_start_cyc, max)
                               : min_u64(v->halt_poll_cyc * 2, max);
}

void block_poll_checked(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    count(m, PYEMU_C_POLL_ITERATIONS);
    if ((v->flags & FLAG(WAKE)) != 0) {
        count(m, PYEMU_C_POLL_SUCCESSFUL);
        adapt_polling(m, p, v);
        run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
        return;
    }
    /* single_task_running: whoever else can run is worth more than a poll (2.5) */
    if (p->now_cyc < v->poll_until_cyc && p->rq == PYEMU_NONE) {
        v->stage = STAGE_POLL_NEXT;
        return;
    }
    block_hook(m, p, v);
}

void block_checked(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if ((v->flags & FLAG(WAKE)) == 0) {
        v->flags |= FLAG(WAITING);
        v->stage = STAGE_SLEEP;
        return;
    }
    const bool slept = has_bit64(v->flags, PYEMU_F_WAITING);

    trace(m, p, vcpu_idx(m, v), KIND(PYEMU_E_UNBLOCK, slept), 0);
    v->flags &= ~FLAG(WAITING);
    run_hook(v, m, PYEMU_H_UNBLOCK, CONT_UNBLOCK);
}

void block_end(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    adapt_polling(m, p, v);
    run_hook(v, m, PYEMU_H_ENTER, CONT_NONE);
}
