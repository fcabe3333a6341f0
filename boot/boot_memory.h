/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory as boot uses it: which of it is free, and the direct map, which grows from
 * the first tables' 4 GiB to all memory that the processor and our layout can address.
 */
#pragma once

#include "boot/boot_info.h"

/* The width of physical addresses, at most 52 (SDM 2A, CPUID 80000008H; 36 without that leaf). A
 * table that names an address beyond it faults (SDM 3A 4.1.4). */
unsigned boot_memory_address_bits(void);

/* Make the list of free memory (physical.h) from the loader's map, less what is in use: modules,
 * and the image as it was loaded. */
void boot_memory_collect(const struct boot_info *info, struct memory_range image);
/* A free page below 1 MiB for cores to start in, or 0. */
paddr_t boot_memory_trampoline(void);

/* Give the page allocator what boot itself needs: above all for the tables of the direct map. */
void boot_memory_start_pages(const struct boot_info *info);
/* And what the tables of IOMMUs need, which are there as long as the machine runs. */
void boot_memory_add_pages(void);
/* Map all usable memory. Costs a few tables for each range where the core has pages of 1 GiB. */
void boot_memory_map(const struct boot_info *info);
/* Say what of the map is left unused, and why. */
void boot_memory_log(void);

/* Copy physical memory, wherever it lies: an acpi_read. False when it cannot be reached. */
bool boot_memory_read(void *context, paddr_t paddr, void *buffer, size_t bytes);
/* Whether the bytes are mapped, all of them. */
bool boot_memory_is_mapped(paddr_t paddr, uint64_t bytes);
