/* SPDX-License-Identifier: MIT */
/*
 * Devices that have tables of their own: PCIe configuration space, the HPET, the firmware's
 * console.
 */
#include "boot/acpi/table.h"

/* --- MCFG (PCI firmware specification 4.1.2) --- */

void acpi_parse_mcfg(const struct acpi_table *table)
{
    struct machine *machine = &table->reader->acpi->machine;
    struct mcfg_window window;

    for (uint32_t offset = sizeof(struct acpi_mcfg);
         acpi_read_table(table, offset, &window, sizeof(window)); offset += sizeof(window)) {
        if (window.paddr == 0 || window.paddr % MIB != 0 || window.first_bus > window.last_bus) {
            acpi_note_problem(table->reader->acpi, table->signature, "an impossible window");
        } else if (machine->ecam_count < ECAM_MAX) {
            machine->ecams[machine->ecam_count++] = (struct ecam){
                .paddr = window.paddr,
                .segment = window.segment,
                .first_bus = window.first_bus,
                .last_bus = window.last_bus,
            };
        }
    }
}

/* --- HPET (IA-PC HPET specification 3.2.4) --- */

void acpi_parse_hpet(const struct acpi_table *table)
{
    struct acpi_hpet hpet;

    if (!acpi_read_table(table, 0, &hpet, sizeof(hpet))) {
        acpi_note_problem(table->reader->acpi, table->signature, "too short");
    } else if (hpet.registers.space == ACPI_ADDRESS_MEMORY) {
        table->reader->acpi->hpet_paddr = hpet.registers.address;
    }
}

/* --- SPCR (Serial Port Console Redirection Table, revision 2) --- */

static uint32_t spcr_baud(uint8_t code)
{
    static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

    return code < ARRAY_COUNT(bauds) ? bauds[code] : 0;
}

/* Eight registers follow the first. */
#define SPCR_PORT_MAX (UINT16_MAX - 7)

/* Our console is a 16550 at an I/O port; one of another kind, or in memory, is not used. */
void acpi_parse_spcr(const struct acpi_table *table)
{
    struct acpi_spcr spcr;
    bool is_16550;

    if (!acpi_read_table(table, 0, &spcr, sizeof(spcr))) {
        acpi_note_problem(table->reader->acpi, table->signature, "too short");
        return;
    }
    is_16550 = spcr.type == SPCR_TYPE_16550 || spcr.type == SPCR_TYPE_16450 ||
               spcr.type == SPCR_TYPE_16550_GAS;
    if (!is_16550 || spcr.registers.space != ACPI_ADDRESS_PORT) {
        acpi_note_problem(table->reader->acpi, table->signature,
                          "no 16550 at an I/O port: not used");
    } else if (spcr.registers.address == 0 || spcr.registers.address > SPCR_PORT_MAX) {
        acpi_note_problem(table->reader->acpi, table->signature, "an impossible port");
    } else {
        bool has_isa_irq =
            (spcr.interrupt_type & SPCR_INTERRUPT_ISA) != 0 && spcr.isa_irq < ISA_IRQ_COUNT;

        table->reader->acpi->machine.firmware_console = (struct serial_port){
            .port = (uint16_t)spcr.registers.address,
            .isa_irq = has_isa_irq ? spcr.isa_irq : 0,
            .baud = spcr_baud(spcr.baud),
        };
    }
}
