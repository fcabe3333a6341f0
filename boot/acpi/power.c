/* SPDX-License-Identifier: MIT */
/*
 * The FADT (ACPI 5.2.9): how the machine is switched off and reset, its timer, and where the DSDT
 * lies.
 */
#include "boot/acpi/table.h"

/* 16 bits of status and as many of enable (ACPI 4.8.4.1). */
#define PM1_EVENT_MIN_BYTES 4

/* Where a generic address of the FADT leads; nowhere when it lies in a space that holds no
 * registers of ours. A field that the table is too short for is zeros, and leads nowhere. */
static struct power_register to_register(const struct acpi_address *address)
{
    static const enum register_space spaces[] = {
        [ACPI_ADDRESS_MEMORY] = REGISTER_MEMORY,
        [ACPI_ADDRESS_PORT] = REGISTER_PORT,
        [ACPI_ADDRESS_PCI] = REGISTER_PCI,
    };
    struct power_register found = {.address = address->address};

    if (address->space < ARRAY_COUNT(spaces) && found.address != 0) {
        found.space = spaces[address->space];
    }
    if (found.space == REGISTER_PORT && found.address > UINT16_MAX) {
        found.space = REGISTER_NONE;
    }
    return found;
}

/* A register that old tables name by its port alone, and newer ones again by a generic address,
 * which counts unless it is empty. */
static struct power_register choose_register(const struct acpi_address *address, uint32_t port)
{
    struct power_register found = to_register(address);

    if (found.space == REGISTER_NONE && (uint16_t)port != 0) {
        found = (struct power_register){.space = REGISTER_PORT, .address = (uint16_t)port};
    }
    return found;
}

static void read_power_registers(struct power_registers *power, const struct acpi_fadt *fadt)
{
    if (fadt->flags & FADT_RESET_REGISTER) {
        power->reset = to_register(&fadt->reset);
        power->reset_value = fadt->reset_value;
    }
    if (fadt->flags & FADT_HARDWARE_REDUCED) {
        power->sleep_control = to_register(&fadt->sleep_control);
        return;
    }
    power->smi_command = (uint16_t)fadt->smi_command;
    power->acpi_enable = fadt->acpi_enable;
    power->pm1a_control = choose_register(&fadt->pm1a_control, fadt->pm1a_control_port);
    power->pm1b_control = choose_register(&fadt->pm1b_control, fadt->pm1b_control_port);
}

/* Unlike other interrupts of ISA it is level triggered and active low, unless an override says
 * something else (ACPI 5.2.9, SCI_INT). */
static struct irq_route sci_route(const struct acpi *acpi, uint16_t irq)
{
    bool is_isa = irq < ISA_IRQ_COUNT;
    uint16_t flags = is_isa ? acpi->isa_irq_flags[irq] : 0;

    return (struct irq_route){
        .gsi = is_isa ? acpi->machine.isa_irqs[irq].gsi : irq,
        .is_active_low = FIELD_GET(MADT_POLARITY, flags) != POLARITY_HIGH,
        .is_level = FIELD_GET(MADT_TRIGGER, flags) != TRIGGER_EDGE,
    };
}

/* The power button as a fixed event, of which hardware-reduced machines have none. */
static void read_power_button(struct acpi *acpi, const struct acpi_fadt *fadt)
{
    struct power_registers *power = &acpi->machine.power;

    if ((fadt->flags & (FADT_HARDWARE_REDUCED | FADT_NO_POWER_BUTTON)) != 0 ||
        fadt->pm1_event_bytes < PM1_EVENT_MIN_BYTES || fadt->pm1_event_bytes % 2 != 0) {
        return;
    }
    power->pm1a_event = choose_register(&fadt->pm1a_event, fadt->pm1a_event_port);
    power->pm1b_event = choose_register(&fadt->pm1b_event, fadt->pm1b_event_port);
    power->event_bytes = fadt->pm1_event_bytes;
    power->sci = sci_route(acpi, fadt->sci_irq);
}

void acpi_parse_fadt(const struct acpi_table *table)
{
    struct acpi *acpi = table->reader->acpi;
    /* Fields that an older table does not have read as zero: there is none. */
    struct acpi_fadt fadt = {.flags = 0};
    size_t bytes = table->bytes < sizeof(fadt) ? table->bytes : sizeof(fadt);
    struct power_register timer;
    struct acpi_table dsdt;

    if (bytes < FADT_V1_BYTES || !acpi_read_table(table, 0, &fadt, bytes)) {
        acpi_note_problem(acpi, table->signature, "too short");
        return;
    }
    acpi->machine.has_no_i8042 =
        table->revision >= FADT_REVISION_FLAGS && (fadt.boot_flags & FADT_BOOT_I8042) == 0;
    acpi->rtc_century = fadt.century;
    read_power_registers(&acpi->machine.power, &fadt);
    read_power_button(acpi, &fadt);
    timer = choose_register(&fadt.timer, fadt.timer_port);
    if (timer.space == REGISTER_PORT) {
        acpi->pm_timer_port = (uint16_t)timer.address;
        acpi->pm_timer_is_32bit = (fadt.flags & FADT_TIMER_32BIT) != 0;
    }

    if (acpi_open_table(table->reader,
                        fadt.dsdt_paddr_64bit != 0 ? fadt.dsdt_paddr_64bit : fadt.dsdt_paddr,
                        &dsdt) &&
        acpi_has_signature(&dsdt, "DSDT")) {
        acpi_scan_dsdt(&dsdt);
        acpi_scan_virtio(&dsdt);
    }
}
