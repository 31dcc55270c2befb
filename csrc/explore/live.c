/*
 * live.c - which values of a vCPU some step may still read before they are written
 * (liveness over the policy's table). A value that nobody reads again makes no
 * difference to what follows, so that tidy.c gives it one form. A check of an
 * invariant counts as a read. Guards are followed as far as the flags tracked here
 * decide them; where in doubt a value is live.
 */
#include <stdlib.h>
#include <string.h>

#include "explore/live.h"

/* Flags whose value is known at each node: one layer of the graph each. */
static const uint8_t TRACKED[] = {PYEMU_F_ENABLED, PYEMU_F_LOADED, PYEMU_F_LEVEL_V,
                                  PYEMU_F_VACT_V,  PYEMU_F_WAKE,   PYEMU_F_FIRE,
                                  FI_IRQ_OFF};

enum { N_TRACKED = sizeof TRACKED, N_LAYERS = 1 << N_TRACKED };

enum {
    L_ENABLED = 1,
    L_LOADED = 2,
    L_LEVEL_V = 4,
    L_VACT_V = 8,
    L_WAKE = 16,
    L_FIRE = 32,
    L_IRQ_OFF = 64
};

/* Places that are no step; the end of hook h is NODE_END + h. */
enum { NODE_GUEST = 0, NODE_USER, NODE_OFF, NODE_SLEEP, NODE_WOKEN, NODE_RETURN,
       NODE_END, N_NODES = NODE_END + PYEMU_H_COUNT };

struct flow {
    const struct pyemu_machine *m;
    uint16_t *live; /* [node][layer], steps first */
    uint64_t tracked;
    uint16_t after_load; /* live where a load by the scheduler returns to */
    uint16_t handlers[N_LAYERS]; /* live in a handler that may interrupt */
    bool changed;
};

static uint64_t flags_of_layer(uint32_t layer)
{
    uint64_t f = 0;

    for (uint32_t i = 0; i < N_TRACKED; i++)
        f |= (uint64_t)((layer >> i) & 1U) << TRACKED[i];
    return f;
}

static uint32_t layer_of(uint64_t flags)
{
    uint32_t layer = 0;

    for (uint32_t i = 0; i < N_TRACKED; i++)
        layer |= (uint32_t)((flags >> TRACKED[i]) & 1U) << i;
    return layer;
}

static uint16_t at(const struct flow *f, uint32_t node, uint32_t layer)
{
    return f->live[(uint64_t)node * N_LAYERS + layer];
}

static uint32_t place(const struct flow *f, uint32_t node)
{
    return f->m->policy.n_steps + node;
}

static uint32_t start(const struct flow *f, uint32_t hook)
{
    const struct policy_table *t = &f->m->policy;

    return t->hook_start[hook] == t->hook_start[hook + 1] ? place(f, NODE_END + hook)
                                                          : t->hook_start[hook];
}

/* Live at a node whatever the layers of `either` are. */
static uint16_t any_of(const struct flow *f, uint32_t node, uint32_t layer,
                       uint32_t either)
{
    uint16_t live = 0;

    for (uint32_t sub = either;; sub = (sub - 1U) & either) {
        live |= at(f, node, (layer & ~either) | sub);
        if (sub == 0)
            return live;
    }
}

/* Values that a guard looks at. */
static uint16_t guard_reads(uint64_t mask)
{
    uint16_t r = 0;

    r |= (mask & FLAG(CAN_V)) != 0 ? EXL_MEM_CTL : 0;
    r |= (mask & FLAG(DUE_V)) != 0 ? EXL_MEM_CVAL : 0;
    r |= (mask & FLAG(CAN_P)) != 0 ? EXL_MEM_CTL << EXL_P : 0;
    r |= (mask & FLAG(DUE_P)) != 0 ? EXL_MEM_CVAL << EXL_P : 0;
    r |= (mask & FLAG(HDUE_V)) != 0 ? EXL_HW_CVAL : 0;
    r |= (mask & FLAG(HDUE_P)) != 0 ? EXL_HW_CVAL << EXL_P : 0;
    r |= (mask & FLAG(REQ)) != 0 ? EXL_REQ : 0;
    r |= (mask & FLAG(FIRE)) != 0 ? EXL_FIRE : 0;
    r |= (mask & FLAG(CHANGED)) != 0 ? EXL_CHANGED : 0;
    r |= (mask & FLAG(ACT)) != 0 ? EXL_ACT : 0;
    return r;
}

static uint16_t both_mem(void)
{
    return EXL_MEM_CTL | EXL_MEM_CVAL;
}

