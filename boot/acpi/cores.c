/* SPDX-License-Identifier: MIT */
/*
 * Who is there, and what is near to whom: the MADT and the SRAT.
 */
#include "boot/acpi/table.h"
#include "kernel/platform.h"

/* --- MADT (ACPI 5.2.12) --- */

static void add_core(struct acpi *acpi, uint32_t apic_id, uint32_t processor_uid, uint32_t flags)
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
        acpi->unlisted_core_count++;
        return;
    }
    /* An INIT for that id would reset every core, the caller included. */
    ASSERT(apic_id != X2APIC_ALL_CORES);
    acpi->cores[acpi->core_count++] =
        (struct acpi_core){.apic_id = apic_id, .processor_uid = processor_uid};
}

static void add_ioapic(struct acpi *acpi, paddr_t paddr, uint32_t first_gsi)
{
    struct machine *machine = &acpi->machine;

    if (machine->ioapic_count < IOAPIC_MAX) {
        machine->ioapics[machine->ioapic_count++] =
            (struct ioapic){.paddr = paddr, .first_gsi = first_gsi};
    }
}

static void visit_madt_entry(struct acpi *acpi, const struct acpi_entry *entry)
{
    struct madt_lapic lapic;
    struct madt_x2apic x2apic;
    struct madt_ioapic ioapic;
    struct madt_interrupt_override override;

    if (entry->type == MADT_LAPIC && acpi_copy_entry(entry, &lapic, sizeof(lapic)) &&
        lapic.apic_id != LAPIC_ALL_CORES) {
        add_core(acpi, lapic.apic_id, lapic.processor_uid, lapic.flags);
    } else if (entry->type == MADT_X2APIC && acpi_copy_entry(entry, &x2apic, sizeof(x2apic)) &&
               x2apic.apic_id != X2APIC_ALL_CORES) {
        add_core(acpi, x2apic.apic_id, x2apic.processor_uid, x2apic.flags);
    } else if (entry->type == MADT_IOAPIC && acpi_copy_entry(entry, &ioapic, sizeof(ioapic))) {
        add_ioapic(acpi, ioapic.paddr, ioapic.first_gsi);
    } else if (entry->type == MADT_INTERRUPT_OVERRIDE &&
               acpi_copy_entry(entry, &override, sizeof(override)) &&
               override.bus == MADT_BUS_ISA && override.isa_irq < ISA_IRQ_COUNT) {
        acpi->isa_irq_flags[override.isa_irq] = override.flags;
        acpi->machine.isa_irqs[override.isa_irq] = (struct irq_route){
            .gsi = override.gsi,
            .is_active_low = FIELD_GET(MADT_POLARITY, override.flags) == POLARITY_LOW,
            .is_level = FIELD_GET(MADT_TRIGGER, override.flags) == TRIGGER_LEVEL,
        };
    }
}

/* Each core has at most one such line: a second one would not be told from the first. */
static void set_nmi_line(struct acpi_core *core, uint8_t lint, uint16_t flags)
{
    if (!core->has_nmi_line && lint <= 1) {
        core->has_nmi_line = true;
        core->nmi_lint = lint;
        core->is_nmi_active_low = FIELD_GET(MADT_POLARITY, flags) == POLARITY_LOW;
    }
}

static void visit_nmi_entry(struct acpi *acpi, const struct acpi_entry *entry)
{
    struct madt_lapic_nmi nmi;
    struct madt_x2apic_nmi x2apic_nmi;

    for (unsigned i = 0; i < acpi->core_count; i++) {
        struct acpi_core *core = &acpi->cores[i];

        if (entry->type == MADT_LAPIC_NMI && acpi_copy_entry(entry, &nmi, sizeof(nmi)) &&
            (nmi.processor_uid == LAPIC_NMI_ALL_CORES ||
             nmi.processor_uid == core->processor_uid)) {
            set_nmi_line(core, nmi.lint, nmi.flags);
        } else if (entry->type == MADT_X2APIC_NMI &&
                   acpi_copy_entry(entry, &x2apic_nmi, sizeof(x2apic_nmi)) &&
                   (x2apic_nmi.processor_uid == X2APIC_NMI_ALL_CORES ||
                    x2apic_nmi.processor_uid == core->processor_uid)) {
            set_nmi_line(core, x2apic_nmi.lint, x2apic_nmi.flags);
        }
    }
}

/* Twice, for an NMI entry may stand before the core that it names. */
void acpi_parse_madt(const struct acpi_table *table)
{
    acpi_for_each_entry(table, sizeof(struct acpi_madt), visit_madt_entry);
    acpi_for_each_entry(table, sizeof(struct acpi_madt), visit_nmi_entry);
}

/* --- SRAT (ACPI 5.2.16) --- */

static void set_domain(struct acpi *acpi, uint32_t apic_id, uint32_t domain)
{
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == apic_id) {
            acpi->cores[i].domain = domain;
        }
    }
}

static void add_memory_affinity(struct acpi *acpi, const struct srat_memory *memory)
{
    if (memory->bytes == 0 || memory->paddr + memory->bytes < memory->paddr) {
        return;
    }
    if (acpi->memory_affinity_count == ACPI_MEMORY_AFFINITY_MAX) {
        acpi_note_problem(acpi, "SRAT", "more memory ranges than can be listed");
        return;
    }
    acpi->memory_affinities[acpi->memory_affinity_count++] = (struct acpi_memory_affinity){
        .range = {memory->paddr, memory->bytes}, .domain = memory->domain};
}

static void visit_srat_entry(struct acpi *acpi, const struct acpi_entry *entry)
{
    struct srat_lapic lapic;
    struct srat_x2apic x2apic;
    struct srat_memory memory;

    if (entry->type == SRAT_LAPIC && acpi_copy_entry(entry, &lapic, sizeof(lapic)) &&
        (lapic.flags & SRAT_ENABLED)) {
        set_domain(acpi, lapic.apic_id,
                   lapic.domain_low | (uint32_t)lapic.domain_middle << 8 |
                       (uint32_t)lapic.domain_high << 16);
    } else if (entry->type == SRAT_X2APIC && acpi_copy_entry(entry, &x2apic, sizeof(x2apic)) &&
               (x2apic.flags & SRAT_ENABLED)) {
        set_domain(acpi, x2apic.apic_id, x2apic.domain);
    } else if (entry->type == SRAT_MEMORY && acpi_copy_entry(entry, &memory, sizeof(memory)) &&
               (memory.flags & SRAT_ENABLED)) {
        add_memory_affinity(acpi, &memory);
    }
}

void acpi_parse_srat(const struct acpi_table *table)
{
    acpi_for_each_entry(table, sizeof(struct acpi_srat), visit_srat_entry);
}
