/*
 * code_gic.c - the virtual CPU interface as machine code sees it: ICC_* system
 * registers on GICv3, the GICV frame on GICv2 (2.3). Nothing here leaves the guest
 * but ICC_SGI*R.
 */
#include "guest/code.h"

#include "account/account.h"
#include "guest/ops.h"
#include "hw/vcpuif.h"
#include "run/rules.h"

#define ICC(crn, crm, op2) ((3U << 14) | ((crn) << 7) | ((crm) << 3) | (op2))

enum {
    ICC_PMR = ICC(4U, 6U, 0U),
    ICC_IAR0 = ICC(12U, 8U, 0U),
    ICC_EOIR0 = ICC(12U, 8U, 1U),
    ICC_HPPIR0 = ICC(12U, 8U, 2U),
    ICC_BPR0 = ICC(12U, 8U, 3U),
    ICC_AP0R0 = ICC(12U, 8U, 4U),
    ICC_AP1R0 = ICC(12U, 9U, 0U),
    ICC_DIR = ICC(12U, 11U, 1U),
    ICC_RPR = ICC(12U, 11U, 3U),
    ICC_SGI1R = ICC(12U, 11U, 5U),
    ICC_ASGI1R = ICC(12U, 11U, 6U),
    ICC_SGI0R = ICC(12U, 11U, 7U),
    ICC_IAR1 = ICC(12U, 12U, 0U),
    ICC_EOIR1 = ICC(12U, 12U, 1U),
    ICC_HPPIR1 = ICC(12U, 12U, 2U),
    ICC_BPR1 = ICC(12U, 12U, 3U),
    ICC_CTLR = ICC(12U, 12U, 4U),
    ICC_SRE = ICC(12U, 12U, 5U),
    ICC_IGRPEN0 = ICC(12U, 12U, 6U),
    ICC_IGRPEN1 = ICC(12U, 12U, 7U)
};

enum {
    GICV_CTLR = 0x0,
    GICV_PMR = 0x4,
    GICV_BPR = 0x8,
    GICV_IAR = 0xc,
    GICV_EOIR = 0x10,
    GICV_RPR = 0x14,
    GICV_HPPIR = 0x18,
    GICV_APR = 0xd0,
    GICV_IIDR = 0xfc,
    GICV_DIR = 0x1000
};

enum {
    PRIO_MASK = 0xf8,           /* 5 priority bits (2.3) */
    CTLR_PRIBITS_4 = 4U << 8,   /* ICC_CTLR: 5 bits, 16-bit INTIDs */
    CTLR_EOIMODE = 2,
    GICV_EOIMODE = 1U << 9,
    IIDR_ARM = 0x0202043b,      /* GIC-400 */
    INTID_BITS = 0x3ff
};

static const uint16_t ENCODINGS[] = {
    ICC_PMR,    ICC_IAR0,  ICC_EOIR0,  ICC_HPPIR0, ICC_BPR0, ICC_AP0R0, ICC_AP1R0,
    ICC_DIR,    ICC_RPR,   ICC_SGI1R,  ICC_ASGI1R, ICC_SGI0R, ICC_IAR1, ICC_EOIR1,
    ICC_HPPIR1, ICC_BPR1,  ICC_CTLR,   ICC_SRE,    ICC_IGRPEN0, ICC_IGRPEN1};

uint32_t code_icc_encodings(uint32_t *out, uint32_t n)
{
    const uint32_t have = sizeof ENCODINGS / sizeof ENCODINGS[0];

    for (uint32_t i = 0; i < have && i < n; i++)
        out[i] = ENCODINGS[i];
    return have;
}

bool code_irq_line(const struct pcpu *p, const struct vcpu *v)
{
    return p->n_lrs != 0 && v->vif_enabled != 0 && vcpuif_hppvi(p, v) >= 0;
}

static uint32_t running_priority(const struct vcpu *v)
{
    return v->vapr == 0 ? PRIORITY_IDLE : lowest_bit32(v->vapr) << 3;
}

static uint32_t highest_pending(const struct pcpu *p, const struct vcpu *v)
{
    return code_irq_line(p, v) ? p->lr[vcpuif_hppvi(p, v)].vintid : INTID_SPURIOUS;
}

/* IAR: on GICv2 an SGI comes with its sender (2.3). */
static uint32_t acknowledge(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    if (v->vif_enabled == 0) {
        v->iar = INTID_SPURIOUS;
        return INTID_SPURIOUS;
    }
    const int n = vcpuif_hppvi(p, v);

    ops_ack(m, p, v);
    if (m->s->cfg.gic_version == 2 && v->iar < 16 && n >= 0)
        return v->iar | (uint32_t)(p->lr[n].source & 7U) << 10;
    return v->iar;
}

static void end_of_interrupt(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                             uint64_t value, bool dir)
{
    v->iar = (uint32_t)value & INTID_BITS;
    ops_eoi(m, p, v, dir);
}

