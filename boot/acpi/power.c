/* SPDX-License-Identifier: MIT */
/*
 * The FADT (ACPI 5.2.9), and \_S5 in the DSDT: how the machine is switched off and reset.
 */
#include "boot/acpi/table.h"

#include <string.h>

/* Of the DSDT at a time. */
#define CHUNK_BYTES 256

#define FADT_V1_BYTES              116 /* up to and with the flags */
#define FADT_BYTES                 256 /* up to and with the sleep control register */
#define FADT_FLAG_TIMER_32BIT      (1u << 8)
#define FADT_FLAG_RESET            (1u << 10)
#define FADT_FLAG_HARDWARE_REDUCED (1u << 20)
/* From revision 3 on there are flags for what old PCs always have. */
#define FADT_REVISION_FLAGS        3
#define FADT_BOOT_FLAG_I8042       (1u << 1)

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0A
#define AML_PACKAGE 0x12

/* One small integer of a package; false when it is something else. Moves *position past it. */
static bool get_small_integer(const uint8_t *bytes, size_t length, size_t *position, uint8_t *value)
{
    if (*position < length && (bytes[*position] == AML_ZERO || bytes[*position] == AML_ONE)) {
        *value = bytes[(*position)++];
        return true;
    }
    if (*position + 1 < length && bytes[*position] == AML_BYTE) {
        *value = bytes[*position + 1];
        *position += 2;
        return true;
    }
    return false;
}

/* `bytes` follow the name _S5_: a package whose first two integers are the sleep types for PM1a
 * and PM1b (ACPI 7.4.2, 20.2.5.4). */
static bool parse_s5_package(const uint8_t *bytes, size_t length, struct power_registers *power)
{
    size_t position;

    if (length < 2 || bytes[0] != AML_PACKAGE) {
        return false;
    }
    /* The package's length takes one to four bytes, bits 7:6 of the first say how many more; then
     * comes the number of elements. */
    position = 2 + (bytes[1] >> 6) + 1;
    return get_small_integer(bytes, length, &position, &power->s5_type_a) &&
           get_small_integer(bytes, length, &position, &power->s5_type_b);
}

/* Without an AML interpreter: look for the bytes of Name(_S5_, Package...). */
static void scan_for_s5(const struct acpi_table *table)
{
    struct power_registers *power = &table->reader->acpi->machine.power;
    uint8_t window[CHUNK_BYTES];
    const size_t name_bytes = 4;
    const size_t package_bytes = 12;

    for (uint32_t offset = ACPI_HEADER_BYTES; offset < table->bytes;) {
        uint32_t left = table->bytes - offset;
        uint32_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (!acpi_read_table(table, offset, window, bytes)) {
            return;
        }
        for (size_t i = 1; i + name_bytes <= bytes; i++) {
            bool is_named = window[i - 1] == AML_NAME ||
                            (window[i - 1] == '\\' && i >= 2 && window[i - 2] == AML_NAME);

            if (is_named && memcmp(&window[i], "_S5_", name_bytes) == 0 &&
                parse_s5_package(&window[i + name_bytes], bytes - i - name_bytes, power)) {
                power->has_s5 = true;
                return;
            }
        }
        if (bytes == left) {
            return;
        }
        /* The next window begins early enough to hold whole what this one cut. */
        offset += CHUNK_BYTES - (uint32_t)(name_bytes + package_bytes + 2);
    }
}

/* A generic address of the FADT; none when the table is too short to have it, or in a space that
 * holds no registers of ours. */
static struct power_register get_register(const uint8_t *fadt, unsigned offset)
{
    static const enum register_space spaces[] = {
        [ACPI_ADDRESS_MEMORY] = REGISTER_MEMORY,
        [ACPI_ADDRESS_PORT] = REGISTER_PORT,
        [ACPI_ADDRESS_PCI] = REGISTER_PCI,
    };
    struct power_register found = {.address = acpi_get64(fadt + offset + 4)};

    if (fadt[offset] < ARRAY_COUNT(spaces) && found.address != 0) {
        found.space = spaces[fadt[offset]];
    }
    if (found.space == REGISTER_PORT && found.address > UINT16_MAX) {
        found.space = REGISTER_NONE;
    }
    return found;
}

/* A register that old tables name by its port alone, and newer ones again by a generic address,
 * which counts unless it is empty. */
static struct power_register get_either_register(const uint8_t *fadt, unsigned port_offset,
                                                 unsigned offset)
{
    struct power_register found = get_register(fadt, offset);
    uint16_t port = (uint16_t)acpi_get32(fadt + port_offset);

    if (found.space == REGISTER_NONE && port != 0) {
        found = (struct power_register){.space = REGISTER_PORT, .address = port};
    }
    return found;
}

static void read_power_registers(struct power_registers *power, const uint8_t *fadt)
{
    uint32_t flags = acpi_get32(fadt + 112);

    if (flags & FADT_FLAG_RESET) {
        power->reset = get_register(fadt, 116);
        power->reset_value = fadt[128];
    }
    if (flags & FADT_FLAG_HARDWARE_REDUCED) {
        power->sleep_control = get_register(fadt, 244);
        return;
    }
    power->smi_command = (uint16_t)acpi_get32(fadt + 48);
    power->acpi_enable = fadt[52];
    power->pm1a_control = get_either_register(fadt, 64, 172);
    power->pm1b_control = get_either_register(fadt, 68, 184);
}

void acpi_parse_fadt(const struct acpi_table *table)
{
    struct acpi *acpi = table->reader->acpi;
    /* Fields that an older table does not have read as zero: there is none. */
    uint8_t fadt[FADT_BYTES] = {0};
    uint32_t bytes = table->bytes < sizeof(fadt) ? table->bytes : (uint32_t)sizeof(fadt);
    struct power_register timer;
    struct acpi_table dsdt;
    paddr_t dsdt_paddr;

    if (bytes < FADT_V1_BYTES || !acpi_read_table(table, 0, fadt, bytes)) {
        acpi_note_problem(acpi, table->signature, "too short");
        return;
    }
    acpi->machine.has_no_i8042 =
        fadt[8] >= FADT_REVISION_FLAGS && (acpi_get16(fadt + 109) & FADT_BOOT_FLAG_I8042) == 0;
    read_power_registers(&acpi->machine.power, fadt);
    timer = get_either_register(fadt, 76, 208);
    if (timer.space == REGISTER_PORT) {
        acpi->pm_timer_port = (uint16_t)timer.address;
        acpi->pm_timer_is_32bit = (acpi_get32(fadt + 112) & FADT_FLAG_TIMER_32BIT) != 0;
    }

    /* Versions above 1 name the DSDT again, with 64 bits; zero there leaves the old field valid. */
    dsdt_paddr = acpi_get64(fadt + 140) != 0 ? acpi_get64(fadt + 140) : acpi_get32(fadt + 40);
    if (acpi_open_table(table->reader, dsdt_paddr, &dsdt) &&
        memcmp(dsdt.signature, "DSDT", 4) == 0) {
        acpi->dsdt = (struct memory_range){dsdt.paddr, dsdt.bytes};
        scan_for_s5(&dsdt);
    }
}
