/* guest.c - the guest as a chooser of operations: what it may do next. */
#include "explore/explore.h"
#include "guest/ops.h"
#include "hw/gic.h"
#include "hw/timer.h"
#include "hw/vcpuif.h"
#include "run/trap.h"

/* Operations that trap, as handle_exit finds them; c is set when one is made. */
void ex_guest_ops(struct pyemu_explorer *x)
{
    static const struct pyemu_op ops[PYEMU_GC_COUNT] = {
        [PYEMU_GC_WFI] = {.op = PYEMU_OP_WFI},
        [PYEMU_GC_HVC] = {.op = PYEMU_OP_HVC},
        [PYEMU_GC_USER] = {.op = PYEMU_OP_MMIO_USER},
        [PYEMU_GC_GIC_ON] = {.op = PYEMU_OP_GIC_ENABLE, .a = INTID_VTIMER},
        [PYEMU_GC_GIC_OFF] = {.op = PYEMU_OP_GIC_DISABLE, .a = INTID_VTIMER},
        [PYEMU_GC_PCTL_OFF] = {.op = PYEMU_OP_TIMER_CTL, .a = TIMER_P},
        [PYEMU_GC_PCTL_ON] = {.op = PYEMU_OP_TIMER_CTL, .a = TIMER_P, .c = CTL_ENABLE},
        [PYEMU_GC_PCVAL_PAST] = {.op = PYEMU_OP_TIMER_CVAL, .a = TIMER_P},
        [PYEMU_GC_PCVAL_SOON] = {.op = PYEMU_OP_TIMER_TVAL, .a = TIMER_P, .c = 1},
        [PYEMU_GC_PCVAL_LATE] = {.op = PYEMU_OP_TIMER_TVAL, .a = TIMER_P},
        [PYEMU_GC_SPEND] = {.op = PYEMU_OP_SPENDR, .a = INTID_VTIMER},
        [PYEMU_GC_CPEND] = {.op = PYEMU_OP_CPENDR, .a = INTID_VTIMER},
        [PYEMU_GC_SACTIVE] = {.op = PYEMU_OP_SACTIVER, .a = INTID_VTIMER},
        [PYEMU_GC_CACTIVE] = {.op = PYEMU_OP_CACTIVER, .a = INTID_VTIMER},
        [PYEMU_GC_PTVAL_PAST] = {.op = PYEMU_OP_TIMER_TVAL, .a = TIMER_P,
                                 .c = UINT32_MAX},
        [PYEMU_GC_OTHER_ACTIVE] = {.op = PYEMU_OP_SACTIVER, .a = EX_OTHER_SGI},
    };

    for (uint32_t i = 0; i < PYEMU_GC_COUNT; i++)
        x->ops[i] = ops[i];
    x->program.ops = x->ops;
    x->program.n = PYEMU_GC_COUNT;
}

/* Would the operation change anything? Those that would not are left out. */
static bool useful(const struct pyemu_explorer *x, const struct pcpu *p,
                   const struct vcpu *v, uint32_t choice)
{
    const bool direct = x->m->s->cfg.direct_ptimer != 0;
    const struct timer_regs *tv = &p->hw[TIMER_V];
    const struct timer_regs *tp = direct ? &p->hw[TIMER_P] : &v->mem[TIMER_P];

    switch (choice) {
    case PYEMU_GC_CTL_OFF: return tv->ctl != 0;
    case PYEMU_GC_CTL_ON: return tv->ctl != CTL_ENABLE;
    case PYEMU_GC_CTL_MASKED: return tv->ctl != (CTL_ENABLE | CTL_IMASK);
    case PYEMU_GC_CVAL_PAST: return tv->expiry_cyc > p->now_cyc;
    case PYEMU_GC_MASK: return v->pstate_i == 0;
    case PYEMU_GC_UNMASK: return v->pstate_i != 0 && !ex_deaf(x, v);
    case PYEMU_GC_ACK: return v->pstate_i != 0 && vcpuif_hppvi(p, v) >= 0;
    case PYEMU_GC_EOI:
    case PYEMU_GC_DROP: return v->iar != INTID_SPURIOUS;
    case PYEMU_GC_WFI:
        for (uint32_t i = 0; i < p->n_lrs; i++)
            if (p->lr[i].state == LR_PENDING)
                return false; /* completes at once (3.6) */
        return true;
    case PYEMU_GC_PMR_OPEN: return v->pmr == 0;
    case PYEMU_GC_PMR_SHUT: return v->pmr != 0;
    case PYEMU_GC_PCTL_OFF: return tp->ctl != 0;
    case PYEMU_GC_PCTL_ON: return tp->ctl != CTL_ENABLE;
    case PYEMU_GC_PTVAL_PAST: return !direct;
    case PYEMU_GC_OTHER_ACTIVE: return v->irq[EX_OTHER_SGI].active == 0;
    case PYEMU_GC_PCVAL_PAST: return tp->expiry_cyc > p->now_cyc;
    default: return true;
    }
}

