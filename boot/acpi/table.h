/* SPDX-License-Identifier: MIT */
/*
 * For boot/acpi*.c: a table whose checksum is right, and access to it that refuses what lies past
 * its length. Multi-byte fields are little-endian at any address.
 */
#pragma once

#include "boot/acpi/acpi.h"

#define ACPI_HEADER_BYTES 36

/* Generic address structure (ACPI 5.2.3.2). */
#define ACPI_ADDRESS_BYTES  12
#define ACPI_ADDRESS_MEMORY 0
#define ACPI_ADDRESS_PORT   1
#define ACPI_ADDRESS_PCI    2

struct acpi_reader {
    struct acpi *acpi;
    acpi_read read;
    void *context;
};

struct acpi_table {
    const struct acpi_reader *reader;
    char signature[5];
    paddr_t paddr;
    uint32_t bytes;
};

uint16_t acpi_get16(const uint8_t *bytes);
uint32_t acpi_get32(const uint8_t *bytes);
uint64_t acpi_get64(const uint8_t *bytes);

/* For the log; what does not fit is forgotten. */
void acpi_note_problem(struct acpi *acpi, const char *signature, const char *text);

/* The sum of so many bytes, which is 0 in a valid table; false when they cannot be read. */
bool acpi_sum_bytes(const struct acpi_reader *reader, paddr_t paddr, uint32_t bytes, uint8_t *sum);
/* Check length and checksum; false, and noted, when the table is not sound. */
bool acpi_open_table(const struct acpi_reader *reader, paddr_t paddr, struct acpi_table *table);
/* Copy a part of the table; false when it is not all there. */
bool acpi_read_table(const struct acpi_table *table, uint32_t offset, void *buffer, size_t bytes);

/* Entries that start with type and length follow each other from `offset` to the table's end: MADT
 * and SRAT. One of impossible length ends the list. */
typedef void (*acpi_entry_handler)(struct acpi *acpi, uint8_t type, const uint8_t *entry,
                                   uint8_t bytes);
void acpi_for_each_entry(const struct acpi_table *table, uint32_t offset,
                         acpi_entry_handler handle);

/* What each table means for *table->reader->acpi: acpi_cores.c, acpi_devices.c, acpi_power.c. SRAT
 * names cores that the MADT must have listed before. */
void acpi_parse_madt(const struct acpi_table *table);
void acpi_parse_srat(const struct acpi_table *table);
void acpi_parse_mcfg(const struct acpi_table *table);
void acpi_parse_hpet(const struct acpi_table *table);
void acpi_parse_spcr(const struct acpi_table *table);
void acpi_parse_fadt(const struct acpi_table *table);
