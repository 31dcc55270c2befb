/*
 * snapshot_links.c - heaps and lists of a snapshot: every link leads to a node once,
 * all that is queued is linked, and what is counted beside them is their number. Loops
 * over them end because of that.
 */
#include <stdlib.h>

#include "kvm/inject.h"
#include "snapshot.h"

/* A walk over the nodes of one array; each may be met once, in all of its heaps. */
struct walk {
    const struct heap_node *nodes;
    uint32_t n;
    uint32_t n_met;
    uint32_t depth;
    uint32_t *stack;
    uint8_t *met;
};

static bool meet(struct walk *w, uint32_t node, uint32_t prev)
{
    if (node == PYEMU_NONE)
        return true;
    if (node >= w->n || w->met[node] != 0 || w->nodes[node].prev != prev)
        return false;
    w->met[node] = 1;
    w->n_met++;
    w->stack[w->depth++] = node;
    return true;
}

/* A tree whose children are not before their parents, all queued as `mark`. */
static bool heap_fits(struct walk *w, uint32_t root, uint32_t mark)
{
    const struct heap_node *nodes = w->nodes;

    if (!meet(w, root, PYEMU_NONE) ||
        (root != PYEMU_NONE && nodes[root].next != PYEMU_NONE))
        return false;
    while (w->depth != 0) {
        const uint32_t n = w->stack[--w->depth];

        if (nodes[n].queued != mark || !meet(w, nodes[n].child, n) ||
            !meet(w, nodes[n].next, n))
            return false;
        if (nodes[n].child != PYEMU_NONE && nodes[nodes[n].child].key < nodes[n].key)
            return false;
    }
    return true;
}

/* Nothing claims to be queued that no heap holds. */
static bool all_met(const struct walk *w)
{
    uint32_t n_queued = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n_queued += w->nodes[i].queued != 0;
    return n_queued == w->n_met;
}

static void restart(struct walk *w, const struct heap_node *nodes, uint32_t n)
{
    w->nodes = nodes;
    w->n = n;
    w->n_met = 0;
    w->depth = 0;
    for (uint32_t i = 0; i < n; i++)
        w->met[i] = 0;
}

static int check_timers(struct pyemu_machine *m, const struct pyemu_machine *in,
                        struct walk *w)
{
    restart(w, in->timer_nodes, 2 * m->s->cfg.n_vcpus + m->s->cfg.n_tasks);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        BELIEVE(m, heap_fits(w, in->pcpus[i].timers, 1 + i),
                "pcpu[%u].timers is no heap of soft timers", i);
    BELIEVE(m, all_met(w), "a soft timer is armed on no pCPU");
    return PYEMU_OK;
}

static int check_queues(struct pyemu_machine *m, const struct pyemu_machine *in,
                        struct walk *w)
{
    restart(w, in->rq_nodes, n_threads(m));
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++) {
        const uint32_t before = w->n_met;

        BELIEVE(m, heap_fits(w, in->pcpus[i].rq, 1) &&
                       w->n_met - before == in->pcpus[i].n_running,
                "pcpu[%u].rq is no run queue of %u threads", i,
                in->pcpus[i].n_running);
        for (uint32_t t = 0; t < w->n; t++)
            BELIEVE(m, w->met[t] != 1 || (in->threads[t].state == T_RUNNABLE &&
                                          in->threads[t].pcpu == i),
                    "thread[%u] stands in the queue of pcpu %u", t, i);
        for (uint32_t t = 0; t < w->n; t++)
            w->met[t] = (uint8_t)(w->met[t] != 0 ? 2 : 0);
    }
    BELIEVE(m, all_met(w), "a thread is queued on no pCPU");
    return PYEMU_OK;
}

static bool message_fits(const struct pyemu_machine *m, const struct message *msg)
{
    const bool of_vcpu = msg->vcpu < m->s->cfg.n_vcpus;

    switch (msg->kind) {
    case MSG_WAKE: return msg->vcpu < n_threads(m) && (msg->arg == 0 || of_vcpu);
    case MSG_INJECT:
        return of_vcpu && msg->intid < ((msg->arg & INJECT_SGI) != 0
                                            ? 16U
                                            : N_PRIVATE + PYEMU_N_SPIS);
    case MSG_POWER:
        return of_vcpu && (vcpu_is_code(&m->vcpus[msg->vcpu]) ||
                           msg->arg < m->programs[m->vcpus[msg->vcpu].prog].n);
    case MSG_OFF: return of_vcpu;
    default: return false;
    }
}

static int check_messages(struct pyemu_machine *m, const struct pyemu_machine *in,
                          struct walk *w)
{
    uint32_t n_free = 0;

