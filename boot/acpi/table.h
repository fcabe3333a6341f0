/* SPDX-License-Identifier: MIT */
/*
 * For the files of boot/acpi/: a table whose checksum is right, and access to it that refuses what
 * lies past its length.
 */
#pragma once

#include <string.h>

#include "boot/acpi/acpi.h"
#include "boot/acpi/layout.h"

struct acpi_reader {
    struct acpi *acpi;
    acpi_read read;
    void *context;
};

struct acpi_table {
    const struct acpi_reader *reader;
    char signature[ACPI_SIGNATURE_BYTES + 1];
    uint8_t revision;
    paddr_t paddr;
    uint32_t bytes; /* no fewer than a header's */
};

/* For the log; what does not fit is forgotten. */
void acpi_note_problem(struct acpi *acpi, const char *signature, const char *text);

/* The sum of so many bytes, which is 0 in a valid table; false when they cannot be read. */
bool acpi_sum_bytes(const struct acpi_reader *reader, paddr_t paddr, uint32_t bytes, uint8_t *sum);
/* Check length and checksum; false, and noted, when the table is not sound. */
bool acpi_open_table(const struct acpi_reader *reader, paddr_t paddr, struct acpi_table *table);
static inline bool acpi_has_signature(const struct acpi_table *table, const char *signature)
{
    return memcmp(table->signature, signature, ACPI_SIGNATURE_BYTES) == 0;
}
/* Copy a part of the table; false when it is not all there. */
bool acpi_read_table(const struct acpi_table *table, uint32_t offset, void *buffer, size_t bytes);

/* Entries follow each other from `offset` to the table's end: MADT and SRAT. One of impossible
 * length ends the list. Behind an entry lie entry->bytes bytes in all. */
typedef void (*acpi_entry_visit)(struct acpi *acpi, const struct acpi_entry *entry);
void acpi_for_each_entry(const struct acpi_table *table, uint32_t offset, acpi_entry_visit visit);
/* Copy an entry as what its type says it is; false when it is too short for that. */
static inline bool acpi_copy_entry(const struct acpi_entry *entry, void *to, size_t bytes)
{
    if (entry->bytes < bytes) {
        return false;
    }
    memcpy(to, entry, bytes);
    return true;
}

/* What each table means for *table->reader->acpi: cores.c, devices.c, power.c, dsdt.c, dmar.c,
 * virtio.c. SRAT
 * names cores that the MADT must have listed before. */
void acpi_parse_madt(const struct acpi_table *table);
void acpi_parse_srat(const struct acpi_table *table);
void acpi_parse_mcfg(const struct acpi_table *table);
void acpi_parse_hpet(const struct acpi_table *table);
void acpi_parse_spcr(const struct acpi_table *table);
void acpi_parse_dmar(const struct acpi_table *table);
void acpi_parse_fadt(const struct acpi_table *table);
void acpi_scan_dsdt(const struct acpi_table *table);
/* Of a DSDT or an SSDT: each may name such devices. */
void acpi_scan_virtio(const struct acpi_table *table);
