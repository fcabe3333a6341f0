/* SPDX-License-Identifier: MIT */
/*
 * The 16550 (National Semiconductor PC16550D), and the debug port of emulators in its place. Which
 * node uses it is kernel/log.c's matter; the state kept here says only where the port is.
 */
#include "drivers/console/serial.h"

#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"
#include "libc/core/port.h"

/* Registers from the port's first address on. */
#define UART_DATA             0
#define UART_DIVISOR_LOW      0 /* these two while LCR_DIVISOR_ACCESS is set */
#define UART_DIVISOR_HIGH     1
#define UART_INTERRUPT_ENABLE 1
#define IER_RECEIVED          BIT(0)
#define IER_TRANSMIT_EMPTY    BIT(1)
#define UART_INTERRUPT_ID     2 /* read */
#define IIR_FIFO              0xC0
#define UART_FIFO_CONTROL     2 /* write */
#define FCR_ENABLE_AND_CLEAR  0x07
#define UART_LINE_CONTROL     3
#define LCR_8N1               0x03
#define LCR_DIVISOR_ACCESS    BIT(7)
#define UART_MODEM_CONTROL    4
#define MCR_DTR_RTS           0x03
#define MCR_OUT2              BIT(3) /* on a PC it connects the interrupt line */
#define UART_LINE_STATUS      5
#define LSR_DATA_READY        BIT(0)
#define LSR_TRANSMIT_EMPTY    BIT(5)
#define STATUS_ABSENT         0xFF /* what a bus without a device answers */
#define UART_SCRATCH          7

/* One register, which takes every byte at once: Bochs and Xen have it, and QEMU by the name of
 * isa-debugcon. Not all of them answer a read, so it is there when it is asked for. */
#define DEBUG_PORT 0xE9

#define BAUD_OF_DIVISOR_1  115200u
#define BAUD_DEFAULT       115200u
#define FIFO_BYTES         16u
#define BITS_PER_CHARACTER 10u /* with start and stop */
/* Chosen: a port read takes about a microsecond. Sixteen characters take 1.4 ms to leave at 115200
 * baud, and half a second at 300. */
#define TRANSMIT_POLL_MAX  1000000u

static uint16_t base; /* 0: there is no port */
static unsigned fifo_bytes;
static uint32_t baud; /* 0: not known */
static bool is_stuck; /* it has not taken what was written: it is not waited for again */

static uint8_t read_register(unsigned offset)
{
    return port_read8((uint16_t)(base + offset));
}

static void write_register(unsigned offset, uint8_t value)
{
    port_write8((uint16_t)(base + offset), value);
}

static bool is_debug_port(void)
{
    return base == DEBUG_PORT;
}

/* The 8250 and 16450, and 16550s with a broken FIFO, take one character at a time. */
static void find_fifo(void)
{
    if (is_debug_port()) {
        fifo_bytes = FIFO_BYTES;
        return;
    }
    ASSERT(base != 0);
    fifo_bytes = (read_register(UART_INTERRUPT_ID) & IIR_FIFO) == IIR_FIFO ? FIFO_BYTES : 1;
}

bool serial_initialise(const struct serial_port *serial)
{
    base = serial->port;
    is_stuck = false;
    if (base == 0) {
        return false;
    }
    if (is_debug_port()) {
        serial_attach(serial);
        return true;
    }
    /* An absent port reads as all ones. */
    write_register(UART_SCRATCH, 0x5A);
    if (read_register(UART_SCRATCH) != 0x5A) {
        base = 0;
        return false;
    }
    write_register(UART_INTERRUPT_ENABLE, 0);
    if (serial->baud != 0) {
        uint32_t divisor = BAUD_OF_DIVISOR_1 / serial->baud;

        write_register(UART_LINE_CONTROL, LCR_8N1 | LCR_DIVISOR_ACCESS);
        write_register(UART_DIVISOR_LOW, (uint8_t)divisor);
        write_register(UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
    }
    write_register(UART_LINE_CONTROL, LCR_8N1);
    write_register(UART_FIFO_CONTROL, FCR_ENABLE_AND_CLEAR);
    write_register(UART_MODEM_CONTROL, MCR_DTR_RTS | MCR_OUT2);
    baud = serial->baud;
    find_fifo();
    return true;
}

void serial_attach(const struct serial_port *serial)
{
    base = serial->port;
    is_stuck = false;
    if (base != 0 && !is_debug_port() && read_register(UART_LINE_STATUS) == STATUS_ABSENT) {
        base = 0;
    }
    if (base != 0) {
        baud = serial->baud;
        find_fifo();
    }
}

bool serial_is_present(void)
{
    return base != 0;
}

/* A port that has vanished takes everything. */
bool serial_can_transmit(void)
{
    return is_debug_port() ||
           (base != 0 && (read_register(UART_LINE_STATUS) & LSR_TRANSMIT_EMPTY) != 0);
}

static bool wait_until_empty(void)
{
    for (unsigned i = 0; i < (is_stuck ? 1 : TRANSMIT_POLL_MAX); i++) {
        if (serial_can_transmit()) {
            is_stuck = false;
            return true;
        }
        cpu_pause();
    }
    is_stuck = true;
    return false;
}

void serial_write(const char *text, size_t bytes)
{
    ASSERT(base == 0 || fifo_bytes != 0);
    for (size_t i = 0; i < bytes && base != 0; i++) {
        if (i % fifo_bytes == 0 && !wait_until_empty()) {
            return;
        }
        write_register(UART_DATA, (uint8_t)text[i]);
    }
}

size_t serial_transmit(const char *text, size_t bytes)
{
    size_t count = bytes < fifo_bytes ? bytes : fifo_bytes;

    if (!serial_can_transmit()) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        write_register(UART_DATA, (uint8_t)text[i]);
    }
    return count;
}

uint64_t serial_byte_ns(void)
{
    return BITS_PER_CHARACTER * NS_PER_S / (baud != 0 ? baud : BAUD_DEFAULT);
}

int serial_read(void)
{
    if (base == 0 || is_debug_port()) {
        return -1;
    }
    uint8_t status = read_register(UART_LINE_STATUS);

    /* A port that has vanished would type for ever. */
    if (status == STATUS_ABSENT || (status & LSR_DATA_READY) == 0) {
        return -1;
    }
    return read_register(UART_DATA);
}

void serial_enable_interrupts(bool is_for_receive, bool is_for_transmit)
{
    if (base != 0 && !is_debug_port()) {
        write_register(UART_INTERRUPT_ENABLE, 0);
        write_register(UART_INTERRUPT_ENABLE,
                       (uint8_t)((is_for_receive ? IER_RECEIVED : 0) |
                                 (is_for_transmit ? IER_TRANSMIT_EMPTY : 0)));
    }
}