static uint16_t reads_reg(uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_CNTV_CVAL_R: return EXL_HW_CVAL;
    case PYEMU_P_CNTV_CVAL_W: return EXL_MEM_CVAL;
    case PYEMU_P_CNTV_CTL_W: return EXL_MEM_CTL | EXL_HW_CVAL;
    case PYEMU_P_CNTP_CVAL_R: return EXL_HW_CVAL << EXL_P;
    case PYEMU_P_CNTP_CVAL_W: return EXL_MEM_CVAL << EXL_P;
    case PYEMU_P_CNTP_CTL_W: return (EXL_MEM_CTL | EXL_HW_CVAL) << EXL_P;
    default: return 0;
    }
}

static uint16_t reads_of(uint32_t prim)
{
    const uint16_t mem_p = (uint16_t)(both_mem() << EXL_P);

    switch (prim) {
    case PYEMU_P_EVAL_V: return both_mem();
    case PYEMU_P_EVAL_P:
    case PYEMU_P_PT_EMULATE:
    case PYEMU_P_PT_ARM: return mem_p;
    case PYEMU_P_BG_ARM: return both_mem() | mem_p;
    case PYEMU_P_LEVEL_V:
    case PYEMU_P_LEVEL_P:
    case PYEMU_P_INJECT_V_FIRE: return EXL_FIRE;
    case PYEMU_P_CHECK_REQUESTS: return EXL_REQ;
    case PYEMU_P_PENDING: return EXL_VMCR;
    case PYEMU_P_CALLBACK: return EXL_ALL;
    default: return reads_reg(prim);
    }
}

/* Values that a step writes whatever they were. */
static uint16_t writes_of(uint32_t prim)
{
    switch (prim) {
    case PYEMU_P_CNTV_CTL_R:
    case PYEMU_P_SAVE_CTL_ISR: return EXL_MEM_CTL;
    case PYEMU_P_CNTV_CVAL_R: return EXL_MEM_CVAL;
    case PYEMU_P_CNTV_CVAL_W: return EXL_HW_CVAL;
    case PYEMU_P_CNTP_CTL_R: return EXL_MEM_CTL << EXL_P;
    case PYEMU_P_CNTP_CVAL_R: return EXL_MEM_CVAL << EXL_P;
    case PYEMU_P_CNTP_CVAL_W: return EXL_HW_CVAL << EXL_P;
    case PYEMU_P_EVAL_V:
    case PYEMU_P_EVAL_V_HW:
    case PYEMU_P_EVAL_V_CTL:
    case PYEMU_P_EVAL_P:
    case PYEMU_P_EVAL_P_HW: return EXL_FIRE | EXL_CHANGED;
    case PYEMU_P_BG_RECHECK:
    case PYEMU_P_PT_RECHECK: return EXL_FIRE;
    case PYEMU_P_ACT_EITHER:
    case PYEMU_P_ACT_VACT:
    case PYEMU_P_ACT_LEVEL:
    case PYEMU_P_ACT_EITHER_P: return EXL_ACT;
    case PYEMU_P_REQUESTS: return EXL_REQ;
    case PYEMU_P_VMCR_R: return EXL_VMCR;
    default: return 0;
    }
}

/* The layer after a step, and those of its bits that may be either. */
static uint32_t next_layer(uint32_t prim, uint32_t layer, uint32_t *either)
{
    switch (prim) {
    case PYEMU_P_ENABLED_SET: return layer | L_ENABLED;
    case PYEMU_P_LOADED_SET: return layer | L_LOADED;
    case PYEMU_P_LOADED_CLEAR: return layer & ~(uint32_t)L_LOADED;
    case PYEMU_P_LEVEL_V:
        return (layer & L_FIRE) != 0 ? layer | L_LEVEL_V
                                     : layer & ~(uint32_t)L_LEVEL_V;
    case PYEMU_P_LEVEL_V_SET: return layer | L_LEVEL_V;
    case PYEMU_P_LEVEL_V_CLEAR: return layer & ~(uint32_t)L_LEVEL_V;
    case PYEMU_P_WAKE_IF: return layer | L_WAKE;
    case PYEMU_P_IRQ_OFF:
    case PYEMU_P_IRQ_SAVE: return layer | L_IRQ_OFF;
    case PYEMU_P_IRQ_ON: return layer & ~(uint32_t)L_IRQ_OFF;
    case PYEMU_P_IRQ_RESTORE: *either = L_IRQ_OFF; return layer;
    case PYEMU_P_PENDING: *either = L_WAKE; return layer;
    case PYEMU_P_VGIC_SYNC:
    case PYEMU_P_VGIC_RESET_V:
    case PYEMU_P_HANDLE: *either = L_VACT_V; return layer;
    case PYEMU_P_CALLBACK: *either = L_FIRE; return layer;
    default:
        *either = (writes_of(prim) & EXL_FIRE) != 0 ? L_FIRE : 0;
        return layer;
    }
}