static uint64_t icc_read(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                         uint32_t enc)
{
    switch (enc) {
    case ICC_PMR: return v->pmr & PRIO_MASK;
    case ICC_IAR1: return acknowledge(m, p, v);
    case ICC_HPPIR1: return highest_pending(p, v);
    case ICC_RPR: return running_priority(v);
    case ICC_BPR0: return 2;
    case ICC_BPR1: return v->vif_bpr;
    case ICC_AP1R0: return v->vapr;
    case ICC_CTLR:
        return CTLR_PRIBITS_4 | (v->eoimode != 0 ? (uint32_t)CTLR_EOIMODE : 0U);
    case ICC_SRE: return 7; /* no legacy interface: SRE, DFB and DIB are ones */
    case ICC_IGRPEN1: return v->vif_enabled;
    case ICC_IAR0:
    case ICC_HPPIR0: return INTID_SPURIOUS;
    default: return 0; /* group 0 is not used */
    }
}

static void icc_write(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                      uint32_t enc, uint64_t value)
{
    switch (enc) {
    case ICC_PMR: v->pmr = (uint32_t)value & PRIO_MASK; break;
    case ICC_EOIR1: end_of_interrupt(m, p, v, value, false); break;
    case ICC_DIR: end_of_interrupt(m, p, v, value, true); break;
    case ICC_BPR1: v->vif_bpr = (uint8_t)(value & 7U); break;
    case ICC_AP1R0: v->vapr = (uint32_t)value; break;
    case ICC_CTLR: v->eoimode = (value & CTLR_EOIMODE) != 0; break;
    case ICC_IGRPEN1: v->vif_enabled = value & 1U; break;
    default: break;
    }
}

/* ICC_SGI1R: INTID, then a list of Aff0 in one cluster, or everybody else (2.4). */
static void sgi_op(struct vcpu *v, uint64_t value)
{
    const uint32_t aff1 = (uint32_t)(value >> 16) & 0xffU;
    const uint32_t aff2 = (uint32_t)(value >> 32) & 0xffU;

    v->trap = (struct pyemu_op){.op = PYEMU_OP_SGI, .a = (value >> 24) & 15U, .c = 1};
    if ((value >> 40 & 1U) != 0)
        return;
    v->trap.flags = SGI_LIST;
    v->trap.b = aff1 | aff2 << 8;
    v->trap.c = value & 0xffffU;
}

enum code_access code_icc(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                          const struct a64_exit *e)
{
    struct a64_cpu *cpu = code_cpu(m, v);
    const uint32_t enc = (uint32_t)e->addr;
    uint64_t value = 0;

    if (enc != ICC_PMR && (enc < ICC_IAR0 || enc > ICC_IGRPEN1))
        return CODE_UNKNOWN;
    if (enc >= ICC_SGI1R && enc <= ICC_SGI0R) {
        if (e->is_write == 0)
            return CODE_UNKNOWN;
        sgi_op(v, e->value);
        (void)a64_sysreg_complete(cpu, 0);
        return CODE_SGI;
    }
    if (e->is_write != 0)
        icc_write(m, p, v, enc, e->value);
    else
        value = icc_read(m, p, v, enc);
    a64_set_now(cpu, p->now_cyc);
    (void)a64_sysreg_complete(cpu, value);
    return CODE_DONE;
}

static uint64_t gicv_read(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                          uint64_t offset)
{
    switch (offset) {
    case GICV_CTLR:
        return v->vif_enabled | (v->eoimode != 0 ? (uint32_t)GICV_EOIMODE : 0U);
    case GICV_PMR: return v->pmr & PRIO_MASK;
    case GICV_BPR: return v->vif_bpr;
    case GICV_IAR: return acknowledge(m, p, v);
    case GICV_RPR: return running_priority(v);
    case GICV_HPPIR: return highest_pending(p, v);
    case GICV_APR: return v->vapr;
    case GICV_IIDR: return IIDR_ARM;
    default: return 0;
    }
}

static void gicv_write(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
                       uint64_t offset, uint64_t value)
{
    switch (offset) {
    case GICV_CTLR:
        v->vif_enabled = value & 1U;
        v->eoimode = (value & GICV_EOIMODE) != 0;
        break;
    case GICV_PMR: v->pmr = (uint32_t)value & PRIO_MASK; break;
    case GICV_BPR: v->vif_bpr = (uint8_t)(value & 7U); break;
    case GICV_EOIR: end_of_interrupt(m, p, v, value, false); break;
    case GICV_DIR: end_of_interrupt(m, p, v, value, true); break;
    case GICV_APR: v->vapr = (uint32_t)value; break;
    default: break;
    }
}

void code_gicv(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v,
               const struct a64_exit *e, uint64_t offset)
{
    struct a64_cpu *cpu = code_cpu(m, v);
    uint64_t value = 0;

    if (e->is_write != 0)
        gicv_write(m, p, v, offset, e->value);
    else
        value = gicv_read(m, p, v, offset);
    a64_set_now(cpu, p->now_cyc);
    (void)a64_mmio_complete(cpu, value);
}
