/* SPDX-License-Identifier: MIT */
/*
 * I/O APICs: an index register and a data window, two 32-bit registers for each line (82093AA 3.2).
 */
#include "drivers/acpi/ioapic.h"

#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "libc/core/bits.h"
#include "libc/core/mmio.h"

#define IOAPIC_INDEX  0x00
#define IOAPIC_WINDOW 0x10

#define REGISTER_VERSION      0x01
#define VERSION_LAST_LINE     BITS(23, 16)
#define REGISTER_LINE(n)      (0x10 + 2 * (n))
#define LINE_ACTIVE_LOW       BIT(13)
#define LINE_LEVEL            BIT(15)
#define LINE_MASKED           BIT(16)
#define LINE_HIGH_DESTINATION BITS(31, 24)
#define LINE_STATE            (BIT(12) | BIT(14)) /* RO */

/* Chosen: nodes that route lines at a time are few, and each is done in two writes. */
#define WRITE_TRIES 8u

static uint32_t read_register(void *registers, uint32_t index)
{
    mmio_write32(registers, IOAPIC_INDEX, index);
    return mmio_read32(registers, IOAPIC_WINDOW);
}

static void write_register(void *registers, uint32_t index, uint32_t value)
{
    mmio_write32(registers, IOAPIC_INDEX, index);
    mmio_write32(registers, IOAPIC_WINDOW, value);
}

/* None where a table names an I/O APIC and nothing answers. */
static uint32_t line_count(void *registers)
{
    uint32_t version = read_register(registers, REGISTER_VERSION);

    return version == UINT32_MAX ? 0 : (uint32_t)FIELD_GET(VERSION_LAST_LINE, version) + 1;
}

/* Firmware may have left lines open that nobody here would answer. */
static void mask_all_lines(void)
{
    for (unsigned i = 0; i < node_info.machine.ioapic_count; i++) {
        void *registers = paging_map_device(node_info.machine.ioapics[i].paddr, PAGE_BYTES);

        uint32_t count = registers != NULL ? line_count(registers) : 0;

        for (uint32_t line = 0; line < count; line++) {
            write_register(registers, REGISTER_LINE(line), LINE_MASKED);
        }
    }
}

/* The registers of the I/O APIC that has the line, and which of its lines that is. NULL: none. */
static void *find_line(const struct irq_route *route, uint32_t *line)
{
    for (unsigned i = 0; i < node_info.machine.ioapic_count; i++) {
        const struct ioapic *ioapic = &node_info.machine.ioapics[i];
        void *registers = paging_map_device(ioapic->paddr, PAGE_BYTES);

        if (registers != NULL && route->gsi >= ioapic->first_gsi &&
            route->gsi - ioapic->first_gsi < line_count(registers)) {
            *line = route->gsi - ioapic->first_gsi;
            return registers;
        }
    }
    return NULL;
}

bool ioapic_route(const struct irq_route *route, uint32_t apic_id, uint8_t vector)
{
    uint32_t line;
    void *registers = find_line(route, &line);

    if (registers == NULL || apic_id > INTERRUPT_DEVICE_APIC_ID_MAX) {
        return false;
    }
    uint64_t low =
        vector | (route->is_active_low ? LINE_ACTIVE_LOW : 0) | (route->is_level ? LINE_LEVEL : 0);

    uint32_t high = (uint32_t)FIELD_PREP(LINE_HIGH_DESTINATION, apic_id);

    /* Another node may move the index between two accesses of ours, as when the console and a card
     * get new owners at a time: then what was written is elsewhere. Each looks, and writes again.
     */
    for (unsigned i = 0; i < WRITE_TRIES; i++) {
        write_register(registers, REGISTER_LINE(line) + 1, high);
        write_register(registers, REGISTER_LINE(line), (uint32_t)low);
        if (read_register(registers, REGISTER_LINE(line) + 1) == high &&
            (read_register(registers, REGISTER_LINE(line)) & ~(uint32_t)LINE_STATE) == low) {
            return true;
        }
    }
    log_error("ioapic", "line %u keeps no route", route->gsi);
    return false;
}

void ioapic_mask(const struct irq_route *route)
{
    uint32_t line;
    void *registers = find_line(route, &line);

    if (registers != NULL) {
        write_register(registers, REGISTER_LINE(line), LINE_MASKED);
    }
}

static const struct component ioapic_component = {.steps = {[BOOT_TABLES] = mask_all_lines}};
COMPONENT(ioapic_component);
