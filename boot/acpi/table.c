/* SPDX-License-Identifier: MIT */
/*
 * Access to ACPI's tables (ACPI 6.5, 5.2.6): all of it goes through the caller's read function and,
 * inside a table, through acpi_read_table().
 */
#include "boot/acpi/table.h"

#include <string.h>

#include "kernel/platform.h"

/* Chosen: the largest DSDTs of servers have about half a megabyte. */
#define TABLE_MAX_BYTES (4 * MIB)
#define CHUNK_BYTES     256

void acpi_note_problem(struct acpi *acpi, const char *signature, const char *text)
{
    for (unsigned i = 0; i < acpi->problem_count; i++) {
        if (acpi->problems[i].text == text &&
            memcmp(acpi->problems[i].signature, signature, ACPI_SIGNATURE_BYTES) == 0) {
            return; /* a table is walked more than once */
        }
    }
    if (acpi->problem_count < ACPI_PROBLEM_MAX) {
        struct acpi_problem *problem = &acpi->problems[acpi->problem_count++];

        for (unsigned i = 0; i < ACPI_SIGNATURE_BYTES; i++) {
            problem->signature[i] = signature[i] >= ' ' && signature[i] <= '~' ? signature[i] : '?';
        }
        problem->signature[ACPI_SIGNATURE_BYTES] = '\0';
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
    struct acpi_header header;
    uint8_t sum;

    if (paddr == 0 || !reader->read(reader->context, paddr, &header, sizeof(header))) {
        acpi_note_problem(reader->acpi, "????", "a table lies in memory that cannot be read");
        return false;
    }
    memcpy(table->signature, header.signature, ACPI_SIGNATURE_BYTES);
    table->signature[ACPI_SIGNATURE_BYTES] = '\0';
    table->reader = reader;
    table->revision = header.revision;
    table->paddr = paddr;
    table->bytes = header.bytes;
    if (table->bytes < sizeof(header) || table->bytes > TABLE_MAX_BYTES) {
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

void acpi_for_each_entry(const struct acpi_table *table, uint32_t offset, acpi_entry_visit visit)
{
    union {
        struct acpi_entry entry;
        uint8_t bytes[UINT8_MAX];
    } buffer;

    ASSERT(offset >= sizeof(struct acpi_header));
    while (offset < table->bytes) {
        if (!acpi_read_table(table, offset, &buffer, sizeof(buffer.entry)) ||
            buffer.entry.bytes < sizeof(buffer.entry) ||
            !acpi_read_table(table, offset, &buffer, buffer.entry.bytes)) {
            acpi_note_problem(table->reader->acpi, table->signature,
                              "an entry has an impossible length");
            return;
        }
        visit(table->reader->acpi, &buffer.entry);
        offset += buffer.entry.bytes;
    }
}
