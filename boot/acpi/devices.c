/* SPDX-License-Identifier: MIT */
/*
 * Devices that have tables of their own: PCIe configuration space, the HPET, the firmware's
 * console.
 */
#include "boot/acpi/table.h"

/* --- MCFG (PCI firmware specification 4.1.2) --- */

#define MCFG_FIRST_ENTRY 44
#define MCFG_ENTRY_BYTES 16

void acpi_parse_mcfg(const struct acpi_table *table)
{
    struct machine *machine = &table->reader->acpi->machine;
    uint8_t entry[MCFG_ENTRY_BYTES];

    for (uint32_t offset = MCFG_FIRST_ENTRY; acpi_read_table(table, offset, entry, sizeof(entry));
         offset += MCFG_ENTRY_BYTES) {
        struct ecam ecam = {
            .paddr = acpi_get64(entry),
            .segment = acpi_get16(entry + 8),
            .first_bus = entry[10],
            .last_bus = entry[11],
        };

        if (ecam.paddr == 0 || ecam.paddr % MIB != 0 || ecam.first_bus > ecam.last_bus) {
            acpi_note_problem(table->reader->acpi, table->signature, "an impossible window");
        } else if (machine->ecam_count < ECAM_MAX) {
            machine->ecams[machine->ecam_count++] = ecam;
        }
    }
}

/* --- HPET (IA-PC HPET specification 3.2.4) --- */

void acpi_parse_hpet(const struct acpi_table *table)
{
    uint8_t address[ACPI_ADDRESS_BYTES];

    if (!acpi_read_table(table, 40, address, sizeof(address))) {
        acpi_note_problem(table->reader->acpi, table->signature, "too short");
    } else if (address[0] == ACPI_ADDRESS_MEMORY) {
        table->reader->acpi->hpet_paddr = acpi_get64(address + 4);
    }
}

/* --- SPCR (Serial Port Console Redirection Table, revision 2) --- */

#define SPCR_BYTES          59 /* up to and with the speed */
#define SPCR_TYPE_16550     0
#define SPCR_TYPE_16450     1
#define SPCR_TYPE_16550_GAS 0x12
#define SPCR_INTERRUPT_ISA  0x01

static uint32_t spcr_baud(uint8_t code)
{
    static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

    return code < ARRAY_COUNT(bauds) ? bauds[code] : 0;
}

/* Eight registers follow the first. */
#define SPCR_PORT_MAX (UINT16_MAX - 7)

/* A port in memory, and what is no 16550, is no console of ours. */
void acpi_parse_spcr(const struct acpi_table *table)
{
    uint8_t spcr[SPCR_BYTES];
    bool is_16550;

    if (!acpi_read_table(table, 0, spcr, sizeof(spcr))) {
        acpi_note_problem(table->reader->acpi, table->signature, "too short");
        return;
    }
    is_16550 = spcr[36] == SPCR_TYPE_16550 || spcr[36] == SPCR_TYPE_16450 ||
               spcr[36] == SPCR_TYPE_16550_GAS;
    if (!is_16550 || spcr[40] != ACPI_ADDRESS_PORT) {
        acpi_note_problem(table->reader->acpi, table->signature,
                          "no 16550 at an I/O port: not used");
    } else if (acpi_get64(spcr + 44) == 0 || acpi_get64(spcr + 44) > SPCR_PORT_MAX) {
        acpi_note_problem(table->reader->acpi, table->signature, "an impossible port");
    } else {
        table->reader->acpi->machine.firmware_console = (struct serial_port){
            .port = (uint16_t)acpi_get64(spcr + 44),
            .isa_irq = (spcr[52] & SPCR_INTERRUPT_ISA) && spcr[53] < ISA_IRQ_COUNT ? spcr[53] : 0,
            .baud = spcr_baud(spcr[58]),
        };
    }
}
