/* SPDX-License-Identifier: MIT */
/*
 * A BIOS leaves the 8259As with the PIT's tick and the keyboard open, on vectors 8 to 15, where
 * exceptions are: the first tick after `sti` would pass for a double fault. Masking LINT0 of the
 * local APIC stops them only where they are wired to it; boards of MultiProcessor specification
 * 3.6.2.1 (PIC mode), and Bochs, connect them to the core itself. Masked lines can still show a
 * spurious request (8259A data sheet, IR7), so the vectors are moved as well.
 */
#include "boot/legacy_pic.h"

#include "kernel/x86/interrupt.h"
#include "libc/core/port.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xA0
#define SLAVE_DATA     0xA1

#define ICW1_WITH_ICW4  0x11 /* edge triggered, cascaded */
#define ICW3_MASTER     0x04 /* the slave is at line 2 */
#define ICW3_SLAVE      0x02
#define ICW4_8086       0x01
#define LINES_PER_CHIP  8
#define MASK_EVERY_LINE 0xFF

_Static_assert(INTERRUPT_VECTOR_FIRST + 2 * LINES_PER_CHIP <= INTERRUPT_VECTOR_DEVICES,
               "nothing else has their vectors");

void legacy_pic_disable(void)
{
    port_write8(MASTER_COMMAND, ICW1_WITH_ICW4);
    port_write8(SLAVE_COMMAND, ICW1_WITH_ICW4);
    port_write8(MASTER_DATA, INTERRUPT_VECTOR_FIRST);
    port_write8(SLAVE_DATA, INTERRUPT_VECTOR_FIRST + LINES_PER_CHIP);
    port_write8(MASTER_DATA, ICW3_MASTER);
    port_write8(SLAVE_DATA, ICW3_SLAVE);
    port_write8(MASTER_DATA, ICW4_8086);
    port_write8(SLAVE_DATA, ICW4_8086);
    port_write8(MASTER_DATA, MASK_EVERY_LINE);
    port_write8(SLAVE_DATA, MASK_EVERY_LINE);
}
