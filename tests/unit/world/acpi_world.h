/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables for the tests of boot/acpi/. Memory is one buffer; reads outside it fail, as
 * unmapped physical memory does, and the sanitizers see any that slips past the checks.
 */
#pragma once

#include "boot/acpi/acpi.h"

#define MEMORY_BYTES 0x6000u
#define HEADER_BYTES 36u
#define RSDP_PADDR   0x100u
#define RSDT_PADDR   0x200u
#define XSDT_PADDR   0x300u
#define MADT_PADDR   0x400u
#define SRAT_PADDR   0x600u
#define MCFG_PADDR   0x800u
#define FADT_PADDR   0x900u
#define HPET_PADDR   0xA00u
#define DSDT_PADDR   0x1000u

/* The machine's memory, as far as it can be read, and what parse() made of it. */
extern uint8_t memory[MEMORY_BYTES];
extern size_t memory_bytes;
extern struct acpi acpi;

/* A setup function: all tables, nothing wrong. */
int build_sound_tables(void **state);
/* A DSDT with Name(_S5_, Package(4){5, 6, 0, 0}), the name at `offset`. */
void build_dsdt(uint32_t offset);

bool read_memory(void *context, paddr_t paddr, void *buffer, size_t bytes);
int parse(void);

/* Little-endian. */
void put(uint32_t paddr, uint64_t value, unsigned bytes);
uint32_t get_length(uint32_t table);
/* Make the bytes' sum zero by the one at `checksum`. */
void seal_bytes(uint32_t paddr, uint32_t bytes, uint32_t checksum);
void seal(uint32_t table);
void seal_rsdp(void);
void begin_table(uint32_t table, const char *signature, uint32_t bytes);
/* Lengthen a table by one entry with its type and length; returns where it lies. */
uint32_t add_entry(uint32_t table, uint8_t type, uint8_t bytes);
void add_lapic(uint8_t apic_id, uint32_t flags);
void add_x2apic(uint32_t apic_id, uint32_t flags);
