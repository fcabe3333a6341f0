/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/acpi.c boot/acpi/table.c boot/acpi/cores.c boot/acpi/devices.c */
/* sources: boot/acpi/power.c boot/acpi/dsdt.c boot/acpi/dmar.c boot/acpi/virtio.c */
/*
 * The tables of acpi_world.h: a machine with three usable cores, one of them in another domain.
 */
#include "tests/unit/world/acpi_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"

uint8_t memory[MEMORY_BYTES];
size_t memory_bytes;
struct acpi acpi;

bool read_memory(void *context, paddr_t paddr, void *buffer, size_t bytes)
{
    (void)context;
    if (paddr > memory_bytes || bytes > memory_bytes - paddr) {
        return false;
    }
    memcpy(buffer, memory + paddr, bytes);
    return true;
}

/* Whatever the tables say, no assertion fails. */
_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    print_error("%s:%d\n", file, line);
    abort();
}

int parse(void)
{
    return acpi_parse(&acpi, RSDP_PADDR, read_memory, NULL);
}

/* --- Building --- */

void put(uint32_t paddr, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        memory[paddr + i] = (uint8_t)(value >> 8 * i);
    }
}

uint32_t get_length(uint32_t table)
{
    return memory[table + 4] | (uint32_t)memory[table + 5] << 8;
}

/* Make the bytes' sum zero by the one at `checksum`. */
void seal_bytes(uint32_t paddr, uint32_t bytes, uint32_t checksum)
{
    uint8_t sum = 0;

    memory[checksum] = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + memory[paddr + i]);
    }
    memory[checksum] = (uint8_t)-sum;
}

void seal(uint32_t table)
{
    seal_bytes(table, get_length(table), table + 9);
}

void begin_table(uint32_t table, const char *signature, uint32_t bytes)
{
    memset(memory + table, 0, bytes);
    memcpy(memory + table, signature, 4);
    put(table + 4, bytes, 4);
}

/* Lengthen a table by one entry with its type and length; returns where it lies. */
uint32_t add_entry(uint32_t table, uint8_t type, uint8_t bytes)
{
    uint32_t entry = table + get_length(table);

    memset(memory + entry, 0, bytes);
    memory[entry] = type;
    memory[entry + 1] = bytes;
    put(table + 4, get_length(table) + bytes, 4);
    return entry;
}

void add_lapic(uint8_t apic_id, uint32_t flags)
{
    uint32_t entry = add_entry(MADT_PADDR, 0, 8);

    memory[entry + 3] = apic_id;
    put(entry + 4, flags, 4);
}

void add_x2apic(uint32_t apic_id, uint32_t flags)
{
    uint32_t entry = add_entry(MADT_PADDR, 9, 16);

    put(entry + 4, apic_id, 4);
    put(entry + 8, flags, 4);
}

void seal_rsdp(void)
{
    seal_bytes(RSDP_PADDR, 20, RSDP_PADDR + 8);
    seal_bytes(RSDP_PADDR, 36, RSDP_PADDR + 32);
}

static void build_roots(void)
{
    static const uint32_t tables[] = {SRAT_PADDR, FADT_PADDR, MADT_PADDR, HPET_PADDR, MCFG_PADDR};
    const uint32_t count = ARRAY_COUNT(tables);

    memcpy(memory + RSDP_PADDR, "RSD PTR ", 8);
    memory[RSDP_PADDR + 15] = 2;
    put(RSDP_PADDR + 16, RSDT_PADDR, 4);
    put(RSDP_PADDR + 20, 36, 4);
    put(RSDP_PADDR + 24, XSDT_PADDR, 8);
    seal_rsdp();
    begin_table(RSDT_PADDR, "RSDT", HEADER_BYTES + 4 * count);
    begin_table(XSDT_PADDR, "XSDT", HEADER_BYTES + 8 * count);
    for (uint32_t i = 0; i < count; i++) {
        put(RSDT_PADDR + HEADER_BYTES + 4 * i, tables[i], 4);
        put(XSDT_PADDR + HEADER_BYTES + 8 * i, tables[i], 8);
    }
    seal(RSDT_PADDR);
    seal(XSDT_PADDR);
}