    restart(w, in->msg_nodes, m->n_msgs);
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        BELIEVE(m, heap_fits(w, in->pcpus[i].msgs, 1),
                "pcpu[%u].msgs is no heap of messages", i);
    BELIEVE(m, all_met(w) && w->n_met == in->s->n_live_msgs,
            "n_live_msgs %u, but %u are under way", in->s->n_live_msgs, w->n_met);
    for (uint32_t i = 0; i < w->n; i++)
        BELIEVE(m, w->met[i] == 0 || message_fits(m, &in->msgs[i]),
                "message %u of kind %u is none", i, in->msgs[i].kind);
    for (uint32_t i = in->s->free_msg; i != PYEMU_NONE; i = in->msgs[i].next_free) {
        BELIEVE(m, i < w->n && w->met[i] == 0, "free_msg: message %u is not free", i);
        w->met[i] = 1;
        n_free++;
    }
    BELIEVE(m, n_free + w->n_met == w->n, "free_msg: a message is lost");
    return PYEMU_OK;
}

static const struct vgic_irq *irq_at(const struct pyemu_machine *in,
                                     const struct vcpu *v, uint32_t intid)
{
    if (intid < N_PRIVATE)
        return &v->irq[intid];
    if (intid - N_PRIVATE >= PYEMU_N_SPIS)
        return NULL;
    return &in->spis[(uint64_t)v->vm * PYEMU_N_SPIS + (intid - N_PRIVATE)];
}

static int check_ap_list(struct pyemu_machine *m, const struct pyemu_machine *in,
                         uint32_t i)
{
    const struct vcpu *v = &in->vcpus[i];
    uint32_t n = 0;

    for (uint32_t at = v->ap_head; at != AP_END; n++) {
        const struct vgic_irq *q = irq_at(in, v, at);

        BELIEVE(m, q != NULL && q->queued != 0 && q->on == i && n < v->ap_len,
                "vcpu[%u].ap_head: INTID %u is not on its list of %u", i, at,
                v->ap_len);
        at = q->next;
    }
    BELIEVE(m, n == v->ap_len, "vcpu[%u].ap_len %u, but the list has %u", i, v->ap_len,
            n);
    return PYEMU_OK;
}

static int check_ap_lists(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    uint32_t n_listed = 0, n_queued = 0;

    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++) {
        const int status = check_ap_list(m, in, i);

        if (status != PYEMU_OK)
            return status;
        n_listed += in->vcpus[i].ap_len;
        for (uint32_t k = 0; k < N_PRIVATE; k++)
            n_queued += in->vcpus[i].irq[k].queued;
    }
    for (uint32_t i = 0; i < m->s->cfg.n_vms * PYEMU_N_SPIS; i++)
        n_queued += in->spis[i].queued;
    BELIEVE(m, n_listed == n_queued, "%u interrupts are queued, lists hold %u",
            n_queued, n_listed);
    return PYEMU_OK;
}

static int check_counts(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    uint32_t n_moving = 0, n_ended = 0, n_online = 0;

    for (uint32_t i = 0; i < n_threads(m); i++)
        n_moving += in->threads[i].move_to != PYEMU_NONE;
    for (uint32_t i = 0; i < m->s->cfg.n_vcpus; i++)
        n_ended += in->vcpus[i].ended;
    for (uint32_t i = 0; i < m->s->cfg.n_pcpus; i++)
        n_online += in->pcpus[i].online;
    BELIEVE(m, in->s->n_moving == n_moving, "n_moving %u, but %u threads move",
            in->s->n_moving, n_moving);
    BELIEVE(m, in->s->n_off == n_ended, "n_off %u, but %u vCPUs have ended",
            in->s->n_off, n_ended);
    BELIEVE(m, n_online != 0, "no pCPU is online");
    return PYEMU_OK;
}

int snapshot_links_check(struct pyemu_machine *m, const struct pyemu_machine *in)
{
    const size_t most = m->n_msgs > 3U * n_threads(m) ? m->n_msgs : 3U * n_threads(m);
    struct walk w = {.stack = malloc(most * sizeof(uint32_t)), .met = malloc(most)};
    int status = PYEMU_OK;

    if (w.stack == NULL || w.met == NULL)
        status = machine_fail(m, PYEMU_ENOMEM, "no memory to check a snapshot");
    if (status == PYEMU_OK)
        status = check_timers(m, in, &w);
    if (status == PYEMU_OK)
        status = check_queues(m, in, &w);
    if (status == PYEMU_OK)
        status = check_messages(m, in, &w);
    free(w.stack);
    free(w.met);
    if (status == PYEMU_OK)
        status = check_ap_lists(m, in);
    return status == PYEMU_OK ? check_counts(m, in) : status;
}
