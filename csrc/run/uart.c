/* uart.c - registers, transmitter and interrupt of the PL011 (DDI 0183 3.3). */
#include "run/uart.h"

#include "a64/a64.h"
#include "kvm/inject.h"
#include "kvm/vgic.h"

enum {
    UART_DR = 0x00,
    UART_FR = 0x18,
    UART_FIRST_STORED = 0x24, /* IBRD */
    UART_IMSC = 0x38,
    UART_RIS = 0x3c,
    UART_MIS = 0x40,
    UART_ICR = 0x44,
    UART_ID = 0xfe0,
    UART_BYTES = 0x1000
};

enum { FR_EMPTY = 0x90, INT_TX = 1 << 5 }; /* both FIFOs are empty, always */

/* What is raised and not masked drives the line. */
static uint32_t masked(const struct code_uart *u)
{
    return u->raised & u->stored[(UART_IMSC - UART_FIRST_STORED) / 4];
}

/* Requires: offset < UART_BYTES. */
static uint64_t uart_read(const struct code_uart *u, uint64_t offset)
{
    /* PeriphID0-3 and PCellID0-3 of a r1p5. */
    static const uint8_t id[] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    if (offset >= UART_FIRST_STORED && offset <= UART_IMSC)
        return u->stored[(offset - UART_FIRST_STORED) / 4];
    switch (offset) {
    case UART_FR: return FR_EMPTY;
    case UART_RIS: return u->raised;
    case UART_MIS: return masked(u);
    default: return offset >= UART_ID ? id[(offset - UART_ID) / 4] : 0;
    }
}

/* A buffer half full, the end of a line, a byte that Python waits for: it looks. */
static void transmit(struct pyemu_machine *m, const struct vcpu *v, struct code_uart *u,
                     uint8_t byte)
{
    ASSERT(m, u->n < sizeof u->text);
    u->text[u->n++] = byte;
    u->raised |= INT_TX; /* the FIFO has drained already */
    if (u->n < sizeof u->text / 2 && byte != '\n' && byte != u->stop_at)
        return;
    if (m->stop != 0)
        return; /* it comes back for another reason and looks as well */
    m->stop = PYEMU_STOP_CONSOLE + 1;
    m->stop_vcpu = vcpu_idx(m, v);
}

static void uart_write(struct pyemu_machine *m, const struct vcpu *v,
                       struct code_uart *u, uint64_t offset)
{
    const uint64_t value = v->mmio.value;

    if (offset == UART_DR)
        transmit(m, v, u, (uint8_t)value);
    else if (offset == UART_ICR)
        u->raised &= (uint16_t)~value;
    else if (offset >= UART_FIRST_STORED && offset <= UART_IMSC)
        u->stored[(offset - UART_FIRST_STORED) / 4] = (uint16_t)value;
}

bool uart_answer(struct pyemu_machine *m, struct pcpu *p, struct vcpu *v)
{
    struct code_vm *cv = &m->code_vms[v->vm];
    struct code_uart *u = &cv->uart;
    const uint64_t offset = v->mmio.address - cv->cfg.uart;
    uint64_t value = 0;

    if (cv->cfg.uart == 0 || offset >= UART_BYTES)
        return false;
    if (v->mmio.is_write != 0)
        uart_write(m, v, u, offset);
    else
        value = uart_read(u, offset);
    const bool level = masked(u) != 0;

    if (level != (u->level != 0)) {
        u->level = level;
        inject_irq(m, p, vgic_owner(m, v, cv->cfg.uart_intid), cv->cfg.uart_intid,
                   level ? INJECT_LEVEL : 0);
    }
    (void)a64_mmio_complete(m->code[vcpu_idx(m, v)], value);
    return true;
}
