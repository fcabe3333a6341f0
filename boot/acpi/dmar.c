/* SPDX-License-Identifier: MIT */
/*
 * IOMMUs: the DMAR (VT-d specification 8). Which unit is whose is not read: all of a segment get
 * the same tables (drivers/iommu/).
 */
#include "boot/acpi/table.h"
#include "kernel/limits.h"

static void note(const struct acpi_table *table, const char *text)
{
    acpi_note_problem(table->reader->acpi, table->signature, text);
}

/* A machine whose units are not all known is one without: what the others do not see would be
 * taken for confined. */
static void give_up(const struct acpi_table *table, const char *text)
{
    note(table, text);
    table->reader->acpi->machine.iommu_count = 0;
    table->reader->acpi->machine.reserved_dma_count = 0;
}

/* Returns whether it is one that can be used. */
static bool add_unit(const struct acpi_table *table, uint32_t offset)
{
    struct machine *machine = &table->reader->acpi->machine;
    struct dmar_unit unit;

    if (!acpi_read_table(table, offset, &unit, sizeof(unit)) || unit.entry.bytes < sizeof(unit) ||
        unit.paddr == 0 || unit.paddr % PAGE_BYTES != 0 || machine->iommu_count == IOMMU_MAX) {
        return false;
    }
    machine->iommus[machine->iommu_count++] =
        (struct iommu){.paddr = unit.paddr, .segment = unit.segment};
    return true;
}

/* The path of a scope at `offset` of so many bytes. False when it has none that can be followed. */
static bool read_path(const struct acpi_table *table, uint32_t offset,
                      const struct dmar_scope *scope, struct reserved_dma *reserved)
{
    uint32_t path_bytes = scope->bytes - (uint32_t)sizeof(*scope);

    reserved->start_bus = scope->start_bus;
    reserved->step_count = (uint8_t)(path_bytes / sizeof(struct pci_step));
    if (path_bytes == 0 || path_bytes % sizeof(struct pci_step) != 0 ||
        path_bytes > sizeof(reserved->steps) ||
        !acpi_read_table(table, offset + (uint32_t)sizeof(*scope), reserved->steps, path_bytes)) {
        return false;
    }
    for (unsigned i = 0; i < reserved->step_count; i++) {
        if (reserved->steps[i].device > 31 || reserved->steps[i].function > 7) {
            return false;
        }
    }
    return true;
}

/* Without its memory a device of firmware's gets nowhere, and nothing else comes of it. */
static void add_reserved_memory(const struct acpi_table *table, uint32_t offset, uint16_t bytes)
{
    struct machine *machine = &table->reader->acpi->machine;
    struct dmar_reserved_memory memory;
    struct dmar_scope scope;

    if (bytes < sizeof(memory) || !acpi_read_table(table, offset, &memory, sizeof(memory)) ||
        memory.first % PAGE_BYTES != 0 || memory.last % PAGE_BYTES != PAGE_BYTES - 1 ||
        memory.last < memory.first || memory.last == UINT64_MAX) {
        note(table, "impossible reserved memory");
        return;
    }
    for (uint32_t at = sizeof(memory); at < bytes; at += scope.bytes) {
        struct reserved_dma reserved = {.range = {memory.first, memory.last - memory.first + 1},
                                        .segment = memory.segment};

        if (bytes - at < sizeof(scope) ||
            !acpi_read_table(table, offset + at, &scope, sizeof(scope)) ||
            scope.bytes < sizeof(scope) || scope.bytes > bytes - at) {
            note(table, "a scope of impossible length");
            return;
        }
        if (scope.type != DMAR_SCOPE_ENDPOINT ||
            !read_path(table, offset + at, &scope, &reserved) ||
            machine->reserved_dma_count == RESERVED_DMA_MAX) {
            note(table, "reserved memory of a device that is not found");
        } else {
            machine->reserved_dmas[machine->reserved_dma_count++] = reserved;
        }
    }
}

void acpi_parse_dmar(const struct acpi_table *table)
{
    struct dmar_entry entry;

    for (uint32_t offset = sizeof(struct acpi_dmar); offset < table->bytes; offset += entry.bytes) {
        if (!acpi_read_table(table, offset, &entry, sizeof(entry)) || entry.bytes < sizeof(entry) ||
            entry.bytes > table->bytes - offset) {
            give_up(table, "an entry has an impossible length");
            return;
        }
        if (entry.type == DMAR_UNIT && !add_unit(table, offset)) {
            give_up(table, "an impossible unit");
            return;
        }
        if (entry.type == DMAR_RESERVED_MEMORY) {
            add_reserved_memory(table, offset, entry.bytes);
        }
    }
}
