/*
 * reach.c - pCPUs affect each other by messages only: injections, wake-ups and
 * power-on of a thread that belongs elsewhere. Where none can be sent, windows
 * need not be as short as the latency (design.md 6, point 8).
 */
#include "cpu/reach.h"

#include "host/softtimer.h"

/* Bounds how far pCPUs drift apart, and with it where a run's end leaves them. */
enum { FREE_WINDOW_CYC = 1 << 18 };

/* Are all vCPUs of v's VM on v's pCPU? */
static bool vm_is_local(const struct pyemu_machine *m, const struct vcpu *v)
{
    const struct vm *vm = &m->vms[v->vm];
    const uint32_t pcpu = m->threads[vcpu_idx(m, v)].pcpu;

    for (uint32_t i = 0; i < vm->n_vcpus; i++)
        if (m->threads[vm->first_vcpu + i].pcpu != pcpu)
            return false;
    return true;
}

/* A timer left behind by a move wakes its thread from another pCPU. */
static bool timer_is_local(const struct pyemu_machine *m, uint32_t node, uint32_t pcpu)
{
    const uint32_t where = m->timer_nodes[node].queued;

    return where == 0 || where - 1 == pcpu;
}

static bool vcpu_is_local(const struct pyemu_machine *m, uint32_t i)
{
    const struct vcpu *v = &m->vcpus[i];
    const struct thread *th = &m->threads[i];

    if (th->state == T_OFF)
        return true;
    return th->move_to == PYEMU_NONE &&
           timer_is_local(m, soft_node(m, v, TIMER_V), th->pcpu) &&
           timer_is_local(m, soft_node(m, v, TIMER_P), th->pcpu) &&
           (m->programs[v->prog].reaches == 0 || vm_is_local(m, v));
}

/* Outside interrupts are handled where they come in, for whoever they are. */
static bool outside_is_local(const struct pyemu_machine *m)
{
    for (uint64_t i = 0; i < m->n_outside; i++) {
        const struct pyemu_outside *o = &m->outside[i];

        if (o->vcpu != PYEMU_NONE && m->threads[o->vcpu].pcpu != o->pcpu)
            return false;
    }
    return true;
}

/* Python answers callbacks in the middle of a run, and may then do anything. */
static bool policy_is_local(const struct policy_table *t)
{
    for (uint32_t i = 0; i < t->n_steps; i++)
        if (t->steps[i].prim == PYEMU_P_CALLBACK)
            return false;
    return true;
}

void reach_update(struct pyemu_machine *m)
{
    /* a trace is written window by window: kept close to the order of time */
    bool local = m->trace_cap == 0 && m->n_moves == 0 && m->until_exits == 0 &&
                 m->until_guest_cyc == 0 && outside_is_local(m) &&
                 policy_is_local(&m->policy);

    for (uint32_t i = 0; local && i < m->s->cfg.n_pcpus; i++)
        local = m->pcpus[i].msgs == PYEMU_NONE && m->pcpus[i].online != 0;
    for (uint32_t i = 0; local && i < m->s->cfg.n_vcpus; i++)
        local = vcpu_is_local(m, i);
    m->reach_cyc = local ? max_u64(FREE_WINDOW_CYC, m->latency_cyc) : m->latency_cyc;
}
