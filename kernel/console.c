/* SPDX-License-Identifier: MIT */
/*
 * The console over its one device, the serial port.
 */
#include "kernel/console.h"

#include "kernel/interrupt.h"
#include "kernel/ioapic.h"
#include "kernel/node.h"
#include "kernel/serial.h"

void console_initialise(void)
{
    /* Without a port the log goes nowhere, and the system works all the same. */
    (void)serial_initialise();
}

void console_attach(void)
{
    serial_attach();
}

void console_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n') {
            serial_write('\r');
        }
        serial_write(text[i]);
    }
}

int console_read(void)
{
    return serial_read();
}

void console_enable_interrupt(void)
{
    if (ioapic_route(&node_info.machine.serial_irq, interrupt_apic_id(node_info.node),
                     INTERRUPT_VECTOR_SERIAL)) {
        serial_enable_receive_interrupt();
    }
}