/* Does the operation trap, so that handle_exit is the first to look at it? */
static bool traps(const struct pyemu_explorer *x, uint32_t choice)
{
    const bool direct = x->m->s->cfg.direct_ptimer != 0;

    return x->ops[choice].op != PYEMU_OP_END &&
           !(direct && choice >= PYEMU_GC_PCTL_OFF && choice <= PYEMU_GC_PCVAL_LATE);
}

/*
 * Pending list registers that may be taken next. Which of several with one
 * priority wins is the implementation's choice, so that their order, and that of
 * the ap_list, makes no difference (2.3).
 */
static uint32_t pickable(const struct pyemu_explorer *x, const struct pcpu *p,
                         const struct vcpu *v)
{
    const int best = vcpuif_hppvi(p, v);
    uint32_t set = 0;

    if (best < 0 || !ex_any_order(x))
        return best < 0 ? 0 : bit32((uint32_t)best);
    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].state == LR_PENDING && p->lr[i].prio == p->lr[best].prio)
            set |= bit32(i);
    return set;
}

/* The list register chosen stands first among those of its priority. */
static void pick(struct pcpu *p, const struct vcpu *v, uint32_t lr)
{
    const int best = vcpuif_hppvi(p, v);
    const struct list_register kept = p->lr[lr];

    if (best < 0 || (uint32_t)best == lr)
        return;
    p->lr[lr] = p->lr[best];
    p->lr[best] = kept;
}

uint32_t ex_vector_moves(const struct pyemu_explorer *x, uint32_t pcpu, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    uint32_t n = 0;

    for (uint32_t left = pickable(x, p, &x->m->vcpus[p->cur]); left != 0;
         left &= left - 1U)
        out[n++] = ex_move_of(PYEMU_A_STEP, pcpu, p->cur,
                              EX_ARG_LR + lowest_bit32(left));
    return n;
}

static uint32_t ack_moves(const struct pyemu_explorer *x, uint32_t pcpu, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    uint32_t n = 0;

    for (uint32_t left = pickable(x, p, &x->m->vcpus[p->cur]); left != 0;
         left &= left - 1U)
        out[n++] = ex_move_of(PYEMU_A_GUEST, pcpu, p->cur,
                              PYEMU_GC_ACK | lowest_bit32(left) << EX_LR_SHIFT);
    return n;
}

/* Active interrupts whose priority has been dropped. */
static uint32_t dir_moves(const struct pyemu_explorer *x, uint32_t pcpu, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_lrs && i < EX_MAX_LRS; i++)
        if ((p->lr[i].state & LR_ACTIVE) != 0 &&
            p->lr[i].vintid != x->m->vcpus[p->cur].iar)
            out[n++] = ex_move_of(PYEMU_A_GUEST, pcpu, p->cur,
                                  PYEMU_GC_DIR | i << EX_LR_SHIFT);
    return n;
}

/*
 * What may come next in the guest. Nothing looks at a trapped operation before
 * handle_exit does: which one it was is chosen there, and the way to it is one.
 */