static void build_madt(void)
{
    uint32_t entry;

    begin_table(MADT_PADDR, "APIC", 44);
    put(MADT_PADDR + 36, 0xFEE00000, 4);
    add_lapic(0, 1);
    add_lapic(4, 1); /* a gap before it */
    add_lapic(5, 0); /* not enabled */
    add_x2apic(300, 1);
    add_x2apic(4, 1); /* listed twice */
    entry = add_entry(MADT_PADDR, 1, 12);
    put(entry + 4, 0xFEC00000, 4);
    put(entry + 8, 24, 4);
    entry = add_entry(MADT_PADDR, 2, 10);
    memory[entry + 3] = 4;
    put(entry + 4, 28, 4);
    put(entry + 8, 0xF, 2); /* low, level */
    seal(MADT_PADDR);
}

static void build_srat(void)
{
    uint32_t entry;

    begin_table(SRAT_PADDR, "SRAT", 48);
    entry = add_entry(SRAT_PADDR, 0, 16);
    memory[entry + 2] = 1; /* domain 0x00030201 */
    memory[entry + 9] = 2;
    memory[entry + 10] = 3;
    memory[entry + 3] = 4;
    put(entry + 4, 1, 4);
    entry = add_entry(SRAT_PADDR, 2, 24);
    put(entry + 4, 7, 4);
    put(entry + 8, 300, 4);
    put(entry + 12, 1, 4);
    entry = add_entry(SRAT_PADDR, 1, 40);
    put(entry + 2, 7, 4);
    put(entry + 8, 0x100000000, 8);
    put(entry + 16, 0x40000000, 8);
    put(entry + 28, 1, 4);
    seal(SRAT_PADDR);
}

static void build_mcfg(void)
{
    begin_table(MCFG_PADDR, "MCFG", 44 + 16);
    put(MCFG_PADDR + 44, 0xB0000000, 8);
    memory[MCFG_PADDR + 55] = 255;
    seal(MCFG_PADDR);
}

/* A DSDT with Name(_S5_, Package(4){5, 6, 0, 0}), the name at `offset`. */
void build_dsdt(uint32_t offset)
{
    static const uint8_t s5[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x08,
                                 0x04, 0x0A, 0x05, 0x0A, 0x06, 0x00, 0x00};

    begin_table(DSDT_PADDR, "DSDT", offset + (uint32_t)sizeof(s5) + 40);
    memcpy(memory + DSDT_PADDR + offset - 1, s5, sizeof(s5));
    seal(DSDT_PADDR);
}

static void build_fadt(void)
{
    begin_table(FADT_PADDR, "FACP", 148);
    put(FADT_PADDR + 40, DSDT_PADDR, 4);
    put(FADT_PADDR + 48, 0xB2, 4);
    memory[FADT_PADDR + 52] = 2;
    put(FADT_PADDR + 64, 0x604, 4);
    put(FADT_PADDR + 76, 0x608, 4);
    memory[FADT_PADDR + 108] = 0x32;
    put(FADT_PADDR + 112, 1u << 10, 4);
    memory[FADT_PADDR + 116] = 1;
    put(FADT_PADDR + 120, 0xCF9, 8);
    memory[FADT_PADDR + 128] = 0x0F;
    seal(FADT_PADDR);
}

int build_sound_tables(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memory_bytes = MEMORY_BYTES;
    build_roots();
    build_madt();
    build_srat();
    build_mcfg();
    build_dsdt(100);
    build_fadt();
    begin_table(HPET_PADDR, "HPET", 56);
    put(HPET_PADDR + 44, 0xFED00000, 8);
    seal(HPET_PADDR);
    return 0;
}
