/* SPDX-License-Identifier: MIT */
/*
 * Access to ACPI's tables (ACPI 6.5, 5.2.6): all of it goes through the caller's read function and,
 * inside a table, through acpi_read_table().
 */
#include "boot/acpi/table.h"

#include <string.h>

/* Chosen: the largest DSDTs of servers have about half a megabyte. */
#define TABLE_MAX_BYTES (4 * MIB)
#define CHUNK_BYTES     256

uint16_t acpi_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

uint32_t acpi_get32(const uint8_t *bytes)
{
    return acpi_get16(bytes) | (uint32_t)acpi_get16(bytes + 2) << 16;
}

uint64_t acpi_get64(const uint8_t *bytes)
{
    return acpi_get32(bytes) | (uint64_t)acpi_get32(bytes + 4) << 32;
}

void acpi_note_problem(struct acpi *acpi, const char *signature, const char *text)
{
    if (acpi->problem_count < ACPI_PROBLEM_MAX) {
        struct acpi_problem *problem = &acpi->problems[acpi->problem_count++];

        for (unsigned i = 0; i < 4; i++) {
            problem->signature[i] = signature[i] >= ' ' && signature[i] <= '~' ? signature[i] : '?';
        }
        problem->signature[4] = '\0';
        problem->text = text;
    }
}

bool acpi_read_table(const struct acpi_table *table, uint32_t offset, void *buffer, size_t bytes)
{
    return offset <= table->bytes && bytes <= table->bytes - offset &&
           table->reader->read(table->reader->context, table->paddr + offset, buffer, bytes);
}

bool acpi_sum_bytes(const struct acpi_reader *reader, paddr_t paddr, uint32_t bytes, uint8_t *sum)
{
    uint8_t chunk[CHUNK_BYTES];

    *sum = 0;
    while (bytes > 0) {
        uint32_t chunk_bytes = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;

        if (!reader->read(reader->context, paddr, chunk, chunk_bytes)) {
            return false;
        }
        for (uint32_t i = 0; i < chunk_bytes; i++) {
            *sum = (uint8_t)(*sum + chunk[i]);
        }
        paddr += chunk_bytes;
        bytes -= chunk_bytes;
    }
    return true;
}

bool acpi_open_table(const struct acpi_reader *reader, paddr_t paddr, struct acpi_table *table)
{
    uint8_t header[ACPI_HEADER_BYTES];
    uint8_t sum;

    if (paddr == 0 || !reader->read(reader->context, paddr, header, sizeof(header))) {
        acpi_note_problem(reader->acpi, "????", "a table lies in memory that cannot be read");
        return false;
    }
    memcpy(table->signature, header, 4);
    table->signature[4] = '\0';
    table->reader = reader;
    table->paddr = paddr;
    table->bytes = acpi_get32(header + 4);
    if (table->bytes < ACPI_HEADER_BYTES || table->bytes > TABLE_MAX_BYTES) {
        acpi_note_problem(reader->acpi, table->signature, "impossible length");
        return false;
    }
    if (!acpi_sum_bytes(reader, paddr, table->bytes, &sum)) {
        acpi_note_problem(reader->acpi, table->signature,
                          "reaches into memory that cannot be read");
        return false;
    }
    if (sum != 0) {
        acpi_note_problem(reader->acpi, table->signature, "wrong checksum");
        return false;
    }
    return true;
}

#define ENTRY_MAX_BYTES 255

void acpi_for_each_entry(const struct acpi_table *table, uint32_t offset, acpi_entry_handler handle)
{
    uint8_t entry[ENTRY_MAX_BYTES];

    while (offset < table->bytes) {
        if (!acpi_read_table(table, offset, entry, 2) || entry[1] < 2 ||
            !acpi_read_table(table, offset, entry, entry[1])) {
            acpi_note_problem(table->reader->acpi, table->signature,
                              "an entry has an impossible length");
            return;
        }
        handle(table->reader->acpi, entry[0], entry, entry[1]);
        offset += entry[1];
    }
}