uint32_t ex_guest_moves(struct pyemu_explorer *x, uint32_t pcpu, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    const struct vcpu *v = &x->m->vcpus[p->cur];
    bool trapping = false;
    uint32_t n = 0;

    for (uint32_t c = 0; c < PYEMU_GC_COUNT; c++) {
        if (!has_bit64(x->cfg.guest, c) || !useful(x, p, v, c))
            continue;
        if (x->cfg.reduce != 0 && traps(x, c))
            trapping = true;
        else if (c == PYEMU_GC_ACK)
            n += ack_moves(x, pcpu, out + n);
        else if (c == PYEMU_GC_DIR)
            n += dir_moves(x, pcpu, out + n);
        else
            out[n++] = ex_move_of(PYEMU_A_GUEST, pcpu, p->cur, c);
    }
    if (trapping)
        out[n++] = ex_move_of(PYEMU_A_GUEST, pcpu, p->cur,
                              useful(x, p, v, PYEMU_GC_WFI) ? EX_TRAP : EX_TRAP_BUSY);
    return n;
}

/* handle_exit is next: which operation did the guest trap with? */
uint32_t ex_handle_moves(struct pyemu_explorer *x, uint32_t pcpu, ex_move *out)
{
    const struct pcpu *p = &x->m->pcpus[pcpu];
    const struct vcpu *v = &x->m->vcpus[p->cur];
    uint32_t n = 0;

    for (uint32_t c = 0; c < PYEMU_GC_COUNT; c++) {
        const bool can = c == PYEMU_GC_WFI ? v->trap_op == EX_TRAP : useful(x, p, v, c);

        if (has_bit64(x->cfg.guest, c) && traps(x, c) && can)
            out[n++] = ex_move_of(PYEMU_A_STEP, pcpu, p->cur, 1U + c);
    }
    return n;
}

/* A deadline later than every other one. */
uint64_t ex_late(const struct pyemu_explorer *x)
{
    const uint64_t map = ex_deadlines(x);

    return (map == 0 ? 0 : highest_bit64(map)) + EX_GAP;
}

static uint64_t deadline(const struct pyemu_explorer *x, uint32_t choice)
{
    switch (choice) {
    case PYEMU_GC_CVAL_SOON:
    case PYEMU_GC_PCVAL_SOON: return x->m->pcpus[0].now_cyc + 1;
    case PYEMU_GC_CVAL_LATE:
    case PYEMU_GC_PCVAL_LATE: return x->m->pcpus[0].now_cyc + ex_late(x);
    default: return 0;
    }
}

/* A timer register the guest may write without a trap; the ghost follows. */
static void write_timer(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v,
                        uint32_t t, uint32_t choice)
{
    struct pyemu_machine *m = x->m;
    struct ghost *g = &x->ghost[vcpu_idx(m, v)];
    struct timer_regs *r = &p->hw[t];

    switch (choice) {
    case PYEMU_GC_CTL_OFF:
    case PYEMU_GC_PCTL_OFF: r->ctl = 0; break;
    case PYEMU_GC_CTL_ON:
    case PYEMU_GC_PCTL_ON: r->ctl = CTL_ENABLE; break;
    case PYEMU_GC_CTL_MASKED: r->ctl = CTL_ENABLE | CTL_IMASK; break;
    default:
        r->expiry_cyc = deadline(x, choice);
        r->cval_ticks = r->expiry_cyc == 0 ? 0
                        : t == TIMER_V     ? r->expiry_cyc - EX_CNTVOFF
                                           : r->expiry_cyc;
        break;
    }
    g->t[t] = *r;
    timer_recalc(m, p, t);
}

static void acked(struct pyemu_explorer *x, const struct vcpu *v)
{
    struct ghost *g = &x->ghost[vcpu_idx(x->m, v)];

    if (v->iar == EX_OTHER_SGI)
        g->owed = 0;
    if (v->iar == INTID_VTIMER)
        g->orphan = 0;
    if (g->ended != 0 && v->iar == timer_intid(g->ended - 1U))
        g->ended = 0;
    if ((v->iar == INTID_VTIMER && g->high[TIMER_V] == 0) ||
        (v->iar == INTID_PTIMER && g->high[TIMER_P] == 0))
        ex_break(x, 1, EXD_SPURIOUS);
}

