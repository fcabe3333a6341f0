/* SPDX-License-Identifier: MIT */
/*
 * The 16550 at COM1 (National Semiconductor PC16550D). Which node uses it is kernel/log.c's
 * matter; the state kept here says only whether the port exists.
 */
#include "kernel/serial.h"

#include "kernel/cpu.h"

#define COM1 0x3F8

#define UART_DATA             (COM1 + 0)
#define UART_INTERRUPT_ENABLE (COM1 + 1)
#define IER_RECEIVED          BIT(0)
#define UART_FIFO_CONTROL     (COM1 + 2)
#define FCR_ENABLE_AND_CLEAR  0x07
#define UART_LINE_CONTROL     (COM1 + 3)
#define LCR_8N1               0x03
#define LCR_DIVISOR_ACCESS    BIT(7)
#define UART_MODEM_CONTROL    (COM1 + 4)
#define MCR_DTR_RTS           0x03
#define MCR_OUT2              BIT(3) /* on a PC it connects the interrupt line */
#define UART_LINE_STATUS      (COM1 + 5)
#define LSR_DATA_READY        BIT(0)
#define LSR_TRANSMIT_EMPTY    BIT(5)
#define UART_SCRATCH          (COM1 + 7)

#define DIVISOR_115200    1
/* Chosen: a character takes 87 us to leave and a port read takes about one, so this is two orders
 * above what a working port needs. */
#define TRANSMIT_POLL_MAX 10000u

static bool is_present;

bool serial_initialise(void)
{
    /* An absent port reads as all ones. */
    port_write8(UART_SCRATCH, 0x5A);
    is_present = port_read8(UART_SCRATCH) == 0x5A;
    if (!is_present) {
        return false;
    }
    port_write8(UART_INTERRUPT_ENABLE, 0);
    port_write8(UART_LINE_CONTROL, LCR_8N1 | LCR_DIVISOR_ACCESS);
    port_write8(UART_DATA, DIVISOR_115200);
    port_write8(UART_INTERRUPT_ENABLE, 0);
    port_write8(UART_LINE_CONTROL, LCR_8N1);
    port_write8(UART_FIFO_CONTROL, FCR_ENABLE_AND_CLEAR);
    port_write8(UART_MODEM_CONTROL, MCR_DTR_RTS | MCR_OUT2);
    return true;
}

void serial_attach(void)
{
    is_present = port_read8(UART_LINE_STATUS) != 0xFF;
}

void serial_write(char character)
{
    if (!is_present) {
        return;
    }
    for (unsigned i = 0; i < TRANSMIT_POLL_MAX; i++) {
        if (port_read8(UART_LINE_STATUS) & LSR_TRANSMIT_EMPTY) {
            port_write8(UART_DATA, (uint8_t)character);
            return;
        }
        cpu_pause();
    }
}

int serial_read(void)
{
    if (!is_present || (port_read8(UART_LINE_STATUS) & LSR_DATA_READY) == 0) {
        return -1;
    }
    return port_read8(UART_DATA);
}

void serial_enable_receive_interrupt(void)
{
    if (is_present) {
        port_write8(UART_INTERRUPT_ENABLE, IER_RECEIVED);
    }
}
