/* SPDX-License-Identifier: MIT */
/*
 * Who is there, and what is near to whom: the MADT and the SRAT.
 */
#include "boot/acpi/table.h"

/* --- MADT (ACPI 5.2.12) --- */

enum {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_INTERRUPT_OVERRIDE = 2,
    MADT_X2APIC = 9,
};

#define MADT_FIRST_ENTRY  44
#define MADT_CORE_ENABLED 1u
/* Firmware's marks for a core that is not there. An INIT sent to one of them would reset all. */
#define LAPIC_ALL_CORES   0xFFu
#define X2APIC_ALL_CORES  0xFFFFFFFFu

static void add_core(struct acpi *acpi, uint32_t apic_id, uint32_t flags)
{
    /* Not "online capable" either: such a core would have to be plugged in first. */
    if ((flags & MADT_CORE_ENABLED) == 0) {
        return;
    }
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == apic_id) {
            return; /* listed as local APIC and as x2APIC */
        }
    }
    if (acpi->core_count == ACPI_CORE_MAX) {
        acpi_note_problem(acpi, "APIC", "more cores than can be listed");
        return;
    }
    acpi->cores[acpi->core_count++] = (struct acpi_core){.apic_id = apic_id};
}

static void add_ioapic(struct acpi *acpi, paddr_t paddr, uint32_t first_gsi)
{
    struct machine *machine = &acpi->machine;

    if (machine->ioapic_count < IOAPIC_MAX) {
        machine->ioapics[machine->ioapic_count++] =
            (struct ioapic){.paddr = paddr, .first_gsi = first_gsi};
    }
}

static void handle_madt_entry(struct acpi *acpi, uint8_t type, const uint8_t *entry, uint8_t bytes)
{
    if (type == MADT_LAPIC && bytes >= 8 && entry[3] != LAPIC_ALL_CORES) {
        add_core(acpi, entry[3], acpi_get32(entry + 4));
    } else if (type == MADT_X2APIC && bytes >= 16 && acpi_get32(entry + 4) != X2APIC_ALL_CORES) {
        add_core(acpi, acpi_get32(entry + 4), acpi_get32(entry + 8));
    } else if (type == MADT_IOAPIC && bytes >= 12) {
        add_ioapic(acpi, acpi_get32(entry + 4), acpi_get32(entry + 8));
    } else if (type == MADT_INTERRUPT_OVERRIDE && bytes >= 10 && entry[2] == 0 &&
               entry[3] < ISA_IRQ_COUNT) {
        uint16_t flags = acpi_get16(entry + 8);

        /* Polarity in bits 1:0, trigger in bits 3:2; 3 is low or level, else as ISA has it. */
        acpi->machine.isa_irqs[entry[3]] = (struct irq_route){
            .gsi = acpi_get32(entry + 4),
            .is_active_low = (flags & 3) == 3,
            .is_level = (flags >> 2 & 3) == 3,
        };
    }
}

/* Where the local APIC's registers lie is not taken from here: each core's own MSR says it. */
void acpi_parse_madt(const struct acpi_table *table)
{
    acpi_for_each_entry(table, MADT_FIRST_ENTRY, handle_madt_entry);
}

/* --- SRAT (ACPI 5.2.16) --- */

enum {
    SRAT_LAPIC = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,
};

#define SRAT_FIRST_ENTRY 48
#define SRAT_ENABLED     1u

static void set_domain(struct acpi *acpi, uint32_t apic_id, uint32_t domain)
{
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == apic_id) {
            acpi->cores[i].domain = domain;
        }
    }
}

static void add_memory_affinity(struct acpi *acpi, const uint8_t *entry)
{
    struct memory_range range = {.paddr = acpi_get64(entry + 8), .bytes = acpi_get64(entry + 16)};

    if (range.bytes == 0 || range.paddr + range.bytes < range.paddr) {
        return;
    }
    if (acpi->memory_affinity_count == ACPI_MEMORY_AFFINITY_MAX) {
        acpi_note_problem(acpi, "SRAT", "more memory ranges than can be listed");
        return;
    }
    acpi->memory_affinities[acpi->memory_affinity_count++] =
        (struct acpi_memory_affinity){.range = range, .domain = acpi_get32(entry + 2)};
}

static void handle_srat_entry(struct acpi *acpi, uint8_t type, const uint8_t *entry, uint8_t bytes)
{
    if (type == SRAT_LAPIC && bytes >= 16 && (acpi_get32(entry + 4) & SRAT_ENABLED)) {
        /* The domain's bytes stand apart: 7:0 at 2, 31:8 at 9. */
        uint32_t domain =
            entry[2] | (uint32_t)entry[9] << 8 | (uint32_t)acpi_get16(entry + 10) << 16;

        set_domain(acpi, entry[3], domain);
    } else if (type == SRAT_X2APIC && bytes >= 24 && (acpi_get32(entry + 12) & SRAT_ENABLED)) {
        set_domain(acpi, acpi_get32(entry + 8), acpi_get32(entry + 4));
    } else if (type == SRAT_MEMORY && bytes >= 40 && (acpi_get32(entry + 28) & SRAT_ENABLED)) {
        add_memory_affinity(acpi, entry);
    }
}

void acpi_parse_srat(const struct acpi_table *table)
{
    acpi_for_each_entry(table, SRAT_FIRST_ENTRY, handle_srat_entry);
}