/* Where else a step may lead to than to the next one. */
static uint16_t beside(const struct flow *f, uint32_t prim, uint32_t layer)
{
    switch (prim) {
    case PYEMU_P_CHECK_SIGNAL:
    case PYEMU_P_CHECK_REQUESTS: return at(f, start(f, PYEMU_H_ABORT), layer);
    case PYEMU_P_REQUESTS: return at(f, place(f, NODE_SLEEP), layer);
    default: return 0;
    }
}

/* 0: the guard fails, 1: it may hold, 2: it holds, as far as the layer tells. */
static uint32_t decide(const struct flow *f, const struct pyemu_guard *g, uint64_t have)
{
    const bool fails = ((have ^ g->want) & g->mask & f->tracked) != 0;
    const bool known = (g->mask & ~f->tracked) == 0;

    if (g->inverted != 0)
        return fails ? 2 : known ? 0 : 1;
    return fails ? 0 : known ? 2 : 1;
}

static uint16_t step_live(const struct flow *f, uint32_t pc, uint32_t next,
                          uint32_t layer)
{
    const struct policy_table *t = &f->m->policy;
    const struct pyemu_guard *g = &t->guards[t->steps[pc].guard];
    const uint32_t prim = t->steps[pc].prim;
    const uint64_t have = flags_of_layer(layer);
    const uint32_t sure = decide(f, g, have);
    uint16_t live = 0;
    uint32_t either = 0;

    /* is it decided by others than FIRE? then FIRE is not looked at */
    if (decide(f, g, have ^ FLAG(FIRE)) != sure || sure == 1)
        live = guard_reads(g->mask);
    if (sure != 2)
        live |= at(f, next, layer);
    if (sure == 0)
        return live;
    if (prim == PYEMU_P_ERET)
        return live | at(f, place(f, NODE_GUEST), layer & ~(uint32_t)L_IRQ_OFF);
    const uint32_t to = next_layer(prim, layer, &either);

    live |= (uint16_t)(any_of(f, next, to, either) & ~writes_of(prim));
    return live | reads_of(prim) | beside(f, prim, layer);
}

/* The interrupt path is a loop; the thread's own values are added at its place. */
static uint16_t handler_end_live(const struct flow *f, uint32_t hook, uint32_t layer)
{
    uint16_t live = 0;

    if (hook == PYEMU_H_IRQ_EXIT)
        return at(f, start(f, PYEMU_H_IRQ_ENTRY), layer);
    if (hook == PYEMU_H_IRQ_ENTRY)
        for (uint32_t h = PYEMU_H_VTIMER_ISR; h <= PYEMU_H_PT_EXPIRE; h++)
            live |= at(f, start(f, h), layer);
    return live | at(f, start(f, PYEMU_H_IRQ_EXIT), layer);
}

static uint16_t end_live(const struct flow *f, uint32_t hook, uint32_t layer)
{
    const uint32_t enter = start(f, PYEMU_H_ENTER);
    uint16_t live = 0;

    switch (hook) {
    case PYEMU_H_EXIT:
        live = at(f, start(f, PYEMU_H_BLOCK), layer) |
               at(f, start(f, PYEMU_H_PT_TRAP), layer);
        return live | at(f, start(f, PYEMU_H_USER_EXIT), layer) | at(f, enter, layer);
    case PYEMU_H_ABORT:
        return at(f, start(f, PYEMU_H_USER_EXIT), layer) | at(f, enter, layer);
    case PYEMU_H_BLOCK: return any_of(f, start(f, PYEMU_H_CHECK), layer, L_WAKE);
    case PYEMU_H_CHECK:
        return at(f, start(f, PYEMU_H_UNBLOCK), layer) |
               at(f, place(f, NODE_SLEEP), layer);
    case PYEMU_H_USER_EXIT: return at(f, start(f, PYEMU_H_PUT), layer);
    case PYEMU_H_RESET: return at(f, place(f, NODE_USER), layer) |
                               at(f, start(f, PYEMU_H_PUT), layer);
    case PYEMU_H_PUT: return at(f, place(f, NODE_USER), layer) |
                             any_of(f, place(f, NODE_OFF), layer, L_IRQ_OFF);
    case PYEMU_H_LOAD:
        live = at(f, start(f, PYEMU_H_FIRST_RUN), layer) | at(f, enter, layer);
        return live | at(f, place(f, NODE_USER), layer) |
               at(f, place(f, NODE_RETURN), layer);
    case PYEMU_H_FIRST_RUN: return at(f, enter, layer | L_ENABLED);
    case PYEMU_H_PT_TRAP:
    case PYEMU_H_UNBLOCK: return at(f, enter, layer);
    default: return handler_end_live(f, hook, layer);
    }
}