/* An unmasked guest takes a pending interrupt before anything else. */
bool ex_vector(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v, uint32_t lr)
{
    if (v->pstate_i != 0 || vcpuif_hppvi(p, v) < 0)
        return false;
    pick(p, v, lr);
    v->pstate_i = 1;
    ops_ack(x->m, p, v);
    acked(x, v);
    return true;
}

/* What follows from the deactivation of an interrupt by its guest. */
static void deactivated(struct pyemu_explorer *x, struct pcpu *p, uint32_t intid)
{
    const uint32_t t = intid == INTID_PTIMER ? TIMER_P : TIMER_V;

    if (intid == EX_OTHER_SGI)
        ex_other_ended(x, p);
    if (intid != INTID_PTIMER && intid != INTID_VTIMER)
        return;
    if (t == TIMER_V)
        x->ghost[p->cur].orphan = 0;
    x->ghost[p->cur].high[t] = ex_fires(x, p->cur, t);
    x->ghost[p->cur].ended = (uint8_t)(t + 1U);
}

static void eoi(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v)
{
    bool active = false; /* not if the guest has made it inactive otherwise */

    bool here = false;

    for (uint32_t i = 0; i < p->n_lrs; i++)
        if (p->lr[i].vintid == v->iar) {
            here = true;
            active = active || (p->lr[i].state & LR_ACTIVE) != 0;
        }
    if (!here && v->iar < N_PRIVATE)
        active = v->irq[v->iar].active != 0; /* in no list register (B39) */
    ops_eoi(x->m, p, v, false);
    if (active)
        deactivated(x, p, v->iar);
    v->iar = INTID_SPURIOUS;
    if (!machine_switch(x->m, PYEMU_S_EOICOUNT))
        v->hcr_eoicount = 0; /* nobody reads it */
}

/* EOImode 1, which a guest may choose: EOIR and DIR are two writes (2.3). */
static void split_eoi(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v,
                      uint32_t arg)
{
    const uint32_t intid = p->lr[arg >> EX_LR_SHIFT].vintid;

    v->eoimode = 1;
    if (ex_choice(arg) == PYEMU_GC_DROP) {
        ops_eoi(x->m, p, v, false);
        v->iar = INTID_SPURIOUS;
    } else if (vcpuif_dir(x->m, p, v, intid)) {
        deactivated(x, p, intid);
    }
    v->eoimode = 0;
    v->hcr_eoicount = 0;
}

/* All traps leave the guest alike; HVC stands for one that is not chosen yet. */
static void trapped(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v,
                    uint32_t choice)
{
    v->trap_op = choice;
    trap_take(x->m, p, v,
              &x->ops[choice >= PYEMU_GC_COUNT ? PYEMU_GC_HVC : choice]);
}

void ex_guest(struct pyemu_explorer *x, struct pcpu *p, struct vcpu *v, uint32_t arg)
{
    const uint32_t choice = ex_choice(arg);

    switch (choice) {
    case PYEMU_GC_MASK: v->pstate_i = 1; break;
    case PYEMU_GC_UNMASK: v->pstate_i = 0; break;
    case PYEMU_GC_ACK:
        pick(p, v, arg >> EX_LR_SHIFT);
        ops_ack(x->m, p, v);
        acked(x, v);
        break;
    case PYEMU_GC_EOI: eoi(x, p, v); break;
    case PYEMU_GC_DROP:
    case PYEMU_GC_DIR: split_eoi(x, p, v, arg); break;
    case PYEMU_GC_PMR_OPEN: v->pmr = PRIORITY_IDLE + 1U; break;
    case PYEMU_GC_PMR_SHUT: v->pmr = 0; break;
    default:
        if (choice <= PYEMU_GC_CVAL_LATE)
            write_timer(x, p, v, TIMER_V, choice);
        else if (choice >= PYEMU_GC_PCTL_OFF && choice <= PYEMU_GC_PCVAL_LATE &&
                 x->m->s->cfg.direct_ptimer != 0)
            write_timer(x, p, v, TIMER_P, choice);
        else
            trapped(x, p, v, choice);
        break;
    }
}