/* What an interrupt handler, or an hrtimer's, reads of its thread. */
static uint16_t handlers_live(const struct flow *f, uint32_t layer)
{
    static const uint8_t hooks[] = {PYEMU_H_IRQ_ENTRY, PYEMU_H_VTIMER_ISR,
                                    PYEMU_H_PTIMER_ISR, PYEMU_H_IRQ_EXIT,
                                    PYEMU_H_BG_EXPIRE, PYEMU_H_PT_EXPIRE};
    uint16_t live = 0;

    for (uint32_t i = 0; i < sizeof hooks; i++)
        live |= any_of(f, start(f, hooks[i]), layer | L_IRQ_OFF, L_FIRE);
    return live & (uint16_t)~EXL_SCRATCH;
}

static uint16_t place_live(const struct flow *f, uint32_t node, uint32_t layer)
{
    const uint16_t mem = (uint16_t)(both_mem() | both_mem() << EXL_P);
    const uint16_t hw = EXL_HW_CVAL | EXL_HW_CVAL << EXL_P;

    switch (node) {
    case NODE_GUEST: return hw | at(f, start(f, PYEMU_H_EXIT), layer | L_IRQ_OFF);
    case NODE_USER:
        return mem | at(f, start(f, PYEMU_H_LOAD), layer) |
               at(f, start(f, PYEMU_H_RESET), layer);
    case NODE_OFF: return mem | at(f, start(f, PYEMU_H_LOAD), layer);
    case NODE_SLEEP:
        return at(f, place(f, NODE_WOKEN), layer) |
               at(f, start(f, PYEMU_H_PUT), layer | L_IRQ_OFF);
    case NODE_WOKEN:
        return any_of(f, start(f, PYEMU_H_CHECK), layer, L_WAKE) |
               at(f, start(f, PYEMU_H_ENTER), layer);
    case NODE_RETURN: return f->after_load;
    default: return end_live(f, node - NODE_END, layer);
    }
}

static bool is_handler(uint32_t hook)
{
    return hook >= PYEMU_H_IRQ_ENTRY && hook <= PYEMU_H_PT_EXPIRE;
}

/* Interrupts on: a handler, which may move the level, or put by the scheduler. */
static uint16_t disturbed(const struct flow *f, uint32_t node, uint32_t layer)
{
    if ((layer & L_IRQ_OFF) != 0)
        return 0;
    return at(f, node, layer ^ L_LEVEL_V) | f->handlers[layer] |
           at(f, start(f, PYEMU_H_PUT), layer | L_IRQ_OFF);
}

static void put(struct flow *f, uint32_t node, uint32_t layer, uint16_t live)
{
    uint16_t *is = &f->live[(uint64_t)node * N_LAYERS + layer];

    if ((live | *is) == *is)
        return;
    *is |= live;
    f->changed = true;
}

static void pass(struct flow *f)
{
    const struct policy_table *t = &f->m->policy;

    for (uint32_t layer = 0; layer < N_LAYERS; layer++)
        f->handlers[layer] = handlers_live(f, layer);
    for (uint32_t node = N_NODES; node-- != 0;)
        for (uint32_t layer = 0; layer < N_LAYERS; layer++)
            put(f, place(f, node), layer,
                place_live(f, node, layer) |
                    (node >= NODE_END && is_handler(node - NODE_END)
                         ? 0
                         : disturbed(f, place(f, node), layer)));
    for (uint32_t h = PYEMU_H_COUNT; h-- != 0;)
        for (uint32_t pc = t->hook_start[h + 1]; pc-- != t->hook_start[h];) {
            const uint32_t next =
                pc + 1 == t->hook_start[h + 1] ? place(f, NODE_END + h) : pc + 1;

            for (uint32_t layer = 0; layer < N_LAYERS; layer++)
                put(f, pc, layer,
                    step_live(f, pc, next, layer) |
                        (is_handler(h) ? 0 : disturbed(f, pc, layer)));
        }
}

/* Live if a load returns to a place where `after_load` is; `base`: if to nowhere. */
static uint16_t *solve(const struct pyemu_machine *m, uint16_t after_load,
                       const uint16_t *base)
{
    const uint64_t n = (uint64_t)(m->policy.n_steps + N_NODES) * N_LAYERS;
    struct flow f = {.m = m, .after_load = after_load, .changed = true};

    f.live = calloc(n, sizeof *f.live);
    if (f.live != NULL && base != NULL)
        memcpy(f.live, base, n * sizeof *base);
    for (uint32_t i = 0; i < N_TRACKED; i++)
        f.tracked |= bit64(TRACKED[i]);
    while (f.live != NULL && f.changed) {
        f.changed = false;
        pass(&f);
    }
    return f.live;
}

bool ex_live_prepare(struct pyemu_explorer *x)
{
    x->live[0] = solve(x->m, 0, NULL);
    x->live[1] = x->live[0] == NULL ? NULL : solve(x->m, EXL_ALL, x->live[0]);
    const uint32_t n = x->m->policy.n_steps + N_NODES;

    x->live_any = calloc(n, sizeof *x->live_any);
    if (x->live[1] == NULL || x->live_any == NULL)
        return false;
    for (uint32_t i = 0; i < n * N_LAYERS; i++)
        x->live_any[i / N_LAYERS] |= x->live[0][i];
    return true;
}

static uint32_t node_of(const struct pyemu_explorer *x, uint32_t stage, uint32_t hook,
                        uint32_t pc)
{
    const uint32_t first = x->m->policy.n_steps;

    switch (stage) {
    case STAGE_HOOK:
        return pc < x->m->policy.hook_start[hook + 1] ? pc : first + NODE_END + hook;
    case STAGE_GUEST: return first + NODE_GUEST;
    case STAGE_SLEEP: return first + NODE_SLEEP;
    case STAGE_WOKEN: return first + NODE_WOKEN;
    default: return first + NODE_USER;
    }
}

/* Live where the scheduler's load goes back to, whatever the flags are then. */
static uint16_t live_saved(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return x->live_any[node_of(x, v->saved_stage, v->saved_hook, v->saved_pc)];
}

uint16_t ex_live_saved(const struct pyemu_explorer *x, const struct vcpu *v)
{
    return live_saved(x, v) & EXL_SCRATCH;
}

uint16_t ex_live_isr(const struct pyemu_explorer *x, const struct pcpu *p,
                     const struct vcpu *v)
{
    const struct policy_table *t = &x->m->policy;
    uint32_t node = p->irq_pc;

    const uint32_t layer = layer_of(v->flags | bit64(FI_IRQ_OFF));
    const uint32_t hook = ex_isr_hook(p);

    if (node == t->hook_start[hook + 1])
        node = t->n_steps + NODE_END + hook;
    return x->live[0][(uint64_t)node * N_LAYERS + layer];
}

uint16_t ex_live(const struct pyemu_explorer *x, uint32_t i)
{
    const struct pyemu_machine *m = x->m;
    const struct vcpu *v = &m->vcpus[i];
    const struct pcpu *p = &m->pcpus[m->threads[i].pcpu];
    const bool running = m->threads[i].state == T_RUNNING;
    const bool in_isr = running && p->irq_stage != ISR_NONE;
    const uint64_t irq_off = running && !in_isr ? p->flags & bit64(FI_IRQ_OFF) : 0;
    uint64_t flags = v->flags;
    uint32_t node = node_of(x, v->stage, v->hook, v->pc);
    bool returns = v->stage == STAGE_HOOK &&
                   (v->cont == CONT_PUT_SCHED || v->cont == CONT_LOAD_SCHED);

    if (!running && v->resident != 0) {
        node = m->policy.n_steps + NODE_OFF;
        returns = true;
    }
    if (in_isr)
        flags = (flags & ~FLAG(FIRE)) | (p->irq_scratch & FLAG(FIRE));
    const uint64_t where =
        (uint64_t)node * N_LAYERS + layer_of((flags & ~bit64(FI_IRQ_OFF)) | irq_off);
    uint16_t live = x->live[0][where];

    if (returns && (x->live[1][where] & ~live) != 0)
        live |= x->live[1][where] & live_saved(x, v);
    if (m->timer_nodes[2 * i].queued != 0)
        live |= both_mem(); /* its hrtimer's handler reads the copy */
    for (uint32_t k = 0; k < m->s->cfg.n_pcpus; k++)
        if (m->pcpus[k].irq_stage != ISR_NONE && m->pcpus[k].running == i)
            live |= ex_live_isr(x, &m->pcpus[k], v) & (uint16_t)~EXL_SCRATCH;
    return live;
}
